"""HTTP/1 through the wire lane: both ends see the bytes that they would have seen directly."""

import asyncio
from collections.abc import Callable

import pytest

from mesh_core.outcome import Outcome
from support.wire_rig import Peer, Script, loops, twice

type Loop = Callable[[], asyncio.AbstractEventLoop]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def answering(*responses: bytes, close: bool = True) -> Script:
    """An upstream that reads one head for each response."""

    async def serve(peer: Peer) -> None:
        for response in responses:
            await peer.head()
            await peer.send(response)
        if not close:
            await peer.rest()

    return serve


def asking(*requests: bytes) -> Script:
    """A client that sends each request when the one before is answered with 5 bytes of body."""

    async def call(peer: Peer) -> None:
        for request in requests:
            await peer.send(request)
            await peer.head()
            await peer.read(5)

    return call


def sending(*pieces: bytes) -> Script:
    """A client that sends all, and reads until the end."""

    async def call(peer: Peer) -> None:
        for piece in pieces:
            await peer.send(piece)
        await peer.rest()

    return call


@pytest.fixture(params=loops())
def loop(request: pytest.FixtureRequest) -> Loop:
    return request.param  # type: ignore[no-any-return]


def get(path: str, extra: bytes = b"") -> bytes:
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: cart\r\n" + extra + b"\r\n"


def test_three_requests_on_one_connection(loop: Loop) -> None:
    """Case R1: one after the other."""
    seen = twice(
        loop, answering(OK, OK, OK, close=False), asking(get("/1"), get("/2"), get("/3")), exchanges=3
    )

    assert [exchange.path for exchange in seen.exchanges] == ["/1", "/2", "/3"]
    assert len({exchange.connection for exchange in seen.exchanges}) == 1
    assert all(exchange.outcome is Outcome.OK for exchange in seen.exchanges)


def test_three_pipelined_requests(loop: Loop) -> None:
    """Case R1: pipelined."""

    async def serve(peer: Peer) -> None:
        for number in range(3):
            await peer.head()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)

    seen = twice(loop, serve, sending(get("/1") + get("/2") + get("/3")), exchanges=3)

    assert [exchange.path for exchange in seen.exchanges] == ["/1", "/2", "/3"]


def test_a_body_up_and_down(loop: Loop) -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.read(11)
        await peer.send(OK)

    post = b"POST / HTTP/1.1\r\nHost: cart\r\nContent-Length: 11\r\n\r\nhello world"
    seen = twice(loop, serve, sending(post))

    assert seen.body("request") == b"hello world"
    assert seen.body("response") == b"hello"
    assert seen.exchange.request_body is not None
    assert not seen.exchange.request_body.truncated


def test_pieces_of_one_byte(loop: Loop) -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.read(3)
        for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n":
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)

    async def call(peer: Peer) -> None:
        for byte in b"POST /a HTTP/1.1\r\nHost: cart\r\nContent-Length: 3\r\n\r\nxyz":
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        await peer.rest()

    seen = twice(loop, serve, call)

    assert (seen.body("request"), seen.body("response")) == (b"xyz", b"abc")
    assert seen.exchange.response_trailers == ((b"X", b"y"),)


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: c\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
        (get("/"), b"HTTP/1.1 204 No Content\r\n\r\n"),
        (get("/"), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
    ],
    ids=["head", "204", "304"],
)
def test_responses_without_a_body(loop: Loop, request_: bytes, response: bytes) -> None:
    """Case R11."""

    async def call(peer: Peer) -> None:
        for _ in range(2):
            await peer.send(request_)
            await peer.head()

    seen = twice(loop, answering(response, response, close=False), call, exchanges=2)

    assert [exchange.outcome for exchange in seen.exchanges] == [Outcome.OK] * 2
    assert [exchange.response_body for exchange in seen.exchanges] == [None, None]


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nuntil the end"),
        (get("/"), b"HTTP/1.0 200 OK\r\n\r\nuntil the end"),
        (get("/"), b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end"),
    ],
    ids=["1.0 client", "1.0 server", "close"],
)
def test_bodies_until_the_end(loop: Loop, request_: bytes, response: bytes) -> None:
    """Case R12."""
    seen = twice(loop, answering(response), sending(request_))

    assert seen.body() == b"until the end"
    assert seen.exchange.outcome is Outcome.OK


def test_trailers_both_ways(loop: Loop) -> None:
    """Case R13: HTTP/1."""
    response = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\nx-Sum: 2\r\n\r\n"
    )

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.until(b"Z: 1\r\n\r\n")
        await peer.send(response)

    post = b"POST / HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nZ: 1\r\n\r\n"
    seen = twice(loop, serve, sending(post))

    assert seen.exchange.request_trailers == ((b"Z", b"1"),)
    assert seen.exchange.response_trailers == ((b"X-Sum", b"1"), (b"x-Sum", b"2"))
    assert (seen.body("request"), seen.body("response")) == (b"hello", b"hi")


def test_expect_with_a_late_body(loop: Loop) -> None:
    """Case R9: the body comes after the 100."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await peer.read(5)
        await peer.send(OK)

    async def call(peer: Peer) -> None:
        await peer.send(b"PUT / HTTP/1.1\r\nHost: c\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        await peer.head()
        await peer.send(b"12345")
        await peer.rest()

    seen = twice(loop, serve, call)

    assert (b"Expect", b"100-continue") in seen.exchange.request_headers
    assert seen.body("request") == b"12345"
    assert [(message.type, message.payload) for message in seen.exchange.messages] == [
        ("informational", b"100 Continue")
    ]


@pytest.mark.parametrize("status", [b"417 Expectation Failed", b"413 Content Too Large"])
def test_expect_that_is_refused(loop: Loop, status: bytes) -> None:
    """Case R9: refused, and the connection goes on with another request."""
    refusal = b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\nnever"
    put = b"PUT / HTTP/1.1\r\nHost: c\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

    seen = twice(loop, answering(refusal, OK, close=False), asking(put, get("/next")))

    assert seen.exchange.status == int(status[:3])
    assert seen.exchange.outcome is Outcome.HTTP_4XX


def test_informational_responses(loop: Loop) -> None:
    """Case R10: a 100 that nobody asked for, 103 twice, then 200."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"

    async def call(peer: Peer) -> None:
        await peer.send(get("/"))
        for _ in range(4):
            await peer.head()
        await peer.read(5)

    seen = twice(loop, answering(b"HTTP/1.1 100 Continue\r\n\r\n" + hint + hint + OK, close=False), call)

    assert seen.exchange.status == 200
    assert [message.payload for message in seen.exchange.messages] == [
        b"100 Continue",
        b"103 Early Hints",
        b"103 Early Hints",
    ]


def test_an_early_refusal_while_the_body_is_still_sent(loop: Loop) -> None:
    """Case R17."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"
        )
        peer.end()
        await peer.rest()

    async def call(peer: Peer) -> None:
        await peer.send(b"PUT / HTTP/1.1\r\nHost: c\r\nContent-Length: 1000\r\n\r\n" + b"x" * 100)
        await peer.head()
        await peer.read(3)
        await peer.send(b"x" * 900)

    seen = twice(loop, serve, call)

    assert seen.exchange.status == 413
    assert seen.exchange.request_body is not None
    assert seen.exchange.request_body.size == 1000


def test_an_early_refusal_by_a_server_that_resets(loop: Loop) -> None:
    """Case R17: the answer arrives although the connection breaks right behind it."""
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(refusal)
        peer.close()  # with the body unread, so that the client's bytes are answered by a reset

    async def call(peer: Peer) -> None:
        await peer.send(b"PUT / HTTP/1.1\r\nHost: c\r\nContent-Length: 50000000\r\n\r\n")
        await peer.head()
        await peer.read(3)

    seen = twice(loop, serve, call, same=False)

    assert seen.through.client == refusal
    assert seen.exchange.status == 413


def test_headers_and_path_byte_for_byte(loop: Loop) -> None:
    """Case R19: order, case, duplicates, latin-1, blanks, raw path bytes."""
    fields = b"X-B: 1\r\nx-a:   two  \r\nX-B: 1\r\nX-Latin: caf\xe9\r\nX-Empty:\r\nX-Tab:\ta\tb\t\r\n"
    path = b"//a/../%2F%zz/\xff\xfe?x=a+b%20c&&"
    request = b"GET " + path + b" HTTP/1.1\r\nhOst: cart\r\n" + fields + b"\r\n"
    response = b"HTTP/1.1 299 Caf\xe9 \r\n" + fields + b"Content-Length: 0\r\n\r\n"

    seen = twice(loop, answering(response), sending(request))

    assert seen.exchange.path.encode("latin-1") == path
    assert seen.exchange.request_headers == (
        (b"hOst", b"cart"),
        (b"X-B", b"1"),
        (b"x-a", b"two"),
        (b"X-B", b"1"),
        (b"X-Latin", b"caf\xe9"),
        (b"X-Empty", b""),
        (b"X-Tab", b"a\tb"),
    )
    assert seen.exchange.reason == "Caf\xe9 "


def test_a_thousand_headers_of_a_hundred_kilobytes(loop: Loop) -> None:
    """Case R19."""
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 90) for number in range(1000))
    response = b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 0\r\n\r\n"

    seen = twice(loop, answering(response), sending(get("/", fields)))

    assert len(seen.exchange.request_headers) == 1001
    assert len(seen.exchange.response_headers) == 1001


def test_blank_lines_between_requests(loop: Loop) -> None:
    async def serve(peer: Peer) -> None:
        for path in (b"/1", b"/2"):
            await peer.until(path + b" HTTP/1.1\r\n")
            while await peer.until(b"\r\n") != b"\r\n":
                pass
            await peer.send(OK)

    seen = twice(loop, serve, asking(b"\r\n" + get("/1"), b"\r\n\r\n" + get("/2")), exchanges=2)

    assert [exchange.path for exchange in seen.exchanges] == ["/1", "/2"]


def test_a_long_silence_ends_nothing(loop: Loop) -> None:
    """Case R14: a long poll, silent for longer than the time-out between head and body."""
    asked = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        asked.set()
        await asyncio.sleep(0.5)
        await peer.send(b"hello")

    seen = twice(loop, serve, sending(get("/")), response_timeout=0.1)

    assert seen.body() == b"hello"


def test_events_arrive_one_by_one(loop: Loop) -> None:
    """Case R14: each event is read by the client before the next one is sent."""
    events = [b"data: %d\n\n" % number for number in range(5)]

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for event in events:
            await peer.send(event)
            await peer.until(b"+")

    async def call(peer: Peer) -> None:
        await peer.send(b"GET / HTTP/1.0\r\nUpgrade: none\r\n\r\n")
        await peer.head()
        for event in events:
            assert await peer.read(len(event)) == event
            await peer.send(b"+")
        await peer.rest()

    seen = twice(loop, serve, call)

    assert [message.type for message in seen.exchange.messages] == ["event"] * 5
    assert seen.exchange.outcome is Outcome.OK
