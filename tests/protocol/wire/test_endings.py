"""How connections end through the wire lane, and what is recorded of it."""

import asyncio
from collections.abc import Callable

import pytest

from mesh_core.model import Synthesized
from mesh_core.outcome import Outcome
from support.ports import free_ports
from support.wire_rig import PATIENCE, Peer, calling, loops, recording, run_on, serving, twice

type Loop = Callable[[], asyncio.AbstractEventLoop]

GET = b"GET /cart HTTP/1.1\r\nHost: cart\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(params=loops())
def loop(request: pytest.FixtureRequest) -> Loop:
    return request.param  # type: ignore[no-any-return]


async def ask(peer: Peer) -> None:
    await peer.send(GET)
    await peer.rest()


def test_an_upstream_that_refuses(loop: Loop) -> None:
    """Cases R2, R38: the client is told so, and the next request works once the service is up."""

    async def run() -> None:
        (port,) = free_ports(1)
        async with recording(port) as recorded:
            client = await calling(recorded.port, ask)
            exchange = await recorded.exchange()

            assert client.got.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
            assert f"127.0.0.1:{port} refused the connection; is it running?".encode() in client.got
            assert exchange.outcome is Outcome.CONNECT_FAILED
            assert (exchange.status, exchange.synthesized) == (502, Synthesized.PROXY)

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(OK)
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", port)
            assert bytes((await calling(recorded.port, ask)).got) == OK
            assert (await recorded.exchange()).outcome is Outcome.OK
            server.close()

    run_on(loop, run())


def test_a_refused_upload_is_answered(loop: Loop) -> None:
    """Case R2: also a client that is still sending gets to read the 502."""

    async def call(peer: Peer) -> None:
        await peer.send(b"PUT / HTTP/1.1\r\nHost: c\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_000_000)
        await peer.head()
        await peer.send(b"x" * 1_000_000)
        await peer.rest()

    async def run() -> None:
        async with recording(free_ports(1)[0]) as recorded:
            client = await calling(recorded.port, call)
            assert client.got.startswith(b"HTTP/1.1 502")
            assert (await recorded.exchange()).outcome is Outcome.CONNECT_FAILED

    run_on(loop, run())


def test_a_name_that_cannot_be_resolved(loop: Loop) -> None:
    """Case R2."""

    async def run() -> None:
        async with recording(80, host="no-such-host.invalid") as recorded:
            client = await calling(recorded.port, ask)
            exchange = await recorded.exchange()

            assert b"cannot be resolved" in client.got
            assert exchange.outcome is Outcome.DNS_FAILED

    run_on(loop, run())


def test_a_connection_that_goes_nowhere(loop: Loop) -> None:
    """Case R2: a full backlog never accepts."""

    async def run() -> None:
        import socket

        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            async with recording(port, connect_timeout=0.2) as recorded:
                client = await calling(recorded.port, ask)
                exchange = await recorded.exchange()
            for filler in fillers:
                filler.close()
        assert client.got.startswith(b"HTTP/1.1 504 ")
        assert exchange.outcome is Outcome.UPSTREAM_TIMEOUT
        assert exchange.synthesized is Synthesized.PROXY

    run_on(loop, run())


def test_an_upstream_that_never_answers(loop: Loop) -> None:
    """Case R2: no response head in time."""

    async def serve(peer: Peer) -> None:
        await peer.rest()

    async def run() -> None:
        async with serving(serve) as server, recording(server.port, response_timeout=0.2) as recorded:
            client = await calling(recorded.port, ask)
            exchange = await recorded.exchange()

            assert client.got.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
            assert b"did not answer within 0.2 s" in client.got
            assert (exchange.status, exchange.outcome) == (504, Outcome.UPSTREAM_TIMEOUT)
            await asyncio.gather(*server.tasks)
            assert server.endings == ["eof"]

    run_on(loop, run())


@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_upstream_that_goes_before_the_head(loop: Loop, how: str) -> None:
    """Case R3: the client sees what it would have seen directly."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        if how == "reset":
            peer.reset()

    seen = twice(loop, serve, ask)

    assert seen.through.client_ending == seen.direct.client_ending
    assert seen.exchange.outcome is Outcome.UPSTREAM_RESET
    assert seen.exchange.status is None
    assert seen.exchange.synthesized is Synthesized.NONE


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf of it\r\n5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
    ids=["length", "chunked", "head"],
)
def test_a_response_cut_short(loop: Loop, how: str, part: bytes) -> None:
    """Case R4: the same partial bytes, and the part is kept."""
    taken = asyncio.Semaphore(0)

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(part)
        if how == "reset":
            await taken.acquire()
            peer.reset()

    async def call(peer: Peer) -> None:
        await peer.send(GET)
        await peer.read(len(part))
        taken.release()
        await peer.rest()

    seen = twice(loop, serve, call, same=how == "close")

    assert seen.through.client == seen.direct.client
    assert seen.through.client_ending == seen.direct.client_ending
    assert seen.exchange.outcome is Outcome.UPSTREAM_RESET
    if b"half" in part:
        assert seen.body() == b"half of it"
        assert seen.exchange.response_body is not None
        assert seen.exchange.response_body.truncated


def test_a_body_until_the_end_that_is_reset(loop: Loop) -> None:
    """Case R4: a clean end would have told the client that this was all."""
    taken = asyncio.Semaphore(0)

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\npart")
        await taken.acquire()
        peer.reset()

    async def call(peer: Peer) -> None:
        await peer.send(GET)
        await peer.head()
        await peer.read(4)
        taken.release()
        await peer.rest()

    seen = twice(loop, serve, call, same=False)

    assert seen.through.client_ending == seen.direct.client_ending == "reset"
    assert seen.exchange.outcome is Outcome.UPSTREAM_RESET


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_gives_up_while_it_waits(loop: Loop, how: str) -> None:
    """Case R6: the upstream sees it at once; the test waits for nothing else."""

    async def run() -> None:
        gone = asyncio.Event()

        async def serve(peer: Peer) -> None:
            await peer.head()
            asked.set()
            await peer.rest()
            gone.set()

        asked = asyncio.Event()

        async def call(peer: Peer) -> None:
            await peer.send(GET)
            await asked.wait()
            if how == "reset":
                peer.reset()

        async with serving(serve) as server, recording(server.port) as recorded, asyncio.timeout(PATIENCE):
            await calling(recorded.port, call)
            await gone.wait()
            exchange = await recorded.exchange()

            assert server.endings == ["eof" if how == "close" else "reset"]
            assert exchange.outcome is Outcome.CLIENT_DISCONNECTED

    run_on(loop, run())


def test_an_answer_to_a_client_that_has_gone(loop: Loop) -> None:
    """Case R6: the upstream answers all the same; the client never read it."""

    async def run() -> None:
        closed = asyncio.Event()

        async def serve(peer: Peer) -> None:
            await peer.head()
            asked.set()
            await closed.wait()
            await peer.send(OK)
            await peer.rest()

        asked = asyncio.Event()

        async def call(peer: Peer) -> None:
            await peer.send(GET)
            await asked.wait()

        async with serving(serve) as server, recording(server.port) as recorded, asyncio.timeout(PATIENCE):
            client = await calling(recorded.port, call)
            await client.writer.wait_closed()
            closed.set()
            exchange = await recorded.exchange()

            assert exchange.outcome is Outcome.CLIENT_DISCONNECTED
            assert exchange.status == 200

    run_on(loop, run())


def test_a_client_that_gives_up_in_an_upload(loop: Loop) -> None:
    """Case R6: the part is kept."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.rest()

    async def call(peer: Peer) -> None:
        await peer.send(b"PUT / HTTP/1.1\r\nHost: c\r\nContent-Length: 100\r\n\r\nhalf of it")

    seen = twice(loop, serve, call)

    assert seen.through.upstream_endings == seen.direct.upstream_endings == ["eof"]
    assert seen.exchange.outcome is Outcome.CLIENT_DISCONNECTED
    assert seen.body("request") == b"half of it"
    assert seen.exchange.request_body is not None
    assert seen.exchange.request_body.truncated


def test_a_client_that_half_closes(loop: Loop) -> None:
    """Case R6: it says that it sends nothing more, and gets its answer all the same."""

    async def serve(peer: Peer) -> None:
        await peer.rest()
        await peer.send(OK)

    async def call(peer: Peer) -> None:
        await peer.send(GET)
        peer.end()
        await peer.rest()

    seen = twice(loop, serve, call)

    assert seen.through.upstream_endings == ["eof"]
    assert seen.exchange.outcome is Outcome.OK


def test_a_client_that_ends_an_event_stream(loop: Loop) -> None:
    """Case R7."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await peer.rest()

    async def call(peer: Peer) -> None:
        await peer.send(GET)
        await peer.until(b"1\n\n")

    seen = twice(loop, serve, call)

    assert seen.exchange.outcome is Outcome.OK
    assert [message.payload for message in seen.exchange.messages] == [b"data: 1"]


def test_an_idle_connection_that_the_upstream_closes(loop: Loop) -> None:
    """Case R22: the client sees the end at once, as directly, and its next connection works."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)

    seen = twice(loop, serve, ask)

    assert seen.through.client_ending == "eof"
    assert seen.exchange.outcome is Outcome.OK


def test_a_request_on_a_connection_that_closes_under_it(loop: Loop) -> None:
    """Case R22: the upstream closes as the second request comes; no answer is made up for it."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.until(b"G")

    async def call(peer: Peer) -> None:
        await peer.send(GET)
        await peer.head()
        await peer.read(5)
        await peer.send(GET)
        await peer.rest()

    seen = twice(loop, serve, call, exchanges=2, same=False)

    assert seen.through.client == seen.direct.client == OK
    assert [exchange.outcome for exchange in seen.exchanges] == [Outcome.OK, Outcome.UPSTREAM_RESET]


def test_a_sidecar_that_stops_answers_what_is_under_way(loop: Loop) -> None:
    """Case R25: what is in flight ends; idle connections are closed; nothing more is accepted."""

    async def run() -> None:
        asked, stopping = asyncio.Event(), asyncio.Event()

        async def serve(peer: Peer) -> None:
            await peer.head()
            asked.set()
            await stopping.wait()
            await peer.send(OK)
            await peer.rest()

        async with serving(serve) as server, recording(server.port) as recorded, asyncio.timeout(PATIENCE):
            idle = await asyncio.open_connection("127.0.0.1", recorded.port)
            busy = asyncio.create_task(calling(recorded.port, ask))
            await asked.wait()
            stop = asyncio.create_task(recorded.listener.stop(PATIENCE))
            assert await idle[0].read() == b""
            idle[1].close()
            stopping.set()
            await stop
            assert bytes((await busy).got) == OK
            assert (await recorded.exchange()).outcome is Outcome.OK
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", recorded.port)

    run_on(loop, run())
