"""What came back, as an exchange, so that both sides are judged by the same rules. Pure."""

import hashlib
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from mesh_core.model import (
    Bodies,
    BodyRef,
    Direction,
    Exchange,
    Headers,
    Lane,
    Message,
    grpc_status,
    header_text,
)
from mesh_core.outcome import Outcome, outcome_of_status
from mesh_replayer.prepare import Prepared

CALLER = "mesh-replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What the wire saw of one request."""

    started_at: int
    """Nanoseconds since the Unix epoch."""
    request_end: int | None = None
    first_byte: int | None = None
    ended_at: int
    connect_time: int | None = None
    http_version: str = "HTTP/1.1"
    status: int | None = None
    reason: str = ""
    headers: Headers = ()
    trailers: Headers = ()
    body: bytes = b""
    """What was kept of it."""
    body_size: int = 0
    body_hash: str | None = None
    """SHA-256 of the whole."""
    failure: Outcome | None = None
    """Why there is no whole response."""
    error: str | None = None
    """The same in words."""
    messages: tuple[Message, ...] = ()
    """Of a WebSocket."""


def reply_exchange(
    recorded: Exchange, prepared: Prepared, received: Received, *, id: str, recorder: str
) -> tuple[Exchange, Bodies]:
    """The replayed exchange and its bodies.

    Args:
        recorded: what it is a replay of.
        prepared: what was sent.
        received: what came back.
        id: the new exchange's.
        recorder: our version.
    """
    request_body = _ref(prepared.request.body, len(prepared.request.body), None, prepared.request.headers)
    response_body = _ref(received.body, received.body_size, received.body_hash, received.headers)
    if response_body is not None and received.failure is not None and received.status is not None:
        response_body = structs.replace(response_body, truncated=True)
    grpc = grpc_status(received.headers, received.trailers)
    exchange = Exchange(
        id=id,
        trace_id=prepared.retraced.trace_id or id,
        span_id=prepared.retraced.span_id,
        trace_origin=recorded.trace_origin,
        request_id=prepared.retraced.request_id,
        service=recorded.service,
        instance=recorded.instance,
        direction=recorded.direction,
        peer=CALLER if recorded.direction is Direction.INBOUND else recorded.peer,
        scheme=recorded.scheme,
        method=recorded.method,
        authority=recorded.authority,
        path=recorded.path,
        request_headers=prepared.request.headers,
        request_trailers=prepared.request.trailers,
        request_body=request_body,
        response_body=response_body,
        grpc_status=grpc,
        outcome=_outcome(received, grpc),
        **_seen(received),
        recorder=recorder,
        lane=Lane.WIRE,
    )
    kept = ((request_body, prepared.request.body), (response_body, received.body))
    return exchange, {ref.hash: content for ref, content in kept if ref is not None}


def _seen(received: Received) -> dict[str, Any]:
    """What is told as it came."""
    return {
        "started_at": received.started_at,
        "request_end": received.request_end,
        "first_byte": received.first_byte,
        "ended_at": max(received.ended_at, received.started_at),
        "connect_time": received.connect_time,
        "http_version": received.http_version,
        "status": received.status,
        "reason": received.reason,
        "response_headers": received.headers,
        "response_trailers": received.trailers,
        "error": received.error,
        "messages": received.messages,
    }


def _outcome(received: Received, grpc: int | None) -> Outcome:
    if received.failure is not None or received.status is None:
        return received.failure or Outcome.PROTOCOL_ERROR
    return outcome_of_status(received.status, grpc)


def _ref(kept: bytes, size: int, whole_hash: str | None, fields: Headers) -> BodyRef | None:
    if not size:
        return None
    digest = hashlib.sha256(kept).hexdigest()
    return BodyRef(
        hash=digest,
        full_hash=whole_hash or digest,
        size=size,
        stored=len(kept),
        truncated=len(kept) < size,
        content_type=header_text(fields, b"content-type"),
        content_encoding=header_text(fields, b"content-encoding"),
    )
