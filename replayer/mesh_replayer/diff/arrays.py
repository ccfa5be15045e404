"""Which item of one array is which of another. Pure.

1. Items that are objects join by a field that is unique on both sides and mostly the same on both.
2. All others join as a multiset: equal ones first, in order; then those that are equal but for ids, times
   and what is known to vary; then those that are alike; then, where as many are left on both sides, in order.
3. What is left on one side only is missing or added; another order of what joined is said once.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesh_replayer.diff.masking import Masking, canonical

type Same = Callable[[Any, Any], bool]
type Pairs = list[tuple[int, int]]

_USUAL_KEYS = ("id", "uuid", "key", "sku", "code", "name")
_LEAST_COMMON = 0.5
"""Share of the shorter side's keys that must be on both sides."""
_LEAST_COMMON_OF_OTHERS = 0.75
"""The same for a field that has none of the usual names."""
_LEAST_ALIKE = 0.5
_MOST_PAIRS = 2_500
"""Pairs of left-over items that are looked at."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Indices of what belongs together, and of what is on one side only."""

    pairs: tuple[tuple[int, int], ...]
    missing: tuple[int, ...]
    """In the recorded array."""
    added: tuple[int, ...]
    """In the replayed array."""
    order: tuple[list[Any], list[Any]] | None = None
    """Names of the joined items, as ordered then and now, where that is not the same."""


@dataclass(frozen=True, slots=True)
class Joining:
    """Two arrays, and how their items are told apart."""

    recorded: Sequence[Any]
    replayed: Sequence[Any]
    same: Same
    """Whether two items have no difference."""
    masking: Masking
    template: str = ""
    """Of the items, where anything is known to vary."""

    def alike(self, old: int, new: int) -> bool:
        """Whether two items are equal but for what is masked."""
        return self.masking.alike(self.recorded[old], self.replayed[new], self.template)

    def text(self, item: Any) -> str:
        """See `Masking.text`."""
        return self.masking.text(item, self.template)


def join(joining: Joining) -> Joined:
    """Tell which items belong together."""
    recorded, replayed = joining.recorded, joining.replayed
    key = _key(joining)
    if key is not None:
        return _by_key(key, recorded, replayed)
    start, end = _common_ends(recorded, replayed, joining.same)
    old = range(start, len(recorded) - end)
    new = range(start, len(replayed) - end)
    if len(old) == len(new) and all(map(joining.alike, old, new)):
        return Joined(tuple(zip(old, new, strict=True)), (), ())
    return _as_multiset(joining, old, new)


def _key(joining: Joining) -> str | None:
    """The field to join by: one of the usual names, else the one with most in common."""
    recorded, replayed = joining.recorded, joining.replayed
    if not recorded or not replayed or not all(isinstance(item, dict) for item in (*recorded, *replayed)):
        return None
    rank = {name: at for at, name in enumerate(_USUAL_KEYS)}
    names: list[str] = sorted(recorded[0], key=lambda name: rank.get(name.lower(), len(rank)))
    best, most = None, 0.0
    for name in names:
        if best is not None and name.lower() not in rank and best.lower() in rank:
            break
        if joining.masking.is_noisy(joining.template, name):
            continue
        common = _in_common(name, recorded, replayed)
        least = _LEAST_COMMON if name.lower() in rank else _LEAST_COMMON_OF_OTHERS
        if common >= least and common > most:
            best, most = name, common
            if name.lower() in rank:
                break
    return best


def _in_common(name: str, recorded: Sequence[Any], replayed: Sequence[Any]) -> float:
    """The share of the shorter side's values that are on both sides; 0 where they are no keys."""
    old = _values(name, recorded)
    new = _values(name, replayed) if old is not None else None
    return 0.0 if old is None or new is None else len(old & new) / min(len(old), len(new))


def _values(name: str, items: Sequence[Mapping[str, Any]]) -> set[Any] | None:
    """The values of a field, where all items have one, it is text or a whole number, and each comes once."""
    values: set[Any] = set()
    for item in items:
        value = item.get(name)
        if type(value) not in (str, int) or value in values:
            return None
        values.add(value)
    return values


def _common_ends(recorded: Sequence[Any], replayed: Sequence[Any], same: Same) -> tuple[int, int]:
    """How many items are the same at the start, and how many of the rest at the end."""
    shorter = min(len(recorded), len(replayed))
    start = next((at for at in range(shorter) if not same(recorded[at], replayed[at])), shorter)
    rest = shorter - start
    end = next((at for at in range(rest) if not same(recorded[-1 - at], replayed[-1 - at])), rest)
    return start, end


def _by_key(key: str, recorded: Sequence[Any], replayed: Sequence[Any]) -> Joined:
    places = {item[key]: at for at, item in enumerate(replayed)}
    pairs: Pairs = []
    missing: list[int] = []
    for old, item in enumerate(recorded):
        new = places.pop(item[key], None)
        if new is None:
            missing.append(old)
        else:
            pairs.append((old, new))
    order = _order(pairs, [item[key] for item in recorded])
    return Joined(tuple(pairs), tuple(missing), tuple(sorted(places.values())), order)


def _as_multiset(joining: Joining, old: range, new: range) -> Joined:
    if not old or not new or len(old) == len(new) == 1:
        pairs = tuple(zip(old, new, strict=False))
        return Joined(pairs, tuple(old[len(pairs) :]), tuple(new[len(pairs) :]))
    matched, old_left, new_left = _matched(joining, old, new)
    similar = list(_similar(joining, old_left, new_left))
    paired_old, paired_new = {pair[0] for pair in similar}, {pair[1] for pair in similar}
    old_left = [at for at in old_left if at not in paired_old]
    new_left = [at for at in new_left if at not in paired_new]
    rest: Pairs = []
    if len(old_left) == len(new_left):
        rest = list(zip(old_left, new_left, strict=True))
        old_left = new_left = []
    names = [_short(item, at) for at, item in enumerate(joining.recorded)]
    order = _order(matched, names)
    pairs = tuple(sorted([*matched, *similar, *rest]))
    return Joined(pairs, tuple(old_left), tuple(new_left), order)


def _matched(joining: Joining, old: Iterable[int], new: Iterable[int]) -> tuple[Pairs, list[int], list[int]]:
    """Items that are equal but for what is masked; and the indices of those that are left on each side."""
    places: defaultdict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for at in old:
        places[joining.text(joining.recorded[at])][0].append(at)
    for at in new:
        places[joining.text(joining.replayed[at])][1].append(at)
    pairs: Pairs = []
    old_left: list[int] = []
    new_left: list[int] = []
    for then, now in places.values():
        if then and now and (len(then) > 1 or len(now) > 1):
            equal, then, now = _equal(joining, then, now)  # noqa: PLW2901 (what is left of it)
            pairs += equal
        both = min(len(then), len(now))
        pairs += zip(then[:both], now[:both], strict=True)
        old_left += then[both:]
        new_left += now[both:]
    return pairs, sorted(old_left), sorted(new_left)


def _equal(joining: Joining, then: list[int], now: list[int]) -> tuple[Pairs, list[int], list[int]]:
    """Of items that are alike, those that are wholly equal, in order; and what is left on each side."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for at in reversed(now):
        places[canonical(joining.replayed[at])].append(at)
    pairs: Pairs = []
    left: list[int] = []
    for at in then:
        like = places[canonical(joining.recorded[at])]
        if like:
            pairs.append((at, like.pop()))
        else:
            left.append(at)
    return pairs, left, sorted(at for like in places.values() for at in like)


def _similar(joining: Joining, old_left: Sequence[int], new_left: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The most similar first, each item once."""
    if len(old_left) * len(new_left) > _MOST_PAIRS:
        return
    then = {at: _parts(joining, joining.recorded[at]) for at in old_left}
    now = {at: _parts(joining, joining.replayed[at]) for at in new_left}
    scored = sorted(
        ((similarity(then[old], now[new]), -old, -new) for old in old_left for new in new_left),
        reverse=True,
    )
    olds, news = set(old_left), set(new_left)
    for score, old, new in scored:
        if score >= _LEAST_ALIKE and -old in olds and -new in news:
            olds.discard(-old)
            news.discard(-new)
            yield -old, -new


type _Parts = dict[str, str] | Counter[str] | None


def _parts(joining: Joining, item: Any) -> _Parts:
    """What an item is compared by: its members, or its items, as texts; None for a scalar."""
    masked = joining.masking.masked(item, joining.template)
    if isinstance(item, dict):
        return {name: canonical(member) for name, member in masked.items()}
    if isinstance(item, list):
        return Counter(canonical(each) for each in masked)
    return None


def similarity(one: _Parts, other: _Parts) -> float:
    """The share of members or items that two have in common; 0 for scalars."""
    if isinstance(one, Counter) and isinstance(other, Counter):
        return (one & other).total() / max(one.total(), other.total(), 1)
    if isinstance(one, Counter) or isinstance(other, Counter) or one is None or other is None:
        return 0.0
    names = one.keys() | other.keys()
    return sum(one.get(name) == other.get(name) for name in names) / len(names) if names else 1.0


def _order(pairs: Sequence[tuple[int, int]], names: Sequence[Any]) -> tuple[list[Any], list[Any]] | None:
    """Names by the recorded and by the replayed order, where they are not the same."""
    then = sorted(pairs)
    now = sorted(pairs, key=lambda pair: pair[1])
    if then == now:
        return None
    return [names[old] for old, _ in then], [names[old] for old, _ in now]


def _short(item: Any, at: int) -> Any:
    """An item's name in an order: itself where it is short, else its recorded index."""
    return f"[{at}]" if isinstance(item, dict | list) else item
