"""Ids that were equal must still be equal: one recorded id stands for one replayed id in a whole trace. Pure.

1. Ids come from differences that are, or may be, noise: one place's old value and its new one.
2. The same old id with two new ones, or two old ids with one new, is an `id_mismatch`: both places are named.
3. A recorded id that is answered again although a new one stands for it elsewhere is a `stale_id`, unless
   the request itself carried it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from msgspec import structs

from mesh_replayer.diff import Difference, Kind, Where
from mesh_replayer.diff.formats import leaves
from mesh_replayer.noise.rule import NoiseRules, Route
from mesh_replayer.noise.shapes import ids_of

_MOST_IDS = 100_000
_LEAST = 16


@dataclass(frozen=True, slots=True)
class _Known:
    id: str
    """What the id became, or what it was."""
    place: str
    certain: bool
    """Whether the difference was noise, and not only perhaps."""


@dataclass(slots=True)
class Identity:
    """The ids of one trace."""

    _now: dict[str, _Known] = field(default_factory=dict)
    """By the recorded id."""
    _then: dict[str, _Known] = field(default_factory=dict)
    """By the replayed id."""

    def mismatches(
        self, differences: Iterable[Difference], route: Route, rules: NoiseRules
    ) -> Iterator[Difference]:
        """Take the ids of one response; gives those that do not go together with what was seen before."""
        for difference in differences:
            if difference.kind is not Kind.VALUE or difference.counts:
                continue
            for old, new in ids_of(difference.recorded, difference.replayed):
                mismatch = self._mismatch(old, new, difference, route)
                if mismatch is not None and not rules.stays(route, difference.where, difference.template):
                    yield mismatch

    def stale(
        self, tree: object, route: Route, rules: NoiseRules, request: bytes, recorded: str
    ) -> Iterator[Difference]:
        """Ids in a replayed body that a new one stands for elsewhere.

        Args:
            tree: the replayed body.
            route: of the response.
            rules: what is known.
            request: all of the request that was sent.
            recorded: the recorded body as text; only what was in it can be stale.
        """
        if not self._now:
            return
        for template, value in leaves(tree):
            known = self._now.get(value) if isinstance(value, str) and len(value) >= _LEAST else None
            if known is None or known.id == value or value not in recorded or value.encode() in request:
                continue
            if rules.stays(route, Where.BODY, template):
                continue
            yield _told(
                Difference(
                    where=Where.BODY,
                    kind=Kind.STALE_ID,
                    path=template,
                    template=template,
                    recorded=value,
                    replayed=value,
                    detail=f"still the recorded id, where {known.place} has {known.id} for it",
                ),
                certain=known.certain,
            )

    def _mismatch(self, old: str, new: str, difference: Difference, route: Route) -> Difference | None:
        where = "" if difference.where is Where.BODY else f"{difference.where.value} "
        place = f"{where}{difference.path} of {route[0]} {route[1]}"
        certain = difference.noise is not None
        now, then = self._now.get(old), self._then.get(new)
        if now is None and then is None:
            if len(self._now) < _MOST_IDS:
                self._now[old], self._then[new] = _Known(new, place, certain), _Known(old, place, certain)
            return None
        if now is not None and now.id != new:
            detail = f"no longer equals {now.place}: both were {old}, that is {now.id} now"
        elif then is not None and then.id != old:
            detail = f"equals {then.place} now, and did not: that was {then.id}"
        else:
            return None
        other = now if now is not None and now.id != new else then
        return _told(
            Difference(
                where=difference.where,
                kind=Kind.ID_MISMATCH,
                path=difference.path,
                template=difference.template,
                recorded=old,
                replayed=new,
                detail=detail,
            ),
            certain=certain and (other is None or other.certain),
        )


def _told(difference: Difference, *, certain: bool) -> Difference:
    """What rests on differences that may be noise is no more certain than they are."""
    if certain:
        return difference
    return structs.replace(difference, unsure="too little evidence that these ids are made anew each time")
