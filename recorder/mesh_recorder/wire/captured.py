"""One request as the wire lane captures it: heads as bytes, read once the exchange has ended."""

import re
import time
from typing import Any

from mesh_core.model import Headers
from mesh_core.tracecontext import Found
from mesh_recorder.capture import OVERHEAD, Captured, Place
from mesh_recorder.failures import Reply
from mesh_recorder.tee import Tee


class WireCaptured(Captured):
    """A `Captured` whose heads are still as they came.

    What an attribute is at first stands in the class: a request costs only what is set for it.
    """

    found: Found = Found()
    made: str | None = None
    method: bytes = b""
    path: bytes = b""
    authority: bytes = b""
    scheme: str = "http"
    version: bytes = b"HTTP/1.1"
    caller: tuple[Any, ...] | None = None
    target: tuple[str, int] | None = None
    target_peer: tuple[Any, ...] | None = None
    request_headers: Headers = ()
    request_trailers: Headers = ()
    request_body: Tee | None = None
    request_end: int = 0
    status: int | None = None
    reason: bytes = b""
    response_headers: Headers = ()
    response_trailers: Headers = ()
    response_body: Tee | None = None
    first_byte: int = 0
    reply: Reply | None = None
    refused: Headers = ()
    error: str | None = None
    websocket: int | None = None
    opaque: bool = False
    server_times: tuple[float | None, float | None, float | None] | None = None
    source: Any = None
    ended: int = 0
    messages: list[tuple[bool, int, str, bytes]] = []  # noqa: RUF012  # never changed: see `note`
    request_bytes: bytes = b""
    response_bytes: bytes = b""
    trailer_bytes: tuple[bytes, bytes] = (b"", b"")
    """Trailer lines of request and response."""
    asked: re.Match[bytes] | None = None
    """The request's head, where one pattern told all of it."""
    told: re.Match[bytes] | None = None
    """The response's head, where one pattern told all of it; its body is what stands behind it."""
    strangers = False
    malformed = False
    """Whether the request's head is no proper one."""
    answered = False
    """Whether the response is whole, though the request is not."""
    expects = False
    """Whether the client may wait for a 100 before it sends the body."""
    upgrade: bytes = b""
    """The protocol that the client asked to change to."""

    def __init__(self, place: Place, exchange_id: str, connection: str, began: int, started_at: int) -> None:
        self.place = place
        self.id = exchange_id
        self.connection = connection
        self.began = began
        self.started_at = started_at
        self.held = OVERHEAD

    def note(self, by_client: bool, kind: str, payload: bytes) -> None:
        """Add a message that passes now."""
        if not self.messages:
            self.messages = []
        self.messages.append((by_client, time.monotonic_ns(), kind, payload))

    def close(self, now: int) -> None:
        """Let go of everything but the copy, and say how much memory that takes."""
        self.ended = self.ended or now
        held = self.held + len(self.request_bytes) + len(self.response_bytes)
        for tee in (self.request_body, self.response_body):
            if tee is not None:
                tee.release()
                held += tee.kept + 64 * len(tee.pieces)
        self.held = held
