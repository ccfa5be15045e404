"""HTTP/2 as mitmproxy 12.2 speaks it, and what it leaves out: 1xx responses, plain errors, who ended it."""

import h2.errors
import h2.events
from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import _http2
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestHeaders, ResponseProtocolError

from mesh_recorder import failures
from mesh_recorder.compat.parts import (
    HIDDEN_EXPECT,
    Informational,
    Malformed,
    MeshMalformedHook,
    address_of,
)

type Commands = layer.CommandGenerator[None]
type Stopping = layer.CommandGenerator[bool]

_CONNECTION_FIELDS = frozenset(
    {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"proxy-connection"}
)

_NAMES = {int(error): error.name for error in h2.errors.ErrorCodes}
_KINDS = {"CANCEL": ErrorCode.CANCEL, "HTTP_1_1_REQUIRED": ErrorCode.HTTP_1_1_REQUIRED}
"""What the client's stream is reset with, where that differs from any other failure of the upstream."""


class Http2Server(_http2.Http2Server):
    """The client's side of HTTP/2."""

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, Informational):
            yield from self._send_informational(event)
        elif isinstance(event, ResponseProtocolError) and self._waits(event.stream_id):
            status = event.code.http_status_code()
            if status is None:
                yield from super()._handle_event(event)
            else:
                yield from self._send_error(event, status)
        else:
            yield from super()._handle_event(event)

    def _waits(self, stream_id: int) -> bool:
        """Whether the client has no response head yet, and can be sent one."""
        if self.is_closed(stream_id) or not self.is_open_for_us(stream_id):
            return False
        return not self.h2_conn.streams[stream_id].state_machine.headers_sent

    def _send_error(self, event: ResponseProtocolError, status: int) -> Commands:
        reply = failures.reply_to(event.message, client_at_fault=status < 500)
        fields = [(name.lower(), value) for name, value in reply.headers if name != b"Connection"]
        self.h2_conn.send_headers(event.stream_id, [(b":status", b"%d" % reply.status), *fields])
        self.h2_conn.send_data(event.stream_id, reply.body, end_stream=True)
        yield commands.SendData(self.conn, self.h2_conn.data_to_send())

    def _send_informational(self, event: Informational) -> Commands:
        if not self._waits(event.stream_id):
            return
        fields = [
            (name.lower(), value)
            for name, value in event.response.data.headers.fields
            if name.lower() not in _CONNECTION_FIELDS
        ]
        self.h2_conn.send_headers(
            event.stream_id, [(b":status", b"%d" % event.response.status_code), *fields]
        )
        yield commands.SendData(self.conn, self.h2_conn.data_to_send())

    def protocol_error(self, message: str, error_code: int = h2.errors.ErrorCodes.PROTOCOL_ERROR) -> Commands:
        """End a connection that broke the rules, and say so where no request was open."""
        if not self.streams:
            error = f"{failures.BAD_HTTP2}: {message}"
            yield MeshMalformedHook(Malformed(self.context.client, error, answered=False))
        yield from super().protocol_error(message, error_code)

    def close_connection(self, msg: str) -> Commands:
        """End all streams."""
        gone = msg == "peer closed connection" or msg.startswith("HTTP/2 connection closed")
        yield from super().close_connection(failures.CLIENT_GONE if gone else msg)


class Http2Client(_http2.Http2Client):
    """The upstream's side of HTTP/2."""

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, RequestHeaders):
            fields = getattr(event.request, HIDDEN_EXPECT, None)
            if fields is not None:
                request = event.request.copy()
                request.data.headers = http.Headers(fields)
                event = RequestHeaders(event.stream_id, request, event.end_stream)
        yield from super()._handle_event(event)

    def handle_h2_event(self, event: h2.events.Event) -> Stopping:
        """Hand on informational responses, and name the upstream as the one who cancelled."""
        if isinstance(event, h2.events.InformationalResponseReceived):
            status, headers = _http2.parse_h2_response_headers(event.headers)
            response = http.Response(
                b"HTTP/2.0", status, b"", headers, None, None, timestamp_start=0.0, timestamp_end=None
            )
            yield ReceiveHttp(Informational(event.stream_id, response))
            return False
        if isinstance(event, h2.events.StreamReset) and event.stream_id in self.streams:
            self.streams.pop(event.stream_id)
            yield ReceiveHttp(self._reset(event))
            return False
        return (yield from super().handle_h2_event(event))

    def _reset(self, event: h2.events.StreamReset) -> ResponseProtocolError:
        code = event.error_code
        name = _NAMES.get(code or 0, str(code))
        message = f"{address_of(self.conn)} {failures.UPSTREAM_RESET} ({name})"
        kind = _KINDS.get(name, ErrorCode.GENERIC_SERVER_ERROR)
        return ResponseProtocolError(event.stream_id or 0, message, kind)

    def close_connection(self, msg: str) -> Commands:
        """End all streams; with GOAWAY, those that the upstream still answers among them."""
        gone = msg == "peer closed connection" or msg.startswith("HTTP/2 connection closed")
        where = address_of(self.conn)
        yield from super().close_connection(f"{where} {self._ended()}" if gone else msg)

    def _ended(self) -> str:
        started = any(state is _http2.StreamState.HEADERS_RECEIVED for state in self.streams.values())
        return failures.UPSTREAM_CUT if started else failures.UPSTREAM_CLOSED
