"""Much at once through the wire lane: large bodies, slow clients, no more files."""

import asyncio
import hashlib
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from support.wire_rig import PATIENCE, Peer, calling, loops, recording, run_on, serving

type Loop = Callable[[], asyncio.AbstractEventLoop]

PIECE = bytes(range(256)) * 256
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(params=loops())
def loop(request: pytest.FixtureRequest) -> Loop:
    return request.param  # type: ignore[no-any-return]


def size_of(long_run: bool) -> int:
    return (200 if long_run else 20) * 1024 * 1024


def test_a_large_response(loop: Loop, long_run: bool) -> None:
    """Case R18: 200 MiB down."""
    size = size_of(long_run)

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(PIECE)):
            await peer.send(PIECE)

    async def run() -> None:
        async with (
            serving(serve) as server,
            recording(server.port) as recorded,
            asyncio.timeout(4 * PATIENCE),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", recorded.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: c\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            digest, left = hashlib.sha256(), size
            while left:
                piece = await reader.read(1 << 20)
                digest.update(piece)
                left -= len(piece)
                assert recorded.room.free >= recorded.size - 1024 * 1024
            writer.close()
            body = (await recorded.exchange()).response_body

        assert digest.digest() == hashlib.sha256(PIECE * (size // len(PIECE))).digest()
        assert body is not None
        assert (body.size, body.stored, body.truncated) == (size, 1024 * 1024, True)

    run_on(loop, run())


def test_a_large_upload(loop: Loop, long_run: bool) -> None:
    """Case R18: 200 MiB up, to a server that reads slowly at first."""
    size = size_of(long_run)
    digests: list[bytes] = []

    async def serve(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(0.1)
        digest, left = hashlib.sha256(), size
        while left:
            piece = await peer.reader.read(1 << 20)
            digest.update(piece)
            left -= len(piece)
        digests.append(digest.digest())
        await peer.send(OK)

    async def call(peer: Peer) -> None:
        await peer.send(b"PUT / HTTP/1.1\r\nHost: c\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(PIECE)):
            await peer.send(PIECE)
        await peer.read(len(OK))

    async def run() -> None:
        async with (
            serving(serve) as server,
            recording(server.port) as recorded,
            asyncio.timeout(4 * PATIENCE),
        ):
            await calling(recorded.port, call)
            body = (await recorded.exchange()).request_body

        assert digests == [hashlib.sha256(PIECE * (size // len(PIECE))).digest()]
        assert body is not None
        assert (body.size, body.stored, body.truncated) == (size, 1024 * 1024, True)

    run_on(loop, run())


def test_what_open_requests_keep_is_bounded(loop: Loop) -> None:
    """Case R18: all together, not each by itself."""
    body = b"x" * 100_000

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.read(len(body))
        arrived.release()
        await going.wait()
        await peer.send(OK)

    async def call(peer: Peer) -> None:
        await peer.send(b"PUT / HTTP/1.1\r\nHost: c\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await peer.read(len(OK))

    async def run() -> None:
        async with (
            serving(serve) as server,
            recording(server.port, room=250_000) as recorded,
            asyncio.timeout(PATIENCE),
        ):
            clients = [asyncio.create_task(calling(recorded.port, call)) for _ in range(5)]
            for _ in clients:
                await arrived.acquire()
            assert recorded.room.free >= 0
            going.set()
            await asyncio.gather(*clients)
            kept = [exchange.request_body for exchange in await recorded.exchanges(5)]

        assert sum(ref.stored for ref in kept if ref) <= 250_000
        assert all(ref is not None and ref.size == len(body) for ref in kept)

    arrived, going = asyncio.Semaphore(0), asyncio.Event()
    run_on(loop, run())


def test_many_slow_clients(loop: Loop, long_run: bool) -> None:
    """Case R34: a byte at a time, all at once; a quick client is answered in between."""
    count = 500 if long_run else 60
    request = b"GET /slow HTTP/1.1\r\nHost: c\r\n\r\n"

    async def serve(peer: Peer) -> None:
        if await peer.head():
            await peer.send(OK)

    async def slow(peer: Peer) -> None:
        for byte in request:
            await peer.send(bytes([byte]))
            await turn.acquire()
        await peer.read(len(OK))

    async def quick(peer: Peer) -> None:
        await peer.send(b"GET /quick HTTP/1.1\r\nHost: c\r\n\r\n")
        assert await peer.read(len(OK)) == OK

    async def run() -> None:
        async with (
            serving(serve) as server,
            recording(server.port) as recorded,
            asyncio.timeout(4 * PATIENCE),
        ):
            clients = [asyncio.create_task(calling(recorded.port, slow)) for _ in range(count)]
            for _ in request:
                await calling(recorded.port, quick)
                for _ in clients:
                    turn.release()
            peers = await asyncio.gather(*clients)
            exchanges = await recorded.exchanges(count + len(request))

        assert all(bytes(peer.got) == OK for peer in peers)
        assert sum(exchange.path == "/slow" for exchange in exchanges) == count

    turn = asyncio.Semaphore(0)
    run_on(loop, run())


@contextmanager
def few_files(left: int) -> Iterator[None]:
    """No more than `left` files can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    import os

    used = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208  # names are all it needs
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_more_files(loop: Loop) -> None:
    """Case R34: open connections go on; once there are files again, new ones work."""

    async def serve(peer: Peer) -> None:
        while await peer.head():
            await peer.send(OK)

    async def ask(peer: Peer) -> bytes:
        await peer.send(b"GET / HTTP/1.1\r\nHost: c\r\n\r\n")
        return await peer.read(len(OK))

    async def run() -> None:
        async with (
            serving(serve) as server,
            recording(server.port) as recorded,
            asyncio.timeout(2 * PATIENCE),
        ):
            old = Peer(*await asyncio.open_connection("127.0.0.1", recorded.port))
            assert await ask(old) == OK
            with few_files(2):
                # A client's socket fits, but not those that the relay needs for it.
                new = Peer(*await asyncio.open_connection("127.0.0.1", recorded.port))
                await new.send(b"GET / HTTP/1.1\r\nHost: c\r\n\r\n")
                for _ in range(10):
                    assert await ask(old) == OK
            answer = await new.read(len(OK))
            assert answer in (b"", OK) or answer.startswith(b"HTTP/1.1 502")
            again = Peer(*await asyncio.open_connection("127.0.0.1", recorded.port))
            assert await ask(again) == OK
            for peer in (old, new, again):
                peer.close()

    run_on(loop, run())
