"""What one sidecar saw of one request: immutable values. Pure.

1. Nothing in here knows a clock, a file, a table or a format.
2. What is found out later (links, findings, routes) is not part of an exchange.
3. These are made for every request that is recorded: structs, as they cost a third of a dataclass, and
   `msgspec.structs.replace` is their `dataclasses.replace`.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from mesh_core.outcome import FAILURES, Outcome

type Headers = tuple[tuple[bytes, bytes], ...]
"""Fields as on the wire: order, case and duplicates kept."""

type Bodies = Mapping[str, bytes]
"""Stored body bytes by their hash."""


class Direction(StrEnum):
    """Whose call it is, seen from the recorded service."""

    INBOUND = "inbound"
    """A call to the service: an OpenTelemetry SERVER span."""
    OUTBOUND = "outbound"
    """A call by the service: a CLIENT span."""


class TraceOrigin(StrEnum):
    """Where the trace id comes from."""

    W3C = "w3c"
    B3 = "b3"
    JAEGER = "jaeger"
    DATADOG = "datadog"
    SENTRY = "sentry"
    GCP = "gcp"
    XRAY = "xray"
    GRPC = "grpc"
    REQUEST_ID = "request_id"
    """By hash of `x-request-id`, so that all sidecars agree."""
    SYNTHETIC = "synthetic"
    """Made up, known to the store alone."""


class Synthesized(StrEnum):
    """Who made a reply that the service never gave."""

    NONE = "none"
    PROXY = "proxy"
    FAULT = "fault"


class Lane(StrEnum):
    """What carried the bytes."""

    MITMPROXY = "mitmproxy"
    WIRE = "wire"
    ENVOY = "envoy"
    IMPORTED = "imported"
    """None of ours: out of another tool's file."""


class Sender(StrEnum):
    """Which side sent a message."""

    CLIENT = "client"
    SERVER = "server"


class BodyRef(Struct, frozen=True, kw_only=True, gc=False):
    """A body in the body store."""

    hash: str
    """SHA-256 of the stored bytes, 64 lowercase hex digits."""
    full_hash: str | None = None
    """SHA-256 of the whole body as on the wire; None where redaction changed something."""
    size: int
    """Bytes on the wire, without transfer coding."""
    stored: int
    """Bytes kept."""
    truncated: bool = False
    """Whether less than the whole was kept: over the size limit, or the rest never came."""
    content_type: str | None = None
    content_encoding: str | None = None
    """As on the wire, also where the stored bytes are decoded because of redaction."""
    decoded: bool = False
    """Whether the stored bytes are decoded, since a value had to be redacted."""


class Message(Struct, frozen=True, kw_only=True, gc=False):
    """One WebSocket or SSE message, or one gRPC frame."""

    sender: Sender
    offset: int
    """Nanoseconds after the exchange's start."""
    type: str
    """`text`, `binary`, `close`, `event` or `grpc`."""
    payload: bytes


class Redaction(Struct, frozen=True, kw_only=True, gc=False):
    """How many values one rule replaced in an exchange."""

    rule: str
    count: int


class Exchange(Struct, frozen=True, kw_only=True, gc=False):
    """One request and what came of it, as one sidecar saw it on one side.

    Text taken from the wire (method, authority, path, reason) is latin-1 decoded, so every
    byte survives.
    """

    id: str
    """UUIDv7 as 32 hex digits, made when the request's first byte was seen."""
    trace_id: str
    """32 lowercase hex digits."""
    span_id: str | None = None
    """The caller's span as the request carried it, 16 lowercase hex digits."""
    sampled: bool | None = None
    trace_origin: TraceOrigin
    request_id: str | None = None
    """`x-request-id`, as carried or as the sidecar made it."""
    request_id_made: bool = False
    """Whether this sidecar made `request_id`, as the request came with no context at all."""
    claim: str | None = None
    """The exchange named by the `mesh` member of the request's `tracestate`: only a claim."""
    synthesized: Synthesized = Synthesized.NONE

    service: str
    instance: str
    direction: Direction
    peer: str | None = None
    """The other side: a service's name where known, else `host:port`."""
    connection: str | None = None
    """Names the client's connection within this recorder run."""

    started_at: int
    """Nanoseconds since the Unix epoch at the request's first byte."""
    request_end: int | None = None
    """Nanoseconds since the epoch at the request's last byte; like the next two, the start
    plus a monotonic difference."""
    first_byte: int | None = None
    """Of the response, nanoseconds since the epoch."""
    ended_at: int
    """At the response's last byte, or the error."""
    connect_time: int | None = None
    """Nanoseconds that connecting to the upstream took, where a connection was made for this."""
    tls_time: int | None = None
    """Nanoseconds of the TLS handshake with the upstream."""

    scheme: str
    http_version: str
    """`HTTP/1.0`, `HTTP/1.1`, `HTTP/2`."""
    method: str
    authority: str
    path: str
    """Raw request target with its query."""
    request_headers: Headers = ()
    request_trailers: Headers = ()
    request_body: BodyRef | None = None

    status: int | None = None
    reason: str = ""
    response_headers: Headers = ()
    response_trailers: Headers = ()
    response_body: BodyRef | None = None
    grpc_status: int | None = None
    outcome: Outcome
    error: str | None = None
    """A sentence for people, where the outcome is a failure without a response."""
    messages: tuple[Message, ...] = ()
    opaque: bool = False
    """Whether bytes passed unread: a tunnel, or an upgrade to an unknown protocol."""

    redactions: tuple[Redaction, ...] = ()
    recorder: str
    """Version of the recorder."""
    lane: Lane

    def __post_init__(self) -> None:
        if self.ended_at < self.started_at:
            raise ValueError("an exchange cannot end before it starts")

    @property
    def duration(self) -> int:
        """Nanoseconds from the first request byte to the end."""
        return self.ended_at - self.started_at

    @property
    def failed(self) -> bool:
        """Whether the outcome is a failure of the service or its path."""
        return self.outcome in FAILURES


def own_bodies(exchange: Exchange, bodies: Bodies) -> dict[str, bytes]:
    """Of many bodies those of one exchange, as far as they are there."""
    refs = [ref for ref in (exchange.request_body, exchange.response_body) if ref is not None]
    return {ref.hash: content for ref in refs if (content := bodies.get(ref.hash)) is not None}


def header(headers: Headers, name: bytes) -> bytes | None:
    """The first value of `name` (lower case), or None."""
    for key, value in headers:
        if key.lower() == name:
            return value
    return None


def header_text(headers: Headers, name: bytes) -> str | None:
    """The first value of `name` (lower case) as latin-1 text, or None."""
    value = header(headers, name)
    return None if value is None else value.decode("latin-1")


def grpc_status(headers: Headers, trailers: Headers) -> int | None:
    """A response's `grpc-status`: of its trailers, else of its headers where it has nothing else.

    None where there is none, or none that could be a code.
    """
    value = header(trailers, b"grpc-status")
    if value is None:
        value = header(headers, b"grpc-status") or b""
    digits = value.strip(b" \t")
    return int(digits) if digits.isdigit() and len(digits) < 6 else None
