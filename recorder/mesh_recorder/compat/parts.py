"""What the mended classes share: events, hooks, and small questions about messages."""

from dataclasses import dataclass
from typing import Any

import h11
from mitmproxy import http
from mitmproxy.connection import Client, Connection
from mitmproxy.net.http import http1, status_codes
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import RequestHeaders

from mesh_core.model import Headers
from mesh_recorder import failures

HIDDEN_EXPECT = "mesh_expect"
"""Attribute of a request whose `Expect` is left to the upstream: all its fields as they go on."""


@dataclass
class Informational(HttpEvent):
    """A 1xx response before the one that counts."""

    response: http.Response


@dataclass
class Malformed:
    """A connection whose client sent what is no request."""

    client: Client
    error: str
    answered: bool


@dataclass
class MeshMalformedHook(commands.StartHook):  # type: ignore[no-untyped-call]  # mitmproxy's
    """A client sent what is no request; no flow exists."""

    malformed: Malformed
    blocking = False


@dataclass
class Refused:
    """An upstream whose response head cannot be read."""

    client: Client
    server: Connection
    fields: Headers


@dataclass
class MeshRefusedHook(commands.StartHook):  # type: ignore[no-untyped-call]  # mitmproxy's
    """A response head cannot be read; the flow's error follows."""

    refused: Refused
    blocking = False


def error_response(message: str, status: int, request: http.Request | None = None) -> bytes:
    """The sidecar's own answer over HTTP/1."""
    reply = failures.reply_to(message, client_at_fault=status < 500)
    reason = status_codes.RESPONSES.get(reply.status, "Error").encode()
    fields = b"".join(b"%b: %b\r\n" % field for field in reply.headers)
    body = b"" if request is not None and request.data.method.upper() == b"HEAD" else reply.body
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (reply.status, reason, fields, body)


def trailers_of(end: Any) -> http.Headers | None:
    """The trailers of an h11 EndOfMessage, in the case they came in."""
    return http.Headers(end.headers.raw_items()) if end.headers else None


def is_chunked(fields: Headers) -> bool:
    """Whether a message is sent in chunks."""
    for name, value in fields:
        if len(name) == 17 and name.lower() == b"transfer-encoding":
            return b"chunked" in value.lower()
    return False


def address_of(connection: Any) -> str:
    """Where an upstream is, for people."""
    address = connection.address
    return f"{address[0]}:{address[1]}" if address else "the upstream"


def closes(message: http.Request | http.Response) -> bool:
    """Whether a message ends its connection. Source: RFC 9112, section 9.3."""
    for name, value in message.data.headers.fields:
        if len(name) == 10 and name.lower() == b"connection":
            tokens = [token.strip().lower() for token in value.split(b",")]
            if b"close" in tokens:
                return True
            if b"keep-alive" in tokens:
                return False
    return message.data.http_version not in (b"HTTP/1.1", b"HTTP/2.0")


def body_size(request: http.Request, response: http.Response | None = None) -> int | None:
    """As mitmproxy's `expected_http_body_size`, which is asked wherever anything is out of the ordinary.

    Returns:
        Bytes; None in chunks, -1 until the connection ends.

    Raises:
        ValueError: the framing is invalid.
    """
    if response is not None and (
        response.data.status_code < 200
        or response.data.status_code in (204, 304)
        or request.data.method.upper() in (b"HEAD", b"CONNECT")
    ):
        return http1.expected_http_body_size(request, response)
    size: int | None = None
    for name, value in (response or request).data.headers.fields:
        length = len(name)
        if length == 14 and name.lower() == b"content-length":
            if size is not None or not value.isdigit() or (value[0] == 0x30 and len(value) > 1):
                return http1.expected_http_body_size(request, response)
            size = int(value)
        elif length == 17 and name.lower() == b"transfer-encoding":
            return http1.expected_http_body_size(request, response)
    if size is not None:
        return size
    return 0 if response is None else -1


def lasts_until_eof(request: http.Request, response: http.Response) -> bool:
    """Whether a response's end can only be told by the connection's."""
    try:
        return body_size(request, response) == -1
    except ValueError:  # an addon changed the headers
        return False


def next_part(reader: Any, buf: Any, event: events.Event) -> tuple[Any, str | None]:
    """The next part of a body, or what is wrong with it."""
    try:
        if isinstance(event, events.ConnectionClosed):
            return reader.read_eof(), None
        return reader(buf), None
    except h11.ProtocolError as error:
        return None, str(error)


def as_http1(response: http.Response) -> http.Response:
    """An HTTP/2 response as HTTP/1.1 says it; itself where it is one already."""
    if not (response.is_http2 or response.is_http3):
        return response
    response = response.copy()
    response.http_version = "HTTP/1.1"
    response.reason = status_codes.RESPONSES.get(response.status_code, "")
    return response


def may_chunk(request: http.Request | None, response: http.Response) -> bool:
    """Whether a response without a length may go out in chunks."""
    if request is None or request.data.http_version != b"HTTP/1.1" or request.data.method.upper() == b"HEAD":
        return False
    return response.status_code not in (204, 304) and "content-length" not in response.headers


def as_sent(event: RequestHeaders) -> RequestHeaders:
    """A request as it goes to an HTTP/1 upstream: with its `Expect`, and in chunks where it has no length."""
    request = event.request
    expect: Headers | None = getattr(request, HIDDEN_EXPECT, None)
    unframed = (
        request.is_http2
        and not event.end_stream
        and "content-length" not in request.headers
        and "transfer-encoding" not in request.headers
    )
    if expect is None and not unframed:
        return event
    request = request.copy()
    fields = request.data.headers.fields if expect is None else expect
    if unframed:
        fields = (*fields, (b"Transfer-Encoding", b"chunked"))
    request.data.headers = http.Headers(fields)
    return RequestHeaders(event.stream_id, request, event.end_stream)
