"""One request as the wire lane captures it: heads as bytes, read once the exchange has ended."""

from mesh_core.model import Bodies, Exchange, header
from mesh_core.tracecontext import Found, read
from mesh_recorder.capture import OVERHEAD, Captured, Place, finish
from mesh_recorder.wire.head import fields_of, lenient_fields


class WireCaptured(Captured):
    """A `Captured` whose heads are still as they came."""

    __slots__ = ("answered", "expects", "malformed", "request_bytes", "response_bytes", "strangers",
                 "trailer_bytes", "upgrade")  # fmt: skip

    def __init__(self, place: Place, exchange_id: str, connection: str, began: int, started_at: int) -> None:
        Captured.__init__(self, place, exchange_id, connection, began, started_at)
        self.request_bytes = b""
        self.response_bytes = b""
        self.trailer_bytes: tuple[bytes, bytes] = (b"", b"")
        """Trailer lines of request and response."""
        self.strangers = False
        self.malformed = False
        """Whether the request's head is no proper one."""
        self.answered = False
        """Whether the response is whole, though the request is not."""
        self.expects = False
        """Whether the client may wait for a 100 before it sends the body."""
        self.upgrade = b""
        """The protocol that the client asked to change to."""

    def close(self, now: int) -> None:
        """Let go of everything but the copy, and say how much memory that takes."""
        self.ended = now
        held = self.held if self.messages else OVERHEAD
        held += len(self.request_bytes) + len(self.response_bytes)
        for tee in (self.request_body, self.response_body):
            if tee is not None:
                tee.release()
                held += tee.kept + 64 * len(tee.pieces)
        self.held = held


def finish_wire(captured: WireCaptured) -> tuple[Exchange, Bodies]:
    """The exchange that was captured, and its bodies by their hash; called in the writer's thread."""
    if captured.request_bytes:
        _read_request(captured)
    if captured.response_bytes:
        _read_response(captured)
    request_lines, response_lines = captured.trailer_bytes
    if request_lines:
        captured.request_trailers = fields_of(b"\r\n" + request_lines)
    if response_lines:
        captured.response_trailers = fields_of(b"\r\n" + response_lines)
    return finish(captured)


def _read_request(captured: WireCaptured) -> None:
    head = captured.request_bytes
    line, _, rest = head.partition(b"\r\n")
    if captured.malformed:
        line, _, rest = head.replace(b"\r\n", b"\n").partition(b"\n")
        captured.request_headers = lenient_fields(rest)
    else:
        captured.request_headers = fields_of(head)
    method, _, rest = line.partition(b" ")
    path, _, version = rest.rpartition(b" ") if b" " in rest else (rest, b"", b"")
    captured.method = captured.method or method
    captured.path = captured.path or path
    captured.version = version if version.startswith(b"HTTP/") else captured.version
    found = read(captured.request_headers)
    if captured.strangers and found.claim is not None:
        found = Found(found.all, found.request_id, None)
    captured.found = found
    captured.authority = captured.authority or header(captured.request_headers, b"host") or b""
    if not captured.authority and captured.target is not None:
        captured.authority = b"%b:%d" % (captured.target[0].encode(), captured.target[1])


def _read_response(captured: WireCaptured) -> None:
    head = captured.response_bytes
    line, _, rest = head.partition(b"\r\n")
    if captured.status is None:
        captured.refused = lenient_fields(rest)
        digits = line.partition(b" ")[2][:3]
        captured.status = int(digits) if digits.isdigit() and len(digits) == 3 else None
        captured.response_headers = captured.refused
        return
    captured.response_headers = fields_of(head)
    captured.reason = line[13:]
