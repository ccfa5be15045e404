"""What a request says of the trace it belongs to, whatever the header it said so in. Pure."""

import msgspec

from mesh_core.model import TraceOrigin

MAX_U64 = 2**64 - 1


class TraceContext(msgspec.Struct, frozen=True):
    """One well-formed trace context, in W3C sizes."""

    trace_id: str
    """32 lowercase hex digits, not all zero; shorter ids are padded on the left."""
    span_id: str | None
    """The caller's span, 16 lowercase hex digits, not all zero."""
    sampled: bool | None
    """None where the decision is left open."""
    origin: TraceOrigin


def trace_id_of(digits: bytes) -> str | None:
    """Up to 32 hex digits as a trace id, or None where all are zero."""
    padded = digits.decode("ascii").lower().rjust(32, "0")
    return padded if padded.strip("0") else None


def span_id_of(digits: bytes) -> str | None:
    """Up to 16 hex digits as a span id, or None where all are zero."""
    padded = digits.decode("ascii").lower().rjust(16, "0")
    return padded if padded.strip("0") else None


def span_of(context: TraceContext) -> str:
    """The span id, which most formats cannot do without.

    Raises:
        ValueError: the context has none.
    """
    if context.span_id is None:
        raise ValueError("this format needs a span id")
    return context.span_id
