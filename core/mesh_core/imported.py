"""What another tool kept of a wire, as the exchange that it can be. Pure.

The exchange is inbound at the host that was asked, and its id is made of what the file says of it, so that
the same file gives the same ids.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from mesh_core.ids import uuid7
from mesh_core.model import (
    Bodies,
    BodyRef,
    Direction,
    Exchange,
    Headers,
    Lane,
    Message,
    TraceOrigin,
    grpc_status,
    header_text,
)
from mesh_core.outcome import Outcome, outcome_of_status
from mesh_core.tracecontext.reading import read
from mesh_core.tracecontext.requestid import trace_id_of_request_id

_HOST = re.compile(r"(\[[^\]]+\]|[^:\[\]]+)(?::\d*)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request and what came of it, as they were on the wire."""

    started_at: int
    """Nanoseconds since the Unix epoch, as all times here."""
    request_end: int | None = None
    first_byte: int | None = None
    ended_at: int
    scheme: str
    authority: str
    method: str
    path: str
    http_version: str = "HTTP/1.1"
    request_headers: Headers
    request_body: bytes = b""
    request_trailers: Headers = ()
    status: int | None = None
    """None where no response was seen."""
    reason: str = ""
    response_headers: Headers = ()
    response_body: bytes = b""
    response_trailers: Headers = ()
    error: str | None = None
    """Why there is no response, or no whole one."""
    outcome: Outcome | None = None
    """Of a broken one; None where its status says it."""
    connection: str | None = None
    key: str = ""
    """What the file calls it, so that equal requests of one moment stay two."""
    messages: tuple[Message, ...] = ()


def imported_exchange(seen: Seen, *, creator: str) -> tuple[Exchange, Bodies]:
    """The exchange and its bodies by hash.

    Args:
        seen: by another tool.
        creator: that tool, and its version where the file tells it.
    """
    digest = _digest(seen)
    request_body, request_bytes = _body(seen.request_body, seen.request_headers)
    response_body, response_bytes = _body(seen.response_body, seen.response_headers)
    found = grpc_status(seen.response_headers, seen.response_trailers)
    exchange = Exchange(
        id=uuid7(seen.started_at, digest[:8]),
        **context_of(seen.request_headers, digest),
        service=service_of(seen.authority),
        instance=seen.authority,
        direction=Direction.INBOUND,
        connection=seen.connection,
        started_at=seen.started_at,
        request_end=seen.request_end,
        first_byte=seen.first_byte,
        ended_at=max(seen.started_at, seen.ended_at),
        scheme=seen.scheme,
        http_version=seen.http_version,
        method=seen.method,
        authority=seen.authority,
        path=seen.path,
        request_headers=seen.request_headers,
        request_body=request_body,
        request_trailers=seen.request_trailers,
        status=seen.status,
        reason=seen.reason,
        grpc_status=found,
        outcome=_outcome(seen, found),
        error=seen.error,
        response_headers=seen.response_headers,
        response_body=response_body,
        response_trailers=seen.response_trailers,
        messages=seen.messages,
        recorder=creator,
        lane=Lane.IMPORTED,
    )
    return exchange, request_bytes | response_bytes


def context_of(headers: Headers, digest: bytes) -> dict[str, Any]:
    """The trace of a request, by its headers or else its own; `digest` makes up what they do not say."""
    found = read(headers)
    same: dict[str, Any] = {"request_id": found.request_id, "claim": found.claim}
    if found.best is not None:
        best = found.best
        same |= {"span_id": best.span_id, "sampled": best.sampled}
        return {"trace_id": best.trace_id, "trace_origin": best.origin, **same}
    if found.request_id is not None:
        trace_id = trace_id_of_request_id(found.request_id)
        return {"trace_id": trace_id, "trace_origin": TraceOrigin.REQUEST_ID, **same}
    return {"trace_id": digest[8:24].hex(), "trace_origin": TraceOrigin.SYNTHETIC, **same}


def service_of(authority: str) -> str:
    """The host without its port, as the name of a service that nobody named."""
    match = _HOST.fullmatch(authority)
    return (match[1] if match else authority).lower() or "unknown"


def _digest(seen: Seen) -> bytes:
    said = (seen.started_at, seen.method, seen.authority, seen.path, seen.request_headers, seen.key)
    return sha256(repr(said).encode() + seen.request_body).digest()


def _body(content: bytes, headers: Headers) -> tuple[BodyRef | None, dict[str, bytes]]:
    if not content:
        return None, {}
    digest = sha256(content).hexdigest()
    coding = (header_text(headers, b"content-encoding") or "").strip()
    ref = BodyRef(
        hash=digest,
        full_hash=digest,
        size=len(content),
        stored=len(content),
        content_type=header_text(headers, b"content-type"),
        content_encoding=coding if coding.lower() not in ("", "identity") else None,
    )
    return ref, {digest: content}


def _outcome(seen: Seen, found: int | None) -> Outcome:
    if seen.outcome is not None:
        return seen.outcome
    return Outcome.UPSTREAM_RESET if seen.status is None else outcome_of_status(seen.status, found)
