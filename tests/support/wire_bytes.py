"""HTTP/1 as clients and servers send it, well and ill; and one relay without a socket."""

import asyncio
import re
from collections import deque
from typing import Any

from hypothesis import strategies as st

from mesh_core.model import Bodies, Direction, Exchange, Lane
from mesh_recorder.addons.roles import Role
from mesh_recorder.capture import Place
from mesh_recorder.settings import Endpoint, TraceHeaders
from mesh_recorder.tee import Room
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.desk import Desk
from mesh_recorder.wire.finishing import finish_wire
from mesh_recorder.wire.link import Link
from mesh_recorder.wire.upstream import Upstream
from support.wire_rig import ADDED

ROOM = 1 << 26
MEMBER = re.compile(rb"(?i)(tracestate: )mesh=[0-9a-f]{32},")


class Pipe(asyncio.Transport):
    """One side of a relay: what was written to it, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.ended = False
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.ended = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def is_reading(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002  # asyncio's
        return default


class _Listener:
    def __init__(self) -> None:
        self.links: set[Link] = set()

    def gone(self, link: Link) -> None:
        self.links.discard(link)


def lost(reason: str) -> None:
    raise AssertionError(reason)


class Relay:
    """A link between two pipes, whose upstream is connected from the start."""

    def __init__(self, mode: TraceHeaders = TraceHeaders.LINK) -> None:
        place = Place(
            service="cart", instance="1", direction=Direction.INBOUND, peers={}, recorder="0", lane=Lane.WIRE
        )
        self.captured: deque[WireCaptured] = deque()
        self.room = Room(ROOM)
        self.desk = Desk(
            Role(place=place, target=Endpoint(host="127.0.0.1", port=1)),
            offer=self.captured.append,
            lost=lost,
            trace_headers=mode,
            max_body=1 << 20,
            room=self.room,
            connect_timeout=1,
            response_timeout=None,
        )
        self.client, self.server = Pipe(), Pipe()
        self.link = Link(_Listener(), self.desk)  # type: ignore[arg-type]  # all that it asks of a listener
        self.link.connection_made(self.client)
        self.upstream = Upstream(self.link)
        self.upstream.connection_made(self.server)
        self.link.upstream = self.upstream

    def asks(self, data: bytes) -> None:
        self.link.data_received(data)

    def answers(self, data: bytes) -> None:
        self.upstream.data_received(data)

    def over(self) -> list[tuple[Exchange, Bodies]]:
        """Both sides end; everything that was captured."""
        if self.link.eof_received():
            self.upstream.eof_received()
        self.link.connection_lost(None)
        assert self.desk.failures == 0
        assert self.room.free == ROOM
        assert not self.link.book.pending
        return [finish_wire(captured) for captured in self.captured]


TOKENS = st.sampled_from([b"X-A", b"accept", b"X-Long-Name", b"a!#$%&'*+-.^_`|~1"])
VALUES = st.binary(max_size=20).map(
    lambda data: data.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
)
FIELDS = st.builds(
    lambda name, blank, value: name + b":" + blank + value,
    TOKENS,
    st.sampled_from([b"", b" ", b"\t "]),
    VALUES,
)
CONTEXT = st.sampled_from(
    [
        [],
        [b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
        [b"X-Request-Id: abc"],
        [b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"Tracestate: a=1"],
    ]
)
TARGETS = st.sampled_from([b"/", b"/a?b=c", b"//a/../%zz", b"/\xff", b"*"])


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=3)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if body[a:b]]
    extension = draw(st.sampled_from([b"", b";a", b";a=b"]))
    trailers = b"".join(field + b"\r\n" for field in draw(st.lists(FIELDS, max_size=2)))
    return (
        b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in pieces) + b"0\r\n" + trailers + b"\r\n"
    )


@st.composite
def bodies(draw: st.DrawFn) -> tuple[list[bytes], bytes, bytes]:
    """Framing fields, the body as it is sent, and what it holds."""
    body = draw(st.binary(max_size=60))
    kind = draw(st.sampled_from(["length", "chunked"]))
    if kind == "length":
        return [b"Content-Length: %d" % len(body)], body, body
    return [b"Transfer-Encoding: chunked"], draw(chunked(body)), body


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A well-formed request, and what its body holds."""
    framing, sent, body = draw(st.one_of(st.just(([], b"", b"")), bodies()))
    fields = [*draw(st.lists(FIELDS, max_size=4)), *draw(CONTEXT), *framing]
    line = draw(st.sampled_from([b"GET", b"POST", b"M-SEARCH"])) + b" " + draw(TARGETS) + b" HTTP/1.1"
    return b"\r\n".join([line, b"Host: c", *draw(st.permutations(fields)), b"", b""]) + sent, body


@st.composite
def responses(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A well-formed response, and what its body holds."""
    framing, sent, body = draw(bodies())
    fields = [*draw(st.lists(FIELDS, max_size=3)), *framing]
    line = b"HTTP/1.1 " + draw(st.sampled_from([b"200 OK", b"404 Not Found", b"500 ", b"299"]))
    return b"\r\n".join([line, *draw(st.permutations(fields)), b"", b""]) + sent, body


@st.composite
def pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes as a network may deliver them."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if data[a:b]]


TROUBLE = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"0", b"\xff", b"chunked",
        b"HTTP/1.1", b"HTTP/1.0",
        b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
        b"Content-Length : 3\r\n", b" folded\r\n", b"Connection: close\r\n", b"Upgrade: websocket\r\n",
        b"Expect: 100-continue\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 100 \r\n\r\n",
    ]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with a few things put in, left out, or said twice."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        until = min(len(data), at + draw(st.integers(0, 12)))
        how = draw(st.sampled_from(["insert", "replace", "delete", "repeat"]))
        middle = {"insert": draw(TROUBLE) + data[at:until], "replace": draw(TROUBLE), "delete": b""}
        data = data[:at] + middle.get(how, data[at:until] * 2) + data[until:]
    return data


def without_added(got: bytes, sent: bytes) -> bool:
    """Whether `got` is `sent` but for our fields; a `tracestate` that was there has our member in front."""
    plain = ADDED.sub(b"", got)
    return sent in (plain, MEMBER.sub(rb"\1", plain))
