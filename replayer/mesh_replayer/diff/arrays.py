"""Which item of one array is which of another. Pure.

1. Items that are objects join by a field that is unique on both sides and mostly the same on both.
2. All others join as a multiset: equal ones first, in order; then the rest, in order where as many
   are left on both sides, else those that are alike.
3. What is left on one side only is missing or added; another order of what joined is said once.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


def join(recorded: Sequence[Any], replayed: Sequence[Any]) -> Joined:
    """Tell which items belong together."""
    key = _key(recorded, replayed)
    if key is not None:
        return _by_key(key, recorded, replayed)
    return _as_multiset(recorded, replayed)


def _key(recorded: Sequence[Any], replayed: Sequence[Any]) -> str | None:
    """The field to join by, the usual names first."""
    if not recorded or not replayed or not all(isinstance(item, dict) for item in (*recorded, *replayed)):
        return None
    names: list[str] = [name for name in recorded[0] if all(name in item for item in (*recorded, *replayed))]
    rank = {name: at for at, name in enumerate(_USUAL_KEYS)}
    for name in sorted(names, key=lambda name: rank.get(name.lower(), len(rank))):
        old, new = _values(name, recorded), _values(name, replayed)
        if old is not None and new is not None:
            common = len(old & new)
            if common and common >= _LEAST_COMMON * min(len(old), len(new)):
                return name
    return None


def _values(name: str, items: Sequence[Mapping[str, Any]]) -> set[str] | None:
    """The values of a field, where they are scalar and each comes once."""
    values = [item[name] for item in items]
    if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in values):
        return None
    unique = {canonical(value) for value in values}
    return unique if len(unique) == len(values) else None


def _by_key(key: str, recorded: Sequence[Any], replayed: Sequence[Any]) -> Joined:
    places = {canonical(item[key]): at for at, item in enumerate(replayed)}
    pairs: list[tuple[int, int]] = []
    missing: list[int] = []
    for old, item in enumerate(recorded):
        new = places.pop(canonical(item[key]), None)
        if new is None:
            missing.append(old)
        else:
            pairs.append((old, new))
    order = _order(pairs, [item[key] for item in recorded])
    return Joined(tuple(pairs), tuple(missing), tuple(sorted(places.values())), order)


def _as_multiset(recorded: Sequence[Any], replayed: Sequence[Any]) -> Joined:
    texts = [canonical(item) for item in recorded]
    places: defaultdict[str, list[int]] = defaultdict(list)
    for new in range(len(replayed) - 1, -1, -1):
        places[canonical(replayed[new])].append(new)
    equal: list[tuple[int, int]] = []
    old_left: list[int] = []
    for old, text in enumerate(texts):
        if places[text]:
            equal.append((old, places[text].pop()))
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


def canonical(value: Any) -> str:
    """A text that is equal for equal values only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


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
