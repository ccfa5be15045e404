"""`uber-trace-id`. Pure. Source: Jaeger, client libraries, "Propagation format"."""

import re

from mesh_core.model import TraceOrigin
from mesh_core.tracecontext.context import TraceContext, span_id_of, span_of, trace_id_of

UBER_TRACE_ID = b"uber-trace-id"

_COLON = rb"(?::|%3[aA])"
_FORM = re.compile(
    _COLON.join(
        [rb"([0-9a-fA-F]{1,32})", rb"([0-9a-fA-F]{1,16})", rb"[0-9a-fA-F]{1,16}", rb"([0-9a-fA-F]{1,2})"]
    )
)
_SAMPLED_OR_DEBUG = 0b11


def parse_uber_trace_id(value: bytes) -> TraceContext | None:
    """The context in an `uber-trace-id`, also URL-encoded, or None where it is malformed.

    Ids may be shorter than their size; the third one, a parent, is deprecated and unread.
    """
    match = _FORM.fullmatch(value.strip(b" \t"))
    if match is None:
        return None
    trace_id, span_id = trace_id_of(match[1]), span_id_of(match[2])
    if trace_id is None or span_id is None:
        return None
    return TraceContext(trace_id, span_id, bool(int(match[3], 16) & _SAMPLED_OR_DEBUG), TraceOrigin.JAEGER)


def format_uber_trace_id(context: TraceContext) -> bytes:
    """An `uber-trace-id` without a parent; an open decision is written as not sampled."""
    return f"{context.trace_id}:{span_of(context)}:0:{1 if context.sampled else 0}".encode()
