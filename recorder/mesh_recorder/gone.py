"""What was let go of late, by its keys alone, so that a failure that comes too late can be told. Pure."""

from array import array
from collections import deque
from collections.abc import Collection, Iterable

MOST_GONE = 100_000
"""Exchanges that are remembered, about: two keys and a time each."""


class Gone:
    """The newest exchanges that were let go."""

    def __init__(self, *, most: int = MOST_GONE) -> None:
        """Make a memory for about so many exchanges."""
        self._most = most
        self._count = 0
        self._pieces: deque[tuple[array[int], array[int]]] = deque()

    def add(self, exchanges: Iterable[tuple[int, int, int]]) -> None:
        """Remember exchanges: two keys and the start, in nanoseconds since the epoch, of each."""
        keys, starts = array("q"), array("q")
        for one, other, started_at in exchanges:
            keys.extend((one, other))
            starts.append(started_at)
        self._pieces.append((keys, starts))
        self._count += len(starts)
        while self._count > self._most and self._pieces:
            self._count -= len(self._pieces.popleft()[1])

    def wanted(self, keys: Collection[int]) -> list[int]:
        """The starts of those that go by any of these keys; each is told once."""
        asked = frozenset(keys)
        found: list[int] = []
        for known, starts in self._pieces:
            if asked.isdisjoint(known):
                continue
            for number in range(len(starts)):
                one, other = known[2 * number], known[2 * number + 1]
                if one in asked or other in asked:
                    found.append(starts[number])
                    known[2 * number] = known[2 * number + 1] = 0
        return found
