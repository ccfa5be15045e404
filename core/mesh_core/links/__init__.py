"""Which exchange caused which. Pure: exchanges come in, parents go out.

1. A claim (our `tracestate` member) makes a certain link only to an exchange that is known, of the same
   trace, of the right shape, and did not start later.
2. What no claim says is matched by trace id, span id and request id: certain only where nothing else
   fits (a rival).
3. An outbound exchange without context joins the only inbound exchange open in its instance: inferred.
4. Nothing starts before its parent, but by what two clocks may differ; nothing is its own ancestor.
"""

from collections.abc import Iterable, Mapping

from mesh_core.links.causes import causes
from mesh_core.links.claims import arriving_once, claimed, claimed_afar
from mesh_core.links.hops import hops
from mesh_core.links.parent import LinkKind, Parent
from mesh_core.model import Exchange

__all__ = ["LinkKind", "Parent", "link"]


def link(exchanges: Iterable[Exchange]) -> dict[str, Parent]:
    """The parent of every exchange that has one, by the child's id.

    Give all exchanges of a trace, those that share a request id with it, and whatever else was
    open in its instances at the time: an inbound exchange that is not given cannot be a rival.
    """
    known = sorted(
        {exchange.id: exchange for exchange in exchanges}.values(), key=lambda e: (e.started_at, e.id)
    )
    by_id = {exchange.id: exchange for exchange in known}
    links = arriving_once({e.id: parent for e in known if e.claim and (parent := claimed(e, by_id))})
    others = causes(known, links) | hops(known, links)
    links |= others
    for exchange in known:
        if exchange.claim and exchange.id not in links and (parent := claimed_afar(exchange, by_id)):
            links[exchange.id] = parent
    _break_cycles(links, by_id)
    return links


def _break_cycles(links: dict[str, Parent], by_id: Mapping[str, Exchange]) -> None:
    """Take out of every cycle the link that runs most against time.

    Only clocks that differ can close one: without slack no parent starts after its child.
    """
    cleared: set[str] = set()
    for start in list(links):
        walked: dict[str, None] = {}
        at: str | None = start
        while at is not None and at not in cleared:
            if at in walked:
                cycle = list(walked)[list(walked).index(at) :]
                worst = min(cycle, key=lambda i: by_id[i].started_at - by_id[links[i].exchange_id].started_at)
                del links[worst]
                break
            walked[at] = None
            parent = links.get(at)
            at = parent.exchange_id if parent else None
        cleared.update(walked)
