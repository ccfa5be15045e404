"""An entry that another tool wrote, as the exchange that it can be. Pure.

1. Nothing is made up that a replay would send: what a tool did not keep is marked as missing.
2. What could not have been on a wire (a line break in a header) is refused.
"""

import base64
import re
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import msgspec

from mesh_core.har import bodies as har_bodies
from mesh_core.har.format import Entry, Pair, PostData, Request, Response, SocketMessage, Timings
from mesh_core.har.wire import split_url
from mesh_core.ids import uuid7
from mesh_core.imported import context_of, service_of
from mesh_core.model import (
    Bodies,
    Direction,
    Exchange,
    Headers,
    Lane,
    Message,
    Sender,
    grpc_status,
    header,
    header_text,
)
from mesh_core.outcome import Outcome, outcome_of_status
from mesh_core.times import parse_rfc3339

_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_MOST_HEADERS = 10_000
_UNSENDABLE = re.compile(r"[\0\r\n]")
_VERSIONS = {
    "h2": "HTTP/2", "http/2": "HTTP/2", "http/2.0": "HTTP/2", "h3": "HTTP/3", "http/3": "HTTP/3",
    "http/1.0": "HTTP/1.0",
}  # fmt: skip
"""Any other name, also none, is taken for HTTP/1.1."""
_CAUSES = (
    (re.compile(r"NAME_NOT_RESOLVED|DNS|resolve", re.IGNORECASE), Outcome.DNS_FAILED),
    (re.compile(r"TIMED?[ _-]?OUT", re.IGNORECASE), Outcome.UPSTREAM_TIMEOUT),
    (re.compile(r"SSL|TLS|CERT", re.IGNORECASE), Outcome.TLS_FAILED),
    (re.compile(r"RESET|CLOSED|EMPTY_RESPONSE|disconnect", re.IGNORECASE), Outcome.UPSTREAM_RESET),
    (re.compile(r"CONNECTION_REFUSED|refused|UNREACHABLE|connect", re.IGNORECASE), Outcome.CONNECT_FAILED),
    (re.compile(r"PROTOCOL|INVALID", re.IGNORECASE), Outcome.PROTOCOL_ERROR),
)
"""What Chrome's and mitmproxy's error texts mean."""
_MOST_TIME = 2**63 - 1


def foreign_exchange(entry: Entry, *, identity: bytes, creator: str) -> tuple[Exchange, Bodies]:
    """The exchange, inbound at the host that was asked, and its bodies by hash.

    Args:
        entry: as another tool wrote it.
        identity: the id is made of it, so that the same file gives the same ids.
        creator: the tool's name and version.
    """
    request, response = entry.request, entry.response or Response()
    headers = _headers(request.headers, "$.request.headers")
    answer_headers = _headers(response.headers, "$.response.headers")
    scheme, authority, path = _target(request, headers)
    digest = sha256(identity).digest()
    times = _times(entry)
    request_body, request_bytes = _request_body(request, headers)
    response_body, response_bytes = _response_body(request.method, response, answer_headers)
    exchange = Exchange(
        id=uuid7(times["started_at"], digest[:8]),
        **context_of(headers, digest),
        service=service_of(authority),
        instance=authority,
        direction=Direction.INBOUND,
        **times,
        scheme=scheme,
        http_version=_VERSIONS.get((request.http_version or "").lower(), "HTTP/1.1"),
        method=request.method,
        authority=authority,
        path=path,
        request_headers=headers,
        request_body=request_body,
        **_end(response, answer_headers),
        response_headers=answer_headers,
        response_body=response_body,
        messages=tuple(_message(m, times["started_at"]) for m in entry.socket_messages or ()),
        recorder=creator,
        lane=Lane.IMPORTED,
    )
    return exchange, request_bytes | response_bytes


def _target(request: Request, headers: Headers) -> tuple[str, str, str]:
    """Scheme, authority and path; without the fragment, which no client sends."""
    parts = split_url(request.url)
    if parts is None or not _NAME.fullmatch(request.method) or re.search(r"[\0-\x20\x7f]", request.url):
        what = "$.request.url" if _NAME.fullmatch(request.method) else "$.request.method"
        raise msgspec.ValidationError(f"Expected what can be sent - at `{what}`")
    scheme, authority, path = parts
    path = path.partition("#")[0]
    host = header(headers, b"host")
    named = host.decode("latin-1") if host else _wire_text(authority.rpartition("@")[2])
    return scheme.lower(), named, _wire_text(path if path.startswith("/") else f"/{path}")


def _bytes(text: str) -> bytes:
    """What a tool took for UTF-8; what was none is a lone surrogate in mitmproxy's files."""
    return text.encode("utf-8", "surrogateescape")


def _wire_text(text: str) -> str:
    """A text as the model has text of the wire: a character for each byte."""
    return _bytes(text).decode("latin-1")


def _headers(pairs: list[Pair] | None, at: str) -> Headers:
    """The fields without HTTP/2's pseudo ones; Chrome joins equal names by line breaks."""
    found: list[tuple[bytes, bytes]] = []
    if pairs is not None and len(pairs) > _MOST_HEADERS:
        raise msgspec.ValidationError(f"Expected at most {_MOST_HEADERS:,} headers - at `{at}`")
    for index, pair in enumerate(pairs or ()):
        if pair.name.startswith(":"):
            continue
        for value in (pair.value or "").split("\n"):
            if not _NAME.fullmatch(pair.name) or _UNSENDABLE.search(value.removesuffix("\r")):
                raise msgspec.ValidationError(f"Expected a header that can be sent - at `{at}[{index}]`")
            found.append((_bytes(pair.name), _bytes(value.removesuffix("\r"))))
    return tuple(found)


def _times(entry: Entry) -> dict[str, Any]:
    started = _start(entry.started_date_time)
    timings = entry.timings or Timings()
    sent = _ns(timings.blocked, timings.dns, timings.connect, timings.send)
    waited, received = _ns(timings.wait), _ns(timings.receive)
    duration = max(_ns(entry.time), sent + waited + received)
    if abs(started) + duration > _MOST_TIME:
        raise msgspec.ValidationError("Expected a time within reach - at `$.startedDateTime`")
    whole = any(time is not None and time >= 0 for time in (timings.send, timings.wait))
    tls = _ns(timings.ssl)
    connect = _ns(timings.connect)
    return {
        "started_at": started,
        "request_end": started + sent if whole else None,
        "first_byte": started + sent + waited if whole and entry.response and entry.response.status else None,
        "ended_at": started + duration,
        "connect_time": max(0, connect - tls) if connect else None,
        "tls_time": tls or None,
    }


def _start(text: str) -> int:
    for form in (text, f"{text}Z"):  # some tools leave the zone out
        try:
            return parse_rfc3339(form)
        except ValueError:
            continue
    raise msgspec.ValidationError("Expected a time like 2026-11-24T10:00:00.000Z - at `$.startedDateTime`")


def _ns(*milliseconds: float | None) -> int:
    """Their sum in nanoseconds; -1 and None are nothing."""
    return sum(round(min(time, 1e15) * 1e6) for time in milliseconds if time is not None and time > 0)


def _request_body(request: Request, headers: Headers) -> har_bodies.Read:
    post = request.post_data or PostData()
    kind = header_text(headers, b"content-type") or post.mime_type
    content = har_bodies.plain(post.text, post.encoding, kind, "$.request.postData.text")
    size = request.body_size or 0
    if content is None and post.params and "multipart" in (kind or ""):
        size = max(size, 1)  # there was one, and nobody kept it
    elif content is None and post.params:
        content = urlencode(
            [(pair.name, pair.value or "") for pair in post.params], errors="replace"
        ).encode()
    return har_bodies.foreign(content, size=size, kind=kind, encoded_as=_encoding(headers))


def _response_body(method: str, response: Response, headers: Headers) -> har_bodies.Read:
    content = response.content
    if content is None or method == "HEAD" or response.status in (204, 304):
        return None, {}
    kind = header_text(headers, b"content-type") or content.mime_type
    stored = har_bodies.plain(content.text, content.encoding, kind, "$.response.content.text")
    size = response.body_size if response.body_size and response.body_size > 0 else content.size
    return har_bodies.foreign(stored, size=size, kind=kind, encoded_as=_encoding(headers))


def _encoding(headers: Headers) -> str | None:
    named = (header_text(headers, b"content-encoding") or "").strip()
    return named if named.lower() not in ("", "identity") else None


def _end(response: Response, headers: Headers) -> dict[str, Any]:
    """Status and outcome."""
    status = response.status or 0
    if status <= 0:
        error = response.error or "no response is in the file"
        outcome = next((o for found, o in _CAUSES if found.search(error)), Outcome.CLIENT_DISCONNECTED)
        return {"status": None, "outcome": outcome, "error": error}
    if not 100 <= status <= 999:
        raise msgspec.ValidationError("Expected a status from 100 to 999 - at `$.response.status`")
    found = grpc_status(headers, ())
    return {
        "status": status,
        "reason": _wire_text(response.status_text or ""),
        "grpc_status": found,
        "outcome": outcome_of_status(status, found),
    }


def _message(message: SocketMessage, started_at: int) -> Message:
    is_text = message.opcode == 1
    payload = message.data.encode("utf-8", "surrogateescape") if is_text else base64.b64decode(message.data)
    seconds = min(max(message.time, 0.0), 1e10)
    sent_at = int(seconds) * 1_000_000_000 + round(seconds % 1 * 1e9)  # in two parts: a float is too short
    return Message(
        sender=Sender.CLIENT if message.type == "send" else Sender.SERVER,
        offset=min(max(0, sent_at - started_at), _MOST_TIME),
        type="text" if is_text else "binary",
        payload=payload,
    )
