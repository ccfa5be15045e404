"""Links that our `tracestate` member claims. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from mesh_core.links.parent import LinkKind, Parent, origin_form, place
from mesh_core.model import Direction, Exchange

CLAIM_SLACK = 5_000_000_000
"""Nanoseconds by which clocks may differ: a claim is proof by itself, only nonsense is refused."""


def claimed(child: Exchange, by_id: Mapping[str, Exchange]) -> Parent | None:
    """The certain link that a claim makes, where it has the right shape."""
    parent = by_id.get(child.claim or "")
    if parent is None or parent is child or parent.trace_id != child.trace_id:
        return None
    if child.direction is Direction.OUTBOUND:
        fits = parent.direction is Direction.INBOUND and place(parent) == place(child)
        kind, slack = LinkKind.CAUSE, 0
    else:
        fits = parent.direction is Direction.OUTBOUND and _same_request(parent, child)
        kind, slack = LinkKind.HOP, 0 if place(parent) == place(child) else CLAIM_SLACK
    if not fits or child.started_at + slack < parent.started_at:
        return None
    return Parent(exchange_id=parent.id, kind=kind)


def arriving_once(links: Mapping[str, Parent]) -> dict[str, Parent]:
    """The links, no hop of them certain that several inbound exchanges claim: a request arrives once.

    A service without a sidecar hands the member on in each of its calls, as does a proxy that tries again.
    """
    ends = Counter(parent.exchange_id for parent in links.values() if parent.kind is LinkKind.HOP)
    return {
        child: replace(parent, kind=LinkKind.INFERRED, confidence=0.9)
        if parent.kind is LinkKind.HOP and ends[parent.exchange_id] > 1
        else parent
        for child, parent in links.items()
    }


def _same_request(caller: Exchange, callee: Exchange) -> bool:
    """Whether both may be ends of one request; another one may carry the same member, unrecorded between."""
    return caller.method == callee.method and origin_form(caller.path) == origin_form(callee.path)


def claimed_afar(child: Exchange, by_id: Mapping[str, Exchange]) -> Parent | None:
    """The link a claim of another shape hints at: some exchange between the two was not recorded."""
    parent = by_id.get(child.claim or "")
    if parent is None or parent is child or parent.trace_id != child.trace_id:
        return None
    if child.started_at < parent.started_at:
        return None
    return Parent(exchange_id=parent.id, kind=LinkKind.INFERRED, confidence=0.9)
