"""What recording is made of: open requests, each begun once and ended once, by whatever hook."""

import functools
import logging
import os
import time
from collections.abc import Callable
from typing import Any

from mitmproxy import connection, http
from mitmproxy.proxy import mode_specs

from mesh_core.ids import uuid7
from mesh_recorder import failures
from mesh_recorder.addons.clients import Clients, ClientState
from mesh_recorder.addons.roles import Role
from mesh_recorder.capture import Captured
from mesh_recorder.settings import TraceHeaders
from mesh_recorder.tee import Room

logger = logging.getLogger(__name__)

MOST_MESSAGES = 10_000
"""WebSocket messages of one exchange that are kept."""
_RANDOM_POOL = 8192


def guarded[D](hook: Callable[[Any, D], None]) -> Callable[[Any, D], None]:
    """Let nothing out of a hook; the request that it failed over is counted as lost."""

    @functools.wraps(hook)
    def run(self: Any, data: D) -> None:
        try:
            hook(self, data)
        except Exception as error:  # noqa: BLE001  # recording must never touch traffic
            self.failed(data, error)

    return run


class Recording:
    """The requests that are open, and the way of each to the pipeline."""

    def __init__(
        self,
        *,
        role_of: Callable[[mode_specs.ProxyMode], Role | None],
        offer: Callable[[Captured], None],
        lost: Callable[[str], None],
        trace_headers: TraceHeaders,
        max_body: int,
        room: int,
        mended: bool,
    ) -> None:
        """Make the addon.

        Args:
            role_of: what a listener stands for; None for one whose traffic is not recorded.
            offer: takes a request that has ended; must not block.
            lost: counts one that could not be captured, by reason.
            trace_headers: what may be added to a request's headers.
            max_body: bytes of a body that are kept.
            room: bytes that all open requests may keep together.
            mended: whether mitmproxy is mended, so that the upstream answers `Expect`.
        """
        self.clients = Clients(role_of)
        self.seen = {"inbound": 0, "outbound": 0}
        self.draining = False
        self._offer = offer
        self._lost = lost
        self._choices = (trace_headers, max_body)
        self._mode, self._max_body = self._choices
        self._room = Room(room)
        self._mended = mended
        self._random = b""
        self._random_at = _RANDOM_POOL
        self._complained = False

    def bypass(self, on: bool) -> None:
        """Change no header and keep no body any more, or again as told at first."""
        self._mode, self._max_body = (TraceHeaders.NEVER, 0) if on else self._choices

    # Connections

    @guarded
    def client_connected(self, client: connection.Client) -> None:
        """A client is there."""
        self.clients.add(client)

    def sweep(self, client: connection.Client, error: str = failures.CLIENT_GONE) -> None:
        """End all that a client left open; called once nothing can happen on its connection any more."""
        state = self.clients.remove(client.id)
        if state is None:
            return
        for captured in list(state.open.values()):
            if captured.opaque or captured.websocket is not None:
                captured.websocket = captured.websocket or (1006 if captured.websocket is not None else None)
                captured.error = captured.error or (None if captured.opaque else failures.CLIENT_GONE)
            elif captured.error is None:
                captured.error = error
            self.hand_over(captured)
        state.open.clear()

    def failed(self, data: Any, error: Exception) -> None:
        """Count a request that recording failed over, once."""
        flow_id = getattr(data, "id", "")
        state = self.clients.get(getattr(getattr(data, "client_conn", None), "id", ""))
        if state is not None and state.open.pop(flow_id, None) is not None:
            self._lost("capture_error")
        if not self._complained:
            self._complained = True
            logger.warning(
                "a request could not be recorded (%s); traffic goes on, such are counted",
                type(error).__name__,
            )

    def begin(self, state: ClientState, flow: http.HTTPFlow | None) -> Captured:
        """A new request of a client; its tunnel, if it came through one, is none of its own any more."""
        moment, wall = time.monotonic_ns(), time.time_ns()
        began = state.head_at or moment
        state.head_at = 0
        started_at = wall - (moment - began)
        captured = Captured(
            state.role.place, uuid7(started_at, self._randomness()), state.name, began, started_at
        )
        captured.caller = state.client.peername
        captured.source = flow
        if state.tunnel is not None:
            state.open.pop(state.tunnel, None)
            state.tunnel = None
        if flow is not None:
            state.open[flow.id] = captured
        return captured

    def end(self, state: ClientState, flow_id: str, captured: Captured) -> None:
        """A client's request has ended."""
        state.open.pop(flow_id, None)
        self.hand_over(captured)

    def hand_over(self, captured: Captured) -> None:
        """Give a request that has ended to the pipeline."""
        if captured.method:
            self.seen[captured.place.direction] += 1
        captured.close(time.monotonic_ns())
        self._offer(captured)

    def _randomness(self) -> bytes:
        at = self._random_at
        if at >= _RANDOM_POOL:
            self._random = os.urandom(_RANDOM_POOL)
            at = 0
        self._random_at = at + 8
        return self._random[at : at + 8]

    def overdue(self, now: int, timeout: float) -> list[tuple[http.HTTPFlow, str]]:
        """Requests that have waited longer than `timeout` seconds for a response's head, and the error."""
        until = now - int(timeout * 1e9)
        late: list[tuple[http.HTTPFlow, str]] = []
        for state in self.clients:
            for captured in state.open.values():
                body = captured.request_body
                since = captured.request_end or (body.last if body else 0)
                waits = since and captured.status is None and not captured.opaque and captured.source
                if waits and since <= until:
                    address = captured.target
                    where = f"{address[0]}:{address[1]}" if address else "the upstream"
                    late.append((captured.source, f"{where} {failures.NO_HEAD} {timeout:g} s"))
        return late
