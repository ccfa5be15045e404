"""`b3` and `x-b3-*`. Pure. Source: openzipkin/b3-propagation, README."""

import re
from collections.abc import Mapping

from mesh_core.model import Headers, TraceOrigin
from mesh_core.tracecontext.context import TraceContext, span_id_of, span_of, trace_id_of

B3 = b"b3"
TRACE_ID = b"x-b3-traceid"
SPAN_ID = b"x-b3-spanid"
SAMPLED = b"x-b3-sampled"
FLAGS = b"x-b3-flags"

_TRACE = rb"([0-9a-fA-F]{32}|[0-9a-fA-F]{16})"
_SPAN = rb"([0-9a-fA-F]{16})"
_SINGLE = re.compile(_TRACE + b"-" + _SPAN + rb"(?:-([01d])(?:-[0-9a-fA-F]{16})?)?")
_TRACE_FORM = re.compile(_TRACE)
_SPAN_FORM = re.compile(_SPAN)
_DECISION = {b"1": True, b"d": True, b"true": True, b"0": False, b"false": False}
"""`d` is debug: sampled, and more; `true` and `false` come from older tracers."""


def parse_b3(value: bytes) -> TraceContext | None:
    """The context in a single `b3` header; None where malformed, or a bare sampling decision."""
    match = _SINGLE.fullmatch(value.strip(b" \t"))
    if match is None:
        return None
    return _context(match[1], match[2], None if match[3] is None else _DECISION[match[3]])


def parse_b3_multi(fields: Mapping[bytes, bytes]) -> TraceContext | None:
    """The context in `x-b3-*` (names in lower case), or None without both ids well-formed.

    A malformed sampling decision leaves it open and the ids valid.
    """
    trace = _TRACE_FORM.fullmatch(fields.get(TRACE_ID, b"").strip(b" \t"))
    span = _SPAN_FORM.fullmatch(fields.get(SPAN_ID, b"").strip(b" \t"))
    if trace is None or span is None:
        return None
    if fields.get(FLAGS, b"").strip(b" \t") == b"1":
        return _context(trace[1], span[1], True)
    return _context(trace[1], span[1], _DECISION.get(fields.get(SAMPLED, b"").strip(b" \t").lower()))


def format_b3(context: TraceContext) -> bytes:
    """A single `b3` header with a 128-bit trace id."""
    decision = "" if context.sampled is None else f"-{int(context.sampled)}"
    return f"{context.trace_id}-{span_of(context)}{decision}".encode()


def format_b3_multi(context: TraceContext) -> Headers:
    """The `x-b3-*` fields; no decision is written where it is open."""
    ids = ((TRACE_ID, context.trace_id.encode()), (SPAN_ID, span_of(context).encode()))
    return ids if context.sampled is None else (*ids, (SAMPLED, b"1" if context.sampled else b"0"))


def _context(trace: bytes, span: bytes, sampled: bool | None) -> TraceContext | None:
    trace_id, span_id = trace_id_of(trace), span_id_of(span)
    if trace_id is None or span_id is None:
        return None
    return TraceContext(trace_id, span_id, sampled, TraceOrigin.B3)
