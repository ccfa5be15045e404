"""The short way and the long one say the same of every request."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mesh_core.model import Exchange, TraceOrigin
from mesh_recorder.wire.finishing import finish_wire
from mesh_recorder.wire.head import Doubt, read_request, read_response
from mesh_recorder.wire.quick import (
    CLAIM,
    LENGTH,
    METHOD,
    PARENT,
    REQUEST,
    REQUEST_ID,
    RESPONSE,
    STATUS,
    TARGET,
)
from support.wire_bytes import Relay, damaged, requests, responses

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain \r\nContent-Length: 5\r\n\r\nhello"
GET = b"GET /a?b HTTP/1.1\r\nHost: cart\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: cart\r\n"
TRACED = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"


def both(asked: list[bytes], answered: list[bytes]) -> tuple[Exchange, Exchange]:
    """The same talk, read by the patterns and with care."""
    found = []
    for quick in (True, False):
        relay = Relay()
        relay.link.requests._quick = quick
        for piece in asked:
            relay.asks(piece)
        for piece in answered:
            relay.answers(piece)
        (captured,) = relay.captured
        assert captured.asked is None or quick
        assert (captured.told is not None) is quick
        captured.id, captured.began, captured.started_at = "0" * 32, 1, 1
        captured.request_end = captured.first_byte = captured.ended = 2
        captured.made = captured.made and "made"
        for tee in (captured.request_body, captured.response_body):
            if tee is not None:
                tee.times = [2] * len(tee.pieces)
        exchange, bodies = finish_wire(captured)
        passed = [b"".join(pieces).partition(b"\r\n\r\n")[2] for pieces in (asked, answered)]
        assert list(bodies.values()) == [body for body in passed if body]
        found.append(exchange)
    return found[0], found[1]


@pytest.mark.parametrize(
    "asked",
    [
        GET + b"\r\n",
        GET + b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX: 1 \r\n\r\n",
        GET + b"TraceParent:\t00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02 \r\n\r\n",
        b"DELETE //x HTTP/1.1\r\nAccept: */*\r\n\r\n",
        POST + b"Content-Length: 7\r\n" + TRACED + b'Content-Type: application/json\r\n\r\n{"a":1}',
        POST + TRACED + b"tracestate: mesh=" + b"c" * 32 + b"\r\nContent-Length: 0\r\n\r\n",
        POST + b"X-Request-Id: made \r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\na=b",
        POST + b"Content-Type: application/grpc\r\nContent-Length: 6\r\n\r\n\0\0\0\0\1x",
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
@pytest.mark.parametrize("split", [0, 1])
def test_both_ways_say_the_same(asked: bytes, answered: bytes, split: int) -> None:
    """However head and body come, together or one after the other."""
    talk = [asked], [answered]
    if split:
        talk = cut(asked, split), cut(answered, split)
    quick, careful = both(*talk)

    assert structs.replace(quick, trace_id=careful.trace_id) == careful
    assert quick.trace_origin is TraceOrigin.W3C or quick.request_id == "made"


def cut(data: bytes, after: int) -> list[bytes]:
    """A message in two: its head, and some bytes of its body, come first."""
    at = data.find(b"\r\n\r\n") + 4 + after
    return [piece for piece in (data[:at], data[at:]) if piece]


@given(st.one_of(requests().map(lambda pair: pair[0]), requests().flatmap(lambda pair: damaged(pair[0]))))
def test_what_the_request_pattern_takes_is_plain(data: bytes) -> None:
    match = REQUEST.match(data)
    if match is None:
        return
    read = read_request(data[: match.end()])

    plain = (match[METHOD], match[TARGET], int(match[LENGTH] or 0), False)
    assert (read.method, read.target, read.body, read.last) == plain
    assert (read.upgrade, read.expects) == (b"", False)
    trace = {b"traceparent": match[PARENT], b"tracestate": match[CLAIM], b"x-request-id": match[REQUEST_ID]}
    assert sorted(name for name, _ in read.trace) == sorted(name for name, told in trace.items() if told)


@given(st.one_of(responses().map(lambda pair: pair[0]), responses().flatmap(lambda pair: damaged(pair[0]))))
def test_what_the_response_pattern_takes_is_plain(data: bytes) -> None:
    match = RESPONSE.match(data)
    if match is None:
        return
    try:
        read = read_response(data[: match.end()], b"GET")
    except Doubt as doubt:
        pytest.fail(f"{data!r}: {doubt}")

    assert (read.status, read.body) == (int(match[STATUS]), int(match[LENGTH]))
    assert (read.last, read.upgrade) == (False, b"")


def test_the_usual_request_is_told_by_the_pattern() -> None:
    head = (
        GET
        + b"User-Agent: bench\r\nAccept: a\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\nX-Real-Ip: 1\r\n\r\n"
    )

    posted = head[:-2] + TRACED + b"Connection: keep-alive\r\nContent-Length: 2\r\n\r\n"
    assert isinstance(REQUEST.fullmatch(head), re.Match)
    assert isinstance(REQUEST.fullmatch(posted), re.Match)
    assert isinstance(RESPONSE.match(OK), re.Match)
