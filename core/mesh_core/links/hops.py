"""Inbound exchanges under the outbound ones of other services that they are the other end of. Pure.

1. One request at its two ends has the same trace and span id, or the same request id, method and path.
2. Certain only with the same method and path: a service without a sidecar may have copied the headers
   of one request into another. What passes on both, such as a gateway, is part of the way.
3. Certain only where the outbound exchange fits one inbound exchange and the other way round; by
   request id, only if one of our sidecars made the id.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mesh_core.links.moments import Key, Moment, OpenByKey, in_time
from mesh_core.links.parent import MOST_ALTERNATIVES, LinkKind, Parent, inferred, origin_form
from mesh_core.model import Direction, Exchange

CLOCK_SLACK = 100_000_000
"""Nanoseconds by which two clocks may differ, looked at only where nothing else could be meant."""


@dataclass(slots=True)
class _Group:
    """The exchanges that could be two ends of one request, by what they carry; in order of start."""

    outbound: list[Exchange] = field(default_factory=list)
    inbound: list[Exchange] = field(default_factory=list)


def hops(known: Sequence[Exchange], links: Mapping[str, Parent]) -> dict[str, Parent]:
    """The other ends of inbound exchanges without a claim.

    Args:
        known: in order of start.
        links: what claims say; an outbound exchange whose other end claimed it is no candidate.
    """
    taken = {links[e.id].exchange_id for e in known if e.direction is Direction.INBOUND and e.id in links}
    sizes = Counter((key, e.direction) for e in known for key in _keys(e))
    groups: defaultdict[Key, _Group] = defaultdict(_Group)
    for exchange in known:
        for key in _keys(exchange):
            if exchange.direction is Direction.OUTBOUND and exchange.id not in taken:
                groups[key].outbound.append(exchange)
            elif exchange.direction is Direction.INBOUND and exchange.id not in links:
                groups[key].inbound.append(exchange)
    services = frozenset(e.service for e in known)
    made = frozenset(e.request_id for e in known if e.request_id_made)
    found: dict[str, Parent] = {}
    for key, group in groups.items():
        alone = sizes[key, Direction.OUTBOUND] == 1 and sizes[key, Direction.INBOUND] == 1
        if not group.outbound or not group.inbound or (key[0] == "span" and not alone):
            continue
        sure = key[0] == "span and path" or key[1] in made
        for child_id, parent in _pair(group, services, alone=alone).items():
            _keep(found, child_id, parent if sure else _unsure(parent))
    return _one_child_each(found)


def _keys(exchange: Exchange) -> list[Key]:
    """What both ends of one request have in common."""
    keys: list[Key] = []
    path = origin_form(exchange.path)
    if exchange.span_id:
        keys.append(("span", exchange.trace_id, exchange.span_id))
        keys.append(("span and path", exchange.trace_id, exchange.span_id, exchange.method, path))
    # An inbound exchange whose id its own sidecar made is nobody's other end.
    if exchange.request_id and not (exchange.request_id_made and exchange.direction is Direction.INBOUND):
        keys.append(("request", exchange.request_id, exchange.method, path))
    return keys


def _pair(group: _Group, services: frozenset[str], *, alone: bool) -> dict[str, Parent]:
    """The parents of a group's inbound exchanges, by time.

    Args:
        group: what could belong together.
        services: those that were recorded; a `peer` among them is known by name.
        alone: whether no other exchange ever carried the same.
    """
    found: dict[str, Parent] = {}
    now = OpenByKey()
    starts = [e.started_at for e in group.inbound]
    for what, exchange in in_time(group.outbound, group.inbound):
        if what is Moment.START:
            now.add(exchange, [()])
        elif what is Moment.END:
            now.remove(exchange, [()])
        else:
            fitting = [e for e in now.newest(()) if _may_call(e, exchange, services)]
            rivals = max(
                (_others_inside(e, exchange, group.inbound, starts, services) for e in fitting), default=0
            )
            if len(fitting) == 1 and not rivals:
                found[exchange.id] = Parent(exchange_id=fitting[0].id, kind=LinkKind.HOP)
            elif fitting:
                found[exchange.id] = inferred(
                    fitting[0], fitting, 1 / (max(len(fitting), now.count(())) + rivals)
                )
    if alone and not found and _clocks_differ(group.outbound[0], group.inbound[0], services):
        found[group.inbound[0].id] = Parent(exchange_id=group.outbound[0].id, kind=LinkKind.HOP)
    return found


def _may_call(caller: Exchange, callee: Exchange, services: frozenset[str]) -> bool:
    """Whether one is the other's service's caller, as far as names tell."""
    if caller.service == callee.service:
        return False
    return caller.peer == callee.service or caller.peer not in services


def _others_inside(
    caller: Exchange,
    callee: Exchange,
    inbound: Sequence[Exchange],
    starts: Sequence[int],
    services: frozenset[str],
) -> int:
    """How many other inbound exchanges could be the same caller's; counted no further than needed."""
    first, last = bisect_left(starts, caller.started_at), bisect_right(starts, caller.ended_at)
    if last - first > MOST_ALTERNATIVES:
        return last - first - 1
    return sum(1 for e in inbound[first:last] if e is not callee and _may_call(caller, e, services))


def _clocks_differ(caller: Exchange, callee: Exchange, services: frozenset[str]) -> bool:
    """Whether the two are one request, seen by clocks that differ a little.

    Durations need no common clock: a callee is not busier than its caller waits.
    """
    return (
        _may_call(caller, callee, services)
        and callee.duration <= caller.duration
        and caller.started_at - CLOCK_SLACK <= callee.started_at <= caller.ended_at + CLOCK_SLACK
    )


def _unsure(parent: Parent) -> Parent:
    """The same link where a client may have used its request id for several requests."""
    return replace(parent, kind=LinkKind.INFERRED, confidence=min(parent.confidence, 0.9))


def _keep(found: dict[str, Parent], child_id: str, parent: Parent) -> None:
    """Keep the surer of two links; two that contradict each other are none of them sure."""
    other = found.get(child_id)
    if other is None or (parent.certain and not other.certain):
        found[child_id] = parent
    elif parent.certain and parent.exchange_id != other.exchange_id:
        found[child_id] = replace(_unsure(other), confidence=0.5, alternatives=(parent.exchange_id,))


def _one_child_each(found: dict[str, Parent]) -> dict[str, Parent]:
    """A request arrives once: callers with two certain other ends have none that is certain."""
    ends = Counter(parent.exchange_id for parent in found.values() if parent.certain)
    return {
        child_id: replace(_unsure(parent), confidence=1 / ends[parent.exchange_id])
        if parent.certain and ends[parent.exchange_id] > 1
        else parent
        for child_id, parent in found.items()
    }
