"""From what was captured to exchanges; in the writer's thread, where most of a request's cost is.

1. What two patterns told all of takes the short way, which asks nothing that such a request cannot have.
2. Both ways say the same: a test compares them.
"""

import re
from hashlib import sha256

from mesh_core.model import Bodies, BodyRef, Exchange, Headers, TraceOrigin, header
from mesh_core.outcome import outcome_of_status
from mesh_core.tracecontext import Found, read, trace_id_of_request_id
from mesh_recorder.capture import finish, peer_of, setup_times, synthetic_trace_id
from mesh_recorder.tee import Room, Tee
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.head import fields_of, lenient_fields

_WITH_MESSAGES = ("text/event-stream", "application/grpc")


def finish_wire(captured: WireCaptured) -> tuple[Exchange, Bodies]:
    """The exchange that was captured, and its bodies by their hash; called in the writer's thread."""
    told = captured.told
    if told is not None and captured.asked is not None:
        quick = _finish_quick(captured, captured.asked, told) if captured.error is None else None
        if quick is not None:
            return quick
        _unfold(captured, told)
    return finish_slowly(captured)


def _unfold(captured: WireCaptured, told: re.Match[bytes]) -> None:
    """Put a response where others have theirs."""
    split = told.end()
    captured.response_bytes, body = told.string[:split], told.string[split:]
    captured.status = int(told[1])
    captured.response_body = tee = Tee(len(body), Room(len(body)))
    tee.feed(body)
    tee.times = [captured.first_byte] * len(tee.pieces)


def finish_slowly(captured: WireCaptured) -> tuple[Exchange, Bodies]:
    """The same for any request."""
    if captured.request_bytes:
        _read_request(captured)
    if captured.response_bytes:
        _read_response(captured)
    request_lines, response_lines = captured.trailer_bytes
    if request_lines:
        captured.request_trailers = fields_of(b"\r\n" + request_lines)
    if response_lines:
        captured.response_trailers = fields_of(b"\r\n" + response_lines)
    return finish(captured)


def _read_request(captured: WireCaptured) -> None:
    head = captured.request_bytes
    line, _, rest = head.partition(b"\r\n")
    if captured.malformed:
        line, _, rest = head.replace(b"\r\n", b"\n").partition(b"\n")
        captured.request_headers = lenient_fields(rest)
    else:
        captured.request_headers = fields_of(head)
    method, _, rest = line.partition(b" ")
    path, _, version = rest.rpartition(b" ") if b" " in rest else (rest, b"", b"")
    captured.method = captured.method or method
    captured.path = captured.path or path
    captured.version = version if version.startswith(b"HTTP/") else captured.version
    found = read(captured.request_headers)
    if captured.strangers and found.claim is not None:
        found = Found(found.all, found.request_id, None)
    captured.found = found
    captured.authority = _authority(captured, captured.request_headers)


def _read_response(captured: WireCaptured) -> None:
    head = captured.response_bytes
    line, _, rest = head.partition(b"\r\n")
    if captured.status is None:
        captured.refused = lenient_fields(rest)
        digits = line.partition(b" ")[2][:3]
        captured.status = int(digits) if digits.isdigit() and len(digits) == 3 else None
        captured.response_headers = captured.refused
        return
    captured.response_headers = fields_of(head)
    captured.reason = line[13:]


def _finish_quick(
    captured: WireCaptured, asked: re.Match[bytes], told: re.Match[bytes]
) -> tuple[Exchange, Bodies] | None:
    """The exchange of a request and a response that are plain; None where there may be messages in it."""
    split = told.end()
    head, body = told.string[:split], told.string[split:]
    ref = _plain_body(body, fields := fields_of(head))
    if ref is not None and (ref.content_type or "").lower().startswith(_WITH_MESSAGES):
        return None
    place, headers = captured.place, fields_of(captured.request_bytes)
    status, began, started_at = int(told[1]), captured.began, captured.started_at
    trace_id, span_id, sampled, origin = _plain_trace(captured, asked)
    exchange = Exchange(
        id=captured.id,
        trace_id=trace_id,
        span_id=span_id,
        sampled=sampled,
        trace_origin=origin,
        request_id=captured.made,
        request_id_made=captured.made is not None,
        service=place.service,
        instance=place.instance,
        direction=place.direction,
        peer=peer_of(captured),
        connection=captured.connection,
        started_at=started_at,
        request_end=started_at + captured.request_end - began,
        first_byte=started_at + captured.first_byte - began,
        ended_at=started_at + captured.ended - began,
        connect_time=setup_times(captured)[0] if captured.server_times else None,
        scheme="http",
        http_version="HTTP/1.1",
        method=asked[1].decode("latin-1"),
        authority=_authority(captured, headers).decode("latin-1"),
        path=(captured.path or asked[2]).decode("latin-1"),
        request_headers=headers,
        status=status,
        reason=head[13 : head.find(b"\r")].decode("latin-1"),
        response_headers=fields,
        response_body=ref,
        outcome=outcome_of_status(status),
        recorder=place.recorder,
        lane=place.lane,
    )
    return exchange, {ref.hash: body} if ref is not None else {}


def _plain_body(body: bytes, fields: Headers) -> BodyRef | None:
    if not body:
        return None
    content_type = content_encoding = None
    for name, value in fields:
        if len(name) == 12 and content_type is None and name.lower() == b"content-type":
            content_type = value.decode("latin-1")
        elif len(name) == 16 and content_encoding is None and name.lower() == b"content-encoding":
            content_encoding = value.decode("latin-1")
    digest, size = sha256(body).hexdigest(), len(body)
    return BodyRef(
        hash=digest,
        full_hash=digest,
        size=size,
        stored=size,
        content_type=content_type,
        content_encoding=content_encoding,
    )


def _plain_trace(
    captured: WireCaptured, asked: re.Match[bytes]
) -> tuple[str, str | None, bool | None, TraceOrigin]:
    if asked[3] is not None:
        return asked[4].decode(), asked[5].decode(), bool(int(asked[6], 16) & 1), TraceOrigin.W3C
    if captured.made is not None:
        return trace_id_of_request_id(captured.made), None, None, TraceOrigin.REQUEST_ID
    return synthetic_trace_id(), None, None, TraceOrigin.SYNTHETIC


def _authority(captured: WireCaptured, headers: Headers) -> bytes:
    """The one that the request names; else where it went."""
    found = captured.authority or header(headers, b"host") or b""
    if not found and captured.target is not None:
        return b"%b:%d" % (captured.target[0].encode(), captured.target[1])
    return found
