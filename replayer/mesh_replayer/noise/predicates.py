"""What the values at one place may be, so that a difference there means nothing. Pure.

1. A predicate is about values; none of them says "anything".
2. Each covers kinds of differences, and no others: a shape never covers a missing key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from mesh_replayer.diff import Difference, Kind
from mesh_replayer.noise.shapes import filled, fits, moment_of

CLOCK_TOLERANCE = 120_000_000_000
"""Nanoseconds by which a time may be off what the clock says."""
_SMALL_JITTER = 0.25
"""Share of a value: what varies less is compared with what was recorded, what varies more with a range."""
_COUNTER_STEPS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a difference was seen."""

    shift: int = 0
    """Nanoseconds from the recorded request to the replayed one."""
    since: int = 0
    """Nanoseconds since the evidence was last seen."""


class Predicate(Protocol):
    """One kind of noise."""

    name: ClassVar[str]
    covers: ClassVar[frozenset[Kind]]

    def allows(self, difference: Difference, moment: Moment) -> bool:
        """Whether a difference of a kind that is covered means nothing."""
        ...

    def words(self) -> str:
        """What may vary, for people."""
        ...

    def fields(self) -> dict[str, Any]:
        """What a file keeps of it."""
        ...


_VALUES = frozenset({Kind.VALUE})


@dataclass(frozen=True, slots=True)
class Shape:
    """An id, a time or a token, made anew each time."""

    name: ClassVar[str] = "shape"
    covers: ClassVar[frozenset[Kind]] = _VALUES
    shapes: tuple[str, ...]
    clock: bool = False
    """Whether it is a time that goes with the clock."""

    def allows(self, difference: Difference, moment: Moment) -> bool:
        value = difference.replayed
        if not any(fits(shape, value) for shape in self.shapes) and not self._finer(value):
            return False
        return not self.clock or goes_with_clock(difference.recorded, value, moment.shift)

    def _finer(self, value: Any) -> bool:
        """Whether it is a time with other decimals, where they are known to vary, as zeros are left out."""
        digits = [shape.split(":") for shape in self.shapes if shape.startswith("ts:")]
        seen = {int(parts[1]) for parts in digits}
        if not seen or (len(seen) == 1 and max(seen) < 7):
            return False
        return any(
            fits(":".join([parts[0], str(count), *parts[2:]]), value)
            for parts in digits
            for count in range(max(seen) + 1)
        )

    def words(self) -> str:
        clock = " that goes with the clock" if self.clock else ""
        return f"{' or '.join(self.shapes)}{clock}"

    def fields(self) -> dict[str, Any]:
        return {"shapes": list(self.shapes), **({"clock": True} if self.clock else {})}


def goes_with_clock(recorded: Any, replayed: Any, shift: int) -> bool:
    """Whether a time moved as far as the clock did; what is no time is no question."""
    then, now = moment_of(recorded), moment_of(replayed)
    if then is None or now is None:
        return True
    return abs(now[0] - then[0] - shift) <= CLOCK_TOLERANCE + max(then[1], now[1])


@dataclass(frozen=True, slots=True)
class Number:
    """A number within what was seen."""

    name: ClassVar[str] = "number"
    covers: ClassVar[frozenset[Kind]] = _VALUES
    low: float
    high: float
    jitter: float
    """The largest difference in one pair, as a share of the larger value."""
    whole: bool = False

    def allows(self, difference: Difference, moment: Moment) -> bool:
        old, new = number_of(difference.recorded), number_of(difference.replayed)
        if old is None or new is None or (self.whole and new != int(new)):
            return False
        if self.jitter <= _SMALL_JITTER:
            factor = 10 if self.jitter <= 0.01 else 2
            return abs(new - old) <= max(abs(old), abs(new)) * self.jitter * factor
        low, high = self.widened()
        return low <= new <= high

    def widened(self) -> tuple[float, float]:
        """The range with as much again on both sides, and never to another sign or to zero."""
        span = self.high - self.low
        low, high = self.low - span, self.high + span
        if self.low > 0:
            low = max(low, self.low / 4)
        elif self.low == 0:
            low = 0
        if self.high < 0:
            high = min(high, self.high / 4)
        elif self.high == 0:
            high = 0
        return low, high

    def words(self) -> str:
        if self.jitter <= _SMALL_JITTER:
            return f"number that varies by {self.jitter:.2%}, from {self.low:g} to {self.high:g}"
        return f"number from {self.low:g} to {self.high:g}"

    def fields(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "jitter": self.jitter, "whole": self.whole}


@dataclass(frozen=True, slots=True)
class Counter:
    """A whole number that grows with each request."""

    name: ClassVar[str] = "counter"
    covers: ClassVar[frozenset[Kind]] = _VALUES
    low: int
    high: int
    step: int
    """The largest one."""

    def allows(self, difference: Difference, moment: Moment) -> bool:
        value = number_of(difference.replayed)
        if value is None or value != int(value) or value < 1:
            return False
        steps = max(_COUNTER_STEPS, moment.since // 1_000_000_000)
        return value <= max(self.high, number_of(difference.recorded) or 0) + self.step * steps

    def words(self) -> str:
        return f"counter, {self.high} when last seen"

    def fields(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "step": self.step}


@dataclass(frozen=True, slots=True)
class Values:
    """One of the values that were seen."""

    name: ClassVar[str] = "values"
    covers: ClassVar[frozenset[Kind]] = _VALUES
    values: tuple[Any, ...]
    unseen: float = 0.0
    """How likely a value is that was not seen (Good and Turing: the share of those seen once)."""

    def allows(self, difference: Difference, moment: Moment) -> bool:
        new = difference.replayed
        return any(type(new) is type(value) and new == value for value in self.values)

    def words(self) -> str:
        shown = ", ".join(map(str, self.values[:5]))
        return f"one of {len(self.values)} values ({shown}{', …' if len(self.values) > 5 else ''})"

    def fields(self) -> dict[str, Any]:
        return {"values": list(self.values), **({"unseen": self.unseen} if self.unseen else {})}


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Text with numbers or ids in it, the rest as seen."""

    name: ClassVar[str] = "skeleton"
    covers: ClassVar[frozenset[Kind]] = _VALUES | {Kind.TEXT}
    skeletons: tuple[str, ...]

    def allows(self, difference: Difference, moment: Moment) -> bool:
        new = difference.replayed
        return isinstance(new, str) and all(
            any(filled(skeleton, line) is not None for skeleton in self.skeletons) for line in new.split("\n")
        )

    def words(self) -> str:
        return " or ".join(self.skeletons[:3])

    def fields(self) -> dict[str, Any]:
        return {"skeletons": list(self.skeletons)}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Text of certain characters and a certain length, each time another one."""

    name: ClassVar[str] = "pattern"
    covers: ClassVar[frozenset[Kind]] = _VALUES
    characters: str
    """Some of `aA0_.`: lower case, upper case, digits, blanks, all else."""
    low: int
    high: int

    def allows(self, difference: Difference, moment: Moment) -> bool:
        new = difference.replayed
        if not isinstance(new, str) or not set(characters_of(new)) <= set(self.characters):
            return False
        span = self.high - self.low
        return max(1, self.low - span) <= len(new) <= self.high + span

    def words(self) -> str:
        return f"text of {self.low} to {self.high} characters ({self.characters})"

    def fields(self) -> dict[str, Any]:
        return {"characters": self.characters, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Order:
    """The same items in any order."""

    name: ClassVar[str] = "order"
    covers: ClassVar[frozenset[Kind]] = frozenset({Kind.ORDER})

    def allows(self, difference: Difference, moment: Moment) -> bool:
        return True

    def words(self) -> str:
        return "in any order"

    def fields(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True)
class Optional:
    """There in some responses, not in others."""

    name: ClassVar[str] = "optional"
    covers: ClassVar[frozenset[Kind]] = frozenset({Kind.MISSING, Kind.ADDED})
    types: tuple[str, ...] = ()
    """What it is where it is there."""
    present: int = 0
    """Repeated answers in which it was there."""

    def allows(self, difference: Difference, moment: Moment) -> bool:
        there = difference.recorded if difference.kind is Kind.MISSING else difference.replayed
        return not self.types or type_name(there) in self.types

    def words(self) -> str:
        return "optional"

    def fields(self) -> dict[str, Any]:
        return {"types": list(self.types), "present": self.present}


@dataclass(frozen=True, slots=True)
class Items:
    """An array with more items or fewer."""

    name: ClassVar[str] = "items"
    covers: ClassVar[frozenset[Kind]] = frozenset({Kind.ITEM_MISSING, Kind.ITEM_ADDED})
    low: int
    high: int

    def allows(self, difference: Difference, moment: Moment) -> bool:
        if difference.lengths is None:
            return False
        span = self.high - self.low
        least = max(min(1, self.low), self.low - span)
        return least <= difference.lengths[1] <= self.high + span

    def words(self) -> str:
        return f"{self.low} to {self.high} items"

    def fields(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Types:
    """A value of one of several JSON types, such as text or null."""

    name: ClassVar[str] = "types"
    covers: ClassVar[frozenset[Kind]] = frozenset({Kind.TYPE})
    types: tuple[str, ...]

    def allows(self, difference: Difference, moment: Moment) -> bool:
        return type_name(difference.replayed) in self.types

    def words(self) -> str:
        return " or ".join(self.types)

    def fields(self) -> dict[str, Any]:
        return {"types": list(self.types)}


@dataclass(frozen=True, slots=True)
class Constant:
    """No noise: an id or a time that stays as it is, so that a difference is one."""

    name: ClassVar[str] = "constant"
    covers: ClassVar[frozenset[Kind]] = frozenset()

    def allows(self, difference: Difference, moment: Moment) -> bool:
        return False

    def words(self) -> str:
        return "stays as it is"

    def fields(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True)
class Unlinked:
    """An id that need not be the one that it was equal to by chance."""

    name: ClassVar[str] = "unlinked"
    covers: ClassVar[frozenset[Kind]] = frozenset({Kind.ID_MISMATCH, Kind.STALE_ID})

    def allows(self, difference: Difference, moment: Moment) -> bool:
        return True

    def words(self) -> str:
        return "an id that stands for itself"

    def fields(self) -> dict[str, Any]:
        return {}


def type_name(value: Any) -> str:
    """The JSON type of a value."""
    if value is None:
        return "null"
    names: Mapping[type, str] = {bool: "boolean", dict: "object", list: "array", str: "string"}
    return names.get(type(value), "number")


def number_of(value: Any) -> float | None:
    """A number, or what a text of one says; None for all others."""
    if type(value) in (int, float):
        return float(value) if abs(value) < 1e300 else None
    if type(value) is str and 0 < len(value) <= 24 and value[-1].isdigit():
        try:
            return float(value)
        except ValueError:
            return None
    return None


def characters_of(text: str) -> str:
    """Which classes of characters a text has, each as one of its kind."""
    found = {
        "a" if c.islower() else "A" if c.isupper() else "0" if c.isdigit() else "_" if c.isspace() else "."
        for c in text
    }
    return "".join(sorted(found))


PREDICATES: Mapping[str, type[Any]] = {
    kind.name: kind
    for kind in (
        Shape, Number, Counter, Values, Skeleton, Pattern, Order, Optional, Items, Types, Constant, Unlinked,
    )
}  # fmt: skip
