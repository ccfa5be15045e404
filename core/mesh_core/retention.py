"""How long what was recorded stays in the store: `[retention]`. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mesh_core.units import parse_seconds, parse_size

DAY = 86_400_000_000_000
"""Nanoseconds."""
FOREVER, UNLIMITED = "forever", "unlimited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept."""

    age: int | None = 7 * DAY
    """Nanoseconds since an exchange was stored; None is for ever."""
    failed_age: int | None = 30 * DAY
    """Of exchanges whose trace has a failure; counts where it is longer than `age`."""
    size: int | None = 2 * 1024**3
    """Bytes of the whole store, about; beyond it the oldest go, those of failed traces last."""

    @property
    def longest(self) -> int | None:
        """How long exchanges of failed traces stay: never shorter than the others."""
        if self.age is None or self.failed_age is None:
            return None
        return max(self.age, self.failed_age)

    @property
    def eager(self) -> bool:
        """Whether anything goes earlier than by default."""
        default = Retention()
        pairs = ((self.age, default.age), (self.longest, default.longest), (self.size, default.size))
        return any(ours is not None and usual is not None and ours < usual for ours, usual in pairs)


FOR_EVER = Retention(age=None, failed_age=None, size=None)


def _age(text: str) -> int | None:
    return None if text == FOREVER else round(parse_seconds(text) * 1_000_000_000)


def _size(text: str) -> int | None:
    return None if text == UNLIMITED else parse_size(text)


KEYS: Mapping[str, tuple[str, Callable[[str], int | None], str]] = {
    "age": ("age", _age, "7d, 12h or forever"),
    "failures": ("failed_age", _age, "30d or forever"),
    "size": ("size", _size, "2GiB, 500MB or unlimited"),
}
"""The keys of `[retention]`: the field each sets, what reads it, and how it is written."""


def with_text(retention: Retention, key: str, text: str | None) -> Retention:
    """The retention with what one of `KEYS` says, where it says anything.

    Raises:
        ValueError: it is neither a time or size nor the word for no limit.
    """
    if text is None:
        return retention
    name, read, _ = KEYS[key]
    return replace(retention, **{name: read(text.strip())})
