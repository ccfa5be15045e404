"""The wire lane adds exactly what `marking` adds, and touches no other byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_recorder.marking import mark
from mesh_recorder.settings import TraceHeaders
from mesh_recorder.wire.head import fields_of, read_request
from mesh_recorder.wire.quick import CLAIM, PARENT, REQUEST
from mesh_recorder.wire.splice import spliced, spliced_quickly

ID = "0123456789abcdef" * 2
MADE = "11111111-2222-4333-8444-555555555555"
PARENT_ID = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FIELDS = st.sampled_from(
    [
        b"Host: c",
        b"X-Other:  a ",
        b"Traceparent: " + PARENT_ID,
        b"traceparent: " + PARENT_ID[:-1],
        b"traceparent:\t" + PARENT_ID + b" ",
        b"tracestate: vendor=1",
        b"Tracestate: mesh=" + b"f" * 32,
        b"TraceState:  mesh=" + ID.encode() + b",a=b ",
        b"tracestate: bad member",
        b"b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1",
        b"b3: nonsense",
        b"X-B3-TraceId: 80f198ee56343ba864fe8b2a57d3eff7",
        b"X-Request-ID: abc",
        b"x-request-id:",
        b"uber-trace-id: 1:2:0:1",
    ]
)


FRAMING = st.sampled_from([b"Connection: Keep-Alive", b"Content-Length: 5"])


def through(fields: list[bytes], mode: TraceHeaders, strangers: bool) -> tuple[bytes, bytes, str | None]:
    head = b"\r\n".join([b"GET / HTTP/1.1", *fields, b"", b""])
    goes_on, made = spliced(
        head, read_request(head), ID, mode=mode, strangers=strangers, fresh_id=lambda: MADE
    )
    return head, goes_on, made


@given(st.lists(FIELDS, max_size=6), st.sampled_from(TraceHeaders), st.booleans())
def test_what_is_added_is_what_marking_says(fields: list[bytes], mode: TraceHeaders, strangers: bool) -> None:
    head, goes_on, made = through(fields, mode, strangers)
    marked = mark(fields_of(head), ID, mode=mode, strangers=strangers, fresh_id=lambda: MADE)

    assert fields_of(goes_on) == marked.forwarded
    assert made == marked.made


@given(
    st.lists(st.one_of(FIELDS, FRAMING), max_size=6, unique=True),
    st.booleans(),
    st.sampled_from([b"", b"body"]),
)
def test_what_is_added_quickly_is_what_marking_says(
    fields: list[bytes], strangers: bool, body: bytes
) -> None:
    head = b"\r\n".join([b"POST / HTTP/1.1", *fields, b"", b""])
    asked = REQUEST.match(head + body)
    if asked is None or (asked[CLAIM] and (strangers or not asked[PARENT])):
        return  # what the relay reads with care

    goes_on, made = spliced_quickly(head + body, asked, ID, lambda: MADE)

    marked = mark(fields_of(head), ID, mode=TraceHeaders.LINK, strangers=strangers, fresh_id=lambda: MADE)
    assert fields_of(goes_on.removesuffix(body)) == marked.forwarded
    assert made == marked.made


@given(st.lists(FIELDS, max_size=6))
def test_every_line_that_stays_is_the_same_bytes(fields: list[bytes]) -> None:
    _, goes_on, _ = through(fields, TraceHeaders.LINK, False)
    lines = goes_on[:-4].split(b"\r\n")[1:]
    added = [line for line in lines if line not in fields]

    assert len(added) <= 1
    assert all(line.lower().startswith((b"tracestate: ", b"x-request-id: ")) for line in added)


@pytest.mark.parametrize(
    "fields", [[b"Host: c", b"traceparent: " + PARENT_ID, b"X: 1"], [b"Host: c", b"X: 1"]]
)
def test_the_usual_head(fields: list[bytes]) -> None:
    _, goes_on, _ = through(fields, TraceHeaders.LINK, False)

    added = b"tracestate: mesh=" + ID.encode() if len(fields) == 3 else b"x-request-id: " + MADE.encode()
    assert goes_on == b"\r\n".join([b"GET / HTTP/1.1", *fields[:2], added, *fields[2:], b"", b""])
