"""NoiseRules from what was observed: the same request answered several times. Pure.

1. What varies among the answers to one request is noise; what of it may vary is told by all that was seen.
2. What differs from the recorded answer, and is the same in all answers of now, is none.
3. An id or a time that never varied is remembered too: there, a difference is one.
"""

from collections import Counter as Count
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from msgspec import structs

from mesh_replayer.diff import Difference, Kind, Response, Where, compare_responses
from mesh_replayer.diff.formats import leaves
from mesh_replayer.noise.identity import Identity
from mesh_replayer.noise.predicates import (
    Constant,
    Counter,
    Items,
    Number,
    Optional,
    Order,
    Pattern,
    Predicate,
    Shape,
    Skeleton,
    Types,
    Unlinked,
    Values,
    characters_of,
    goes_with_clock,
    number_of,
    type_name,
)
from mesh_replayer.noise.rule import LEARNED, NoiseRules, Route, Rule, route_of
from mesh_replayer.noise.shapes import digits_skeleton, fits, shape_of

_MOST_VALUES = 512
"""Of one place."""
_MOST_LISTED = 64
_MOST_SHAPES = 12
_MOST_CONSTANTS = 200
"""Of one route."""
_STRUCTURE = {
    Kind.MISSING: "optional", Kind.ADDED: "optional", Kind.ITEM_MISSING: "items", Kind.ITEM_ADDED: "items",
    Kind.ORDER: "order", Kind.TYPE: "types",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """Answers to one request, in the order in which they came."""

    answers: Sequence[Response]
    recorded: Response | None = None
    """What was recorded, where it is known to be good: it tells how far a value may be from what it was."""


@dataclass(slots=True)
class _Seen:
    """All that was seen at one place."""

    kinds: Count[Kind] = field(default_factory=Count)
    values: list[Any] = field(default_factory=list)
    timed: list[tuple[int, Any]] = field(default_factory=list)
    """With the time of their request, where there is one in a response."""
    pairs: list[tuple[Any, Any, int]] = field(default_factory=list)
    """What differed, and the time between the requests."""
    lengths: list[int] = field(default_factory=list)
    types: set[str] = field(default_factory=set)
    responses: int = 0
    present: int = 0
    """Repeated answers that had what comes and goes."""
    groups: set[int] = field(default_factory=set)

    def add(self, difference: Difference, shift: int) -> None:
        self.kinds[difference.kind] += 1
        if difference.kind in (Kind.VALUE, Kind.TEXT) and len(self.pairs) < _MOST_VALUES:
            self.pairs.append((difference.recorded, difference.replayed, shift))
        if difference.lengths is not None:
            self.lengths.extend(difference.lengths)
        if difference.kind in (Kind.TYPE, Kind.MISSING, Kind.ADDED):
            there = [side for side in (difference.recorded, difference.replayed) if side is not None]
            both = difference.kind is Kind.TYPE
            self.types.update(map(type_name, (difference.recorded, difference.replayed) if both else there))

    @property
    def varied(self) -> bool:
        return Kind.VALUE in self.kinds or Kind.TEXT in self.kinds


type _Places = defaultdict[tuple[Where, str], _Seen]


def learn(groups: Sequence[Group], *, now: int, author: str = LEARNED) -> list[Rule]:
    """The rules that answers to like requests give, of all routes.

    Args:
        groups: answers of failures, and with another status than the first one's, are left out.
        now: nanoseconds since the Unix epoch.
        author: who says so.
    """
    by_route: defaultdict[Route, list[Group]] = defaultdict(list)
    for group in groups:
        alike = _alike(group)
        if alike is not None:
            by_route[route_of(alike.answers[0].exchange)].append(alike)
    return [
        rule
        for route, alike_groups in by_route.items()
        for rule in _Route(route, alike_groups, now, author).rules()
    ]


def _alike(group: Group) -> Group | None:
    if not group.answers:
        return None
    first = group.answers[0].exchange
    answers = [
        answer
        for answer in group.answers
        if answer.exchange.status == first.status and answer.exchange.outcome is first.outcome
    ]
    recorded = group.recorded
    if recorded is not None and recorded.exchange.status != first.status:
        recorded = None
    if first.status is None or len(answers) + (recorded is not None) < 2:
        return None
    return Group(answers, recorded)


@dataclass(slots=True)
class _Route:
    route: Route
    groups: Sequence[Group]
    now: int
    author: str

    @property
    def repeated(self) -> int:
        """Answers beyond the first one of each request."""
        return sum(len(group.answers) - 1 for group in self.groups)

    def rules(self) -> Iterator[Rule]:
        places = self._differing(frozenset())
        noisy = frozenset(
            path for (where, path), seen in places.items() if where is Where.BODY and seen.varied
        )
        if noisy:
            places = self._differing(noisy)
        constants = self._look_at_all(places)
        for (where, path), seen in places.items():
            for predicate in _predicates(seen):
                yield self._rule(where, path, predicate, seen)
        for path in constants:
            yield self._rule(Where.BODY, path, Constant(), None)
        for where, path in self._unlinked(places):
            yield self._rule(where, path, Unlinked(), None)

    def _rule(self, where: Where, path: str, predicate: Predicate, seen: _Seen | None) -> Rule:
        observations = self.repeated
        if seen is not None and seen.responses and predicate.name not in ("optional", "items", "order"):
            observations = max(seen.responses - len(seen.groups), 1)
        return Rule(
            service=self.route[0],
            route=self.route[1],
            where=where,
            path=path,
            predicate=predicate,
            observations=observations,
            requests=len(self.groups),
            first_seen=self.now,
            last_seen=self.now,
            author=self.author,
        )

    def _differing(self, noisy: Collection[str]) -> _Places:
        """Every place that varied among the answers to one request."""
        places: _Places = defaultdict(_Seen)
        for first, other in self._pairs():
            shift = other.exchange.started_at - first.exchange.started_at
            for difference in compare_responses(first, other, noisy).differences:
                if difference.template is not None:
                    places[difference.where, difference.template].add(difference, shift)
        for group in self.groups:
            if group.recorded is None:
                continue
            for answer in group.answers:  # tells how far, of what is known to vary
                shift = answer.exchange.started_at - group.recorded.exchange.started_at
                for difference in compare_responses(group.recorded, answer, noisy).differences:
                    key = difference.where, difference.template or ""
                    if key in places and difference.kind in places[key].kinds:
                        places[key].add(difference, shift)
        self._look_into_optional(places, noisy)
        return places

    def _look_into_optional(self, places: _Places, noisy: Collection[str]) -> None:
        """What comes and goes is compared among the answers in which it is there."""
        parts = [
            path
            for (where, path), seen in places.items()
            if where is Where.BODY and {Kind.MISSING, Kind.ADDED} & seen.kinds.keys()
        ]
        for part in parts:
            below = f"{part}.", f"{part}["
            for group in self.groups:
                there = [answer for answer in group.answers if _has(answer, part, below)]
                if there:
                    places[Where.BODY, part].present += len(there) - 1
                for first, other in pairwise(there):
                    shift = other.exchange.started_at - first.exchange.started_at
                    for difference in compare_responses(first, other, noisy).differences:
                        if (difference.template or "").startswith(below):
                            places[Where.BODY, difference.template or ""].add(difference, shift)

    def _pairs(self) -> Iterator[tuple[Response, Response]]:
        """Each answer with the first, and with the one before it."""
        for group in self.groups:
            for at, answer in enumerate(group.answers[1:], 1):
                yield group.answers[0], answer
                if at > 1:
                    yield group.answers[at - 1], answer

    def _look_at_all(self, places: _Places) -> list[str]:
        """Every value at places that varied; gives the places of ids and times that never did."""
        stays: dict[str, bool] = {}
        for number, group in enumerate(self.groups):
            for answer in group.answers:
                document = answer.body.document
                if document is None or document.tree is None:
                    continue
                self._look_at(leaves(document.tree), answer.exchange.started_at, number, places, stays)
        return [path for path, still in stays.items() if still][:_MOST_CONSTANTS]

    def _look_at(
        self,
        found: list[tuple[str, Any]],
        started_at: int,
        group: int,
        places: _Places,
        stays: dict[str, bool],
    ) -> None:
        counts = Count(template for template, _ in found)
        counted: set[str] = set()
        for template, value in found:
            seen = places.get((Where.BODY, template))
            if seen is None:
                if stays.get(template, True):
                    stays[template] = shape_of(value) is not None
                continue
            if template not in counted:
                counted.add(template)
                seen.responses += 1
                seen.groups.add(group)
            if len(seen.values) < _MOST_VALUES:
                seen.values.append(value)
                if counts[template] == 1:
                    seen.timed.append((started_at, value))

    def _unlinked(self, places: _Places) -> list[tuple[Where, str]]:
        """Places of ids that were equal, or not, by chance."""
        rules = NoiseRules(
            tuple(
                self._rule(where, path, predicate, None)
                for (where, path), seen in places.items()
                if seen.varied
                for predicate in _predicates(seen)
            )
        )
        found: dict[tuple[Where, str], None] = {}
        for first, other in self._pairs():
            differences = compare_responses(first, other, rules.noisy(self.route)).differences
            told = [_as_noise(difference) for difference in differences]
            for mismatch in Identity().mismatches(told, self.route, NoiseRules()):
                found[mismatch.where, mismatch.template or ""] = None
        return list(found)


def _has(answer: Response, part: str, below: tuple[str, ...]) -> bool:
    """Whether a body has what is at a template."""
    document = answer.body.document
    if document is None or document.tree is None:
        return False
    return any(path == part or path.startswith(below) for path, _ in leaves(document.tree))


def _as_noise(difference: Difference) -> Difference:
    return structs.replace(difference, noise="varies")


def _predicates(seen: _Seen) -> Iterator[Predicate]:
    """What may vary at a place."""
    kinds = {_STRUCTURE[kind] for kind in seen.kinds if kind in _STRUCTURE}
    if "optional" in kinds:
        yield Optional(tuple(sorted(seen.types)), seen.present)
    if "items" in kinds and seen.lengths:
        yield Items(min(seen.lengths), max(seen.lengths))
    if "order" in kinds:
        yield Order()
    if "types" in kinds:
        yield Types(tuple(sorted(seen.types)))
    if Kind.TEXT in seen.kinds:
        lines = {
            line for old, new, _ in seen.pairs for side in (old, new) for line in (side or "").split("\n")
        }
        skeletons = sorted({digits_skeleton(line) for line in lines})
        if len(skeletons) <= _MOST_LISTED:
            yield Skeleton(tuple(skeletons))
    elif Kind.VALUE in seen.kinds:
        yield from filter(None, [_of_values(seen)])


def _of_values(seen: _Seen) -> Predicate | None:
    sides = [side for old, new, _ in seen.pairs for side in (old, new)]
    values = _scalars([*seen.values, *sides])
    shapes = _shapes(values)
    if shapes:
        clock = all(goes_with_clock(old, new, shift) for old, new, shift in seen.pairs)
        timed = any(shape.startswith(("ts:", "epoch", "http", "date")) for shape in shapes)
        return Shape(shapes, clock=clock and timed)
    numbers = [number_of(value) for value in values if type(value) is not bool]
    if numbers and len(numbers) == len(values) and None not in numbers:
        return _of_numbers([number for number in numbers if number is not None], seen)
    # Where every answer was looked at, each value counts once.
    once = _scalars(seen.values) or values
    texts = [value for value in once if isinstance(value, str)]
    return _of_texts(texts) if len(texts) == len(once) else _listed(once)


def _scalars(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not None and not isinstance(value, dict | list)]


def _shapes(values: list[Any]) -> tuple[str, ...]:
    """The shapes of values, where each is of one; those that are there by chance are left out."""
    counts = Count(shape_of(value) for value in values)
    kept: list[str] = []
    for shape, _ in counts.most_common():
        if shape is not None and not all(
            any(fits(other, value) for other in kept) for value in values if shape_of(value) == shape
        ):
            kept.append(shape)
    if not kept or len(kept) > _MOST_SHAPES:
        return ()
    if all(any(fits(shape, value) for shape in kept) for value in values if shape_of(value) is None):
        return tuple(sorted(kept))
    return ()


def _of_numbers(numbers: list[float], seen: _Seen) -> Predicate:
    whole = all(number == int(number) for number in numbers)
    timed = [number for _, value in sorted(seen.timed) if (number := number_of(value)) is not None]
    steps = [int(after - before) for before, after in pairwise(timed)]
    if whole and len(steps) >= 4 and min(steps) > 0 and min(numbers) >= 0:
        return Counter(int(min(numbers)), int(max(timed)), max(steps))
    pairs = [(number_of(old) or 0.0, number_of(new) or 0.0) for old, new, _ in seen.pairs]
    jitter = max((abs(a - b) / max(abs(a), abs(b)) for a, b in pairs if a != b), default=1.0)
    return Number(min(numbers), max(numbers), round(jitter, 6), whole)


def _of_texts(texts: list[str]) -> Predicate | None:
    distinct = set(texts)
    skeletons = {digits_skeleton(text) for text in distinct}
    if len(skeletons) <= _MOST_SHAPES and 2 * len(skeletons) <= len(distinct):
        return Skeleton(tuple(sorted(skeletons)))
    return _listed(texts) or Pattern(
        "".join(sorted({c for text in texts for c in characters_of(text)})),
        min(map(len, texts)),
        max(map(len, texts)),
    )


def _listed(values: list[Any]) -> Predicate | None:
    """The values that were seen, where they are so few that most came up again."""
    counts = Count((type(value), value) for value in values)
    once = sum(count == 1 for count in counts.values()) / len(values)
    if len(counts) > _MOST_LISTED or once > 0.3:
        return None
    return Values(tuple(value for _, value in sorted(counts, key=lambda each: str(each[1]))), round(once, 3))
