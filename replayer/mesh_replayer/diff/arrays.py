"""Which item of one array is which of another. Pure.

1. Items that are objects join by a field that is unique on both sides and mostly the same on both.
2. All others join as a multiset: equal ones first, in order; then the rest, in order where as many
   are left on both sides, else those that are alike.
3. What is left on one side only is missing or added; another order of what joined is said once.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

type Same = Callable[[Any, Any], bool]

_USUAL_KEYS = ("id", "uuid", "key", "sku", "code", "name")
_LEAST_COMMON = 0.5
"""Share of the shorter side's keys that must be on both sides."""
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


def join(recorded: Sequence[Any], replayed: Sequence[Any], same: Same) -> Joined:
    """Tell which items belong together; `same` says whether two of them have no difference."""
    key = _key(recorded, replayed)
    if key is not None:
        return _by_key(key, recorded, replayed)
    start, end = _common_ends(recorded, replayed, same)
    middle = _as_multiset(recorded[start : len(recorded) - end], replayed[start : len(replayed) - end])
    return Joined(
        tuple((old + start, new + start) for old, new in middle.pairs),
        tuple(old + start for old in middle.missing),
        tuple(new + start for new in middle.added),
        middle.order,
    )


def _key(recorded: Sequence[Any], replayed: Sequence[Any]) -> str | None:
    """The field to join by, the usual names first."""
    if not recorded or not replayed or not all(isinstance(item, dict) for item in (*recorded, *replayed)):
        return None
    rank = {name: at for at, name in enumerate(_USUAL_KEYS)}
    names: list[str] = sorted(recorded[0], key=lambda name: rank.get(name.lower(), len(rank)))
    for name in names:
        old, new = _values(name, recorded), _values(name, replayed)
        if old is not None and new is not None:
            common = len(old & new)
            if common and common >= _LEAST_COMMON * min(len(old), len(new)):
                return name
    return None


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
    pairs: list[tuple[int, int]] = []
    missing: list[int] = []
    for old, item in enumerate(recorded):
        new = places.pop(item[key], None)
        if new is None:
            missing.append(old)
        else:
            pairs.append((old, new))
    order = _order(pairs, [item[key] for item in recorded])
    return Joined(tuple(pairs), tuple(missing), tuple(sorted(places.values())), order)


def _as_multiset(recorded: Sequence[Any], replayed: Sequence[Any]) -> Joined:
    if not recorded or not replayed or len(recorded) == len(replayed) == 1:
        pairs = tuple(zip(range(len(recorded)), range(len(replayed)), strict=False))
        return Joined(pairs, tuple(range(len(pairs), len(recorded))), tuple(range(len(pairs), len(replayed))))
    places: defaultdict[str, list[int]] = defaultdict(list)
    for new in range(len(replayed) - 1, -1, -1):
        places[canonical(replayed[new])].append(new)
    equal: list[tuple[int, int]] = []
    old_left: list[int] = []
    for old, item in enumerate(recorded):
        like = places[canonical(item)]
        if like:
            equal.append((old, like.pop()))
        else:
            old_left.append(old)
    new_left = sorted(new for news in places.values() for new in news)
    if len(old_left) == len(new_left):
        alike = list(zip(old_left, new_left, strict=True))
    else:
        alike = list(_alike(old_left, new_left, recorded, replayed))
    paired_old, paired_new = {old for old, _ in alike}, {new for _, new in alike}
    order = _order(equal, [_short(item, at) for at, item in enumerate(recorded)])
    return Joined(
        tuple(sorted(alike)),
        tuple(old for old in old_left if old not in paired_old),
        tuple(new for new in new_left if new not in paired_new),
        order,
    )


def _alike(
    old_left: Sequence[int], new_left: Sequence[int], recorded: Sequence[Any], replayed: Sequence[Any]
) -> Iterator[tuple[int, int]]:
    """The most similar first, each item once."""
    if len(old_left) * len(new_left) > _MOST_PAIRS:
        return
    scored = sorted(
        ((similarity(recorded[old], replayed[new]), -old, -new) for old in old_left for new in new_left),
        reverse=True,
    )
    olds, news = set(old_left), set(new_left)
    for score, old, new in scored:
        if score >= _LEAST_ALIKE and -old in olds and -new in news:
            olds.discard(-old)
            news.discard(-new)
            yield -old, -new


def similarity(one: Any, other: Any) -> float:
    """The share of members or items that two values have in common; 0 for scalars."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = one.keys() | other.keys()
        same = sum(
            name in one and name in other and canonical(one[name]) == canonical(other[name]) for name in names
        )
        return same / len(names) if names else 1.0
    if isinstance(one, list) and isinstance(other, list):
        ours, theirs = Counter(map(canonical, one)), Counter(map(canonical, other))
        return (ours & theirs).total() / max(len(one), len(other), 1)
    return 0.0


canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
"""A text that is equal for equal values only."""


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
