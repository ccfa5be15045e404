"""The addon that sees all traffic: from mitmproxy's hooks to captured requests, each ended exactly once.

1. A hook never raises and never waits: where recording fails, the request is counted and traffic goes on.
2. A request ends with the first of: its response, its error, its WebSocket's or tunnel's end, its client's.
3. Nothing of a flow is kept once its request has ended.
"""

import functools
import logging
import os
import time
import uuid
from collections.abc import Callable
from typing import Any

from mitmproxy import connection, http, tcp, tls
from mitmproxy.proxy import mode_specs

from mesh_core.ids import uuid7
from mesh_recorder import failures
from mesh_recorder.addons.clients import Clients, ClientState
from mesh_recorder.addons.roles import Role
from mesh_recorder.capture import Captured
from mesh_recorder.compat.http1 import HIDDEN_EXPECT, Malformed, Refused
from mesh_recorder.compat.stream import INTERCEPTED
from mesh_recorder.marking import mark
from mesh_recorder.settings import TraceHeaders
from mesh_recorder.tee import Room, Tee

logger = logging.getLogger(__name__)

MOST_MESSAGES = 10_000
"""WebSocket messages of one exchange that are kept."""
_RANDOM_POOL = 8192
_HOP_FIELDS = frozenset({b"proxy-connection", b"proxy-authorization"})
"""Meant for the forward proxy itself."""


def guarded[D](hook: Callable[["Recorder", D], None]) -> Callable[["Recorder", D], None]:
    """Let nothing out of a hook; the request that it failed over is counted as lost."""

    @functools.wraps(hook)
    def run(self: "Recorder", data: D) -> None:
        try:
            hook(self, data)
        except Exception as error:  # noqa: BLE001  # recording must never touch traffic
            self.failed(data, error)

    return run


class Recorder:
    """Captures what passes; hands each request over once it has ended."""

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
        self._mode = trace_headers
        self._max_body = max_body
        self._room = Room(room)
        self._mended = mended
        self._random = b""
        self._random_at = _RANDOM_POOL
        self._complained = False

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
            self._hand_over(captured)
        state.open.clear()

    # Requests

    @guarded
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """A request's head is there."""
        state = self.clients.get(flow.client_conn.id)
        if state is None:
            return
        captured = self._begin(state, flow)
        role, data = state.role, flow.request.data
        received = data.headers.fields
        captured.request_headers = received
        captured.method, captured.path, captured.version = data.method, data.path, data.http_version
        captured.target = (data.host, data.port)
        inbound_tls = state.client.tls and not role.forward
        captured.scheme = ("https" if inbound_tls else "http") if role.inbound else data.scheme.decode()
        if flow.error is not None:
            captured.error = flow.error.msg  # already refused; the error's own hook follows
        has_body, expects = self._look_through(captured, received, data)
        marked = mark(received, captured.id, mode=self._mode, strangers=role.strangers, fresh_id=_fresh_id)
        captured.found, captured.made = marked.found, marked.made
        forwarded = marked.forwarded
        if role.forward and any(name.lower() in _HOP_FIELDS for name, _ in forwarded):
            forwarded = tuple(field for field in forwarded if field[0].lower() not in _HOP_FIELDS)
        if expects and self._mended:
            setattr(flow.request, HIDDEN_EXPECT, forwarded)
            forwarded = tuple(field for field in forwarded if field[0].lower() != b"expect")
        if forwarded is not received:
            data.headers.fields = forwarded
        if has_body:
            captured.request_body = Tee(self._max_body, self._room)
            flow.request.stream = captured.request_body.feed

    @guarded
    def request(self, flow: http.HTTPFlow) -> None:
        """A request is whole."""
        state = self.clients.get(flow.client_conn.id)
        if state is None:
            return
        state.head_at = 0
        captured = state.open.get(flow.id)
        if captured is not None:
            captured.request_end = time.monotonic_ns()
            if flow.request.data.trailers:
                captured.request_trailers = flow.request.data.trailers.fields

    @guarded
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """A response's head is there."""
        captured = self.clients.open_of(flow)
        if captured is None or flow.response is None:
            return
        data = flow.response.data
        captured.first_byte = time.monotonic_ns()
        captured.status, captured.reason = data.status_code, data.reason
        captured.response_headers = data.headers.fields
        self._note_server(captured, flow.server_conn)
        captured.response_body = tee = Tee(self._max_body, self._room)
        flow.response.stream = tee.feed
        if self.draining and flow.request.data.http_version != b"HTTP/2.0" and data.status_code != 101:
            kept = [field for field in data.headers.fields if field[0].lower() != b"connection"]
            data.headers.fields = (*kept, (b"Connection", b"close"))

    @guarded
    def response(self, flow: http.HTTPFlow) -> None:
        """A response is whole, or its connection becomes something else."""
        state = self.clients.get(flow.client_conn.id)
        captured = state.open.get(flow.id) if state else None
        if state is None or captured is None or flow.response is None:
            return
        if flow.websocket is not None:
            captured.websocket = 0
        elif captured.status == 101:
            captured.opaque, state.tunnel = True, flow.id
        else:
            if flow.response.data.trailers:
                captured.response_trailers = flow.response.data.trailers.fields
            self._end(state, flow.id, captured)

    @guarded
    def error(self, flow: http.HTTPFlow) -> None:
        """A request has ended without a whole response."""
        state = self.clients.get(flow.client_conn.id)
        captured = state.open.get(flow.id) if state else None
        if state is None or captured is None or flow.error is None:
            return
        refused = captured.error is not None
        captured.error = error = flow.error.msg
        if captured.status is None:
            if flow.response is not None and not captured.refused:
                captured.refused = flow.response.data.headers.fields
            if failures.is_answered(error):
                captured.reply = failures.reply_to(error, client_at_fault=refused)
        self._note_server(captured, flow.server_conn)
        self._end(state, flow.id, captured)

    @guarded
    def mesh_informational(self, informed: tuple[http.HTTPFlow, http.Response]) -> None:
        """An informational response passes."""
        flow, response = informed
        captured = self.clients.open_of(flow)
        if captured is not None and len(captured.messages) < MOST_MESSAGES:
            line = b"%d %b" % (response.status_code, response.data.reason)
            captured.messages.append((False, time.monotonic_ns(), "informational", line.strip()))

    @guarded
    def mesh_refused(self, refused: Refused) -> None:
        """A response head cannot be read; the error follows."""
        state = self.clients.get(refused.client.id)
        for captured in state.open.values() if state else ():
            if captured.source is not None and captured.source.server_conn is refused.server:
                captured.refused = refused.fields

    @guarded
    def mesh_malformed(self, malformed: Malformed) -> None:
        """A client sent what is no request."""
        state = self.clients.get(malformed.client.id)
        if state is None:
            return
        captured = self._begin(state, None)
        captured.error = malformed.error
        if malformed.answered:
            captured.reply = failures.reply_to(malformed.error, client_at_fault=True)
        self._hand_over(captured)

    # WebSockets, upgrades, tunnels

    @guarded
    def websocket_message(self, flow: http.HTTPFlow) -> None:
        """A message passes; mitmproxy would keep it for as long as the connection lasts."""
        if flow.websocket is None:
            return
        message = flow.websocket.messages[-1]
        del flow.websocket.messages[:-1]
        captured = self.clients.open_of(flow)
        if captured is None or len(captured.messages) >= MOST_MESSAGES:
            return
        size = len(message.content)
        if captured.held + size > self._max_body:
            return
        captured.held += size
        kind = "text" if message.is_text else "binary"
        captured.messages.append((message.from_client, time.monotonic_ns(), kind, message.content))

    @guarded
    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """A WebSocket has ended."""
        state = self.clients.get(flow.client_conn.id)
        captured = state.open.get(flow.id) if state else None
        if state is None or captured is None or flow.websocket is None:
            return
        code = flow.websocket.close_code or 1005
        by_client = bool(flow.websocket.closed_by_client)
        captured.websocket = code
        if code == 1006 and not by_client:
            address = captured.target
            where = f"{address[0]}:{address[1]}" if address else "the upstream"
            captured.error = f"{where} {failures.UPSTREAM_CUT}"
        reason = (flow.websocket.close_reason or "").encode()
        payload = b"%d %b" % (code, reason)
        captured.messages.append((by_client, time.monotonic_ns(), "close", payload.strip()))
        self._end(state, flow.id, captured)

    @guarded
    def tcp_message(self, flow: tcp.TCPFlow) -> None:
        """Bytes of an upgraded connection pass, unread."""
        flow.messages.clear()

    @guarded
    def tcp_end(self, flow: tcp.TCPFlow) -> None:
        """An upgraded connection, or a tunnel, has ended."""
        self._end_tunnel(flow.client_conn.id, None)

    @guarded
    def tcp_error(self, flow: tcp.TCPFlow) -> None:
        """An upgraded connection, or a tunnel, broke."""
        self._end_tunnel(flow.client_conn.id, flow.error.msg if flow.error else None)

    @guarded
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """A client asks for a tunnel; it is an exchange only if nothing in it can be read."""
        state = self.clients.get(flow.client_conn.id)
        if state is None:
            return
        data = flow.request.data
        if state.role.intercepts(data.host):
            flow.metadata[INTERCEPTED] = True
        captured = self._begin(state, flow)
        captured.opaque, state.tunnel = True, flow.id
        captured.request_headers = data.headers.fields
        captured.method, captured.authority, captured.path = data.method, data.authority, b""
        captured.version, captured.target = data.http_version, (data.host, data.port)
        captured.request_end = captured.began

    @guarded
    def http_connected(self, flow: http.HTTPFlow) -> None:
        """The tunnel stands."""
        captured = self.clients.open_of(flow)
        if captured is not None:
            captured.status, captured.first_byte = 200, time.monotonic_ns()

    @guarded
    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        """The tunnel could not be made."""
        state = self.clients.get(flow.client_conn.id)
        captured = state.open.get(flow.id) if state else None
        if state is None or captured is None:
            return
        captured.error = flow.error.msg if flow.error else failures.UNREACHABLE
        captured.reply = failures.reply_to(captured.error, client_at_fault=False)
        captured.opaque = False
        self._end(state, flow.id, captured)

    @guarded
    def tls_failed_client(self, data: tls.TlsData) -> None:
        """A client did not accept our certificate, or does not speak TLS."""
        state = self.clients.get(data.conn.id)
        if state is None:
            return
        if state.tunnel is not None:
            captured = state.open.get(state.tunnel)
            if captured is not None:
                captured.opaque, captured.error = False, failures.DISTRUST
                self._end(state, state.tunnel, captured)
            return
        captured = self._begin(state, None)
        captured.scheme, captured.error = "https", f"OpenSSL: {data.conn.error or 'the handshake failed'}"
        self._hand_over(captured)

    # Inside

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

    def _begin(self, state: ClientState, flow: http.HTTPFlow | None) -> Captured:
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
            self.seen[state.role.place.direction] += 1
        return captured

    @staticmethod
    def _look_through(captured: Captured, fields: Any, data: Any) -> tuple[bool, bool]:
        """Note the authority; whether a body may follow, and whether the client waits to send it."""
        has_body, expects = data.http_version == b"HTTP/2.0", False
        authority = data.authority
        for name, value in fields:
            length = len(name)
            if length == 4:
                if not authority and name.lower() == b"host":
                    authority = value
            elif length == 6:
                expects = expects or (name.lower() == b"expect" and value.lower() == b"100-continue")
            elif length in (14, 17):
                has_body = has_body or name.lower() in (b"content-length", b"transfer-encoding")
        captured.authority = authority or b"%b:%d" % (data.host.encode("latin-1", "replace"), data.port)
        return has_body, expects

    @staticmethod
    def _note_server(captured: Captured, server: connection.Server) -> None:
        captured.target_peer = server.peername
        captured.server_times = (
            server.timestamp_start,
            server.timestamp_tcp_setup,
            server.timestamp_tls_setup,
        )

    def _end_tunnel(self, client_id: str, error: str | None) -> None:
        state = self.clients.get(client_id)
        if state is None or state.tunnel is None:
            return
        captured = state.open.get(state.tunnel)
        if captured is not None:
            captured.error = error
            self._end(state, state.tunnel, captured)

    def _end(self, state: ClientState, flow_id: str, captured: Captured) -> None:
        state.open.pop(flow_id, None)
        self._hand_over(captured)

    def _hand_over(self, captured: Captured) -> None:
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


def _fresh_id() -> str:
    return str(uuid.uuid4())
