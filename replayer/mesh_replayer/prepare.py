"""A recorded request as it goes out: byte for byte, but for what the target needs. Pure.

1. What is changed is named, so that it can be shown.
2. What cannot be sent as it was is not sent, with the reason.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mesh_core.model import Bodies, Direction, Exchange, Headers, header
from mesh_core.replay_mark import MARK
from mesh_replayer.retrace import FreshIds, Retraced, retrace
from mesh_replayer.spoken import events_of, is_websocket, speaks_http2
from mesh_replayer.wire.request import WireRequest, is_chunked, unsendable

_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user wants changed in every request."""

    run_id: str
    mark: bool = True
    """Whether each request says that it is a replay."""
    host: str | None = None
    """Another Host than the recorded one."""
    headers: Headers = ()
    """Set in place of what was recorded, or added; an empty value takes a header out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request that is ready to go out."""

    request: WireRequest
    retraced: Retraced
    changes: tuple[str, ...] = ()
    """What is not as recorded, in words."""


def prepare(exchange: Exchange, bodies: Bodies, wishes: Wishes, ids: FreshIds) -> Prepared | str:
    """The request of an exchange, ready to go out; or why it cannot, in words.

    Args:
        exchange: recorded.
        bodies: by hash; the request's is looked up.
        wishes: what is to be changed.
        ids: for a new trace.
    """
    body = _body(exchange, bodies)
    if body is None:
        return "its body was not kept"
    changes: list[str] = []
    http2 = speaks_http2(exchange)
    fields = _without_pseudo(exchange) if http2 else _as_http1(exchange, changes)
    fields = _fitting_body(fields, exchange, body, changes, http2=http2)
    if is_websocket(exchange):
        fresh = base64.b64encode(ids.random(16))  # a server may check that the recorded one was not used
        fields = _with(fields, b"Sec-WebSocket-Key", fresh)
        changes.append("new Sec-WebSocket-Key")
    retraced = retrace(fields, exchange.trace_origin, ids, mark=wishes.run_id if wishes.mark else None)
    changes.extend(f"new {name}" for name in retraced.changes)
    fields = retraced.headers
    if wishes.host is not None:
        fields = _with(fields, b"Host", wishes.host.encode("latin-1", "replace"))
        changes.append(f"Host {wishes.host}")
    if wishes.mark:
        fields = _with(fields, MARK, wishes.run_id.encode())
    for name, value in wishes.headers:
        fields = _with(fields, name, value)
        changes.append(f"{name.decode('latin-1')} as given")
    request = WireRequest(
        method=exchange.method.encode("latin-1"),
        target=_target(exchange, changes),
        version=_version(exchange, http2),
        scheme=exchange.scheme.encode("latin-1"),
        authority=(wishes.host or exchange.authority).encode("latin-1", "replace"),
        conversation=exchange.messages if is_websocket(exchange) else None,
        events=events_of(exchange),
        headers=fields,
        body=body,
        trailers=exchange.request_trailers,
    )
    why = unsendable(request)
    return why if why is not None else Prepared(request=request, retraced=retraced, changes=tuple(changes))


def _version(exchange: Exchange, http2: bool) -> bytes:
    if http2:
        return b"HTTP/2"
    return b"HTTP/1.0" if exchange.http_version == "HTTP/1.0" else b"HTTP/1.1"


def _body(exchange: Exchange, bodies: Bodies) -> bytes | None:
    ref = exchange.request_body
    if ref is None or ref.size == 0:
        return b""
    return bodies.get(ref.hash)


def _target(exchange: Exchange, changes: list[str]) -> bytes:
    """The raw request target; a call that went through a forward proxy named the server in it."""
    target = exchange.path.encode("latin-1")
    match = _ABSOLUTE.match(target) if exchange.direction is Direction.OUTBOUND else None
    if match is None:
        return target
    changes.append("the path alone, as the target is no proxy")
    rest = target[match.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


def _as_http1(exchange: Exchange, changes: list[str]) -> Headers:
    """The header section as HTTP/1 has it. Source: RFC 9113, sections 8.2.3 and 8.3.1."""
    if exchange.http_version != "HTTP/2":
        return exchange.request_headers
    changes.append("HTTP/1.1, recorded over HTTP/2")
    fields = list(_without_pseudo(exchange))
    crumbs = [value for name, value in fields if name.lower() == b"cookie"]
    if len(crumbs) > 1:
        first = next(at for at, (name, _) in enumerate(fields) if name.lower() == b"cookie")
        name = fields[first][0]
        fields = [field for field in fields if field[0].lower() != b"cookie"]
        fields.insert(first, (name, b"; ".join(crumbs)))
    if header(tuple(fields), b"host") is None:
        fields.insert(0, (b"host", exchange.authority.encode("latin-1")))
    return tuple(fields)


def _without_pseudo(exchange: Exchange) -> Headers:
    return tuple(field for field in exchange.request_headers if not field[0].startswith(b":"))


def _fitting_body(
    fields: Headers, exchange: Exchange, body: bytes, changes: list[str], *, http2: bool
) -> Headers:
    """Headers that tell the truth about a body that redaction or HTTP/2 changed."""
    ref = exchange.request_body
    if ref is not None and ref.decoded and ref.content_encoding:
        fields = tuple(field for field in fields if field[0].lower() != b"content-encoding")
        changes.append("body decoded, as values in it were replaced")
    if is_chunked(fields):
        return fields
    length = b"%d" % len(body)
    given = header(fields, b"content-length")
    if given is None:
        # Without a length or chunks, HTTP/1 has no request body.
        return (*fields, (b"content-length", length)) if body and not http2 else fields
    if given != length and ref is not None and (ref.decoded or ref.full_hash is None):
        changes.append("Content-Length, as values in the body were replaced")
        return _with(fields, b"content-length", length)
    return fields


def _with(fields: Headers, name: bytes, value: bytes) -> Headers:
    """`fields` with one value for `name`, in the first one's place; an empty value takes it out."""
    key = name.lower()
    places = [at for at, field in enumerate(fields) if field[0].lower() == key]
    if not value:
        return tuple(field for field in fields if field[0].lower() != key)
    if not places:
        return (*fields, (name, value))
    kept: list[tuple[bytes, bytes]] = []
    for at, field in enumerate(fields):
        if at == places[0]:
            kept.append((field[0], value))
        elif at not in places:
            kept.append(field)
    return tuple(kept)


def given_headers(texts: Sequence[str]) -> Headers:
    """`-H 'Name: value'` as fields.

    Raises:
        ValueError: one has no colon or no name, or a line break.
    """
    fields: list[tuple[bytes, bytes]] = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or any(character in text for character in "\r\n\0"):
            raise ValueError(f"{text!r} is not 'Name: value'")
        fields.append((name.strip().encode("latin-1", "replace"), value.strip().encode("utf-8")))
    return tuple(fields)
