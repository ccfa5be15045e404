"""The addon that sees all traffic: from mitmproxy's hooks to captured requests, each ended exactly once.

1. A hook never raises and never waits: where recording fails, the request is counted and traffic goes on.
2. A request ends with the first of: its response, its error, its WebSocket's or tunnel's end, its client's.
3. Nothing of a flow is kept once its request has ended.
"""

import time
import uuid
from typing import Any

from mitmproxy import connection, http

from mesh_core.replay_mark import is_replay
from mesh_recorder import failures
from mesh_recorder.addons.recording import MOST_MESSAGES, guarded
from mesh_recorder.addons.upgrades import Upgrades
from mesh_recorder.capture import Captured
from mesh_recorder.compat.parts import HIDDEN_EXPECT, Malformed, Refused
from mesh_recorder.marking import mark
from mesh_recorder.tee import Tee

_HOP_FIELDS = frozenset({b"proxy-connection", b"proxy-authorization"})
"""Meant for the forward proxy itself."""


class Recorder(Upgrades):
    """Captures what passes; hands each request over once it has ended."""

    @guarded
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """A request's head is there."""
        state = self.clients.get(flow.client_conn.id)
        if state is None:
            return
        captured = self.begin(state, flow)
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
        if role.refuses_replays and is_replay(received):
            self._refuse_replay(captured, flow)
        elif has_body:
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
        if captured.reply is not None:
            return  # our own
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
            self.end(state, flow.id, captured)

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
        self.end(state, flow.id, captured)

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
        captured = self.begin(state, None)
        captured.error = malformed.error
        if malformed.answered:
            captured.reply = failures.reply_to(malformed.error, client_at_fault=True)
        self.hand_over(captured)

    @staticmethod
    def _refuse_replay(captured: Captured, flow: http.HTTPFlow) -> None:
        """Answer a replay; mitmproxy takes its body, and connects to nobody."""
        captured.error, captured.reply = failures.REPLAY, failures.refusal()
        kept = [field for field in captured.reply.headers if field[0] != b"Connection"]
        flow.response = http.Response.make(captured.reply.status, captured.reply.body, kept)

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


def _fresh_id() -> str:
    return str(uuid.uuid4())
