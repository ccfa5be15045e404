"""`x-amzn-trace-id`. Pure. Source: AWS X-Ray, "Tracing header"."""

import re

from mesh_core.model import TraceOrigin
from mesh_core.tracecontext.context import TraceContext, span_id_of, trace_id_of

AMZN_TRACE_ID = b"x-amzn-trace-id"

_ROOT = re.compile(rb"1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})")
_PARENT = re.compile(rb"[0-9a-fA-F]{16}")
_DECISION = {b"1": True, b"0": False}


def parse_amzn_trace_id(value: bytes) -> TraceContext | None:
    """The context in an `x-amzn-trace-id`, or None where it is malformed.

    Parts come in any order; those that are not `Root`, `Parent` or `Sampled` (`Self` of a
    load balancer, `Lineage`) are unread. `Sampled=?` leaves the decision open.
    """
    parts = _parts(value)
    root = _ROOT.fullmatch(parts.get(b"Root", b"")) if parts else None
    if parts is None or root is None:
        return None
    trace_id, span_id = trace_id_of(root[1] + root[2]), None
    if b"Parent" in parts:
        span_id = span_id_of(parts[b"Parent"]) if _PARENT.fullmatch(parts[b"Parent"]) else None
        if span_id is None:
            return None
    if trace_id is None or parts.get(b"Sampled", b"?") not in (b"0", b"1", b"?"):
        return None
    return TraceContext(trace_id, span_id, _DECISION.get(parts.get(b"Sampled", b"?")), TraceOrigin.XRAY)


def format_amzn_trace_id(context: TraceContext) -> bytes:
    """An `x-amzn-trace-id`; a missing span is left out, and so is an open decision."""
    parts = [f"Root={xray_id(context.trace_id)}"]
    if context.span_id is not None:
        parts.append(f"Parent={context.span_id}")
    if context.sampled is not None:
        parts.append(f"Sampled={int(context.sampled)}")
    return ";".join(parts).encode()


def xray_id(trace_id: str) -> str:
    """A trace id as X-Ray prints it."""
    return f"1-{trace_id[:8]}-{trace_id[8:]}"


def _parts(value: bytes) -> dict[bytes, bytes] | None:
    """The `key=value` parts; None where one is no such pair, or a key comes twice."""
    parts: dict[bytes, bytes] = {}
    for part in value.split(b";"):
        key, equals, text = part.strip(b" \t").partition(b"=")
        if not key and not equals:
            continue
        if not equals or key in parts:
            return None
        parts[key] = text
    return parts
