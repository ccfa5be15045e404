"""Live values while a plan is replayed: learned from answers, put into later requests. Pure."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from mesh_core.model import Bodies, Exchange
from mesh_replayer.correlate.links import Link, Source
from mesh_replayer.correlate.pieces import piece
from mesh_replayer.correlate.places import In, Place, of_answer
from mesh_replayer.correlate.renamed import Renamed
from mesh_replayer.correlate.rewrite import Change, NotPossible, rewritten
from mesh_replayer.diff.difference import Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A request with live values."""

    exchange: Exchange
    bodies: Bodies
    changes: tuple[str, ...] = ()
    """What was put where, in words; never the value, which may be a secret."""


class Flow:
    """The values of one pass through a plan."""

    def __init__(
        self, links: Sequence[Link], given: Collection[str] = (), hidden: Sequence[Callable[[str], str]] = ()
    ) -> None:
        """Prepare.

        Args:
            links: as found.
            given: headers, in lower case, that the user sets: nothing is put there.
            hidden: how secrets are hidden before answers are compared.
        """
        self._links: defaultdict[int, list[Link]] = defaultdict(list)
        self._wanted: defaultdict[int, dict[Source, str]] = defaultdict(dict)
        self._live: dict[Source, str] = {}
        self._answered: set[int] = set()
        self._renamed = Renamed(hidden)
        for link in links:
            if link.place.part is In.HEADER and link.place.keys[0] in given:
                continue
            if link.place.part is In.COOKIE and "cookie" in given:
                continue
            self._links[link.step].append(link)
            for source in link.sources:
                self._renamed.handing_on(source.place)
                self._wanted[source.step][source] = link.value

    def filled(
        self, step: int, exchange: Exchange, bodies: Bodies, route: Callable[[int], str]
    ) -> Filled | str:
        """A request with live values in the places of its links; or why it cannot have them.

        Args:
            step: its place in the plan.
            exchange: as recorded.
            bodies: by hash.
            route: what a step of the plan is, for people.
        """
        changes: list[Change] = []
        for link in self._links.get(step, ()):
            live = next((self._live[source] for source in link.sources if source in self._live), None)
            if live is None:
                first = link.sources[0]
                had = "did not have it" if first.step in self._answered else "did not come"
                return (
                    f"{link.name} needs {first.place.text} of the answer to {route(first.step)}, which {had}"
                )
            changes.append(Change(link.place, link.label, live))
        if not changes:
            return Filled(exchange=exchange, bodies=bodies)
        try:
            after, own = rewritten(exchange, bodies, changes)
        except NotPossible as cause:
            return f"a live value cannot be put in its place: {cause}"
        names = tuple(dict.fromkeys(f"live {change.place.text}" for change in changes))
        return Filled(exchange=after, bodies=own, changes=names)

    def learn(self, step: int, replayed: Exchange, bodies: Bodies) -> None:
        """Take from an answer what later requests need."""
        wanted = self._wanted.get(step)
        if not wanted or replayed.status is None:
            return
        self._answered.add(step)
        values = {found.place: found.value for found in of_answer(replayed, bodies)}
        for source, recorded in wanted.items():
            if self._still_there(source, recorded, values):
                self._live[source] = recorded  # the same then and now, wherever it stands
                continue
            value = values.get(source.place)
            inner = None if value is None else piece(value, source.label)
            if inner is not None and inner.value:
                self._live[source] = inner.value
                self._renamed.add(recorded, inner.value)

    @staticmethod
    def _still_there(source: Source, recorded: str, values: Mapping[Place, str]) -> bool:
        """Whether the recorded value is in a row of the same array: a list may have another order now."""
        general = source.place.general
        if source.label or general == source.place:
            return False
        return any(value == recorded for place, value in values.items() if place.general == general)

    def explained(self, difference: Difference) -> str | None:
        """Why a difference is none: the recorded value and the live one stand for each other."""
        return self._renamed.explained(difference)
