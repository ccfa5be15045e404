"""What traffic hands over of one request, and how it becomes an exchange.

1. On the event loop nothing happens but what `Captured` does: references to bytes, and times.
2. `finish` runs in the writer's thread: hashes, statuses, outcomes, messages.
3. What is stored of a request's headers is what came, before the sidecar added its own.
"""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from mesh_core.model import (
    Bodies,
    BodyRef,
    Direction,
    Exchange,
    Headers,
    Lane,
    Message,
    Sender,
    Synthesized,
    TraceOrigin,
    grpc_status,
    header,
    header_text,
)
from mesh_core.outcome import Outcome, outcome_of_status
from mesh_core.tracecontext import Found, trace_id_of_request_id
from mesh_recorder.failures import Reply, classify, sentence
from mesh_recorder.messages import messages_in
from mesh_recorder.tee import Tee

OVERHEAD = 2048
"""Bytes of memory that an exchange takes besides its headers and bodies."""
_NOTHING_FOUND = Found()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in the mesh a listener stands."""

    service: str
    instance: str
    direction: Direction
    upstream: str | None = None
    """The dependency that the listener stands for."""
    peers: Mapping[str, str]
    """`host:port` to the service's name."""
    recorder: str
    lane: Lane = Lane.MITMPROXY


class Captured:
    """One request and what came of it so far; filled on the event loop, then handed over for good."""

    __slots__ = (
        "authority", "began", "caller", "connection", "ended", "error", "first_byte", "found", "held", "id",
        "made", "messages", "method", "opaque", "path", "place", "reason", "refused", "reply",
        "request_body", "request_end", "request_headers", "request_trailers", "response_body",
        "response_headers", "response_trailers", "scheme", "server_times", "source", "started_at", "status",
        "target", "target_peer", "version", "websocket",
    )  # fmt: skip

    def __init__(self, place: Place, exchange_id: str, connection: str, began: int, started_at: int) -> None:
        self.place = place
        self.id = exchange_id
        self.connection = connection
        self.began = began
        """Monotonic nanoseconds at the request's first byte; all later times are such too."""
        self.started_at = started_at
        """The same moment in nanoseconds since the epoch."""
        self.source: Any = None
        """mitmproxy's flow, only while the exchange is open."""
        self.found = _NOTHING_FOUND
        self.made: str | None = None
        self.method = self.path = self.authority = b""
        self.scheme = "http"
        self.version = b"HTTP/1.1"
        self.caller: tuple[Any, ...] | None = None
        self.target: tuple[str, int] | None = None
        self.target_peer: tuple[Any, ...] | None = None
        self.request_headers: Headers = ()
        self.request_trailers: Headers = ()
        self.request_body: Tee | None = None
        self.request_end = 0
        self.status: int | None = None
        self.reason = b""
        self.response_headers: Headers = ()
        self.response_trailers: Headers = ()
        self.response_body: Tee | None = None
        self.first_byte = 0
        self.reply: Reply | None = None
        """The sidecar's own answer, where it gave one."""
        self.refused: Headers = ()
        """The fields of a response that was not handed on, as its head was invalid."""
        self.error: str | None = None
        self.messages: list[tuple[bool, int, str, bytes]] = []
        """By the client or not, monotonic time, type, payload."""
        self.websocket: int | None = None
        """The close code, 0 while a WebSocket is open."""
        self.opaque = False
        self.server_times: tuple[float | None, float | None, float | None] | None = None
        """Seconds since the epoch at which connecting began, TCP stood, TLS stood."""
        self.ended = 0
        self.held = OVERHEAD

    def close(self, now: int) -> None:
        """Let go of everything but the copy, and say how much memory that takes."""
        self.source = None
        self.ended = now
        held = OVERHEAD
        for fields in (self.request_headers, self.response_headers, self.refused):
            for name, value in fields:
                held += 100 + len(name) + len(value)
        for tee in (self.request_body, self.response_body):
            if tee is not None:
                tee.release()
                held += tee.kept + 64 * len(tee.pieces)
        for message in self.messages:
            held += 200 + len(message[3])
        self.held = held


def finish(captured: Captured) -> tuple[Exchange, Bodies]:
    """The exchange that was captured, and its bodies by their hash."""
    bodies: dict[str, bytes] = {}
    fields = _identity(captured) | _request(captured, bodies) | _response(captured, bodies) | _times(captured)
    return Exchange(**fields), bodies


def _identity(captured: Captured) -> dict[str, Any]:
    place, found = captured.place, captured.found
    trace_id, span_id, sampled, origin = _trace(captured)
    return {
        "id": captured.id,
        "trace_id": trace_id,
        "span_id": span_id,
        "sampled": sampled,
        "trace_origin": origin,
        "request_id": captured.made or found.request_id,
        "request_id_made": captured.made is not None,
        "claim": found.claim,
        "service": place.service,
        "instance": place.instance,
        "direction": place.direction,
        "peer": peer_of(captured),
        "connection": captured.connection,
        "recorder": place.recorder,
        "lane": place.lane,
    }


def _request(captured: Captured, bodies: dict[str, bytes]) -> dict[str, Any]:
    whole, headers = bool(captured.request_end), captured.request_headers
    return {
        "scheme": captured.scheme,
        "http_version": "HTTP/2" if captured.version == b"HTTP/2.0" else captured.version.decode("latin-1"),
        "method": captured.method.decode("latin-1"),
        "authority": captured.authority.decode("latin-1"),
        "path": captured.path.decode("latin-1"),
        "request_headers": headers,
        "request_trailers": captured.request_trailers,
        "request_body": _body(captured.request_body, headers, bodies, whole=whole),
    }


def _response(captured: Captured, bodies: dict[str, bytes]) -> dict[str, Any]:
    reply = captured.reply
    grpc = grpc_status(captured.response_headers, captured.response_trailers)
    outcome, error = _outcome(captured, grpc)
    return {
        "synthesized": Synthesized.PROXY if reply else Synthesized.NONE,
        "status": reply.status if reply else captured.status,
        "reason": "" if reply else captured.reason.decode("latin-1"),
        "response_headers": _response_headers(captured),
        "response_trailers": captured.response_trailers,
        "response_body": _response_body(captured, bodies),
        "grpc_status": grpc,
        "outcome": outcome,
        "error": error,
        "messages": _messages(captured),
        "opaque": captured.opaque,
    }


def _times(captured: Captured) -> dict[str, Any]:
    connect, tls = setup_times(captured)
    return {
        "started_at": captured.started_at,
        "request_end": _at(captured, captured.request_end),
        "first_byte": _at(captured, captured.first_byte),
        "ended_at": captured.started_at + max(0, captured.ended - captured.began),
        "connect_time": connect,
        "tls_time": tls,
    }


def _trace(captured: Captured) -> tuple[str, str | None, bool | None, TraceOrigin]:
    best = captured.found.best
    if best is not None:
        return best.trace_id, best.span_id, best.sampled, best.origin
    request_id = captured.made or captured.found.request_id
    if request_id is not None:
        return trace_id_of_request_id(request_id), None, None, TraceOrigin.REQUEST_ID
    return synthetic_trace_id(), None, None, TraceOrigin.SYNTHETIC


def synthetic_trace_id() -> str:
    """A trace id for a request that is in none."""
    return secrets.token_hex(16)


def peer_of(captured: Captured) -> str | None:
    """The other side's name where it is known, else its address."""
    place = captured.place
    if place.direction is Direction.INBOUND:
        return _address(captured.caller)
    if place.upstream is not None:
        return place.upstream
    for address in (_address(captured.target), _address(captured.target_peer)):
        if address is None:
            continue
        name = place.peers.get(address) or place.peers.get(address.replace("localhost:", "127.0.0.1:"))
        if name is not None:
            return name
    return _address(captured.target)


def _address(address: tuple[Any, ...] | None) -> str | None:
    if address is None:
        return None
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _at(captured: Captured, moment: int) -> int | None:
    """Nanoseconds since the epoch of a monotonic time; None where it never came."""
    return captured.started_at + max(0, moment - captured.began) if moment else None


def setup_times(captured: Captured) -> tuple[int | None, int | None]:
    """How long connecting and TLS took, where the connection was made for this request."""
    if captured.server_times is None:
        return None, None
    start, tcp, tls = captured.server_times
    if start is None or tcp is None or start * 1e9 < captured.started_at - 1_000:
        return None, None
    return max(0, int((tcp - start) * 1e9)), max(0, int((tls - tcp) * 1e9)) if tls is not None else None


def _body(tee: Tee | None, headers: Headers, bodies: dict[str, bytes], *, whole: bool) -> BodyRef | None:
    """A reference to what was kept; None where there was no body."""
    if tee is None or (tee.size == 0 and whole):
        return None
    content = tee.content
    digest = sha256(content).hexdigest()
    complete = whole and tee.kept == tee.size and not tee.broken
    bodies[digest] = content
    return BodyRef(
        hash=digest,
        full_hash=digest if complete else None,
        size=tee.size,
        stored=len(content),
        truncated=not complete,
        content_type=header_text(headers, b"content-type"),
        content_encoding=header_text(headers, b"content-encoding"),
    )


def _response_body(captured: Captured, bodies: dict[str, bytes]) -> BodyRef | None:
    reply = captured.reply
    if reply is None:
        whole = captured.error is None
        return _body(captured.response_body, captured.response_headers, bodies, whole=whole)
    digest = sha256(reply.body).hexdigest()
    bodies[digest] = reply.body
    size = len(reply.body)
    return BodyRef(
        hash=digest, full_hash=digest, size=size, stored=size, content_type="text/plain; charset=utf-8"
    )


def _response_headers(captured: Captured) -> Headers:
    """The response's; where it was refused and the sidecar answered instead, still those that came."""
    if captured.reply is None:
        return captured.response_headers
    return captured.refused or captured.reply.headers


def _outcome(captured: Captured, grpc: int | None) -> tuple[Outcome, str | None]:
    """What came of it, and the sentence for people where it failed without a whole response."""
    if captured.websocket is not None:
        return _websocket_outcome(captured)
    if captured.error is None:
        if captured.status is None:
            return Outcome.OK, None
        return outcome_of_status(captured.status, grpc), None
    outcome = classify(captured.error)
    if outcome is Outcome.CLIENT_DISCONNECTED and (captured.opaque or _is_event_stream(captured)):
        return Outcome.OK, None
    return outcome, sentence(captured.error)


def _websocket_outcome(captured: Captured) -> tuple[Outcome, str | None]:
    code = captured.websocket
    if code == 1002:
        return Outcome.PROTOCOL_ERROR, "a WebSocket frame was invalid"
    if code == 1006 and captured.error is not None:
        return Outcome.UPSTREAM_RESET, captured.error
    return Outcome.OK, None


def _is_event_stream(captured: Captured) -> bool:
    return (header(captured.response_headers, b"content-type") or b"").startswith(b"text/event-stream")


def _messages(captured: Captured) -> tuple[Message, ...]:
    found = [
        Message(
            sender=Sender.CLIENT if by_client else Sender.SERVER,
            offset=max(0, at - captured.began),
            type=kind,
            payload=payload,
        )
        for by_client, at, kind, payload in captured.messages
    ]
    found += messages_in(Sender.CLIENT, captured.request_headers, captured.request_body, captured.began)
    found += messages_in(Sender.SERVER, captured.response_headers, captured.response_body, captured.began)
    return tuple(sorted(found, key=lambda message: message.offset)) if len(found) > 1 else tuple(found)


def now() -> int:
    """Monotonic nanoseconds, the clock of everything that is captured."""
    return time.monotonic_ns()
