"""What one sidecar is told, as values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from mesh_core.config import Keep, Redact, RedactMode, split_address
from mesh_core.model import Lane
from mesh_core.probes import DEFAULT
from mesh_core.retention import Retention


class TraceHeaders(StrEnum):
    """What the sidecar may add to a request's headers, so that a trace hangs together."""

    LINK = "link"
    """A `tracestate` member beside a `traceparent`, and `x-request-id` where no context came."""
    ALWAYS = "always"
    """A `traceparent` too where none came, for meshes without tracing of their own."""
    NEVER = "never"


class Durability(StrEnum):
    """When what was recorded is synced to the disk."""

    BATCH = "batch"
    """Every 100 ms or 1 MiB."""
    EACH = "each"
    """Each exchange as it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a server is reached."""

    scheme: str = "http"
    """`http` or `https`."""
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{host_port(self.host, self.port)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """An address to listen on."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free port."""

    def __str__(self) -> str:
        return host_port(self.host, self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamPort:
    """A port that stands for one dependency."""

    name: str
    listen: Listen
    target: Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarSettings:
    """Everything that one sidecar needs to know."""

    project: str = "default"
    service: str
    instance: str
    app: Endpoint | None = None
    """Where the service itself listens."""
    inbound: Listen | None = None
    outbound: Listen | None = None
    upstreams: tuple[UpstreamPort, ...] = ()
    peers: Mapping[str, str] = field(default_factory=dict)
    """`host:port` of the other services' apps and inbound listeners, to the service's name."""
    intercept: tuple[str, ...] = ()
    """TLS hosts to look into; all others pass as they are."""
    intercept_all: bool = False
    cert: Path | None = None
    """The inbound listener's own certificate; it speaks TLS then."""
    key: Path | None = None
    upstream_ca: Path | None = None
    """Whom to trust besides the system, towards the app and upstreams."""
    edge: bool = False
    """Whether callers are outside the mesh, so that their claims are dropped."""
    refuses_replays: bool = False
    """Whether replays are answered with 403 and never reach the service."""
    trace_headers: TraceHeaders = TraceHeaders.LINK
    connect_timeout: float = 10.0
    """Seconds."""
    response_timeout: float | None = 300.0
    """Seconds without a response head; None waits for ever."""
    max_body: int = 1024 * 1024
    """Bytes of a body that are kept."""
    budget: int = 64 * 1024 * 1024
    """Bytes that may wait between traffic and spool."""
    keep: Keep = Keep.ALL
    sample: float = 1.0
    """The share of traces that is recorded at all, 0 to 1."""
    ignore: tuple[str, ...] = (DEFAULT,)
    """What is a health probe, see `mesh_core.probes`."""
    durability: Durability = Durability.BATCH
    redact_mode: RedactMode = RedactMode.DEFAULT
    redact: Redact = field(default_factory=Redact)
    """What the project names besides; its mode counts less than `redact_mode`."""
    redact_key: bytes | None = None
    ca_dir: Path
    """The project's certificate authority."""
    spool_dir: Path
    store: str
    """The store's URL."""
    retention: Retention = field(default_factory=Retention)
    """What the store keeps, as it is written to."""
    drain_timeout: float = 10.0
    """Seconds for requests in flight, and again for what still has to be shipped."""
    lane: Lane = Lane.MITMPROXY
    """`wire` where a listener can be carried so; see `mesh_recorder.lanes`."""
    workers: int = 0
    """Processes that carry the traffic, watched over by a supervisor; 0 is one without."""
    admin: Listen | None = None
    """Where health and metrics are; None for nowhere."""


def host_port(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def endpoint(address: str) -> Endpoint:
    """The endpoint that an address names; a bare port is one of 127.0.0.1.

    Raises:
        ValueError: it is none.
    """
    scheme, host, port = split_address(address)
    return Endpoint(scheme=scheme, host=host, port=port)


def listen(address: str) -> Listen:
    """The address to listen on; a bare port is one of 127.0.0.1.

    Raises:
        ValueError: it is none.
    """
    _, host, port = split_address(address)
    return Listen(host=host, port=port)


def default_instance(inbound: Listen | None, hostname: str) -> str:
    """Names this instance of the service where `--instance` does not."""
    return f"{hostname}:{inbound.port}" if inbound is not None else hostname
