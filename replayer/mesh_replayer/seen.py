"""What was seen of one request so far: apart from its sending, so that half an answer is not lost."""

import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from mesh_core.outcome import Outcome
from mesh_replayer.reply import Received
from mesh_replayer.resolve import Route
from mesh_replayer.target import IDEMPOTENT_METHODS
from mesh_replayer.wire.connection import NoAnswer
from mesh_replayer.wire.events import EventCounter
from mesh_replayer.wire.http2 import Http2Transport
from mesh_replayer.wire.request import WireRequest
from mesh_replayer.wire.transport import WireTransport
from mesh_replayer.wire.websocket import Conversation, open_stream

MOST_KEPT = 32 * 1024 * 1024
"""Bytes of a response body that are kept; all of it is counted and hashed."""
_PIECE = 64 * 1024


@dataclass(slots=True)
class Seen:
    """The answer to one request, as far as it has come."""

    started_at: int = field(default_factory=time.time_ns)
    _clock: int = field(default_factory=time.monotonic_ns)
    connected: bool = False
    status: int | None = None
    _parts: dict[str, Any] = field(default_factory=dict)
    _body: bytearray = field(default_factory=bytearray)
    _size: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    async def through(self, transport: WireTransport, request: WireRequest) -> None:
        """Send a request over HTTP/1 and read all of the answer.

        Raises:
            httpx.TransportError: there was none, or not all of it.
        """
        opened = await self._connect(transport)
        reused = transport.opened == opened
        try:
            response = await transport.handle_async_request(_httpx_request(request))
        except NoAnswer:
            # The server closed a kept connection just then: what may be sent twice is sent again, as
            # browsers do. Source: RFC 9110, section 9.2.2.
            if not reused or request.method.upper().decode("latin-1") not in IDEMPOTENT_METHODS:
                raise
            await self._connect(transport)
            response = await transport.handle_async_request(_httpx_request(request))
        self.status = response.status_code
        extensions = response.extensions
        self._parts |= {
            "http_version": extensions["http_version"].decode(),
            "reason": extensions["reason_phrase"].decode("latin-1"),
            "headers": tuple(response.headers.raw),
            "request_end": self._at(extensions["request_end"]),
            "first_byte": self._at(time.monotonic_ns()),
        }
        events = EventCounter(request.events)
        async for piece in response.stream:  # type: ignore[union-attr]  # an async transport's is async
            self._keep(events.taken(piece))
            if events.enough:
                await transport.aclose()
                return
        self._parts["trailers"] = tuple(extensions["trailing_headers"])

    async def over_http2(self, transport: Http2Transport, request: WireRequest) -> None:
        """Send a request over HTTP/2 and read all of the answer; see `through`."""
        connection, took = await transport.connect()
        self.connected = True
        if took is not None:
            self._parts["connect_time"] = took
        stream = await connection.begin(request)
        self._parts |= {"http_version": "HTTP/2", "request_end": self._at(time.monotonic_ns())}
        try:
            await stream.until_head()
            self.status = stream.status
            self._parts |= {"headers": stream.headers, "first_byte": self._at(time.monotonic_ns())}
            events = EventCounter(request.events)
            async for piece in stream.body():
                self._keep(events.taken(piece))
                if events.enough:
                    return
            self._parts["trailers"] = stream.trailers
        finally:
            connection.cancel(stream)

    async def conversed(self, route: Route, request: WireRequest) -> None:
        """Become a WebSocket and say what was said; see `through`."""
        reader, writer, took = await open_stream(route.addresses, route.context, route.target.host)
        self.connected = True
        self._parts["connect_time"] = took
        talk = Conversation(request, reader, writer, lambda: time.monotonic_ns() - self._clock)
        try:
            opened = await talk.open()
            head = talk.answer.head
            if head is not None:
                self.status = head.status
                self._parts |= {
                    "http_version": head.version,
                    "reason": head.reason.decode("latin-1"),
                    "headers": head.headers,
                    "first_byte": self._at(time.monotonic_ns()),
                }
            for piece in talk.answer.pieces:
                self._keep(piece)
            if opened:
                await talk.converse(request.conversation or ())
        finally:
            self._parts["messages"] = tuple(talk.messages)
            writer.close()

    async def _connect(self, transport: WireTransport) -> int:
        """Have a connection; how many there had been before."""
        opened, began = transport.opened, time.monotonic_ns()
        await transport.connect()
        self.connected = True
        if transport.opened > opened:
            self._parts["connect_time"] = time.monotonic_ns() - began
        return opened

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        self._hash.update(piece)
        self._body += piece[: max(0, MOST_KEPT - len(self._body))]

    def received(self, failure: Outcome | None = None, error: str | None = None) -> Received:
        """All of it as a value."""
        return Received(
            started_at=self.started_at,
            ended_at=self._at(time.monotonic_ns()),
            status=self.status,
            body=bytes(self._body),
            body_size=self._size,
            body_hash=self._hash.hexdigest(),
            failure=failure,
            error=error,
            **self._parts,
        )

    def _at(self, monotonic: int) -> int:
        return self.started_at + monotonic - self._clock


def _httpx_request(request: WireRequest) -> httpx.Request:
    return httpx.Request(
        request.method.decode("latin-1"),
        "http://replayed",  # the transport connects to the address that it was given
        headers=list(request.headers),
        stream=_Pieces(request.body),
        extensions={
            "method": request.method,
            "target": request.target,
            "version": request.version,
            "trailers": request.trailers,
        },
    )


class _Pieces(httpx.AsyncByteStream):
    """A body; one that is chunked goes out in chunks of ours, since their ends are not recorded."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._body), _PIECE):
            yield self._body[at : at + _PIECE]
