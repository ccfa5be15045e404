"""A server on a raw socket: what it got, byte for byte, and scripted answers."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field


@dataclass
class RawServer:
    """Reads one request after the other on each connection, and answers by script."""

    script: Callable[["Exchanged"], Awaitable[None]]
    host: str = "127.0.0.1"
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    listening: asyncio.Server = field(init=False)
    loop: asyncio.AbstractEventLoop = field(init=False)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        exchanged = Exchanged(self, reader, writer, connection)
        try:
            while (request := await read_request(reader)) is not None:
                self.requests.append(request)
                exchanged.request = request
                await self.script(exchanged)
                if exchanged.ended:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def wait(self, event: asyncio.Event) -> bool:
        """From another thread: wait for what happens in the server's."""
        return asyncio.run_coroutine_threadsafe(event.wait(), self.loop).result()


@dataclass
class Exchanged:
    """One request and the way to answer it."""

    server: RawServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connection: int
    request: bytes = b""
    ended: bool = False

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def end(self, data: bytes = b"") -> None:
        """Answer and close."""
        if data:
            await self.send(data)
        self.ended = True

    def reset(self) -> None:
        """Close with a reset."""
        self.ended = True
        self.writer.transport.abort()


async def read_request(reader: asyncio.StreamReader) -> bytes | None:
    """One whole request as it came; None where the connection ended before one began."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lowered = head.lower()
    if b"expect: 100-continue" in lowered:
        return head
    if b"transfer-encoding: chunked" in lowered:
        return head + await read_chunked(reader)
    for line in lowered.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.partition(b":")[2]))
    return head


async def read_chunked(reader: asyncio.StreamReader) -> bytes:
    """A chunked body with its trailers, as it came."""
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        body += line
        size = int(line.split(b";")[0], 16)
        if size == 0:
            while True:
                line = await reader.readuntil(b"\r\n")
                body += line
                if line == b"\r\n":
                    return body
        body += await reader.readexactly(size + 2)


@asynccontextmanager
async def raw_server(
    script: Callable[[Exchanged], Awaitable[None]], context: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve in this event loop; over TLS where a context is given."""
    server = RawServer(script)
    listening = await asyncio.start_server(server.serve, server.host, 0, limit=16 * 1024 * 1024, ssl=context)
    server.listening, server.loop = listening, asyncio.get_running_loop()
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        listening.close_clients()
        await listening.wait_closed()


@contextmanager
def raw_server_apart(
    script: Callable[[Exchanged], Awaitable[None]], context: ssl.SSLContext | None = None
) -> Iterator[RawServer]:
    """Serve in a thread of its own, for code under test that has its own event loop."""
    started = threading.Event()
    found: list[RawServer] = []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stop = asyncio.Event()
        async with raw_server(script, context) as server:
            found.append(server)
            loops.append((asyncio.get_running_loop(), stop))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    started.wait()
    try:
        yield found[0]
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()
