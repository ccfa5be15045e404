"""What all connections of one listener share."""

import logging
import os
import time
import uuid
from collections.abc import Callable

from mesh_core.ids import uuid7
from mesh_recorder.addons.roles import Role
from mesh_recorder.settings import TraceHeaders
from mesh_recorder.tee import Room, Tee
from mesh_recorder.wire.captured import WireCaptured

logger = logging.getLogger(__name__)

_POOL = 8192
MOST_QUICK = 64 * 1024
"""Bytes of a message that is kept as it came, however many others are open."""


class Desk:
    """The listener's role, its limits, and where captured requests go."""

    def __init__(
        self,
        role: Role,
        *,
        offer: Callable[[WireCaptured], None],
        lost: Callable[[str], None],
        trace_headers: TraceHeaders,
        max_body: int,
        room: Room,
        connect_timeout: float,
        response_timeout: float | None,
    ) -> None:
        """Make a desk; see `mesh_recorder.wire.relay.WireListener` for the arguments."""
        self.role = role
        self.place = role.place
        self._choices = (trace_headers, max_body)
        self.mode = trace_headers
        self.strangers = role.strangers
        self.offer = offer
        self.lost = lost
        self.max_body = max_body
        self.quick = min(max_body, MOST_QUICK)
        self.room = room
        self.connect_timeout = connect_timeout
        self.response_timeout = response_timeout
        self.own: frozenset[tuple[str, int]] = frozenset()
        """Where this listener is reached, so that no request goes round in circles."""
        self.seen = 0
        """Requests."""
        self.failures = 0
        """Connections that reading failed over, by an error of ours; their bytes passed all the same."""
        self.draining = False
        self._random = b""
        self._random_at = _POOL
        self._connections = 0

    def bypass(self, on: bool) -> None:
        """Change no header and keep no body any more, or again as told at first."""
        self.mode, self.max_body = (TraceHeaders.NEVER, 0) if on else self._choices
        self.quick = min(self.max_body, MOST_QUICK)

    def is_own(self, host: str, port: int) -> bool:
        """Whether that is this listener itself."""
        hosts = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104  # compared, not bound
        return any(port == own[1] and (host == own[0] or host in hosts) for own in self.own)

    def failed(self, error: Exception) -> None:
        """Count a connection that reading failed over; said once, as it would be said often."""
        self.failures += 1
        self.lost("capture_error")
        if self.failures == 1:
            logger.warning(
                "a connection could not be read (%s); its traffic goes on, such are counted",
                type(error).__name__,
            )
        logger.debug("the failure", exc_info=error)

    def connection_name(self) -> str:
        """A name for the next connection."""
        self._connections += 1
        return f"w{self._connections}"

    def begin(self, connection: str, began: int = 0) -> WireCaptured:
        """A request whose first byte came at `began`, monotonic nanoseconds; 0 is now."""
        moment, wall = time.monotonic_ns(), time.time_ns()
        if began:
            wall -= moment - began
            moment = began
        self.seen += 1
        exchange_id = uuid7(wall, self._fresh(8))
        captured = WireCaptured(self.place, exchange_id, connection, moment, wall)
        captured.strangers = self.strangers
        return captured

    def hand_over(self, captured: WireCaptured) -> None:
        """A request has ended."""
        captured.close(time.monotonic_ns())
        self.offer(captured)

    def tee(self) -> Tee:
        """Keeps a copy of one body."""
        return Tee(self.max_body, self.room)

    def fresh_id(self) -> str:
        """A request id: a random UUID."""
        return str(uuid.UUID(bytes=self._fresh(16), version=4))

    def _fresh(self, count: int) -> bytes:
        """Random bytes; the system is asked for many at once."""
        at = self._random_at
        if at + count > _POOL:
            self._random = os.urandom(_POOL)
            at = 0
        self._random_at = at + count
        return self._random[at : at + count]
