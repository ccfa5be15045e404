"""What of a HAR is read, as types that refuse what does not fit; and our own `_mesh` fields. Pure."""

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct, field

from mesh_core.model import Direction, Lane, Redaction, Sender, Synthesized, TraceOrigin
from mesh_core.outcome import Outcome

VERSION = 1
"""Of the `_mesh` fields; a file of a higher one is refused."""

type Hex16 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
type Hex32 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
type Hex64 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
type Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
type Size = Annotated[int, Meta(ge=0, le=2**63 - 1)]
type Fields = list[tuple[str, str]]
"""Names and values, latin-1 decoded."""


class Body(Struct, kw_only=True, omit_defaults=True):
    """A `BodyRef`, and the stored bytes where the text in HAR's own place does not give them back."""

    hash: Hex64
    full_hash: Hex64 | None = None
    size: Size
    stored: Size
    truncated: bool = False
    content_type: str | None = None
    content_encoding: str | None = None
    decoded: bool = False
    base64: str | None = None


class MeshMessage(Struct, kw_only=True, omit_defaults=True):
    """A `Message`; its payload as text where it is UTF-8."""

    sender: Sender
    offset: Int64
    type: str
    text: str | None = None
    base64: str | None = None


class Target(Struct, kw_only=True):
    """What the URL does not say as it was."""

    scheme: str
    authority: str
    path: str


class Mesh(Struct, kw_only=True, omit_defaults=True):
    """What HAR has no place for; names as in `Exchange`."""

    id: Hex32
    trace_id: Hex32
    span_id: Hex16 | None = None
    sampled: bool | None = None
    trace_origin: TraceOrigin
    request_id: str | None = None
    request_id_made: bool = False
    claim: Hex32 | None = None
    synthesized: Synthesized = Synthesized.NONE
    service: str
    instance: str
    direction: Direction
    peer: str | None = None
    connection: str | None = None
    started_at: Int64
    request_end: Int64 | None = None
    first_byte: Int64 | None = None
    ended_at: Int64
    connect_time: Int64 | None = None
    tls_time: Int64 | None = None
    target: Target | None = None
    request_trailers: Fields = field(default_factory=list)
    request_body: Body | None = None
    answered: bool = True
    """Whether there is a status; HAR has 0 where there is none."""
    response_trailers: Fields = field(default_factory=list)
    response_body: Body | None = None
    grpc_status: Int64 | None = None
    outcome: Outcome
    error: str | None = None
    messages: list[MeshMessage] = field(default_factory=list)
    opaque: bool = False
    redactions: list[Redaction] = field(default_factory=list)
    recorder: str
    lane: Lane


class Pair(Struct):
    """A header or a parameter."""

    name: str
    value: str | None = ""


class PostData(Struct, rename="camel"):
    """What a request sent."""

    mime_type: str | None = ""
    text: str | None = None
    params: list[Pair] | None = None
    encoding: str | None = None
    """Not in HAR 1.2; some tools have it."""


class Request(Struct, rename="camel"):
    """HAR's request."""

    method: str
    url: str
    http_version: str | None = ""
    headers: list[Pair] | None = None
    post_data: PostData | None = None
    body_size: float | None = None


class Content(Struct, rename="camel"):
    """What a response brought."""

    size: float | None = None
    mime_type: str | None = ""
    text: str | None = None
    encoding: str | None = None


class Response(Struct, rename="camel"):
    """HAR's response."""

    status: int | None = None
    status_text: str | None = ""
    http_version: str | None = ""
    headers: list[Pair] | None = None
    content: Content | None = None
    body_size: float | None = None
    error: str | None = field(default=None, name="_error")
    """Chrome's and mitmproxy's word for why there is none."""


class Timings(Struct):
    """Milliseconds; -1 where it does not apply."""

    blocked: float | None = None
    dns: float | None = None
    connect: float | None = None
    ssl: float | None = None
    """Part of `connect`."""
    send: float | None = None
    wait: float | None = None
    receive: float | None = None


class SocketMessage(Struct):
    """A WebSocket message, as Chrome and mitmproxy write it."""

    type: str
    time: float
    """Seconds since the Unix epoch."""
    opcode: int
    data: str


class Entry(Struct, rename="camel"):
    """One request and what came of it."""

    started_date_time: str
    request: Request
    response: Response | None = None
    time: float | None = None
    timings: Timings | None = None
    socket_messages: list[SocketMessage] | None = field(default=None, name="_webSocketMessages")
    mesh: Mesh | None = field(default=None, name="_mesh")


class Creator(Struct):
    """Who wrote the file."""

    name: str | None = ""
    version: str | None = ""


class Ours(Struct):
    """What our files say of themselves."""

    version: int


class Log(Struct):
    """The whole file; entries are read one at a time."""

    entries: Raw
    creator: Creator | None = None
    mesh: Ours | None = field(default=None, name="_mesh")


class Har(Struct):
    """The outermost object."""

    log: Log


class LooseLog(Struct):
    """As `Log`, where the file is read at once."""

    entries: list[Any]
    creator: Creator | None = None
    mesh: Ours | None = field(default=None, name="_mesh")


class LooseHar(Struct):
    """As `Har`."""

    log: LooseLog
