"""Raw sockets on both sides of a sidecar: scripted upstreams and clients that say and hear bytes."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

PATIENCE = 30
"""Seconds after which a test that waits for something gives up."""


class Talk:
    """One connection, with all that was heard on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.heard = bytearray()
        self.ended = False

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, needle: bytes, *, count: int = 1) -> bytes:
        """Hear on until `needle` was heard `count` times since the connection began; all that was heard."""
        while self.heard.count(needle) < count:
            assert await self._hear(), f"it ended before {needle!r}: {bytes(self.heard)!r}"
        return bytes(self.heard)

    async def size(self, size: int) -> bytes:
        """Hear on until there are `size` bytes."""
        while len(self.heard) < size:
            assert await self._hear(), f"it ended at {len(self.heard)} of {size} bytes"
        return bytes(self.heard)

    async def end(self) -> bytes:
        """Hear on until the peer ends, by closing or a reset; all that was heard."""
        while await self._hear():
            pass
        return bytes(self.heard)

    async def _hear(self) -> bool:
        try:
            data = await asyncio.wait_for(self.reader.read(65536), PATIENCE)
        except ConnectionError:
            data = b""
        self.heard += data
        self.ended = self.ended or not data
        return bool(data)

    def half_close(self) -> None:
        self.writer.write_eof()

    def reset(self) -> None:
        """End at once, whatever is under way."""
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


type Script = Callable[[Talk], Awaitable[None]]


@dataclass
class Upstream:
    """A server that plays `script` on each connection."""

    script: Script
    port: int = 0
    talks: list[Talk] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    @property
    def heard(self) -> bytes:
        """What was heard on all connections, in the order they were made."""
        return b"".join(bytes(talk.heard) for talk in self.talks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = Talk(reader, writer)
        self.talks.append(talk)
        try:
            await self.script(talk)
        except ConnectionError:
            pass
        except (AssertionError, TimeoutError) as error:
            self.failures.append(error)
        finally:
            writer.close()


@asynccontextmanager
async def upstream(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    server = Upstream(script)
    listening = await asyncio.start_server(server._serve, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for talk in server.talks:
            talk.writer.close()
        await listening.wait_closed()
        await asyncio.sleep(0)
    assert not server.failures, server.failures


@asynccontextmanager
async def client(
    port: int, *, tls: ssl.SSLContext | None = None, name: str = "localhost"
) -> AsyncIterator[Talk]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, limit=1 << 20, ssl=tls, server_hostname=name if tls else None
    )
    talk = Talk(reader, writer)
    try:
        yield talk
    finally:
        await talk.close()


def answering(*responses: bytes, after: bytes = b"\r\n\r\n") -> Script:
    """Answers each request head with the next response, the last one again and again."""

    async def script(talk: Talk) -> None:
        number = 0
        while True:
            while talk.heard.count(after) <= number:
                if not await talk._hear():
                    return
            await talk.say(responses[min(number, len(responses) - 1)])
            number += 1

    return script


def ok(body: bytes = b"hello", *more: bytes) -> bytes:
    """A plain response."""
    fields = b"".join(field + b"\r\n" for field in more)
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (fields, len(body), body)


def get(path: bytes = b"/", *more: bytes, host: bytes = b"shop.test") -> bytes:
    """A plain request."""
    fields = b"".join(field + b"\r\n" for field in more)
    return b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (path, host, fields)
