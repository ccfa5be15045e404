"""Sends prepared requests and tells what came back: the edge between a plan and the wire."""

import asyncio
import hashlib
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from mesh_core.outcome import Outcome
from mesh_replayer.plan import Step
from mesh_replayer.reply import Received
from mesh_replayer.resolve import Route
from mesh_replayer.wire.request import WireRequest
from mesh_replayer.wire.transport import WireTransport

MOST_KEPT = 32 * 1024 * 1024
"""Bytes of a response body that are kept; all of it is counted and hashed."""
_PIECE = 64 * 1024


class Sends(Protocol):
    """What carries requests to targets: `Sender`, or what stands in front of it."""

    async def send(self, step: Step, request: WireRequest) -> Received:
        """Send one request and read its response."""
        ...

    async def close(self, lane: tuple[str, str]) -> None:
        """Close the connection of a lane that has no more steps."""
        ...

    async def aclose(self) -> None:
        """Close all."""
        ...


@dataclass(slots=True)
class Sender:
    """Keeps a connection for each lane."""

    routes: Mapping[str, Route]
    """By a target's text."""
    timeout: float | None
    """Seconds for one exchange, from the first byte sent to the last received."""
    _lanes: dict[tuple[str, str], WireTransport] = field(default_factory=dict)

    async def send(self, step: Step, request: WireRequest) -> Received:
        """Send one request and read its response."""
        route = self.routes[step.target.text]
        seen = _Seen()
        if not route.addresses:
            return seen.received(Outcome.DNS_FAILED, route.problem)
        transport = self._lanes.get(step.lane)
        if transport is None:
            transport = self._lanes[step.lane] = WireTransport(
                route.addresses, context=route.context, server_name=step.target.host
            )
        try:
            async with asyncio.timeout(self.timeout):
                await seen.through(transport, request)
        except httpx.ConnectError as cause:
            tls = isinstance(cause.__cause__, ssl.SSLError)
            return seen.received(Outcome.TLS_FAILED if tls else Outcome.CONNECT_FAILED, str(cause))
        except httpx.RemoteProtocolError as cause:
            return seen.received(Outcome.PROTOCOL_ERROR, str(cause))
        except httpx.TransportError as cause:
            return seen.received(Outcome.UPSTREAM_RESET, str(cause))
        except TimeoutError:
            await transport.aclose()
            return self._timed_out(seen)
        return seen.received()

    async def close(self, lane: tuple[str, str]) -> None:
        """Close the connection of a lane that has no more steps."""
        transport = self._lanes.pop(lane, None)
        if transport is not None:
            await transport.aclose()

    async def aclose(self) -> None:
        """Close all."""
        for lane in list(self._lanes):
            await self.close(lane)

    def _timed_out(self, seen: "_Seen") -> Received:
        limit = f"within {self.timeout:g} s"
        if not seen.connected:
            return seen.received(Outcome.CONNECT_FAILED, f"no connection {limit}")
        what = "no answer" if seen.status is None else "the answer was not whole"
        return seen.received(Outcome.UPSTREAM_TIMEOUT, f"{what} {limit}")


@dataclass(slots=True)
class _Seen:
    """What was seen so far: kept apart, so that an interrupted response is not lost."""

    started_at: int = field(default_factory=time.time_ns)
    _clock: int = field(default_factory=time.monotonic_ns)
    connected: bool = False
    status: int | None = None
    _parts: dict[str, Any] = field(default_factory=dict)
    _body: bytearray = field(default_factory=bytearray)
    _size: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    async def through(self, transport: WireTransport, request: WireRequest) -> None:
        """Send the request and read all of the response."""
        opened, began = transport.opened, time.monotonic_ns()
        await transport.connect()
        self.connected = True
        if transport.opened > opened:
            self._parts["connect_time"] = time.monotonic_ns() - began
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
        async for piece in response.stream:  # type: ignore[union-attr]  # an async transport's is async
            self._size += len(piece)
            self._hash.update(piece)
            self._body += piece[: max(0, MOST_KEPT - len(self._body))]
        self._parts["trailers"] = tuple(extensions["trailing_headers"])

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
