"""One connection to one checked address, on an asyncio Protocol: the I/O under the wire."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import httpx

from mesh_replayer.wire.response import ResponseMalformed, ResponseReader, ResponseTruncated

_MOST_UNREAD = 1024 * 1024
"""Bytes of a body that wait for their reader before the socket is left alone."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect: an address that was checked, never a name."""

    ip: str
    port: int


class NoAnswer(httpx.ReadError):
    """The connection ended before a byte of the answer had come."""


class Connection(asyncio.Protocol):
    """Carries one request and its response at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader: ResponseReader | None = None
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.unread = 0
        """Bytes of the body that wait for their reader."""
        self._problem: Exception | None = None
        self._closed = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = transport  # type: ignore[assignment]  # a stream's transport is one that writes

    def data_received(self, data: bytes) -> None:
        """Bytes of a response, or of nothing that was asked for."""
        if self._reader is None:
            self.abort()
            return
        before = len(self._reader.pieces)
        try:
            self._reader.feed(data)
        except ResponseMalformed as cause:
            self._fail(httpx.RemoteProtocolError(f"the answer is not HTTP: {cause}"))
        self.unread += sum(len(piece) for piece in list(self._reader.pieces)[before:])
        if self.unread > _MOST_UNREAD and self._transport is not None:
            self._transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> bool:
        """The other side sends no more; close with it."""
        self._ended(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed or reset."""
        self._ended(exc)

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable.set()

    # What the transport calls.

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return not self._closed and self._reader is None

    def begin(self, *, to_head: bool) -> ResponseReader:
        """Expect the response to a request that is about to be sent."""
        self._reader = ResponseReader(to_head=to_head)
        self.unread = 0
        return self._reader

    async def send(self, data: bytes) -> None:
        """Write, and wait while the socket is full."""
        if self._closed or self._transport is None:
            return  # what became of it is told where the response is read
        self._transport.write(data)
        await self._writable.wait()

    async def until_head(self) -> None:
        """Wait for the head of the final response."""
        await self._until(lambda reader: reader.head is not None)

    async def until_continued(self) -> None:
        """Wait for any answer, an informational one included."""
        await self._until(lambda reader: bool(reader.informational) or reader.head is not None)

    async def body(self) -> AsyncIterator[bytes]:
        """The parts of the body as they come; when it ends, the connection is free or closed."""
        reader = self._current
        while True:
            while reader.pieces:
                piece = reader.pieces.popleft()
                self.unread -= len(piece)
                yield piece
            if reader.complete:
                break
            if self._transport is not None and not self._closed:
                self._transport.resume_reading()
            await self._until(lambda reader: bool(reader.pieces) or reader.complete)
        if reader.reusable and not self._closed:
            self._reader = None
            if self._transport is not None:
                self._transport.resume_reading()
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    @property
    def _current(self) -> ResponseReader:
        if self._reader is None:
            raise RuntimeError("no request was sent")
        return self._reader

    async def _until(self, reached: Callable[[ResponseReader], bool]) -> None:
        reader = self._current
        while not reached(reader):
            if self._problem is not None:
                raise self._problem
            self._changed.clear()
            await self._changed.wait()

    def _ended(self, exc: Exception | None) -> None:
        self._closed = True
        self._writable.set()
        if self._reader is not None and self._problem is None:
            try:
                self._reader.eof()
            except ResponseTruncated as cause:
                how = str(cause).replace("closed", "reset") if exc is not None else str(cause)
                ended = NoAnswer if cause.unanswered else httpx.ReadError
                self._fail(ended(f"the connection was {how}"))
        self._changed.set()

    def _fail(self, problem: Exception) -> None:
        self._problem = self._problem or problem
        self.abort()


async def connect[P: asyncio.Protocol](
    addresses: Sequence[Address],
    context: ssl.SSLContext | None,
    server_name: str | None,
    make: Callable[[], P],
) -> P:
    """Connect to the first address that answers.

    Raises:
        httpx.ConnectError: none did; its cause is an `ssl.SSLError` where TLS failed.
    """
    loop = asyncio.get_running_loop()
    problem: OSError | None = None
    for address in addresses:
        try:
            _, connection = await loop.create_connection(
                make,
                address.ip,
                address.port,
                ssl=context,
                server_hostname=server_name if context else None,
            )
        except OSError as cause:
            problem = cause
        else:
            return connection
    raise httpx.ConnectError(why_not_connected(problem)) from problem


def why_not_connected(problem: OSError | None) -> str:
    """A failure to connect, in words."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {problem.verify_message}"
    if isinstance(problem, ssl.SSLError):
        return f"TLS failed: {problem.reason or problem}"
    if isinstance(problem, ConnectionRefusedError):
        return "it refused the connection"
    return (problem.strerror if problem is not None else None) or "it cannot be connected to"
