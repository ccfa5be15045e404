"""What was found to hold nothing, or what became of it: services repeat themselves. Pure.

Bounded in number and size; what is full is emptied, and learnt again.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

from mesh_core.redact.names import HeaderKind

type BodyKey = tuple[str, str | None, str | None, bool]
"""A body's hash, and what decides how it is read: type, encoding, whether it was cut off."""

MOST = 4096
"""Of each kind; of keys twice as many."""


@dataclass(slots=True)
class Memory:
    """What one redactor has learnt under its rules."""

    values: set[bytes] = field(default_factory=set)
    """Header values that hold nothing."""
    names: set[tuple[bytes, ...]] = field(default_factory=set)
    """Names of header fields that hold nothing themselves, of a message each."""
    hidden: dict[tuple[HeaderKind, bytes], tuple[bytes, Counter[str]]] = field(default_factory=dict)
    """What became of other header values, and what was counted for it."""
    bodies: set[BodyKey] = field(default_factory=set)
    """Bodies that hold nothing."""
    keys: set[bytes] = field(default_factory=set)
    """Keys of documents that tell nothing."""
    runs: set[bytes] = field(default_factory=set)
    """Long words that hold nothing, however they are decoded."""


def remember[T: Hashable](known: set[T], new: T, *, most: int = MOST) -> None:
    """Add to what is known, for as long as there is room."""
    if len(known) >= most:
        known.clear()
    known.add(new)
