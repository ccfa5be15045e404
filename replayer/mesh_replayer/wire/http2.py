"""One HTTP/2 connection to one checked address: requests share it, each on a stream of its own.

Framing and state are the `h2` library's; the bytes of headers, data and trailers are the recorded ones.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import httpx

from mesh_core.model import Headers
from mesh_replayer.wire.connection import Address, connect
from mesh_replayer.wire.request import WireRequest

_WINDOW = 1024 * 1024
"""Bytes of a body that may be on their way before they are read."""
_CONNECTION_HEADERS = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"host"}
)
"""Of HTTP/1 alone. Source: RFC 9113, section 8.2.2."""


@dataclass(slots=True)
class Stream:
    """One request and its answer."""

    number: int
    connection: Http2Connection
    status: int | None = None
    headers: Headers = ()
    trailers: Headers = ()
    pieces: deque[tuple[bytes, int]] = field(default_factory=deque)
    """Parts of the body that nobody has taken yet, and what each counts for flow control."""
    ended: bool = False
    problem: Exception | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_head(self) -> None:
        """Wait for the head of the final answer."""
        while self.status is None:
            await self._more()

    async def body(self) -> AsyncIterator[bytes]:
        """The parts of the body as they come."""
        while True:
            while self.pieces:
                piece, counted = self.pieces.popleft()
                self.connection.taken(self.number, counted)
                yield piece
            if self.ended:
                return
            await self._more()

    async def _more(self) -> None:
        if self.problem is not None:
            raise self.problem
        if self.ended:
            raise httpx.RemoteProtocolError("the answer has no head")
        self.changed.clear()
        await self.changed.wait()


class Http2Connection(asyncio.Protocol):
    """What asyncio calls, and what the sender does."""

    def __init__(self) -> None:
        config = h2.config.H2Configuration(client_side=True, header_encoding=False)
        self._frames = h2.connection.H2Connection(config)
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, Stream] = {}
        self._window_grew = asyncio.Event()
        self._closed = False
        self._heard = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: say what we take."""
        self._transport = transport  # type: ignore[assignment]  # a stream's transport is one that writes
        self._frames.initiate_connection()
        self._frames.update_settings(
            {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW, h2.settings.SettingCodes.ENABLE_PUSH: 0}
        )
        self._frames.increment_flow_control_window(_WINDOW)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Frames came."""
        if not self._heard and data.startswith(b"HTTP/1"):
            self._end(httpx.RemoteProtocolError("it does not speak HTTP/2"))
            return
        self._heard = True
        try:
            events = self._frames.receive_data(data)
        except h2.exceptions.ProtocolError as cause:
            self._flush()
            self._end(httpx.RemoteProtocolError(f"the answer is not HTTP/2: {cause}"))
            return
        for event in events:
            self._handle(event)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed or reset."""
        how = "reset" if exc is not None else "closed"
        self._end(httpx.ReadError(f"the connection was {how} before the answer was whole"))

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return not self._closed

    def abort(self) -> None:
        """Close at once."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def taken(self, stream: int, size: int) -> None:
        """A part of a body was read: the other side may send as much again."""
        if size and not self._closed:
            try:
                self._frames.acknowledge_received_data(size, stream)
            except h2.exceptions.ProtocolError:
                return  # the stream is over
            self._flush()

    def cancel(self, stream: Stream) -> None:
        """Want no more of an answer."""
        if not stream.ended and not self._closed:
            try:
                self._frames.reset_stream(stream.number, h2.errors.ErrorCodes.CANCEL)
            except h2.exceptions.ProtocolError:
                return
            self._flush()

    async def begin(self, request: WireRequest) -> Stream:
        """Send a request whole; its answer comes on the stream.

        Raises:
            httpx.LocalProtocolError: it cannot be written as HTTP/2.
            httpx.RemoteProtocolError: the other side broke the rules meanwhile.
        """
        number = self._frames.get_next_available_stream_id()
        stream = self._streams[number] = Stream(number, self)
        try:
            bare = not request.body and not request.trailers
            self._frames.send_headers(number, _fields(request), end_stream=bare)
            self._flush()
            await self._body(stream, request)
        except h2.exceptions.StreamClosedError:
            return stream  # answered or reset before all was sent
        except h2.exceptions.ProtocolError as cause:
            raise httpx.LocalProtocolError(f"not to be written as HTTP/2: {cause}") from cause
        return stream

    async def _body(self, stream: Stream, request: WireRequest) -> None:
        rest = memoryview(request.body)
        while rest and not stream.ended and stream.problem is None:
            room = min(
                self._frames.local_flow_control_window(stream.number), self._frames.max_outbound_frame_size
            )
            if room <= 0:
                self._window_grew.clear()
                await self._window_grew.wait()
                continue
            piece, rest = bytes(rest[:room]), rest[room:]
            self._frames.send_data(stream.number, piece, end_stream=not rest and not request.trailers)
            self._flush()
        if request.trailers and not stream.ended and stream.problem is None:
            self._frames.send_headers(stream.number, list(request.trailers), end_stream=True)
            self._flush()

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.WindowUpdated | h2.events.RemoteSettingsChanged):
            self._window_grew.set()
            return
        if isinstance(event, h2.events.ConnectionTerminated):
            self._gone_away(event)
            return
        stream = self._streams.get(getattr(event, "stream_id", None) or 0)
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            fields = [(bytes(name), bytes(value)) for name, value in event.headers]
            stream.status = int(dict(fields)[b":status"])
            stream.headers = tuple(each for each in fields if not each[0].startswith(b":"))
        elif isinstance(event, h2.events.DataReceived):
            stream.pieces.append((event.data, event.flow_controlled_length))
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = tuple((bytes(name), bytes(value)) for name, value in event.headers)
        elif isinstance(event, h2.events.StreamReset):
            known = event.error_code in _CODES
            code = h2.errors.ErrorCodes(event.error_code).name if known else event.error_code
            stream.problem = httpx.ReadError(f"the stream was reset ({code})")
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
            self._streams.pop(stream.number, None)
        stream.changed.set()
        self._window_grew.set()

    def _gone_away(self, event: h2.events.ConnectionTerminated) -> None:
        """No more requests; those beyond the last one that was taken get no answer."""
        self._closed = True
        last = event.last_stream_id or 0
        for number, stream in self._streams.items():
            if number > last or event.error_code:
                stream.problem = httpx.ReadError("the server went away before it took the request")
                stream.changed.set()
        self._window_grew.set()

    def _end(self, problem: Exception) -> None:
        self.abort()
        for stream in self._streams.values():
            stream.problem = stream.problem or problem
            stream.changed.set()
        self._streams.clear()
        self._window_grew.set()

    def _flush(self) -> None:
        data = self._frames.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)


_CODES = frozenset(int(code) for code in h2.errors.ErrorCodes)


class Http2Transport:
    """Sends requests at once or one after the other, on one connection as long as both sides keep it."""

    def __init__(
        self, addresses: Sequence[Address], *, context: ssl.SSLContext | None, server_name: str | None
    ) -> None:
        """Prepare; nothing is connected yet. See `WireTransport`."""
        self._addresses, self._context, self._server_name = addresses, context, server_name
        self._connection: Http2Connection | None = None
        self._connecting = asyncio.Lock()

    async def connect(self) -> tuple[Http2Connection, int | None]:
        """A connection, and the nanoseconds that making it took, where it was made now.

        Raises:
            httpx.ConnectError: see `wire.connection.connect`; also where TLS agreed on no HTTP/2.
        """
        async with self._connecting:
            if self._connection is not None and self._connection.usable:
                return self._connection, None
            began = time.monotonic_ns()
            connection = await connect(self._addresses, self._context, self._server_name, Http2Connection)
            self._connection = connection
            return connection, time.monotonic_ns() - began

    async def aclose(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None


def _fields(request: WireRequest) -> list[tuple[bytes, bytes]]:
    """Pseudo headers first, then the recorded ones, in their order; names in lower case."""
    pseudo = [
        (b":method", request.method), (b":scheme", request.scheme), (b":authority", request.authority),
        (b":path", request.target),
    ]  # fmt: skip
    rest = [(name.lower(), value) for name, value in request.headers if not name.startswith(b":")]
    return pseudo + [
        (name, value)
        for name, value in rest
        if name not in _CONNECTION_HEADERS and (name != b"te" or value.lower() == b"trailers")
    ]
