"""Keep a store to its retention while it is written, a little at a time."""

import time
from collections.abc import Callable, Iterator

from sqlalchemy import Engine

from mesh_core.retention import Retention
from mesh_store.clock import Clock
from mesh_store.retention import prune

EACH_SECONDS = 10.0
"""How often who writes looks after it."""
BUDGET_SECONDS = 0.2
"""What that may take each time, about."""
REST = 50
"""After it has looked at everything, it rests for so many times as long as that took."""


class Keeper:
    """Erases what is too old or too much; used by one thread."""

    def __init__(
        self,
        engine: Engine,
        retention: Retention,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a keeper; tests give it clocks.

        Args:
            engine: of the store.
            retention: what is kept.
            clock: the wall clock, and whether to believe it.
            monotonic: seconds that only ever grow.
        """
        self._engine = engine
        self._retention = retention
        self._monotonic = monotonic
        self._clock = clock
        self._began_wall, self._began = clock.wall(), monotonic()
        self._next = self._began
        self._steps: Iterator[int] | None = None
        self._spent = 0.0

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
        now = self._began_wall + round((self._monotonic() - self._began) * 1_000_000_000)
        if not self._clock.in_doubt(now):
            return now
        # Wrong at the start and set right since, or this machine slept.
        self._began_wall, self._began = self._clock.wall(), self._monotonic()
        return None if self._clock.in_doubt(self._began_wall) else self._began_wall
