"""Whether a clock can be believed: what the store remembers of the time judges all who write to it.

1. Nothing is stamped earlier than the time that was seen last, so that nothing looks older than it is.
2. A time that is more than a day from that one is doubted: it has to hold for an hour, and nobody
   may write by the old time meanwhile. By a clock that is in doubt nothing is too old.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from mesh_core.retention import DAY
from mesh_store import door
from mesh_store.bookkeeping import forget, recall, remember

HOUR = 3_600_000_000_000
MINUTE = 60_000_000_000
"""How much of the time goes by before it is written down again."""
SEEN, DOUBTED = "clock_seen", "clock_doubted"


class Watch(NamedTuple):
    """What is remembered, in nanoseconds since the epoch."""

    seen: int | None
    """The latest time that was believed."""
    doubted: int | None = None
    """Since when another time has held."""


def believed(seen: int | None, now: int) -> bool:
    """Whether a time fits what was seen."""
    return seen is None or abs(now - seen) <= DAY


def judged(watch: Watch, now: int) -> Watch:
    """What is to be remembered once somebody says that it is `now`."""
    seen, doubted = watch
    if seen is None:
        return Watch(now)
    if believed(seen, now):
        return Watch(max(seen, now))
    if doubted is None or not 0 <= now - doubted <= 2 * DAY:
        return Watch(seen, now)
    return Watch(now) if now - doubted >= HOUR else watch


class Clock:
    """The time as one writer has it, and what its store thinks of that; used by one thread."""

    def __init__(self, engine: Engine, *, wall: Callable[[], int] = time.time_ns) -> None:
        """Make a clock that is asked from `wall`, nanoseconds since the epoch."""
        self._engine = engine
        self.wall = wall
        self._watch = Watch(None)
        self._read_at: int | None = None

    def stamp(self) -> int:
        """The time to write beside what is stored now."""
        now = self.wall()
        if self._read_at is None or not self._read_at <= now < self._read_at + MINUTE:
            self._note(now)
            self._read_at = now
        return max(now, self._watch.seen or now)

    def earliest(self) -> int:
        """The time as it is here, or as the store has seen it, where that is earlier."""
        now = self.wall()
        with door.transaction(self._engine, writes=False) as connection:
            return min(now, recall(connection, SEEN) or now)

    def in_doubt(self, now: int) -> bool:
        """Whether a time does not fit what the store has seen."""
        with door.transaction(self._engine, writes=False) as connection:
            return not believed(recall(connection, SEEN), now)

    def _note(self, now: int) -> None:
        with door.transaction(self._engine, writes=False) as connection:
            known = Watch(recall(connection, SEEN), recall(connection, DOUBTED))
        self._watch = judged(known, now)
        steady = (
            known.seen is not None
            and self._watch.seen is not None
            and (0 <= self._watch.seen - known.seen < MINUTE)
        )
        if steady and known.doubted == self._watch.doubted:
            return
        with door.transaction(self._engine, writes=True) as connection:
            _write(connection, self._watch)


def _write(connection: Connection, watch: Watch) -> None:
    for name, value in ((SEEN, watch.seen), (DOUBTED, watch.doubted)):
        if value is None:
            forget(connection, name)
        else:
            remember(connection, name, value)
