"""`sentry-trace`. Pure. Source: Sentry, SDK development, "Trace propagation"."""

import re

from mesh_core.model import TraceOrigin
from mesh_core.tracecontext.context import TraceContext, span_id_of, span_of, trace_id_of

SENTRY_TRACE = b"sentry-trace"

_FORM = re.compile(rb"([0-9a-f]{32})-([0-9a-f]{16})(?:-([01]))?")


def parse_sentry_trace(value: bytes) -> TraceContext | None:
    """The context in a `sentry-trace`, or None where it is malformed.

    Without its third part the sampling decision is left to whoever is called.
    """
    match = _FORM.fullmatch(value.strip(b" \t"))
    if match is None:
        return None
    trace_id, span_id = trace_id_of(match[1]), span_id_of(match[2])
    if trace_id is None or span_id is None:
        return None
    sampled = None if match[3] is None else match[3] == b"1"
    return TraceContext(trace_id, span_id, sampled, TraceOrigin.SENTRY)


def format_sentry_trace(context: TraceContext) -> bytes:
    """A `sentry-trace`; an open decision is left out."""
    decision = "" if context.sampled is None else f"-{int(context.sampled)}"
    return f"{context.trace_id}-{span_of(context)}{decision}".encode()
