"""Exchanges as a HAR that any viewer opens. Pure."""

import base64
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from mesh_core.errors import CaptureInvalid
from mesh_core.har import bodies as har_bodies
from mesh_core.har.format import VERSION, Mesh, MeshMessage, Target
from mesh_core.har.reading import MOST_BYTES, MOST_ENTRIES
from mesh_core.har.wire import latin, split_url
from mesh_core.model import Bodies, Exchange, Headers, Message, header
from mesh_core.times import rfc3339

type Json = dict[str, Any]

_SAME = sorted(set(Exchange.__struct_fields__) & set(Mesh.__struct_fields__))
"""Fields that are the same in both; those of other types are replaced after."""


def dump_har(recorded: Iterable[tuple[Exchange, Bodies]]) -> bytes:
    """A HAR 1.2 of the exchanges, in the order given, with all that `load_har` needs to give them back.

    Args:
        recorded: each with its bodies by hash; what is not given is described alone.

    Raises:
        CaptureInvalid: it would be larger than what can be read back.
    """
    entries: list[msgspec.Raw] = []
    total = 0
    for exchange, bodies in recorded:
        entry = msgspec.json.encode(_entry(exchange, bodies))
        entries.append(msgspec.Raw(entry))
        total += len(entry)
        if total > MOST_BYTES or len(entries) > MOST_ENTRIES:
            raise _too_much(len(entries))
    log = {
        "version": "1.2",
        "creator": {"name": "mesh-replay", "version": f"capture format {VERSION}"},
        "entries": entries,
        "_mesh": {"version": VERSION},
    }
    har = msgspec.json.format(msgspec.json.encode({"log": log}), indent=1) + b"\n"
    if len(har) > MOST_BYTES:
        raise _too_much(len(entries))
    return har


def _too_much(count: int) -> CaptureInvalid:
    problem = f"{count:,} exchanges are too much for one capture file ({MOST_BYTES // 1024**2} MiB)"
    return CaptureInvalid(problem, hint="export fewer, with a narrower query")


def _entry(exchange: Exchange, bodies: Bodies) -> Json:
    mesh = _mesh(exchange)
    request = _request(exchange)
    if exchange.request_body is not None:
        mesh.request_body, text = har_bodies.written(exchange.request_body, bodies)
        if text is not None:
            request["postData"] = {"mimeType": exchange.request_body.content_type or "", "text": text}
    mesh.response_body, content = har_bodies.content_of(exchange.response_body, bodies)
    target = Target(scheme=exchange.scheme, authority=exchange.authority, path=exchange.path)
    if split_url(request["url"]) != (target.scheme, target.authority, target.path):
        mesh.target = target
    return {
        "startedDateTime": rfc3339(exchange.started_at),
        "time": exchange.duration / 1e6,
        "request": request,
        "response": _response(exchange, content),
        "cache": {},
        "timings": _timings(exchange),
        **({"connection": exchange.connection} if exchange.connection else {}),
        **({"comment": exchange.error} if exchange.error else {}),
        "_mesh": mesh,
    }


def _mesh(exchange: Exchange) -> Mesh:
    same: Json = {name: getattr(exchange, name) for name in _SAME}
    same |= {
        "request_body": None,
        "response_body": None,
        "request_trailers": latin(exchange.request_trailers),
        "response_trailers": latin(exchange.response_trailers),
        "messages": [_message(message) for message in exchange.messages],
        "redactions": list(exchange.redactions),
    }
    return Mesh(**same, answered=exchange.status is not None)


def _request(exchange: Exchange) -> Json:
    path = exchange.path
    absolute = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path)
    slash = "" if path.startswith("/") else "/"
    url = path if absolute else f"{exchange.scheme}://{exchange.authority}{slash}{path}"
    query = path.partition("?")[2].partition("#")[0]
    return {
        "method": exchange.method,
        "url": url,
        "httpVersion": exchange.http_version,
        "cookies": [],
        "headers": _pairs(exchange.request_headers),
        "queryString": [
            {"name": name, "value": value} for name, value in parse_qsl(query, keep_blank_values=True)
        ],
        "headersSize": -1,
        "bodySize": 0 if exchange.request_body is None else exchange.request_body.size,
    }


def _response(exchange: Exchange, content: Json) -> Json:
    location = header(exchange.response_headers, b"location") or b""
    return {
        "status": exchange.status or 0,
        "statusText": exchange.reason,
        "httpVersion": exchange.http_version,
        "cookies": [],
        "headers": _pairs(exchange.response_headers),
        "content": content,
        "redirectURL": location.decode("latin-1"),
        "headersSize": -1,
        "bodySize": 0 if exchange.response_body is None else exchange.response_body.size,
        **({"_error": exchange.error} if exchange.status is None and exchange.error else {}),
    }


def _timings(exchange: Exchange) -> Json:
    """In milliseconds; together they are the entry's time."""
    start, end = exchange.started_at, exchange.ended_at
    sent = min(max(exchange.request_end or start, start), end)
    answered = min(max(exchange.first_byte or end, sent), end)
    connect = min((exchange.connect_time or 0) + (exchange.tls_time or 0), answered - sent)
    return {
        "blocked": -1,
        "dns": -1,
        "connect": -1 if exchange.connect_time is None else connect / 1e6,
        "ssl": -1 if exchange.tls_time is None else exchange.tls_time / 1e6,
        "send": (sent - start) / 1e6,
        "wait": (answered - sent - (0 if exchange.connect_time is None else connect)) / 1e6,
        "receive": (end - answered) / 1e6,
    }


def _message(message: Message) -> MeshMessage:
    made = MeshMessage(sender=message.sender, offset=message.offset, type=message.type)
    try:
        made.text = message.payload.decode()
    except UnicodeDecodeError:
        made.base64 = base64.b64encode(message.payload).decode()
    return made


def _pairs(headers: Headers) -> list[Json]:
    return [{"name": name, "value": value} for name, value in latin(headers)]
