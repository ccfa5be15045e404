"""Every trace context that a request carries, in the order in which they count. Pure.

1. The order is `traceparent`, `b3` single, `b3` multi, Jaeger, Datadog, Sentry, Google, X-Ray, gRPC.
2. Malformed counts as none; the next format is asked.
3. This runs for every request on the event loop: one pass, and nothing more where nothing is there.
"""

from collections.abc import Callable, Mapping

import msgspec

from mesh_core.model import Headers, TraceOrigin
from mesh_core.tracecontext import b3, datadog
from mesh_core.tracecontext.context import TraceContext
from mesh_core.tracecontext.gcp import CLOUD_TRACE_CONTEXT, parse_cloud_trace_context
from mesh_core.tracecontext.grpc import GRPC_TRACE_BIN, parse_grpc_trace_bin
from mesh_core.tracecontext.jaeger import UBER_TRACE_ID, parse_uber_trace_id
from mesh_core.tracecontext.requestid import REQUEST_ID
from mesh_core.tracecontext.sentry import SENTRY_TRACE, parse_sentry_trace
from mesh_core.tracecontext.tracestate import TRACESTATE, claim_in
from mesh_core.tracecontext.w3c import TRACEPARENT, parse_traceparent
from mesh_core.tracecontext.xray import AMZN_TRACE_ID, parse_amzn_trace_id

type _Single = Callable[[bytes], TraceContext | None]
type _Multi = Callable[[Mapping[bytes, bytes]], TraceContext | None]

_FORMATS: tuple[tuple[bytes, _Single | None, _Multi | None], ...] = (
    (TRACEPARENT, parse_traceparent, None),
    (b3.B3, b3.parse_b3, None),
    (b3.TRACE_ID, None, b3.parse_b3_multi),
    (UBER_TRACE_ID, parse_uber_trace_id, None),
    (datadog.TRACE_ID, None, datadog.parse_datadog),
    (SENTRY_TRACE, parse_sentry_trace, None),
    (CLOUD_TRACE_CONTEXT, parse_cloud_trace_context, None),
    (AMZN_TRACE_ID, parse_amzn_trace_id, None),
    (GRPC_TRACE_BIN, parse_grpc_trace_bin, None),
)
"""The field that tells a format, and its parser: of one value, or of all fields."""

_NAMES = frozenset(
    [name for name, _, _ in _FORMATS]
    + [TRACESTATE, REQUEST_ID, b3.SPAN_ID, b3.SAMPLED, b3.FLAGS]
    + [datadog.PARENT_ID, datadog.PRIORITY, datadog.TAGS]
)


class Found(msgspec.Struct, frozen=True):
    """What a request's headers say of its trace."""

    all: tuple[TraceContext, ...] = ()
    """Every well-formed context, the one that counts first."""
    request_id: str | None = None
    """The first `x-request-id` that is not empty, latin-1 decoded."""
    claim: str | None = None
    """The exchange named by our `tracestate` member, beside a valid `traceparent`."""

    @property
    def best(self) -> TraceContext | None:
        """The context that counts."""
        return self.all[0] if self.all else None


_NOTHING = Found()


def read(headers: Headers) -> Found:
    """All trace context in `headers`.

    Of a field that comes twice the first counts; but several `tracestate` are one list, and
    several `traceparent` are none.
    """
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        key = name.lower()
        if key in _NAMES:
            if key not in fields or (key == REQUEST_ID and not fields[key].strip(b" \t")):
                fields[key] = value
            elif key == TRACESTATE:
                fields[key] += b"," + value
            elif key == TRACEPARENT:
                fields[key] = b"given twice"
    if not fields:
        return _NOTHING
    contexts = _contexts(fields)
    valid_parent = TRACESTATE in fields and TRACEPARENT in fields and _is_first_w3c(contexts)
    request_id = fields.get(REQUEST_ID, b"").strip(b" \t")
    return Found(
        contexts,
        request_id.decode("latin-1") if request_id else None,
        claim_in(fields[TRACESTATE]) if valid_parent else None,
    )


def mesh_member(headers: Headers) -> str | None:
    """The exchange id claimed by our `tracestate` member; only beside a valid `traceparent`."""
    return read(headers).claim


def _contexts(fields: Mapping[bytes, bytes]) -> tuple[TraceContext, ...]:
    found: list[TraceContext] = []
    for name, single, multi in _FORMATS:
        value = fields.get(name)
        if value is None:
            continue
        context = single(value) if single else multi(fields) if multi else None
        if context is not None and context not in found:
            found.append(context)
    return tuple(found)


def _is_first_w3c(contexts: tuple[TraceContext, ...]) -> bool:
    return bool(contexts) and contexts[0].origin is TraceOrigin.W3C
