"""From what was captured to exchanges; in the writer's thread, where most of a request's cost is.

1. What two patterns told all of takes the short way, which asks nothing that such a request cannot have.
2. Both ways say the same: a test compares them.
"""

import re
from hashlib import sha256
from typing import Any

from mesh_core.model import Bodies, BodyRef, Exchange, TraceOrigin, header
from mesh_core.outcome import Outcome, outcome_of_status
from mesh_core.tracecontext import Found, read, trace_id_of_request_id
from mesh_recorder.capture import finish, peer_of, setup_times, synthetic_trace_id
from mesh_recorder.tee import Room, Tee
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.head import fields_of, lenient_fields
from mesh_recorder.wire.quick import (
    CLAIM,
    CODING,
    FLAGS,
    HOST,
    LENGTH,
    METHOD,
    PARENT,
    REASON,
    REQUEST_ID,
    SPAN,
    STATUS,
    TARGET,
    TRACE,
    TYPE,
)

_WITH_MESSAGES = ("text/event-stream", "application/grpc")


def finish_wire(captured: WireCaptured) -> tuple[Exchange, Bodies]:
    """The exchange that was captured, and its bodies by their hash; called in the writer's thread."""
    asked, told = captured.asked, captured.told
    if asked is not None:
        if told is not None and captured.error is None:
            quick = _finish_quick(captured, asked, told)
            if quick is not None:
                return quick
        _unfold(captured, asked, told)
    return finish_slowly(captured)


def _unfold(captured: WireCaptured, asked: re.Match[bytes], told: re.Match[bytes] | None) -> None:
    """Put what the patterns told where others have theirs."""
    if captured.request_body is None and asked[LENGTH]:
        captured.request_body = _kept(asked, captured.request_end)
    if told is not None and captured.response_body is None:
        captured.response_bytes = told.string[: told.end()]
        captured.status = int(told[STATUS])
        captured.response_body = _kept(told, captured.first_byte)


def _kept(match: re.Match[bytes], moment: int) -> Tee:
    """The body that stands behind a head, as a copy that came at that moment."""
    body = match.string[match.end() :]
    tee = Tee(len(body), Room(len(body)))
    tee.feed(body)
    tee.times = [moment] * len(tee.pieces)
    return tee


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
    captured.authority = _authority(captured, header(captured.request_headers, b"host") or b"")


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
    """The exchange of a request and a response that are plain; None where there may be more to it."""
    bodies: dict[str, bytes] = {}
    try:
        sent = _plain_body(captured.request_body, asked, bodies)
        got = _plain_body(captured.response_body, told, bodies)
    except _NotPlain:
        return None
    place, status, reason = captured.place, int(told[STATUS]), told[REASON]
    started_at = captured.started_at
    since = started_at - captured.began
    return Exchange(
        id=captured.id,
        **_plain_trace(captured, asked),
        service=place.service,
        instance=place.instance,
        direction=place.direction,
        peer=peer_of(captured),
        connection=captured.connection,
        started_at=started_at,
        request_end=since + captured.request_end,
        first_byte=since + captured.first_byte,
        ended_at=since + captured.ended,
        connect_time=setup_times(captured)[0] if captured.server_times else None,
        scheme="http",
        http_version="HTTP/1.1",
        method=asked[METHOD].decode("latin-1"),
        authority=_authority(captured, (asked[HOST] or b"").rstrip(b" \t")).decode("latin-1"),
        path=(captured.path or asked[TARGET]).decode("latin-1"),
        request_headers=fields_of(captured.request_bytes),
        request_body=sent,
        status=status,
        reason=reason.decode("latin-1") if reason else "",
        response_headers=fields_of(captured.response_bytes or told.string[: told.end()]),
        response_body=got,
        outcome=Outcome.OK if status < 400 else outcome_of_status(status),
        recorder=place.recorder,
        lane=place.lane,
    ), bodies


class _NotPlain(Exception):
    """A body that is cut off, or that may hold messages."""


def _plain_body(tee: Tee | None, head: re.Match[bytes], bodies: dict[str, bytes]) -> BodyRef | None:
    """What a head says follows it: behind the head, or where it came in pieces, in a copy.

    Raises:
        _NotPlain: it takes more care.
    """
    size = int(head[LENGTH] or 0)
    if not size:
        return None
    body = head.string[head.end() :] if tee is None else tee.content
    content_type = _text(head[TYPE])
    messages = content_type is not None and content_type.lower().startswith(_WITH_MESSAGES)
    if messages or len(body) != size:
        raise _NotPlain
    digest = sha256(body).hexdigest()
    bodies[digest] = body
    return BodyRef(
        hash=digest,
        full_hash=digest,
        size=size,
        stored=size,
        content_type=content_type,
        content_encoding=_text(head[CODING]),
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.rstrip(b" \t").decode("latin-1")


def _plain_trace(captured: WireCaptured, asked: re.Match[bytes]) -> dict[str, Any]:
    """What the request says of its trace."""
    told, made, claim = asked[REQUEST_ID], captured.made, asked[CLAIM]
    request_id = made if told is None else told.decode()
    found: dict[str, Any] = {
        "request_id": request_id,
        "request_id_made": made is not None,
        "claim": None if claim is None else claim.decode(),
    }
    trace: tuple[str, str | None, bool | None, TraceOrigin]
    if asked[PARENT] is not None:
        sampled = bool(int(asked[FLAGS], 16) & 1)
        trace = asked[TRACE].decode(), asked[SPAN].decode(), sampled, TraceOrigin.W3C
    elif request_id is not None:
        trace = trace_id_of_request_id(request_id), None, None, TraceOrigin.REQUEST_ID
    else:
        trace = synthetic_trace_id(), None, None, TraceOrigin.SYNTHETIC
    found["trace_id"], found["span_id"], found["sampled"], found["trace_origin"] = trace
    return found


def _authority(captured: WireCaptured, host: bytes) -> bytes:
    """The one that the request names; else where it went."""
    found = captured.authority or host
    if not found and captured.target is not None:
        return b"%b:%d" % (captured.target[0].encode(), captured.target[1])
    return found
