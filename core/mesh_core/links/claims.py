"""Links that our `tracestate` member claims. Pure."""

from collections.abc import Mapping

from mesh_core.links.parent import LinkKind, Parent, place
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
        fits = parent.direction is Direction.OUTBOUND
        kind, slack = LinkKind.HOP, 0 if place(parent) == place(child) else CLAIM_SLACK
    if not fits or child.started_at + slack < parent.started_at:
        return None
    return Parent(exchange_id=parent.id, kind=kind)


def claimed_afar(child: Exchange, by_id: Mapping[str, Exchange]) -> Parent | None:
    """The link a claim of another shape hints at: some exchange between the two was not recorded."""
    parent = by_id.get(child.claim or "")
    if parent is None or parent is child or parent.trace_id != child.trace_id:
        return None
    if child.started_at < parent.started_at:
        return None
    return Parent(exchange_id=parent.id, kind=LinkKind.INFERRED, confidence=0.9)
