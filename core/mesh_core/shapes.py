"""What commands and API print as JSON: DESIGN's shapes, made of plain values. Pure.

1. Fields may be added, never renamed.
2. Points in time are RFC 3339 with nine decimals, durations are numbers of nanoseconds.
3. Headers are `[name, value]` pairs; bytes of the wire are latin-1.
"""

import base64
from typing import Any

from mesh_core.bodytext import MOST_TEXT, body_content, body_text
from mesh_core.culprit import culprit
from mesh_core.fingerprint import FailureGroup
from mesh_core.links import Parent
from mesh_core.model import Bodies, BodyRef, Exchange, Headers, Message
from mesh_core.times import rfc3339
from mesh_core.trace import Trace

__all__ = ["exchange_document", "exchange_json", "group_json", "rfc3339", "trace_json"]

type Json = dict[str, Any]


def exchange_json(exchange: Exchange, *, parent: Parent | None = None) -> Json:
    """An exchange without what its bodies and messages hold."""
    return {
        "id": exchange.id,
        "trace_id": exchange.trace_id,
        "span_id": exchange.span_id,
        "sampled": exchange.sampled,
        "trace_origin": exchange.trace_origin.value,
        "request_id": exchange.request_id,
        "parent": _parent(parent),
        "synthesized": exchange.synthesized.value,
        "service": exchange.service,
        "instance": exchange.instance,
        "direction": exchange.direction.value,
        "peer": exchange.peer,
        **_times(exchange),
        "scheme": exchange.scheme,
        "http_version": exchange.http_version,
        "method": exchange.method,
        "authority": exchange.authority,
        "path": exchange.path,
        "request_headers": _headers(exchange.request_headers),
        "request_trailers": _headers(exchange.request_trailers),
        "request_body": _body(exchange.request_body),
        "status": exchange.status,
        "reason": exchange.reason,
        "response_headers": _headers(exchange.response_headers),
        "response_trailers": _headers(exchange.response_trailers),
        "response_body": _body(exchange.response_body),
        "grpc_status": exchange.grpc_status,
        "outcome": exchange.outcome.value,
        "error": exchange.error,
        "opaque": exchange.opaque,
        "redactions": [
            {"rule": redaction.rule, "count": redaction.count} for redaction in exchange.redactions
        ],
        "recorder": exchange.recorder,
        "lane": exchange.lane.value,
    }


def exchange_document(exchange: Exchange, bodies: Bodies, *, parent: Parent | None = None) -> Json:
    """An exchange with what its bodies and messages hold.

    A body has `text` where it is text, else `base64`; out of its content encoding, or, where that
    cannot be undone, as it is stored and with `encoded`. Beyond 4 MiB it is `cut`. A body that is
    not given has neither.
    """
    document = exchange_json(exchange, parent=parent)
    for name, ref in (("request_body", exchange.request_body), ("response_body", exchange.response_body)):
        if ref is not None:
            document[name] |= _content(ref, bodies)
    document["messages"] = [_message(message) for message in exchange.messages]
    return document


def trace_json(trace: Trace) -> Json:
    """A trace: its exchanges by start, each with its parent, and what explains its failure."""
    explaining = culprit(trace)
    return {
        "trace_id": trace.trace_id,
        "exchanges": [exchange_json(e, parent=trace.parents.get(e.id)) for e in trace.exchanges],
        "culprit": None if explaining is None else explaining.id,
        "complete": trace.completeness.value,
        "used_again": trace.used_again,
    }


def group_json(group: FailureGroup) -> Json:
    """A failure group."""
    return {
        "fingerprint": group.fingerprint,
        "title": group.title,
        "service": group.service,
        "outcome": group.outcome.value,
        "status": group.status,
        "count": group.count,
        "first_seen": rfc3339(group.first_seen),
        "last_seen": rfc3339(group.last_seen),
        "traces": list(group.traces),
    }


def _parent(parent: Parent | None) -> Json | None:
    if parent is None:
        return None
    return {
        "exchange_id": parent.exchange_id,
        "kind": parent.kind.value,
        "confidence": parent.confidence,
        "alternatives": list(parent.alternatives),
    }


def _times(exchange: Exchange) -> Json:
    points = {
        "started_at": exchange.started_at,
        "request_end": exchange.request_end,
        "first_byte": exchange.first_byte,
        "ended_at": exchange.ended_at,
    }
    return {
        **{name: None if at is None else rfc3339(at) for name, at in points.items()},
        "duration": exchange.duration,
        "connect_time": exchange.connect_time,
        "tls_time": exchange.tls_time,
    }


def _headers(headers: Headers) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]


def _body(ref: BodyRef | None) -> Json | None:
    if ref is None:
        return None
    return {
        "hash": ref.hash,
        "full_hash": ref.full_hash,
        "size": ref.size,
        "stored": ref.stored,
        "truncated": ref.truncated,
        "content_type": ref.content_type,
        "content_encoding": ref.content_encoding,
        "decoded": ref.decoded,
    }


def _content(ref: BodyRef, bodies: Bodies) -> Json:
    if ref.hash not in bodies:
        return {}
    content = body_content(ref, bodies)
    if content is None:
        return {"base64": _base64(bodies[ref.hash]), "encoded": True}
    text = body_text(ref, bodies)
    shown: Json = {"base64": _base64(content)} if text is None else {"text": text}
    return shown | ({"cut": True} if len(content) >= MOST_TEXT else {})


def _message(message: Message) -> Json:
    try:
        payload = {"text": message.payload.decode()}
    except UnicodeDecodeError:
        payload = {"base64": _base64(message.payload)}
    return {"sender": message.sender.value, "offset": message.offset, "type": message.type, **payload}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
