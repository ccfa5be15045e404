"""The forward proxy of the wire lane."""

import asyncio
from collections.abc import Callable

import pytest

from mesh_core.model import Direction, Synthesized
from mesh_core.outcome import Outcome
from support.ports import free_ports
from support.wire_rig import ADDED, PATIENCE, Peer, Recording, calling, loops, recording, run_on, serving

type Loop = Callable[[], asyncio.AbstractEventLoop]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(params=loops())
def loop(request: pytest.FixtureRequest) -> Loop:
    return request.param  # type: ignore[no-any-return]


async def answer(peer: Peer) -> None:
    while await peer.head():
        await peer.send(OK)


async def ask(proxy: Recording, *requests: bytes, size: int = len(OK)) -> bytes:
    async def call(peer: Peer) -> None:
        for request in requests:
            await peer.send(request)
            await peer.read(size)

    async with asyncio.timeout(PATIENCE):
        return bytes((await calling(proxy.port, call)).got)


def absolute(port: int, path: str = "/a?b", extra: bytes = b"") -> bytes:
    return b"GET http://127.0.0.1:%d%b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%b\r\n" % (
        port,
        path.encode(),
        port,
        extra,
    )


def test_a_request_in_absolute_form(loop: Loop) -> None:
    """The server sees the origin form, without the fields that are the proxy's own."""

    async def run() -> None:
        async with serving(answer) as server, recording(None, direction=Direction.OUTBOUND) as proxy:
            port = server.port
            extra = b"Proxy-Connection: keep-alive\r\nX-A:  1 \r\nproxy-authorization: Basic eDp5\r\n"
            assert await ask(proxy, absolute(port, extra=extra)) == OK
            exchange = await proxy.exchange()

            got = ADDED.sub(b"", bytes(server.peers[0].got))
            assert got == b"GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-A:  1 \r\n\r\n" % port
            assert (exchange.path, exchange.authority) == ("/a?b", f"127.0.0.1:{port}")
            assert exchange.peer == f"127.0.0.1:{port}"
            assert exchange.outcome is Outcome.OK
            assert exchange.request_id_made

    run_on(loop, run())


@pytest.mark.parametrize(
    ("target", "origin"), [("", b"/"), ("?x=1", b"/?x=1"), ("/", b"/"), ("//a/../%zz", b"//a/../%zz")]
)
def test_targets_keep_their_bytes(loop: Loop, target: str, origin: bytes) -> None:
    async def run() -> None:
        async with serving(answer) as server, recording(None, direction=Direction.OUTBOUND) as proxy:
            await ask(proxy, absolute(server.port, target))
            assert bytes(server.peers[0].got).startswith(b"GET " + origin + b" HTTP/1.1\r\n")

    run_on(loop, run())


def test_requests_to_several_servers_on_one_connection(loop: Loop) -> None:
    """One after the other, and pipelined: each reaches the server that it names."""

    async def run() -> None:
        async with (
            serving(answer) as one,
            serving(answer) as two,
            recording(None, direction=Direction.OUTBOUND) as proxy,
        ):
            requests = [absolute(one.port, "/1"), absolute(two.port, "/2"), absolute(one.port, "/3")]
            assert await ask(proxy, *requests) == OK * 3
            assert await ask(proxy, b"".join(requests), size=len(OK) * 3) == OK * 3
            paths = [exchange.path for exchange in await proxy.exchanges(6)]

            assert paths == ["/1", "/2", "/3"] * 2
            assert two.got.count(b"GET /2 ") == 2
            assert one.got.count(b"GET /") == 4

    run_on(loop, run())


def test_a_server_that_refuses(loop: Loop) -> None:
    """Case R2."""

    async def run() -> None:
        async with recording(None, direction=Direction.OUTBOUND) as proxy:
            got = await ask(proxy, absolute(free_ports(1)[0]), size=10_000)
            exchange = await proxy.exchange()

            assert got.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
            assert (exchange.outcome, exchange.synthesized) == (Outcome.CONNECT_FAILED, Synthesized.PROXY)

    run_on(loop, run())


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /origin HTTP/1.1\r\nHost: c\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: c\r\n\r\n",
        b"GET http://h:x/ HTTP/1.1\r\nHost: c\r\n\r\n",
        b"GET https://h/ HTTP/1.1\r\nHost: c\r\n\r\n",
        b"CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET http://127.0.0.1:1/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_what_cannot_be_routed_is_refused(loop: Loop, request_: bytes) -> None:
    """Cases R5, R8: nobody could say where it should go."""

    async def run() -> None:
        async with recording(None, direction=Direction.OUTBOUND) as proxy:
            got = await ask(proxy, request_, size=10_000)
            exchange = await proxy.exchange()

            assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert (exchange.status, exchange.outcome) == (400, Outcome.PROTOCOL_ERROR)

    run_on(loop, run())


def test_a_refusal_waits_for_its_turn(loop: Loop) -> None:
    async def run() -> None:
        async with serving(answer) as server, recording(None, direction=Direction.OUTBOUND) as proxy:
            got = await ask(proxy, absolute(server.port) + b"GET /x HTTP/1.1\r\n\r\n", size=10_000)

            assert got.startswith(OK + b"HTTP/1.1 400")
            assert [exchange.status for exchange in await proxy.exchanges(2)] == [200, 400]

    run_on(loop, run())


def test_a_loop_is_refused(loop: Loop) -> None:
    """Case R29."""

    async def run() -> None:
        async with recording(None, direction=Direction.OUTBOUND) as proxy:
            got = await ask(proxy, absolute(proxy.port), size=10_000)
            assert b"go round in circles" in got
            assert (await proxy.exchange()).outcome is Outcome.CONNECT_FAILED

    run_on(loop, run())


def test_a_tunnel_is_relayed_unread(loop: Loop) -> None:
    """Case R29: what is not HTTP in plain text."""
    hello = b"\x16\x03\x01\x00\xa5" + bytes(range(256))

    async def serve(peer: Peer) -> None:
        await peer.read(len(hello))
        await peer.send(hello)

    async def run() -> None:
        async with serving(serve) as server, recording(None, direction=Direction.OUTBOUND) as proxy:
            connect = b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % server.port

            async def call(peer: Peer) -> None:
                await peer.send(connect)
                assert (await peer.head()).startswith(b"HTTP/1.1 200 ")
                await peer.send(hello)
                assert await peer.rest() == hello

            async with asyncio.timeout(PATIENCE):
                await calling(proxy.port, call)
            exchange = await proxy.exchange()

            assert bytes(server.peers[0].got) == hello
            assert (exchange.method, exchange.authority) == ("CONNECT", f"127.0.0.1:{server.port}")
            assert exchange.opaque
            assert (exchange.status, exchange.outcome) == (200, Outcome.OK)

    run_on(loop, run())


def test_a_tunnel_whose_server_speaks_first(loop: Loop) -> None:
    async def serve(peer: Peer) -> None:
        await peer.send(b"220 mail ESMTP\r\n")
        await peer.rest()

    async def run() -> None:
        async with serving(serve) as server, recording(None, direction=Direction.OUTBOUND) as proxy:
            connect = b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % server.port

            async def call(peer: Peer) -> None:
                await peer.send(connect)
                await peer.head()
                assert await peer.until(b"\n") == b"220 mail ESMTP\r\n"
                await peer.send(b"GET / HTTP/1.1\r\nHost: c\r\n\r\n")

            async with asyncio.timeout(PATIENCE):
                await calling(proxy.port, call)
                exchange = await proxy.exchange()
                await asyncio.gather(*server.tasks)

            assert bytes(server.peers[0].got) == b"GET / HTTP/1.1\r\nHost: c\r\n\r\n"
            assert exchange.opaque

    run_on(loop, run())


@pytest.mark.parametrize("together", [False, True])
def test_plain_http_in_a_tunnel_is_recorded(loop: Loop, together: bool) -> None:
    """Case R44."""

    async def run() -> None:
        async with serving(answer) as server, recording(None, direction=Direction.OUTBOUND) as proxy:
            connect = b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % server.port
            get = b"GET /%d HTTP/1.1\r\nHost: cart\r\n\r\n"

            async def call(peer: Peer) -> None:
                await peer.send(connect + (get % 1 if together else b""))
                await peer.head()
                if not together:
                    await peer.send(get % 1)
                await peer.read(len(OK))
                await peer.send(get % 2)
                await peer.read(len(OK))

            async with asyncio.timeout(PATIENCE):
                await calling(proxy.port, call)
            exchanges = await proxy.exchanges(2)

            assert [exchange.path for exchange in exchanges] == ["/1", "/2"]
            assert [exchange.authority for exchange in exchanges] == ["cart", "cart"]
            assert proxy.queue.empty()
            assert ADDED.search(bytes(server.peers[0].got))

    run_on(loop, run())


def test_a_tunnel_that_cannot_be_made(loop: Loop) -> None:
    async def run() -> None:
        async with recording(None, direction=Direction.OUTBOUND) as proxy:
            got = await ask(proxy, b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % free_ports(1)[0], size=10_000)
            exchange = await proxy.exchange()

            assert got.startswith(b"HTTP/1.1 502")
            assert not exchange.opaque
            assert (exchange.method, exchange.outcome) == ("CONNECT", Outcome.CONNECT_FAILED)

    run_on(loop, run())


def test_nothing_reaches_a_server_that_it_is_not_for(loop: Loop) -> None:
    """After a response that could not be read, the next request goes nowhere rather than astray."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\nbroken\n\n")
        await peer.rest()

    async def run() -> None:
        async with serving(serve) as server, recording(None, direction=Direction.OUTBOUND) as proxy:

            async def call(peer: Peer) -> None:
                await peer.send(absolute(server.port))
                await peer.until(b"\n\n")
                await peer.send(absolute(free_ports(1)[0], "/secret"))
                assert await peer.rest() == b""

            async with asyncio.timeout(PATIENCE):
                await calling(proxy.port, call)
            assert b"secret" not in server.got
            assert (await proxy.exchange()).outcome is Outcome.PROTOCOL_ERROR

    run_on(loop, run())
