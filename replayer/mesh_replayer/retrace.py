"""A request's trace context made new, so that a replay is a trace of its own. Pure: ids come in.

1. Every format that the request carried gets the same new trace id, and the same new span id.
2. Where no context came, none is made up: a sampler would count it.
3. `x-request-id` is new only where it is what names the trace.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mesh_core.model import Headers, TraceOrigin
from mesh_core.replay_mark import MARK
from mesh_core.tracecontext import (
    TraceContext,
    b3,
    datadog,
    read,
    trace_id_of_request_id,
    without_mesh_member,
)
from mesh_core.tracecontext.gcp import (
    CLOUD_TRACE_CONTEXT,
    format_cloud_trace_context,
    parse_cloud_trace_context,
)
from mesh_core.tracecontext.grpc import GRPC_TRACE_BIN, format_grpc_trace_bin, parse_grpc_trace_bin
from mesh_core.tracecontext.jaeger import UBER_TRACE_ID, format_uber_trace_id, parse_uber_trace_id
from mesh_core.tracecontext.requestid import REQUEST_ID
from mesh_core.tracecontext.sentry import SENTRY_TRACE, format_sentry_trace, parse_sentry_trace
from mesh_core.tracecontext.tracestate import TRACESTATE
from mesh_core.tracecontext.w3c import TRACEPARENT, format_traceparent, parse_traceparent
from mesh_core.tracecontext.xray import AMZN_TRACE_ID, format_amzn_trace_id, parse_amzn_trace_id

_LONGEST_STATE = 512
_SINGLES: Mapping[bytes, tuple[Callable[[bytes], TraceContext | None], Callable[[TraceContext], bytes]]] = {
    TRACEPARENT: (parse_traceparent, format_traceparent),
    b3.B3: (b3.parse_b3, b3.format_b3),
    UBER_TRACE_ID: (parse_uber_trace_id, format_uber_trace_id),
    SENTRY_TRACE: (parse_sentry_trace, format_sentry_trace),
    CLOUD_TRACE_CONTEXT: (parse_cloud_trace_context, format_cloud_trace_context),
    AMZN_TRACE_ID: (parse_amzn_trace_id, format_amzn_trace_id),
    GRPC_TRACE_BIN: (parse_grpc_trace_bin, format_grpc_trace_bin),
}
_UPPER_TAG = re.compile(rb"(_dd\.p\.tid=)[0-9a-f]{16}")


@dataclass(slots=True)
class FreshIds:
    """New ids of one run: equal recorded trace ids stay equal."""

    random: Callable[[int], bytes]
    """So many random bytes."""
    _traces: dict[str, str] = field(default_factory=dict)

    def trace(self, recorded: str) -> str:
        """The new trace id; half as long where the recorded one was."""
        if recorded not in self._traces:
            upper = "0" * 16 if recorded.startswith("0" * 16) else self._eight()
            self._traces[recorded] = upper + self._eight()
        return self._traces[recorded]

    def span(self) -> str:
        """A new span id."""
        return self._eight()

    def request_id(self) -> str:
        """A new request id, a UUID."""
        return str(uuid.UUID(bytes=self.random(16), version=4))

    def _eight(self) -> str:
        # 63 bits, as Datadog and X-Ray have them, and never zero.
        number = int.from_bytes(self.random(8)) & (2**63 - 1)
        return f"{number or 1:016x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraced:
    """Headers with a new context."""

    headers: Headers
    trace_id: str | None
    """The trace that the request belongs to now; None where it says nothing of one."""
    span_id: str | None = None
    request_id: str | None = None
    changes: tuple[str, ...] = ()
    """Names of the headers that are new or have a new value."""


def retrace(headers: Headers, origin: TraceOrigin, ids: FreshIds, *, mark: str | None) -> Retraced:
    """Give a request a new trace.

    Args:
        headers: as recorded.
        origin: what names the recorded trace.
        ids: new ones.
        mark: the run's id, for the `tracestate` member; None for no mark.
    """
    span = ids.span()
    fields = {name.lower(): value for name, value in headers}
    multi = _multi(fields, ids, span)
    changed: list[tuple[bytes, bytes]] = []
    request_id = ids.request_id() if origin is TraceOrigin.REQUEST_ID else None
    for name, value in without_mesh_member(headers):
        key = name.lower()
        after = multi.get(key, value)
        if key in _SINGLES:
            after = _single(key, value, ids, span)
        elif key == REQUEST_ID and request_id is not None:
            after = request_id.encode()
        changed.append((name, after))
    result = tuple(changed)
    if mark is not None:
        result = _with_member(result, MARK + b"=" + mark.encode())
    found = read(result)
    trace_id = found.best.trace_id if found.best else None
    if trace_id is None and request_id is not None:
        trace_id = trace_id_of_request_id(request_id)
    before = {(name.lower(), value) for name, value in headers}
    return Retraced(
        headers=result,
        trace_id=trace_id,
        span_id=found.best.span_id if found.best else None,
        request_id=found.request_id,
        changes=tuple(
            dict.fromkeys(
                name.decode("latin-1") for name, value in result if (name.lower(), value) not in before
            )
        ),
    )


def _single(key: bytes, value: bytes, ids: FreshIds, span: str) -> bytes:
    """A header that holds a whole context; one that is malformed stays as it is."""
    parse, write = _SINGLES[key]
    old = parse(value)
    if old is None:
        return value
    new = TraceContext(ids.trace(old.trace_id), span, old.sampled, old.origin)
    if (
        old.span_id is not None
        and value.count(old.trace_id.encode()) == value.count(old.span_id.encode()) == 1
    ):
        # All else of the value stays: flags, versions, a debug sign.
        replaced = value.replace(old.trace_id.encode(), new.trace_id.encode())
        return replaced.replace(old.span_id.encode(), span.encode())
    return write(new)


def _multi(fields: Mapping[bytes, bytes], ids: FreshIds, span: str) -> dict[bytes, bytes]:
    """New values of the headers of formats that are spread over several."""
    values: dict[bytes, bytes] = {}
    zipkin, dog = b3.parse_b3_multi(fields), datadog.parse_datadog(fields)
    if zipkin is not None:
        length = len(fields[b3.TRACE_ID].strip())
        values[b3.TRACE_ID] = ids.trace(zipkin.trace_id)[-length:].encode()
        values[b3.SPAN_ID] = span.encode()
    if dog is not None:
        trace = ids.trace(dog.trace_id)
        values[datadog.TRACE_ID] = b"%d" % int(trace[16:], 16)
        values[datadog.PARENT_ID] = b"%d" % int(span, 16)
        if datadog.TAGS in fields:
            values[datadog.TAGS] = _UPPER_TAG.sub(rb"\g<1>" + trace[:16].encode(), fields[datadog.TAGS])
    return values


def _with_member(headers: Headers, member: bytes) -> Headers:
    """`headers` with a member in front of `tracestate`, where there is a valid `traceparent` to carry it."""
    parents = [at for at, (name, _) in enumerate(headers) if name.lower() == TRACEPARENT]
    if len(parents) != 1 or parse_traceparent(headers[parents[0]][1]) is None:
        return headers
    states = [at for at, (name, _) in enumerate(headers) if name.lower() == TRACESTATE]
    if not states:
        after = parents[0] + 1
        return (*headers[:after], (TRACESTATE, member), *headers[after:])
    name, value = headers[states[0]]
    longer = member + b"," + value
    members = sum(headers[at][1].count(b",") + 1 for at in states)
    if members >= 32 or len(longer) > _LONGEST_STATE:  # SDKs drop such a header whole
        return headers
    return (*headers[: states[0]], (name, longer), *headers[states[0] + 1 :])
