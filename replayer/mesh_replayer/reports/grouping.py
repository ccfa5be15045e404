"""What is alike is told once: two hundred 404s of one route are one line. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mesh_core.masks import path_template
from mesh_replayer.events import Judged
from mesh_replayer.look.differences import place
from mesh_replayer.verdict import what


def grouped(judged: Iterable[Judged]) -> list[list[Judged]]:
    """Those that say the same of the same route together, in the order of each group's first."""
    groups: dict[tuple[object, ...], list[Judged]] = {}
    for each in judged:
        groups.setdefault(_alike(each), []).append(each)
    return list(groups.values())


@dataclass(slots=True)
class Groups:
    """The first of each group and how many are like it: of a run of any length, nothing else is held."""

    _groups: dict[tuple[object, ...], tuple[Judged, int]] = field(default_factory=dict)

    def add(self, judged: Judged) -> None:
        """Take one more."""
        key = _alike(judged)
        first, count = self._groups.get(key, (judged, 0))
        self._groups[key] = first, count + 1

    def __iter__(self) -> Iterator[tuple[Judged, int]]:
        return iter(self._groups.values())


def _alike(each: Judged) -> tuple[object, ...]:
    now = None if each.replayed is None else what(each.replayed)
    where = frozenset(
        (difference.template or place(difference), difference.where, difference.kind, difference.counts)
        for difference in each.differences
        if difference.noise is None
    )
    route = (each.exchange.service, each.exchange.method, path_template(each.exchange.path))
    return each.verdict, route, what(each.exchange), now, where, each.reason


def varied(judged: Iterable[Judged]) -> list[Judged]:
    """The first of every group, then the second of every group, and so on.

    Whoever has room for ten of a thousand gets ten different ones where there are ten.
    """
    rounds = [(at, each) for group in grouped(judged) for at, each in enumerate(group)]
    return [each for _, each in sorted(rounds, key=lambda pair: pair[0])]
