"""`x-datadog-*`. Pure. Source: Datadog, "Trace context propagation"; dd-trace-py, propagation/http."""

import re
from collections.abc import Mapping

from mesh_core.model import Headers, TraceOrigin
from mesh_core.tracecontext.context import MAX_U64, TraceContext

TRACE_ID = b"x-datadog-trace-id"
PARENT_ID = b"x-datadog-parent-id"
PRIORITY = b"x-datadog-sampling-priority"
TAGS = b"x-datadog-tags"

_U64 = re.compile(rb"[0-9]{1,20}")
_PRIORITY = re.compile(rb"-?[0-9]{1,3}")
_UPPER = re.compile(rb"(?:^|,)[ \t]*_dd\.p\.tid=([0-9a-f]{16})[ \t]*(?:,|$)")


def parse_datadog(fields: Mapping[bytes, bytes]) -> TraceContext | None:
    """The context in `x-datadog-*` (names in lower case), or None where an id is malformed.

    Ids are decimal; the upper half of a 128-bit trace id is a tag. A parent of 0 means none.
    A malformed tag or priority counts as missing.
    """
    low = _decimal(fields.get(TRACE_ID, b""))
    span = _decimal(fields.get(PARENT_ID, b"0"))
    if not low or span is None:
        return None
    upper = _UPPER.search(fields.get(TAGS, b""))
    trace_id = (upper[1].decode() if upper else "0" * 16) + f"{low:016x}"
    priority = fields.get(PRIORITY, b"").strip(b" \t")
    sampled = int(priority) > 0 if _PRIORITY.fullmatch(priority) else None
    return TraceContext(trace_id, f"{span:016x}" if span else None, sampled, TraceOrigin.DATADOG)


def format_datadog(context: TraceContext) -> Headers:
    """The `x-datadog-*` fields.

    Raises:
        ValueError: the low 64 bits of the trace id are zero, which this format cannot say.
    """
    low = int(context.trace_id[16:], 16)
    if not low:
        raise ValueError("a Datadog trace id needs its low 64 bits")
    fields = [(TRACE_ID, b"%d" % low), (PARENT_ID, b"%d" % int(context.span_id or "0", 16))]
    if context.sampled is not None:
        fields.append((PRIORITY, b"1" if context.sampled else b"0"))
    if context.trace_id[:16].strip("0"):
        fields.append((TAGS, b"_dd.p.tid=" + context.trace_id[:16].encode()))
    return tuple(fields)


def _decimal(value: bytes) -> int | None:
    text = value.strip(b" \t")
    number = int(text) if _U64.fullmatch(text) else None
    return number if number is not None and number <= MAX_U64 else None
