"""Outbound exchanges under the inbound ones that were open in their instance when they began. Pure."""

from collections.abc import Mapping, Sequence

from mesh_core.links.moments import Key, Moment, OpenByKey, in_time
from mesh_core.links.parent import LinkKind, Parent, inferred, place
from mesh_core.model import Direction, Exchange, TraceOrigin
from mesh_core.outcome import Outcome


def causes(known: Sequence[Exchange], links: Mapping[str, Parent]) -> dict[str, Parent]:
    """Outbound exchanges under the inbound ones that were open in their instance when they began."""
    inbound = [e for e in known if e.direction is Direction.INBOUND]
    asking = [e for e in known if e.direction is Direction.OUTBOUND and e.id not in links]
    spans: set[Key] = {(*place(e), e.trace_id, e.span_id) for e in inbound if e.span_id}
    traces = {(*place(e), e.trace_id) for e in inbound}
    now, left = OpenByKey(), OpenByKey()
    found: dict[str, Parent] = {}
    for what, exchange in in_time(inbound, asking):
        if what == Moment.START:
            now.add(exchange, _cause_keys(exchange))
        elif what == Moment.END:
            now.remove(exchange, _cause_keys(exchange))
            if exchange.outcome is Outcome.CLIENT_DISCONNECTED:
                # Its client left, but the service may still be working on it.
                left.add(exchange, _cause_keys(exchange))
        else:
            parent = _same_trace_open(exchange, now, left, spans)
            if parent is None and _starts_here(exchange, traces):
                parent = _only_open(exchange, now)
            if parent is not None:
                found[exchange.id] = parent
    return found


def _cause_keys(exchange: Exchange) -> list[Key]:
    """The keys of an exchange within its instance: the instance, the trace, the request id."""
    here = place(exchange)
    keys: list[Key] = [here, (*here, "trace", exchange.trace_id)]
    if exchange.request_id:
        keys.append((*here, "request", exchange.request_id))
    return keys


def _same_trace_open(child: Exchange, now: OpenByKey, left: OpenByKey, spans: set[Key]) -> Parent | None:
    """The open inbound exchange of the same trace or request id: certain where only one can be meant."""
    _, *keys = _cause_keys(child)
    fitting = now.newest(*keys)
    if not fitting:
        return None
    rivals = left.newest(*keys)
    copied = [e for e in fitting if child.span_id and e.span_id == child.span_id]
    from_another = not copied and (*place(child), child.trace_id, child.span_id or "") in spans
    if len(fitting) == 1 and not rivals and not from_another:
        return Parent(exchange_id=fitting[0].id, kind=LinkKind.CAUSE)
    # A service that copies headers hands on the span id that it was called with.
    chosen = copied[0] if len(copied) == 1 else fitting[0]
    total = max(len(fitting), *(now.count(key) for key in keys)) + len(rivals)
    confidence = 0.9 if len(copied) == 1 else 1 / max(2, total)
    return inferred(chosen, [*fitting, *rivals], confidence)


def _starts_here(child: Exchange, traces: set[tuple[str, str, str]]) -> bool:
    """Whether the outbound exchange carried nothing that came in at its instance."""
    if child.trace_origin is TraceOrigin.SYNTHETIC or child.request_id_made:
        return True
    return (*place(child), child.trace_id) not in traces


def _only_open(child: Exchange, now: OpenByKey) -> Parent | None:
    """The only inbound exchange open in the instance, whatever its trace; inferred.

    A service whose SDK began a trace of its own can have done so only for a request that came
    without a trace context.
    """
    fitting = now.newest(place(child))
    if len(fitting) != 1:
        return None
    without_context = child.trace_origin is TraceOrigin.SYNTHETIC or child.request_id_made
    if not without_context and fitting[0].trace_origin not in (TraceOrigin.SYNTHETIC, TraceOrigin.REQUEST_ID):
        return None
    return inferred(fitting[0], (), 0.8)
