"""What an exchange was spoken in, and so what it is replayed in. Pure."""

import base64
import hashlib
import json
from typing import Any

from msgspec import structs

from mesh_core.model import BodyRef, Exchange, Lane, Message, Sender, header

_CONTENT = "application/x-ndjson"


def speaks_http2(exchange: Exchange) -> bool:
    """Whether it is replayed over HTTP/2: gRPC always is, else what a server is known to have spoken.

    What a proxy took over HTTP/2 it may have handed on over HTTP/1: that is replayed over HTTP/1.1.
    """
    return is_grpc(exchange) or (exchange.http_version == "HTTP/2" and exchange.lane is Lane.WIRE)


def is_grpc(exchange: Exchange) -> bool:
    """Whether the request is gRPC's. Source: gRPC over HTTP/2, "Requests"."""
    kind = header(exchange.request_headers, b"content-type") or b""
    return kind.startswith(b"application/grpc") and not kind.startswith(b"application/grpc-web")


def is_websocket(exchange: Exchange) -> bool:
    """Whether it became a WebSocket, over HTTP/1."""
    upgrade = header(exchange.request_headers, b"upgrade") or b""
    return exchange.status == 101 and b"websocket" in upgrade.lower()


def asks_for_websocket(exchange: Exchange) -> bool:
    """Whether the request wants to become a WebSocket."""
    return b"websocket" in (header(exchange.request_headers, b"upgrade") or b"").lower()


def events_of(exchange: Exchange) -> int | None:
    """How many events an event stream had; None where it is none, or broke off by itself."""
    kind = header(exchange.response_headers, b"content-type") or b""
    if not kind.startswith(b"text/event-stream") or exchange.failed:
        return None
    return sum(message.type == "event" for message in exchange.messages) or None


def said_as_body(exchange: Exchange) -> tuple[Exchange, dict[str, bytes]]:
    """A WebSocket's exchange with what the server said as its response body, a line of JSON a message.

    So a conversation is compared as any other stream of documents is.
    """
    lines = [_line(message) for message in exchange.messages if message.sender is Sender.SERVER]
    content = b"".join(lines)
    if not content:
        return exchange, {}
    digest = hashlib.sha256(content).hexdigest()
    ref = BodyRef(
        hash=digest, full_hash=digest, size=len(content), stored=len(content), content_type=_CONTENT
    )
    return structs.replace(exchange, response_body=ref), {digest: content}


def _line(message: Message) -> bytes:
    return json.dumps(_document(message)).encode() + b"\n"


def _document(message: Message) -> Any:
    if message.type == "close":
        code, _, reason = message.payload.decode("utf-8", "replace").partition(" ")
        return {"close": int(code) if code.isdigit() else code, "reason": reason}
    if message.type == "binary":
        return {"binary": base64.b64encode(message.payload).decode()}
    text = message.payload.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
