"""A plan with its sessions and its links. Pure."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from mesh_core.masks import path_template
from mesh_core.model import Bodies, Exchange
from mesh_replayer.correlate import Link, Session, correlate, sessions_of
from mesh_replayer.plan import Plan, Step


def linked(
    plan: Plan,
    bodies: Bodies,
    *,
    others: Sequence[Sequence[Exchange]] = (),
    off: Collection[str] = (),
    correlated: bool = True,
) -> Plan:
    """The plan, each step with the session that it belongs to and the answers that it waits for.

    Args:
        plan: as chosen.
        bodies: of its exchanges and of `others`, by hash.
        others: recordings of the like, each by start, that confirm what flows.
        off: names of links that are not wanted.
        correlated: whether there are links at all.
    """
    exchanges = [step.exchange for step in plan.steps]
    numbers = sessions_of(exchanges, lambda _: bodies, [step.session for step in plan.steps])
    steps = [
        replace(step, session=f"session {number}") for step, number in zip(plan.steps, numbers, strict=True)
    ]
    if not correlated:
        return replace(plan, steps=tuple(steps))
    members: defaultdict[int, list[int]] = defaultdict(list)
    for at, number in enumerate(numbers):
        members[number].append(at)
    sessions = [Session([exchanges[at] for at in each], each) for each in members.values()]
    links = correlate(sessions, lambda _: bodies, others=[Session(other) for other in others], off=off)
    return replace(plan, steps=tuple(_waiting(steps, links)), links=tuple(links))


def _waiting(steps: Sequence[Step], links: Sequence[Link]) -> list[Step]:
    after: defaultdict[int, set[int]] = defaultdict(set)
    for link in links:
        after[link.step].update(source.step for source in link.sources)
    return [replace(step, after=tuple(sorted(after.get(at, ())))) for at, step in enumerate(steps)]


def route_of(exchange: Exchange) -> str:
    """A request for people: `POST /orders/{id}`."""
    return f"{exchange.method} {path_template(exchange.path)}"
