"""Which headers a request goes on with, so that its trace hangs together. Pure.

1. What is stored is what came; what this adds is seen by the next service alone.
2. `traceparent` is never changed; our member in `tracestate` and `x-request-id` without a context are all.
3. This runs for every request on the event loop.
"""

from collections.abc import Callable
from typing import NamedTuple

from mesh_core.model import Headers, TraceOrigin
from mesh_core.tracecontext import (
    Found,
    TraceContext,
    read,
    trace_id_of_request_id,
    with_mesh_member,
    without_mesh_member,
)
from mesh_core.tracecontext.requestid import REQUEST_ID
from mesh_core.tracecontext.w3c import TRACEPARENT, format_traceparent
from mesh_recorder.settings import TraceHeaders


class Marked(NamedTuple):
    """A request's headers as they go on, and what they said when they came."""

    forwarded: Headers
    found: Found
    made: str | None = None
    """The request id that was added, as there was no context at all."""


def mark(
    received: Headers, exchange_id: str, *, mode: TraceHeaders, strangers: bool, fresh_id: Callable[[], str]
) -> Marked:
    """Decide what a request goes on with.

    Args:
        received: the fields as they came.
        exchange_id: ours, for the `tracestate` member.
        mode: what may be added.
        strangers: whether the callers are outside the mesh: their claims are dropped.
        fresh_id: gives a random UUID, asked where a request id has to be made.
    """
    found = read(received)
    if strangers and found.claim is not None:
        found = Found(found.all, found.request_id, None)
    if mode is TraceHeaders.NEVER:
        return Marked(received, found)
    forwarded = without_mesh_member(received) if strangers else received
    best = found.best
    if best is not None and best.origin is TraceOrigin.W3C:
        return Marked(with_mesh_member(forwarded, exchange_id, parent_known=True), found)
    made = None
    if best is None and found.request_id is None:
        made = fresh_id()
        forwarded = (*forwarded, (REQUEST_ID, made.encode()))
    if mode is TraceHeaders.ALWAYS:
        forwarded = _with_traceparent(forwarded, best, made or found.request_id, exchange_id)
    return Marked(forwarded, found, made)


def _with_traceparent(
    headers: Headers, best: TraceContext | None, request_id: str | None, exchange_id: str
) -> Headers:
    """The fields with a `traceparent` of the same trace id that the store gives this request."""
    span_id = exchange_id[16:]
    if best is not None:
        context = TraceContext(best.trace_id, best.span_id or span_id, best.sampled, TraceOrigin.W3C)
    else:
        context = TraceContext(trace_id_of_request_id(request_id or ""), span_id, True, TraceOrigin.W3C)
    kept = tuple(field for field in headers if field[0].lower() != TRACEPARENT)  # a malformed one
    return with_mesh_member((*kept, (TRACEPARENT, format_traceparent(context))), exchange_id)
