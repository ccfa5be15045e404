"""`traceparent`. Pure. Source: W3C Trace Context, section 3.2."""

import re

from mesh_core.model import TraceOrigin
from mesh_core.tracecontext.context import TraceContext, span_of

TRACEPARENT = b"traceparent"

_FORM = re.compile(rb"[ \t]*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[^\r\n]*)?[ \t]*")
_NO_TRACE = b"0" * 32
_NO_SPAN = b"0" * 16


def parse_traceparent(value: bytes) -> TraceContext | None:
    """The context in a `traceparent`, or None where it is malformed.

    Version ff, an all-zero id, upper case, and a tail after version 00 are malformed; a tail
    after a later version is allowed and unread.
    """
    match = _FORM.fullmatch(value)
    if match is None:
        return None
    version, trace_id, span_id, flags, tail = match.groups()
    if version == b"ff" or trace_id == _NO_TRACE or span_id == _NO_SPAN or (version == b"00" and tail):
        return None
    # Only the lowest bit means "sampled"; newer SDKs set others too.
    return TraceContext(trace_id.decode(), span_id.decode(), bool(int(flags, 16) & 1), TraceOrigin.W3C)


def format_traceparent(context: TraceContext) -> bytes:
    """A version 00 `traceparent`; an open sampling decision is written as not sampled."""
    return f"00-{context.trace_id}-{span_of(context)}-{'01' if context.sampled else '00'}".encode()
