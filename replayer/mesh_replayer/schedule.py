"""When each request of a run may go out. Pure: the caller brings the time.

1. A request waits for all of its session that had ended, when it was recorded, before it began.
2. A request waits for the one before it on its connection, and for those whose answers it uses.
3. All else may overlap.
4. Due times are absolute: one late request makes no other late.
"""

import heapq
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from mesh_core.errors import ConfigInvalid

LATE = 20_000_000
"""Nanoseconds after its due time from which on a request counts as late."""
MOST_LATE = 0.1
"""The share of late requests from which on a run did not keep its pace."""
_TIMES = re.compile(r"x(\d{1,6}(?:\.\d{1,6})?)")


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a run goes."""

    speed: float | None = None
    """Times the recorded speed; None as fast as the order allows."""


FAST = Pace()


def parse_pace(text: str) -> Pace:
    """The pace that `recorded`, `fast` or `xN` means.

    Raises:
        ConfigInvalid: it is none of them.
    """
    if text == "fast":
        return FAST
    if text == "recorded":
        return Pace(1.0)
    times = _TIMES.fullmatch(text)
    if times is None or not float(times[1]):
        raise ConfigInvalid(f"--pace {text!r} is no pace", hint="give recorded, fast, or x4")
    return Pace(float(times[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a schedule knows of one request."""

    start: int
    """Nanoseconds since the Unix epoch, when it was recorded."""
    end: int
    """When its answer had come."""
    session: Hashable
    """Requests of one user: their recorded order is kept."""
    lane: Hashable
    """Requests of one connection go out one after the other."""
    after: tuple[int, ...] = ()
    """Earlier requests whose answers it uses."""


class Schedule:
    """Which request is next. Requests are named by their place in the plan, which is by start."""

    def __init__(self, timings: Sequence[Timing], pace: Pace = FAST) -> None:
        """Arrange them.

        Args:
            timings: in the order of the plan.
            pace: how fast.
        """
        self._due = _due_times(timings, pace)
        self._waits = [0] * len(timings)
        """For how many things each request still waits."""
        self._following: defaultdict[int, list[int]] = defaultdict(list)
        self._sessions: dict[Hashable, _Session] = {}
        self._session_of = [timing.session for timing in timings]
        self._ready: list[tuple[int, int]] = []
        self.left = len(timings)
        """Requests that have not finished."""
        self._arrange(timings)

    def due(self, index: int) -> int:
        """Nanoseconds after the run's start when a request is due; 0 where there is no pace."""
        return self._due[index]

    @property
    def next_due(self) -> int | None:
        """When the first request that waits for nothing else is due; None where all of them wait."""
        return self._ready[0][0] if self._ready else None

    def take(self, elapsed: int, *, below: int | None = None) -> int | None:
        """The next request that may go out now; None where there is none.

        Args:
            elapsed: nanoseconds since the run's start.
            below: no request from this one on.
        """
        if not self._ready or self._ready[0][0] > elapsed:
            return None
        if below is not None and self._ready[0][1] >= below:
            return None
        return heapq.heappop(self._ready)[1]

    def finished(self, index: int) -> None:
        """A request is over: what waited for it waits no longer."""
        self.left -= 1
        for following in self._following.pop(index, ()):
            self._release(following)
        for following in self._sessions[self._session_of[index]].finished(index):
            self._release(following)

    def _arrange(self, timings: Sequence[Timing]) -> None:
        members: defaultdict[Hashable, list[int]] = defaultdict(list)
        last_of_lane: dict[Hashable, int] = {}
        for index, timing in enumerate(timings):
            members[timing.session].append(index)
            before = {*timing.after}
            if timing.lane in last_of_lane:
                before.add(last_of_lane[timing.lane])
            last_of_lane[timing.lane] = index
            for each in before:
                if each >= index:
                    raise ValueError("a request can only wait for an earlier one")
                self._following[each].append(index)
            self._waits[index] = len(before)
        for session, indices in members.items():
            self._sessions[session] = arranged = _Session(timings, indices)
            for index in arranged.waiting:
                self._waits[index] += 1
        for index, waits in enumerate(self._waits):
            if not waits:
                heapq.heappush(self._ready, (self._due[index], index))

    def _release(self, index: int) -> None:
        self._waits[index] -= 1
        if not self._waits[index]:
            heapq.heappush(self._ready, (self._due[index], index))


class _Session:
    """The requests of one user by their ends: each waits for a number of them, the first ones."""

    def __init__(self, timings: Sequence[Timing], indices: list[int]) -> None:
        by_end = sorted((timings[index].end, index) for index in indices)
        self._place = {index: place for place, (_, index) in enumerate(by_end)}
        self._over = [False] * len(by_end)
        self._first_open = 0
        self._waiting: defaultdict[int, list[int]] = defaultdict(list)
        for index in indices:
            # By place too: what took no time at all never waits for itself.
            ended_before = bisect_left(by_end, (timings[index].start, index))
            if ended_before:
                self._waiting[ended_before].append(index)

    @property
    def waiting(self) -> list[int]:
        """Those that wait for others of the session."""
        return [index for indices in self._waiting.values() for index in indices]

    def finished(self, index: int) -> list[int]:
        """Those that wait no longer."""
        self._over[self._place[index]] = True
        released: list[int] = []
        while self._first_open < len(self._over) and self._over[self._first_open]:
            self._first_open += 1
            released += self._waiting.pop(self._first_open, ())
        return released


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How well a run kept to its pace."""

    p50: int
    """Nanoseconds after its due time that half of the requests had gone out."""
    p99: int
    late: int
    """Requests that were later than `LATE`."""
    count: int

    @property
    def kept(self) -> bool:
        """Whether it went at the pace that was asked for."""
        return self.late <= self.count * MOST_LATE


def lateness(delays: Sequence[int]) -> Lateness | None:
    """What delays, in nanoseconds, amount to; None where there are none."""
    if not delays:
        return None
    ordered = sorted(max(0, delay) for delay in delays)
    last = len(ordered) - 1
    return Lateness(
        p50=ordered[round(last * 0.5)],
        p99=ordered[round(last * 0.99)],
        late=sum(delay > LATE for delay in ordered),
        count=len(ordered),
    )


def _due_times(timings: Sequence[Timing], pace: Pace) -> list[int]:
    if pace.speed is None or not timings:
        return [0] * len(timings)
    first = min(timing.start for timing in timings)
    return [round((timing.start - first) / pace.speed) for timing in timings]
