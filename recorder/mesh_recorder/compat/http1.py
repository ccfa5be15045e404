"""HTTP/1 as mitmproxy 12.2 speaks it, and what it leaves out: trailers, 1xx responses, plain error texts.

1. Each class replaces mitmproxy's of the same name; `mesh_recorder.compat` says when.
2. Bytes that mitmproxy handles right are handled by mitmproxy.
"""

from typing import Any

import h11
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)

from mesh_recorder import failures
from mesh_recorder.compat.parts import (
    Informational,
    Malformed,
    MeshMalformedHook,
    MeshRefusedHook,
    Refused,
    address_of,
    as_http1,
    as_sent,
    body_size,
    closes,
    error_response,
    is_chunked,
    lasts_until_eof,
    may_chunk,
    next_part,
    trailers_of,
)

type Commands = layer.CommandGenerator[None]

MOST_HEAD = 1024 * 1024
"""Bytes of a request's head that are waited for."""


def _handle(self: Any, event: events.Event) -> Commands:
    """Handle an event without mitmproxy's wrapper, which serves layers that wait for something."""
    if isinstance(event, HttpEvent):
        sent: Commands = self.send(event)
        return sent
    if type(event) is events.DataReceived and self.state != self.passthrough:
        self.buf += event.data
    handled: Commands = self.state(event)
    return handled


class Http1Server(_http1.Http1Server):
    """The client's side of HTTP/1."""

    _trailers: http.Headers | None = None
    _chunked = False
    handle_event = _handle

    def send(self, event: HttpEvent) -> Commands:
        """Write a part of the response, an informational one, or an error."""
        if isinstance(event, ResponseData):
            data = event.data
            if data:
                yield commands.SendData(
                    self.conn, b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data
                )
        elif isinstance(event, ResponseHeaders):
            yield from self._send_head(event)
        elif isinstance(event, ResponseEndOfMessage):
            yield from self._send_end()
        elif isinstance(event, ResponseTrailers):
            self._trailers = event.trailers
        elif isinstance(event, Informational):
            if self.request is not None and not self.request.is_http10:
                yield commands.SendData(self.conn, http1.assemble_response_head(as_http1(event.response)))  # type: ignore[no-untyped-call]  # mitmproxy's
        elif isinstance(event, ResponseProtocolError):
            yield from self._send_error(event)
        else:
            yield from super().send(event)

    def _send_head(self, event: ResponseHeaders) -> Commands:
        response = event.response
        if response.is_http2 or response.is_http3:
            response = as_http1(response)
            # A length that is not known ends with the connection, and trailers need chunks.
            if not event.end_stream and may_chunk(self.request, response):
                response.headers["Transfer-Encoding"] = "chunked"
        self.response = response
        self._chunked = is_chunked(response.data.headers.fields)
        yield commands.SendData(self.conn, http1.assemble_response_head(response))  # type: ignore[no-untyped-call]  # mitmproxy's

    def _send_end(self) -> Commands:
        request, trailers = self.request, self._trailers
        self._trailers = None
        if self._chunked and request is not None and request.data.method.upper() != b"HEAD":
            self._chunked = False
            yield commands.SendData(self.conn, b"0\r\n" + bytes(trailers or b"") + b"\r\n")
        yield from self.mark_done(response=True)

    def _send_error(self, event: ResponseProtocolError) -> Commands:
        if not self.conn.state & ConnectionState.CAN_WRITE:
            return
        if event.code is ErrorCode.DESTINATION_UNKNOWN:
            yield MeshMalformedHook(Malformed(self.context.client, failures.NO_HOST, answered=True))
            event.message = failures.NO_HOST
        status = event.code.http_status_code()
        if self.response is None and status is not None:
            yield commands.SendData(self.conn, error_response(event.message, status, self.request))
        yield commands.CloseConnection(self.conn)

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Read a request's head; what is none is answered with 400, and told to whoever listens."""
        if isinstance(event, events.ConnectionClosed):
            if bytes(self.buf).strip():
                yield MeshMalformedHook(Malformed(self.context.client, failures.HALF_HEAD, answered=False))
            self.state = self.done
            yield commands.CloseConnection(self.conn)
            return
        head = self.buf.maybe_extract_lines()
        if not head:
            if len(self.buf) > MOST_HEAD:
                yield from self._refuse(failures.BIG_HEAD)
            return
        try:
            self.request = http1.read_request_head([bytes(line) for line in head])
            size = body_size(self.request)
        except ValueError as error:
            yield from self._refuse(str(error))
            return
        yield ReceiveHttp(RequestHeaders(self.stream_id, self.request, size == 0))
        self.body_reader = _http1.make_body_reader(size)
        self.state = self.read_body
        yield from self.state(event)

    def _refuse(self, error: str) -> Commands:
        if self.request is None and error != failures.BIG_HEAD:
            bad_line = error.startswith("Bad HTTP request line")
            error = failures.BAD_LINE if bad_line else failures.BAD_FIELDS
        yield commands.SendData(self.conn, error_response(error, 400, self.request))
        yield commands.CloseConnection(self.conn)
        if self.request is not None:
            message = f"Received {error} from client"
            yield ReceiveHttp(RequestHeaders(self.stream_id, self.request, False))
            yield ReceiveHttp(RequestProtocolError(self.stream_id, message, ErrorCode.GENERIC_CLIENT_ERROR))
        else:
            yield MeshMalformedHook(Malformed(self.context.client, error, answered=True))
        self.state = self.done

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands:
        """Half of an exchange is done; with both, the next request is read or the connection closed."""
        self.request_done = self.request_done or request
        self.response_done = self.response_done or response
        asked, answered = self.request, self.response
        if not self.response_done or asked is None or answered is None:
            if self.request_done:
                self.state = self.wait
        elif not self.request_done:
            return
        elif _http1.should_make_pipe(asked, answered):
            yield from self.make_pipe()
        elif closes(asked) or closes(answered) or lasts_until_eof(asked, answered):
            yield commands.CloseConnection(self.conn)
            self.state = self.done
        else:
            self.request_done = self.response_done = False
            self.request = self.response = None
            self.stream_id += 2
            self.state = self.read_headers
            if self.buf:
                yield from self.state(events.DataReceived(self.conn, b""))

    def read_body(self, event: events.Event) -> Commands:
        """Read a request's body with its trailers."""
        while True:
            part, error = next_part(self.body_reader, self.buf, event)
            if error is not None:
                closed = isinstance(event, events.ConnectionClosed)
                message = failures.CLIENT_CUT if closed else f"{failures.CLIENT_BODY}: {error}"
                code = ErrorCode.CLIENT_DISCONNECTED if closed else ErrorCode.GENERIC_CLIENT_ERROR
                yield commands.CloseConnection(self.conn)
                yield ReceiveHttp(RequestProtocolError(self.stream_id, message, code))
                return
            if part is None:
                return
            if isinstance(part, h11.Data):
                if part.data:
                    yield ReceiveHttp(RequestData(self.stream_id, bytes(part.data)))
                continue
            if trailers := trailers_of(part):
                yield ReceiveHttp(RequestTrailers(self.stream_id, trailers))
            if self.request is not None and self.request.data.method.upper() != b"CONNECT":
                yield ReceiveHttp(RequestEndOfMessage(self.stream_id))
            yield from self.mark_done(request=True)
            return


class Http1Client(_http1.Http1Client):
    """The upstream's side of HTTP/1."""

    _trailers: http.Headers | None = None
    _chunked = False
    _until_eof = False
    _reused = False
    """Whether the connection has served a request before."""
    handle_event = _handle

    def send(self, event: HttpEvent) -> Commands:
        """Write a part of the request."""
        if isinstance(event, RequestHeaders):
            event = as_sent(event)
            self._chunked = is_chunked(event.request.data.headers.fields)
            yield from super().send(event)
        elif isinstance(event, RequestData):
            data = event.data
            if data:
                yield commands.SendData(
                    self.conn, b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data
                )
        elif isinstance(event, RequestTrailers):
            self._trailers = event.trailers
        elif isinstance(event, RequestEndOfMessage):
            trailers, self._trailers = self._trailers, None
            if self._chunked:
                self._chunked = False
                yield commands.SendData(self.conn, b"0\r\n" + bytes(trailers or b"") + b"\r\n")
            yield from self.mark_done(request=True)
        else:
            yield from super().send(event)

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Read a response's head, and any number of informational ones before it."""
        if isinstance(event, events.ConnectionClosed):
            yield from self._closed_early()
            return
        if self.request is None or self.stream_id is None:
            yield commands.CloseConnection(self.conn)  # data that nobody asked for
            return
        while head := self.buf.maybe_extract_lines():
            lines = [bytes(line) for line in head]
            try:
                response = http1.read_response_head(lines)
                size = body_size(self.request, response)
            except ValueError:
                yield from self._refuse(lines)
                return
            if 100 <= response.data.status_code <= 199 and response.data.status_code != 101:
                yield ReceiveHttp(Informational(self.stream_id, response))
                continue
            self.response, self._until_eof = response, size == -1
            yield ReceiveHttp(ResponseHeaders(self.stream_id, response, size == 0))
            self.body_reader = _http1.make_body_reader(size)
            self.state = self.read_body
            yield from self.state(event)
            return

    def _closed_early(self) -> Commands:
        if self.conn.state & ConnectionState.CAN_WRITE:
            yield commands.CloseConnection(self.conn)
        stream_id = self.stream_id
        if stream_id is None:
            return
        where, code = address_of(self.conn), ErrorCode.GENERIC_SERVER_ERROR
        if bytes(self.buf).strip():
            what = failures.BAD_RESPONSE
        elif self._reused:
            # A client that kept the connection itself would see it closed, and know to send again.
            what, code = failures.STALE, ErrorCode.CLIENT_DISCONNECTED
        else:
            what = failures.UPSTREAM_CLOSED
        yield ReceiveHttp(ResponseProtocolError(stream_id, f"{where} {what}", code))

    def _refuse(self, lines: list[bytes]) -> Commands:
        pairs = (line.partition(b":") for line in lines[1:])
        fields = tuple((name.strip(), value.strip()) for name, colon, value in pairs if colon)
        yield commands.CloseConnection(self.conn)
        stream_id = self.stream_id or 0
        yield MeshRefusedHook(Refused(self.context.client, self.conn, fields))
        message = f"{address_of(self.conn)} {failures.BAD_RESPONSE}"
        yield ReceiveHttp(ResponseProtocolError(stream_id, message, ErrorCode.GENERIC_SERVER_ERROR))

    def read_body(self, event: events.Event) -> Commands:
        """Read a response's body with its trailers."""
        stream_id = self.stream_id or 0
        while True:
            part, error = next_part(self.body_reader, self.buf, event)
            if error is not None:
                closed = isinstance(event, events.ConnectionClosed)
                what = failures.UPSTREAM_CUT if closed else f"sent an invalid response body: {error}"
                message = f"{address_of(self.conn)} {what}"
                yield commands.CloseConnection(self.conn)
                yield ReceiveHttp(ResponseProtocolError(stream_id, message, ErrorCode.GENERIC_SERVER_ERROR))
                return
            if part is None:
                return
            if isinstance(part, h11.Data):
                if part.data:
                    yield ReceiveHttp(ResponseData(stream_id, bytes(part.data)))
                continue
            if trailers := trailers_of(part):
                yield ReceiveHttp(ResponseTrailers(stream_id, trailers))
            # The next request may follow at once, in the middle of this: the connection is free first.
            # One that becomes something else says so before what comes after the head.
            becomes_pipe = (
                self.request and self.response and _http1.should_make_pipe(self.request, self.response)
            )
            if not becomes_pipe:
                yield from self.mark_done(response=True)
            yield ReceiveHttp(ResponseEndOfMessage(stream_id))
            if becomes_pipe:
                yield from self.mark_done(response=True)
            return

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands:
        """Half of an exchange is done; with both, the connection is free or closed."""
        self.request_done = self.request_done or request
        self.response_done = self.response_done or response
        asked, answered = self.request, self.response
        if not (self.request_done and self.response_done) or asked is None or answered is None:
            return
        if _http1.should_make_pipe(asked, answered):
            yield from self.make_pipe()
        elif self._until_eof or asked.is_http2 or asked.is_http3 or closes(asked) or closes(answered):
            yield commands.CloseConnection(self.conn)
            self.state = self.done
        else:
            self.request_done = self.response_done = False
            self.request = self.response = self.stream_id = None
            self._reused = True
            self.state = self.read_headers
            if self.buf:
                yield from self.state(events.DataReceived(self.conn, b""))
