"""What leaves a doubt about its framing passes as it came, and is recorded as what it is."""

import asyncio
from collections.abc import Callable

import pytest

from mesh_core.outcome import Outcome
from support.wire_rig import ADDED, PATIENCE, Peer, calling, loops, recording, run_on, serving, twice

type Loop = Callable[[], asyncio.AbstractEventLoop]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad"


@pytest.fixture(params=loops())
def loop(request: pytest.FixtureRequest) -> Loop:
    return request.param  # type: ignore[no-any-return]


POST = b"POST / HTTP/1.1\r\nHost: c\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
REQUESTS = {
    "te and cl": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "cl twice": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "cl differs": POST + b"Content-Length: 1\r\ncontent-length: 30\r\n\r\nx",
    "cl list": POST + b"Content-Length: 1, 1\r\n\r\nx",
    "cl sign": POST + b"Content-Length: +1\r\n\r\nx",
    "cl empty": POST + b"Content-Length:\r\n\r\n",
    "unknown te": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "odd te": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "te twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "te in 1.0": b"POST / HTTP/1.0\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "obs-fold": b"GET / HTTP/1.1\r\nHost: c\r\nX: a\r\n b\r\n\r\n",
    "blank before the colon": b"GET / HTTP/1.1\r\nHost: c\r\nContent-Length : 3\r\n\r\nabc",
    "no colon": b"GET / HTTP/1.1\r\nHost: c\r\nnonsense\r\n\r\n",
    "bare lf": b"GET / HTTP/1.1\nHost: c\n\n",
    "bare lf in a field": b"GET / HTTP/1.1\r\nHost: c\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n",
    "bare cr": b"GET / HTTP/1.1\r\nHost: c\r\nX: a\rb\r\n\r\n",
    "nul": b"GET / HTTP/1.1\r\nHost: c\r\nX: a\0b\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "version 3": b"GET / HTTP/3.0\r\nHost: c\r\n\r\n",
    "blanks in the line": b"GET  / HTTP/1.1\r\nHost: c\r\n\r\n",
    "blank in the target": b"GET /a b HTTP/1.1\r\nHost: c\r\n\r\n",
    "not http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "words": b"hello there\r\n",
    "bad chunk": CHUNKED + b"1\r\nxyz\r\n0\r\n\r\n",
    "chunk sign": CHUNKED + b"+1\r\nx\r\n0\r\n\r\n",
    "chunk blank": CHUNKED + b"1 \r\nx\r\n0\r\n\r\n",
    "chunk bare lf": CHUNKED + b"1;a\nb\r\nx\r\n0\r\n\r\n",
    "bad trailer": CHUNKED + b"0\r\nX : 1\r\n\r\n",
}
"""Each is one that receivers are known to read differently, or that is no request."""


@pytest.mark.parametrize("name", REQUESTS)
def test_a_doubtful_request_passes_as_it_came(loop: Loop, name: str) -> None:
    """Cases R5, R8: passed, never spliced, and what may hide behind it is not either."""
    request = REQUESTS[name]
    hidden = b"GET /hidden HTTP/1.1\r\nHost: c\r\n\r\n"

    async def serve(peer: Peer) -> None:
        await peer.read(len(request))
        await peer.send(BAD)
        await peer.rest()

    async def call(peer: Peer) -> None:
        await peer.send(request)
        await peer.head()
        await peer.read(3)
        await peer.send(hidden)
        peer.end()
        await peer.rest()

    async def run() -> None:
        async with serving(serve) as server, recording(server.port) as recorded, asyncio.timeout(PATIENCE):
            client = await calling(recorded.port, call)
            await asyncio.gather(*server.tasks)
            exchange = await recorded.exchange()

            assert bytes(client.got) == BAD
            got = bytes(server.peers[0].got)
            body = request.partition(b"\r\n\r\n")[2] if "chunk" in name or "trailer" in name else None
            # A head that is fine goes on with its header before its body turns out not to be.
            assert (ADDED.sub(b"", got) if body else got) == request + hidden
            assert exchange.outcome is Outcome.PROTOCOL_ERROR
            assert exchange.status == 400
            assert exchange.error

    run_on(loop, run())


def test_http2_in_the_middle_of_http1(loop: Loop) -> None:
    """Case R35."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.read(len(preface))
        await peer.send(BAD)

    async def call(peer: Peer) -> None:
        await peer.send(b"GET / HTTP/1.1\r\nHost: c\r\n\r\n")
        await peer.read(len(OK))
        await peer.send(preface)
        await peer.rest()

    seen = twice(loop, serve, call, exchanges=2)

    assert [exchange.status for exchange in seen.exchanges] == [200, 400]
    assert seen.exchanges[1].error == "HTTP/2 began in the middle of HTTP/1"


def test_both_framings_are_visible(loop: Loop) -> None:
    """Case R5."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(BAD)

    async def call(peer: Peer) -> None:
        await peer.send(REQUESTS["te and cl"])
        await peer.rest()

    seen = twice(loop, serve, call, same=False)

    assert (b"Content-Length", b"3") in seen.exchange.request_headers
    assert (b"Transfer-Encoding", b"chunked") in seen.exchange.request_headers
    assert (seen.exchange.method, seen.exchange.path) == ("POST", "/")
    assert seen.exchange.error == "the request has a length and a transfer encoding"


RESPONSES = {
    "status line": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "not http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "bare lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "te and cl": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "cl twice": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "unknown te": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: br\r\n\r\nx",
    "obs-fold": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 1\r\n\r\nx",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("name", RESPONSES)
def test_a_doubtful_response_passes_as_it_came(loop: Loop, name: str) -> None:
    """Case R5: the client gets what it would have got directly; nothing is spliced after it."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(RESPONSES[name])
        await peer.until(b"/2 HTTP/1.1\r\nHost: c\r\n\r\n")

    async def call(peer: Peer) -> None:
        await peer.send(b"GET /1 HTTP/1.1\r\nHost: c\r\n\r\n")
        await peer.read(len(RESPONSES[name]))
        await peer.send(b"GET /2 HTTP/1.1\r\nHost: c\r\n\r\n")
        await peer.rest()

    seen = twice(loop, serve, call)

    assert seen.exchange.outcome is Outcome.PROTOCOL_ERROR
    assert seen.exchange.path == "/1"
    assert seen.exchange.error


@pytest.mark.parametrize("name", RESPONSES)
def test_a_doubtful_response_to_a_client_that_has_half_closed(loop: Loop, name: str) -> None:
    """Case R5: it still gets all of it."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.rest()
        await peer.send(RESPONSES[name])
        await asyncio.sleep(0.02)  # so that they come apart; nothing is judged by it
        await peer.send(b"and more")

    async def call(peer: Peer) -> None:
        await peer.send(b"GET / HTTP/1.1\r\nHost: c\r\n\r\n")
        peer.end()
        await peer.rest()

    seen = twice(loop, serve, call)

    assert seen.through.client == RESPONSES[name] + b"and more"
    assert seen.exchange.outcome is Outcome.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "part", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: c\r\nX-Ha", b"GET / HTTP/1.1\r\nHost: c\r\n"]
)
def test_half_a_head_and_then_nothing(loop: Loop, part: bytes) -> None:
    """Case R8."""

    async def serve(peer: Peer) -> None:
        await peer.rest()

    async def call(peer: Peer) -> None:
        await peer.send(part)

    seen = twice(loop, serve, call)

    assert seen.exchange.error == "the client closed the connection in the middle of its request's head"
    assert seen.through.upstream == part


def test_no_host(loop: Loop) -> None:
    """Case R8: the service answers, as it would have directly."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(BAD)

    async def call(peer: Peer) -> None:
        await peer.send(b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n")
        await peer.rest()

    seen = twice(loop, serve, call)

    assert seen.exchange.status == 400


def test_a_head_that_is_too_long_passes(loop: Loop) -> None:
    head = b"GET / HTTP/1.1\r\nHost: c\r\n" + b"X-Y: " + b"z" * 2_000_000 + b"\r\n\r\n"

    async def serve(peer: Peer) -> None:
        await peer.read(len(head))
        await peer.send(BAD)

    async def call(peer: Peer) -> None:
        await peer.send(head)
        await peer.rest()

    seen = twice(loop, serve, call)

    assert seen.exchange.outcome is Outcome.PROTOCOL_ERROR


def test_an_answer_that_nobody_asked_for(loop: Loop) -> None:
    taken = asyncio.Semaphore(0)
    timeout = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await taken.acquire()
        await peer.send(timeout)

    async def call(peer: Peer) -> None:
        await peer.send(b"GET / HTTP/1.1\r\nHost: c\r\n\r\n")
        await peer.read(len(OK))
        taken.release()
        await peer.rest()

    seen = twice(loop, serve, call)

    assert seen.exchange.outcome is Outcome.OK


def test_an_error_of_ours_costs_no_byte(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case R23: reading fails at every request and every response; both sides see the same bytes."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()
        await peer.send(OK)

    async def call(peer: Peer) -> None:
        for _ in range(2):
            await peer.send(b"GET / HTTP/1.1\r\nHost: c\r\n\r\n")
            await peer.read(len(OK))

    async def run() -> None:
        async with (
            serving(serve) as server,
            recording(server.port, failures=2) as recorded,
            asyncio.timeout(PATIENCE),
        ):
            for side in ("requests.REQUEST", "responses.RESPONSE"):
                with monkeypatch.context() as patch:
                    patch.setattr(f"mesh_recorder.wire.{side}", None)
                    client = await calling(recorded.port, call)
                    assert bytes(client.got) == OK * 2
            assert (await recorded.exchange()).outcome is Outcome.PROTOCOL_ERROR
            assert recorded.lost == ["capture_error"] * 2

    run_on(loop, run())
