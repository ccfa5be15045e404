"""A WebSocket conversation replayed in lock-step: each message once those before it have come.

Frames are the `wsproto` library's. Pings are answered; fragments are joined, as they were when recorded.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from mesh_core.model import Message, Sender, header
from mesh_replayer.wire.connection import Address, why_not_connected
from mesh_replayer.wire.request import WireRequest, head
from mesh_replayer.wire.response import ResponseMalformed, ResponseReader, ResponseTruncated

NORMAL = 1000
"""The close code of somebody who is done; RFC 6455, section 7.4.1."""
_MOST_MESSAGE = 32 * 1024 * 1024
"""Bytes of one message."""


@dataclass(slots=True)
class Conversation:
    """One WebSocket, from its handshake to its end."""

    request: WireRequest
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    clock: Callable[[], int]
    """Nanoseconds since the request began."""
    answer: ResponseReader = field(default_factory=ResponseReader)
    messages: list[Message] = field(default_factory=list)
    """Of both sides, as they went."""
    _frames: Connection | None = None
    _parts: list[str | bytes] = field(default_factory=list)

    async def open(self) -> bool:
        """Shake hands; False where the answer is no 101, and what it is.

        Raises:
            httpx.TransportError: there was no answer, or none that is HTTP.
        """
        asked = self.request
        self.writer.write(head(asked.method, asked.target, asked.version, asked.headers))
        await self.writer.drain()
        data = b""
        while self.answer.head is None or (self.answer.head.status != 101 and not self.answer.complete):
            data = await self._read()
            try:
                if data:
                    self.answer.feed(data)
                else:
                    self.answer.eof()
            except ResponseMalformed as cause:
                raise httpx.RemoteProtocolError(f"the answer is not HTTP: {cause}") from cause
            except ResponseTruncated as cause:
                raise httpx.ReadError(f"the connection was {cause}") from cause
            if not data:
                break
        if self.answer.head is None or self.answer.head.status != 101:
            return False
        self._frames = Connection(ConnectionType.CLIENT, self._extensions())
        if self.answer.rest:
            self._frames.receive_data(self.answer.rest)
        return True

    async def converse(self, recorded: Sequence[Message]) -> None:
        """Say what the client said, each time once the server has said as much as it had then.

        Raises:
            httpx.TransportError: the server went away, or broke the rules.
        """
        said = [message for message in recorded if message.type in ("text", "binary", "close")]
        for message in said:
            if self._over:
                return
            if message.sender is Sender.CLIENT:
                await self._say(message)
            else:
                await self._hear()
        if not self._over:
            await self._send(CloseConnection(NORMAL))

    @property
    def _over(self) -> bool:
        assert self._frames is not None, "opened"  # noqa: S101 (the caller's order)
        return self._frames.state is not ConnectionState.OPEN

    def _extensions(self) -> list[Extension]:
        assert self.answer.head is not None, "awaited"  # noqa: S101 (the caller's order)
        agreed = (header(self.answer.head.headers, b"sec-websocket-extensions") or b"").decode("latin-1")
        if not agreed.strip().lower().startswith("permessage-deflate"):
            return []
        extension = PerMessageDeflate()
        extension.finalize(agreed)
        return [extension]

    async def _say(self, message: Message) -> None:
        event: Event
        if message.type == "text":
            event = TextMessage(message.payload.decode("utf-8", "replace"))
        elif message.type == "binary":
            event = BytesMessage(message.payload)
        else:
            code, _, reason = message.payload.decode("utf-8", "replace").partition(" ")
            sent = code.isdigit() and 1000 <= int(code) < 5000 and code not in _NEVER_SENT
            event = CloseConnection(int(code) if sent else NORMAL, reason or None)
        self._note(Sender.CLIENT, message.type, message.payload)
        await self._send(event)

    async def _hear(self) -> None:
        """Wait for the server's next message, or for its end."""
        assert self._frames is not None, "opened"  # noqa: S101 (the caller's order)
        while True:
            try:
                for event in self._frames.events():
                    if await self._take(event):
                        return
            except RemoteProtocolError as cause:
                raise httpx.RemoteProtocolError(f"a WebSocket frame was invalid: {cause}") from cause
            data = await self._read()
            if not data:
                raise httpx.ReadError("the connection was closed without a close frame")
            self._frames.receive_data(data)

    async def _take(self, event: Event) -> bool:
        """Whether a whole message, or the end, has come."""
        if isinstance(event, Ping):
            await self._send(event.response())
        elif isinstance(event, CloseConnection):
            reason = f" {event.reason}" if event.reason else ""
            self._note(Sender.SERVER, "close", f"{event.code}{reason}".encode())
            if self._frames is not None and self._frames.state is ConnectionState.REMOTE_CLOSING:
                await self._send(event.response())
            return True
        elif isinstance(event, TextMessage | BytesMessage):
            self._parts.append(event.data if isinstance(event.data, str) else bytes(event.data))
            if sum(len(part) for part in self._parts) > _MOST_MESSAGE:
                raise httpx.RemoteProtocolError(f"a message is longer than {_MOST_MESSAGE} bytes")
            if event.message_finished:
                text = isinstance(event, TextMessage)
                whole = b"".join(part.encode() if isinstance(part, str) else part for part in self._parts)
                self._parts.clear()
                self._note(Sender.SERVER, "text" if text else "binary", whole)
                return True
        return False

    def _note(self, sender: Sender, kind: str, payload: bytes) -> None:
        self.messages.append(Message(sender=sender, offset=self.clock(), type=kind, payload=payload))

    async def _send(self, event: Event) -> None:
        assert self._frames is not None, "opened"  # noqa: S101 (the caller's order)
        try:
            self.writer.write(self._frames.send(event))
            await self.writer.drain()
        except (LocalProtocolError, OSError) as cause:
            raise httpx.WriteError(f"the connection was closed: {cause}") from cause

    async def _read(self) -> bytes:
        try:
            return await self.reader.read(64 * 1024)
        except OSError as cause:
            raise httpx.ReadError(f"the connection was reset: {cause.strerror or cause}") from cause


_NEVER_SENT = frozenset({"1005", "1006", "1015"})
"""Close codes that only tell a program what happened; RFC 6455, section 7.4.1."""


async def open_stream(
    addresses: Sequence[Address], context: ssl.SSLContext | None, server_name: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
    """A connection to the first address that answers, and the nanoseconds that making it took.

    Raises:
        httpx.ConnectError: none did; its cause is an `ssl.SSLError` where TLS failed.
    """
    began = time.monotonic_ns()
    problem: OSError | None = None
    for address in addresses:
        try:
            reader, writer = await asyncio.open_connection(
                address.ip, address.port, ssl=context, server_hostname=server_name if context else None
            )
        except OSError as cause:
            problem = cause
        else:
            return reader, writer, time.monotonic_ns() - began
    raise httpx.ConnectError(why_not_connected(problem)) from problem
