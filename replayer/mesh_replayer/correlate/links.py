"""Links: which place of which request takes its value from which answer, and why that is believed. Pure."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from mesh_core.model import Bodies, Exchange
from mesh_replayer.correlate.find import Endpoint, Producer, Session, Use, uses
from mesh_replayer.correlate.names import Worth
from mesh_replayer.correlate.pieces import Label
from mesh_replayer.correlate.places import Place


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value can be taken from."""

    step: int
    """Place in the plan of the request whose answer it is in."""
    place: Place
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One place of one request that is given the live value."""

    step: int
    """Place in the plan of the request that uses it."""
    place: Place
    label: Label
    value: str
    """As recorded."""
    sources: tuple[Source, ...]
    """The best one first; any that has a value will do."""
    evidence: str
    """Why it is believed, in words."""

    @property
    def name(self) -> str:
        """What `--no-link` takes: `cookie:sid`, `path:2`, `body:$.cart_id`."""
        return self.place.text


type General = tuple[Endpoint, Place, Label]


def correlate(
    sessions: Sequence[Session],
    bodies_of: Callable[[Exchange], Bodies],
    *,
    others: Sequence[Session] = (),
    off: Collection[str] = (),
) -> list[Link]:
    """The links between the requests of a plan, in the plan's order.

    Args:
        sessions: of the plan.
        bodies_of: the bodies of an exchange, by hash.
        others: recordings of the like, that only confirm.
        off: names of links that are not wanted.
    """
    seen = [(session, uses(session, bodies_of)) for session in (*sessions, *others)]
    kinds: defaultdict[General, list[tuple[int, Use]]] = defaultdict(list)
    for number, (_, found) in enumerate(seen):
        for use in found:
            kinds[use.general].append((number, use))
    links: list[Link] = []
    for kind in kinds.values():
        believed = _Believed(kind)
        for number, use in kind:
            session = seen[number][0]
            if session.numbers and use.producers:
                link = believed.link(use, session)
                if link is not None and link.name not in off:
                    links.append(link)
    return sorted(links, key=lambda link: (link.step, link.place.text, link.label))


class _Believed:
    """All uses of one kind of place, and what may be believed of them."""

    def __init__(self, kind: Sequence[tuple[int, Use]]) -> None:
        self.sessions = len({number for number, _ in kind})
        values: defaultdict[str, set[int]] = defaultdict(set)
        for number, use in kind:
            values[use.value].add(number)
        self.values = len(values)
        self.everywhere = {value for value, where in values.items() if len(where) == self.sessions}
        """Values that every session shows: no flow, where there are several sessions."""
        self.distinct = self.sessions > 1 and all(len(where) == 1 for where in values.values())
        generals = [{producer.general for producer in use.producers} for _, use in kind]
        self.common = set.intersection(*generals) if generals else set()
        """Places that had the value every time."""

    def link(self, use: Use, session: Session) -> Link | None:
        """The link of one use; None where it is not believed."""
        if self.sessions > 1 and use.value in self.everywhere:
            return None
        producers = sorted(use.producers, key=lambda each: each.general not in self.common)
        evidence = self._confirmed() if self.sessions > 1 else ""
        if use.worth is Worth.LITTLE:
            producers = self._of_little_worth(producers)
            evidence = evidence or "its name agrees with the answer's"
        if not producers:
            return None
        return Link(
            step=session.numbers[use.at],
            place=use.place,
            label=use.label,
            value=use.value,
            sources=tuple(Source(session.numbers[each.at], each.place, each.label) for each in producers),
            evidence=evidence or f"{len(use.value)} characters that no request had before the answer",
        )

    def _of_little_worth(self, producers: list[Producer]) -> list[Producer]:
        """Those that are believed although the value may be a coincidence."""
        if self.sessions == 1:
            return [each for each in producers if each.affine]
        always = [each for each in producers if each.general in self.common]
        return always if self.distinct else [each for each in always if each.affine]

    def _confirmed(self) -> str:
        return f"{self.sessions} sessions, {self.values} different values"
