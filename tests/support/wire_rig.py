"""A wire listener between a scripted client and a scripted upstream, and the same without it."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from mesh_core.model import Bodies, Direction, Exchange, Lane
from mesh_recorder.addons.roles import Role
from mesh_recorder.capture import Place
from mesh_recorder.settings import Endpoint, TraceHeaders
from mesh_recorder.tee import Room
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.finishing import finish_wire
from mesh_recorder.wire.relay import WireListener

ADDED = re.compile(rb"(?:x-request-id: [0-9a-f-]{36}|tracestate: mesh=[0-9a-f]{32})\r\n")
PATIENCE = 20.0
"""Seconds after which a test that hangs has failed."""


def loops() -> list[Any]:
    """The event loops that a test runs on."""
    found = [pytest.param(asyncio.new_event_loop, id="asyncio")]
    try:
        import uvloop
    except ImportError:
        return found
    return [*found, pytest.param(uvloop.new_event_loop, id="uvloop")]


def run_on[T](loop: Callable[[], asyncio.AbstractEventLoop], what: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of that kind."""
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(what)


@dataclass
class Peer:
    """One side of a connection, as a script uses it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    got: bytearray = field(default_factory=bytearray)
    """Everything that came, in order."""
    ending: str = ""
    """`eof` or `reset`, once that came."""

    async def read(self, size: int) -> bytes:
        """Exactly `size` bytes; fewer where the connection ends before."""
        data = b""
        while len(data) < size and (piece := await self._read(size - len(data))):
            data += piece
        return data

    async def until(self, end: bytes) -> bytes:
        """Bytes up to and with `end`; fewer where the connection ends before."""
        data = b""
        while not data.endswith(end) and (piece := await self._read(1)):
            data += piece
        return data

    async def rest(self) -> bytes:
        """All that comes until the connection ends."""
        data = b""
        while piece := await self._read(65536):
            data += piece
        return data

    async def head(self) -> bytes:
        return await self.until(b"\r\n\r\n")

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def end(self) -> None:
        """Say that nothing more follows."""
        self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        own = self.writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def _read(self, size: int) -> bytes:
        try:
            piece = await self.reader.read(size)
        except ConnectionError:
            self.ending = "reset"
            return b""
        self.got += piece
        if not piece:
            self.ending = "eof"
        return piece


type Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    """An upstream that follows its script on each connection."""

    port: int = 0
    peers: list[Peer] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def got(self) -> bytes:
        """What came on all connections, the spliced header left out."""
        return b"".join(ADDED.sub(b"", bytes(peer.got)) for peer in self.peers)

    @property
    def endings(self) -> list[str]:
        return [peer.ending for peer in self.peers]


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Server]:
    """An upstream on a free port."""
    found = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        found.tasks.append(task)
        peer = Peer(reader, writer)
        found.peers.append(peer)
        found.came.set()
        try:
            await script(peer)
        except ConnectionError:
            peer.ending = peer.ending or "reset"
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in found.tasks:
            task.cancel()
        await asyncio.gather(*found.tasks, return_exceptions=True)


@dataclass
class Recording:
    """A wire listener, and what it captured."""

    listener: WireListener
    lost: list[str]
    port: int
    queue: asyncio.Queue[WireCaptured]
    room: Room
    size: int

    async def exchange(self) -> Exchange:
        """The next that ended."""
        return (await self.both())[0]

    async def both(self) -> tuple[Exchange, Bodies]:
        async with asyncio.timeout(PATIENCE):
            return finish_wire(await self.queue.get())

    async def exchanges(self, count: int) -> list[Exchange]:
        return [await self.exchange() for _ in range(count)]


@asynccontextmanager
async def recording(
    upstream: int | None,
    *,
    direction: Direction = Direction.INBOUND,
    host: str = "127.0.0.1",
    strangers: bool = False,
    room: int = 64 * 1024 * 1024,
    failures: int = 0,
    **limits: Any,
) -> AsyncIterator[Recording]:
    """A listener in front of a port of this machine; None for the forward proxy."""
    place = Place(
        service="cart", instance="cart-1", direction=direction, peers={}, recorder="0.1.0", lane=Lane.WIRE
    )
    target = Endpoint(host=host, port=upstream) if upstream is not None else None
    queue: asyncio.Queue[WireCaptured] = asyncio.Queue()
    lost: list[str] = []
    space = Room(room)
    listener = WireListener(
        Role(place=place, target=target, strangers=strangers),
        offer=queue.put_nowait,
        lost=lost.append,
        room=space,
        **limits,
    )
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", 0))
    bound.setblocking(False)
    listener.start(bound)
    found = Recording(listener, lost, bound.getsockname()[1], queue, space, room)
    try:
        yield found
    finally:
        await listener.stop(0)
    assert listener.desk.failures == len(lost) == failures
    assert space.free == room, "every byte of room that was taken is given back"


async def calling(port: int, script: Script) -> Peer:
    """A client that follows its script, and then closes."""
    peer = Peer(*await asyncio.open_connection("127.0.0.1", port, limit=2**20))
    try:
        await script(peer)
    finally:
        peer.close()
    return peer


@dataclass
class Run:
    """What both ends saw."""

    client: bytes
    client_ending: str
    upstream: bytes
    upstream_endings: list[str]


@dataclass
class Twice:
    """A run without the sidecar, one with it, and what was recorded."""

    direct: Run
    through: Run
    exchanges: list[Exchange]
    bodies: Bodies

    @property
    def exchange(self) -> Exchange:
        assert len(self.exchanges) == 1
        return self.exchanges[0]

    def body(self, of: str = "response") -> bytes:
        ref = getattr(self.exchange, f"{of}_body")
        return self.bodies[ref.hash] if ref is not None else b""


def twice(
    loop: Callable[[], asyncio.AbstractEventLoop],
    serve: Script,
    call: Script,
    *,
    exchanges: int = 1,
    same: bool = True,
    **settings: Any,
) -> Twice:
    """Run the scripts directly and through the wire lane; both ends must have seen the same bytes."""

    async def one(port: int, server: Server) -> Run:
        async with asyncio.timeout(PATIENCE):
            client = await calling(port, call)
            await server.came.wait()
            await asyncio.gather(*server.tasks, return_exceptions=True)
        return Run(bytes(client.got), client.ending, server.got, server.endings)

    async def run() -> Twice:
        async with serving(serve) as server:
            direct = await one(server.port, server)
        async with serving(serve) as server, recording(server.port, **settings) as recorded:
            through = await one(recorded.port, server)
            found = [await recorded.both() for _ in range(exchanges)]
        assert recorded.queue.empty()
        bodies = {key: body for _, some in found for key, body in some.items()}
        return Twice(direct, through, [exchange for exchange, _ in found], bodies)

    result = run_on(loop, run())
    if same:
        assert result.through.client == result.direct.client
        assert result.through.upstream == result.direct.upstream
    return result


__all__ = ["ADDED", "PATIENCE", "Peer", "Recording", "Run", "Server", "TraceHeaders", "Twice"]
