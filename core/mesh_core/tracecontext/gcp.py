"""`x-cloud-trace-context`. Pure. Source: Google Cloud Trace, "Trace context", legacy header."""

import re

from mesh_core.model import TraceOrigin
from mesh_core.tracecontext.context import MAX_U64, TraceContext, trace_id_of

CLOUD_TRACE_CONTEXT = b"x-cloud-trace-context"

_FORM = re.compile(rb"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([0-3]))?")


def parse_cloud_trace_context(value: bytes) -> TraceContext | None:
    """The context in an `x-cloud-trace-context`, or None where it is malformed.

    The span is decimal; it and the options may be missing, and a span of 0 means none.
    """
    match = _FORM.fullmatch(value.strip(b" \t"))
    if match is None:
        return None
    trace_id, span = trace_id_of(match[1]), int(match[2] or b"0")
    if trace_id is None or span > MAX_U64:
        return None
    sampled = None if match[3] is None else bool(int(match[3]) & 1)
    return TraceContext(trace_id, f"{span:016x}" if span else None, sampled, TraceOrigin.GCP)


def format_cloud_trace_context(context: TraceContext) -> bytes:
    """An `x-cloud-trace-context`; a missing span is left out, and so is an open decision."""
    span = "" if context.span_id is None else f"/{int(context.span_id, 16)}"
    options = "" if context.sampled is None else f";o={int(context.sampled)}"
    return f"{context.trace_id}{span}{options}".encode()
