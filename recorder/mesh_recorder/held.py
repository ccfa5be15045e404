"""Exchanges held back in the spool's folder until it is known whether anybody wants them.

1. They lie on the disk, redacted, and not in memory: minutes of traffic are hundreds of megabytes. A
   killed sidecar's next start finds them.
2. Nothing of them is synced: a loss of power may take them, and nobody has been promised them.
3. In memory there are four numbers for each: the keys that it is known by, when it began, and where it lies.
"""

import logging
import os
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mesh_core.frames import Frame, Run, decode_frame, encode_frame, encode_header
from mesh_core.model import Bodies, Exchange
from mesh_recorder.spool import write_all

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 4 * 1024 * 1024
PARTS = 10
"""Segments that the time of holding is cut into, about, as they go as a whole."""


@dataclass(slots=True)
class HeldSegment:
    """One file of exchanges."""

    path: Path
    began: float
    """Monotonic seconds."""
    descriptor: int | None
    size: int
    last: float = 0.0
    """When something was added."""
    first_at: int = 0
    """Nanoseconds since the epoch, of the earliest exchange."""
    last_at: int = 0
    keys: array[int] = field(default_factory=lambda: array("q"))
    """Two for each exchange."""
    starts: array[int] = field(default_factory=lambda: array("q"))
    """When each began, in nanoseconds since the epoch."""
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    taken: set[int] = field(default_factory=set)
    """Which of them have been asked for."""

    @property
    def count(self) -> int:
        """Exchanges that nobody has asked for."""
        return len(self.offsets) - len(self.taken)

    def at(self, keys: frozenset[int]) -> list[int]:
        """Which exchanges go by any of these keys, and were not taken yet."""
        if keys.isdisjoint(self.keys):
            return []
        known = self.keys
        return [n for n in self._left() if known[2 * n] in keys or known[2 * n + 1] in keys]

    def _left(self) -> Iterable[int]:
        return (number for number in range(len(self.offsets)) if number not in self.taken)

    def take(self, numbers: Iterable[int]) -> Iterator[tuple[Exchange, Bodies] | None]:
        """Read exchanges back; None for each that cannot be read any more."""
        numbers = list(numbers)
        self.taken.update(numbers)
        try:
            with self.path.open("rb") as file:
                for number in numbers:
                    following = number + 1
                    end = self.offsets[following] if following < len(self.offsets) else self.size
                    file.seek(self.offsets[number])
                    frame = decode_frame(file.read(end - self.offsets[number]))
                    numbers = numbers[1:]
                    yield (frame.exchange, frame.bodies) if frame and frame.exchange else None
        except OSError as error:
            logger.warning("what was held back cannot be read: %s", error.strerror or error)
            yield from [None] * len(numbers)

    def unwanted(self) -> Iterator[tuple[int, int, int]]:
        """Keys and start of each that nobody has asked for."""
        return ((self.keys[2 * n], self.keys[2 * n + 1], self.starts[n]) for n in self._left())

    def all(self) -> list[int]:
        """Every exchange that was not taken yet."""
        return list(self._left())


class Held:
    """The segments of one run, oldest first; used by one thread."""

    def __init__(self, run: Run, *, cap: int, seconds: float) -> None:
        """Make a place for at most `cap` bytes, each of which stays for `seconds` or less."""
        self._header = encode_header(run)
        self._run_id = run.run_id
        self._cap = cap
        self._part = seconds / PARTS
        self._number = 0
        self._segments: deque[HeldSegment] = deque()
        self.size = 0
        """Bytes."""

    @property
    def count(self) -> int:
        """Exchanges that nobody has asked for."""
        return sum(segment.count for segment in list(self._segments))

    @property
    def full(self) -> bool:
        """Whether something has to go."""
        return self.size > self._cap

    @property
    def oldest(self) -> HeldSegment | None:
        """The segment that is the next to go."""
        return self._segments[0] if self._segments else None

    def put(
        self, folder: Path, exchange: Exchange, bodies: Bodies, keys: tuple[int, int], now: float
    ) -> None:
        """Hold an exchange back.

        Raises:
            OSError: it could not be written; nothing of it was kept.
        """
        segment = self._open(folder, now)
        frame = encode_frame(Frame(seq=len(segment.offsets) + 1, exchange=exchange, bodies=dict(bodies)))
        assert segment.descriptor is not None  # noqa: S101  # it has just been opened
        try:
            write_all(segment.descriptor, frame)
        except OSError:
            self._close(segment)  # its tail is torn; the next one goes to a new segment
            raise
        segment.offsets.append(segment.size)
        segment.keys.extend(keys)
        segment.starts.append(exchange.started_at)
        segment.size += len(frame)
        segment.last = now
        segment.first_at = min(segment.first_at or exchange.started_at, exchange.started_at)
        segment.last_at = max(segment.last_at, exchange.ended_at)
        self.size += len(frame)

    def take(self, keys: frozenset[int]) -> Iterator[tuple[Exchange, Bodies] | None]:
        """The exchanges that go by any of these keys, oldest first; they are not held any more."""
        for segment in list(self._segments):
            yield from segment.take(segment.at(keys))

    def take_all(self) -> Iterator[tuple[Exchange, Bodies] | None]:
        """All exchanges, oldest first."""
        for segment in list(self._segments):
            yield from segment.take(segment.all())

    def let_go(self) -> HeldSegment:
        """Erase the oldest segment; what nobody had asked for in it is gone."""
        segment = self._segments.popleft()
        self._close(segment)
        self.size -= segment.size
        segment.path.unlink(missing_ok=True)
        return segment

    def close(self) -> None:
        """Leave what is held for the next start."""
        for segment in self._segments:
            self._close(segment)
            if not segment.count:
                segment.path.unlink(missing_ok=True)

    def _open(self, folder: Path, now: float) -> HeldSegment:
        newest = self._segments[-1] if self._segments else None
        if newest is not None and newest.descriptor is not None:
            if newest.size < SEGMENT_BYTES and now - newest.began < self._part:
                return newest
            self._close(newest)
        self._number += 1
        path = folder / f"{self._run_id}-{self._number:08d}.held"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            write_all(descriptor, self._header)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        segment = HeldSegment(path, now, descriptor, len(self._header), last=now)
        self._segments.append(segment)
        self.size += segment.size
        return segment

    @staticmethod
    def _close(segment: HeldSegment) -> None:
        if segment.descriptor is not None:
            os.close(segment.descriptor)
            segment.descriptor = None
