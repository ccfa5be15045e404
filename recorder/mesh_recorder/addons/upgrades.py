"""The hooks for what is no plain request: WebSockets, upgrades, tunnels, TLS that fails."""

import time

from mitmproxy import http, tcp, tls

from mesh_recorder import failures
from mesh_recorder.addons.recording import MOST_MESSAGES, Recording, guarded
from mesh_recorder.compat.stream import INTERCEPTED


class Upgrades(Recording):
    """Captures connections that become something else."""

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
        self.end(state, flow.id, captured)

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
        captured = self.begin(state, flow)
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
        self.end(state, flow.id, captured)

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
                self.end(state, state.tunnel, captured)
            return
        captured = self.begin(state, None)
        captured.scheme, captured.error = "https", f"OpenSSL: {data.conn.error or 'the handshake failed'}"
        self.hand_over(captured)

    def _end_tunnel(self, client_id: str, error: str | None) -> None:
        state = self.clients.get(client_id)
        if state is None or state.tunnel is None:
            return
        captured = state.open.get(state.tunnel)
        if captured is not None:
            captured.error = error
            self.end(state, state.tunnel, captured)
