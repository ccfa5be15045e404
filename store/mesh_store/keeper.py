"""Keep a store to its retention while it is written, a little at a time."""

import time
from collections.abc import Callable, Iterator

from sqlalchemy import Engine, select

from mesh_store import door
from mesh_store.retention import DAY, Retention, prune
from mesh_store.tables import exchange

EACH_SECONDS = 10.0
"""How often who writes looks after it."""
BUDGET_SECONDS = 0.2
"""What that may take each time, about."""
REST = 50
"""After it has looked at everything, it rests for so many times as long as that took."""
PATIENCE_SECONDS = 3600.0
"""How long a time that jumped has to hold."""


class Keeper:
    """Erases what is too old or too much; used by one thread."""

    def __init__(
        self,
        engine: Engine,
        retention: Retention,
        *,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a keeper; tests give it clocks.

        Args:
            engine: of the store.
            retention: what is kept.
            wall: nanoseconds since the epoch.
            monotonic: seconds that only ever grow.
        """
        self._engine = engine
        self._retention = retention
        self._monotonic = monotonic
        self._began_wall, self._began = wall(), monotonic()
        self._next = self._began
        self._steps: Iterator[int] | None = None
        self._spent = 0.0
        self._jumped: bool | None = None

    def look_after(self) -> int:
        """Erase a little, where it is time to; how many exchanges went."""
        start = self._monotonic()
        if start < self._next:
            return 0
        if self._steps is None:
            self._steps = prune(self._engine, self._retention, now=self._now())
        gone = 0
        for erased in self._steps:
            gone += erased
            if self._monotonic() - start > BUDGET_SECONDS:
                self._spent += self._monotonic() - start
                return gone  # and goes on from here next time
        now = self._monotonic()
        pause = max(EACH_SECONDS, (self._spent + now - start) * REST)
        self._steps, self._next, self._spent = None, now + pause, 0.0
        return gone

    def _now(self) -> int | None:
        """The time, not moved by steps of the wall clock since the start; None where it may be wrong."""
        if self._jumped is None:
            with door.transaction(self._engine, writes=False) as connection:
                newest = connection.execute(
                    select(exchange.c.stored_at).order_by(exchange.c.started_at.desc()).limit(1)
                ).scalar()
            self._jumped = newest is not None and self._began_wall - newest > DAY
        since = self._monotonic() - self._began
        if self._jumped and since < PATIENCE_SECONDS:
            return None
        return self._began_wall + round(since * 1_000_000_000)
