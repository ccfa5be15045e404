"""The short way and the long one say the same of every request."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mesh_core.model import Exchange, TraceOrigin
from mesh_recorder.wire.finishing import finish_wire
from mesh_recorder.wire.head import Doubt, read_request, read_response
from mesh_recorder.wire.quick import REQUEST, RESPONSE
from support.wire_bytes import Relay, damaged, requests, responses

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain \r\nContent-Length: 5\r\n\r\nhello"
GET = b"GET /a?b HTTP/1.1\r\nHost: cart\r\n"


def both(asked: bytes, answered: bytes) -> tuple[Exchange, Exchange]:
    """The same talk, read by the patterns and with care."""
    found = []
    for quick in (True, False):
        relay = Relay()
        relay.link.requests._quick = quick
        relay.asks(asked)
        relay.answers(answered)
        (captured,) = relay.captured
        assert (captured.told is not None) is quick
        captured.id, captured.began, captured.started_at = "0" * 32, 1, 1
        captured.request_end = captured.first_byte = captured.ended = 2
        captured.made = captured.made and "made"
        if captured.response_body is not None:
            captured.response_body.times = [2]
        exchange, bodies = finish_wire(captured)
        assert list(bodies.values()) == [answered.partition(b"\r\n\r\n")[2]]
        found.append(exchange)
    return found[0], found[1]


@pytest.mark.parametrize(
    "asked",
    [
        GET + b"\r\n",
        GET + b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX: 1 \r\n\r\n",
        GET + b"TraceParent:\t00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02 \r\n\r\n",
        b"DELETE //x HTTP/1.1\r\nAccept: */*\r\n\r\n",
    ],
)
@pytest.mark.parametrize(
    "answered",
    [
        OK,
        b"HTTP/1.1 503 Caf\xe9\r\nContent-Encoding: br\r\ncontent-length: 1\r\n\r\nx",
        b"HTTP/1.1 200\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata: 1\n\n",
    ],
)
def test_both_ways_say_the_same(asked: bytes, answered: bytes) -> None:
    quick, careful = both(asked, answered)

    assert structs.replace(quick, trace_id=careful.trace_id) == careful
    assert quick.trace_origin is TraceOrigin.W3C or quick.request_id == "made"


@given(st.one_of(requests().map(lambda pair: pair[0]), requests().flatmap(lambda pair: damaged(pair[0]))))
def test_what_the_request_pattern_takes_is_plain(data: bytes) -> None:
    match = REQUEST.fullmatch(data)
    if match is None:
        return
    read = read_request(data)

    assert (read.method, read.target, read.body, read.last) == (match[1], match[2], 0, False)
    assert (read.upgrade, read.expects) == (b"", False)
    assert len(read.trace) == (match[3] is not None)


@given(st.one_of(responses().map(lambda pair: pair[0]), responses().flatmap(lambda pair: damaged(pair[0]))))
def test_what_the_response_pattern_takes_is_plain(data: bytes) -> None:
    match = RESPONSE.match(data)
    if match is None:
        return
    try:
        read = read_response(data[: match.end()], b"GET")
    except Doubt as doubt:
        pytest.fail(f"{data!r}: {doubt}")

    assert (read.status, read.body) == (int(match[1]), int(match[2]))
    assert (read.last, read.upgrade) == (False, b"")


def test_the_usual_request_is_told_by_the_pattern() -> None:
    head = (
        GET
        + b"User-Agent: bench\r\nAccept: a\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\nX-Real-Ip: 1\r\n\r\n"
    )

    assert isinstance(REQUEST.fullmatch(head), re.Match)
    assert isinstance(RESPONSE.match(OK), re.Match)
