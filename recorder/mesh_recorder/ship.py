"""Ship whole segments from the spool to the store, in a thread of its own, for as long as it takes.

1. A segment is unlinked only after the store has committed it; sent twice, it is stored once.
2. A store that is away is tried again for ever, ever less often; nothing is given up by time.
3. A segment that cannot be read, or that the store cannot take, is set aside as `.bad` and counted.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from mesh_core.errors import MeshError
from mesh_core.frames import MAGIC, Segment, SegmentUnreadable, decode_segment, is_whole
from mesh_recorder.alarm import Alarm
from mesh_recorder.spool import Sealed

logger = logging.getLogger(__name__)

FIRST_WAIT = 0.2
"""Seconds before a store that failed is tried again; doubled each time."""
LONGEST_WAIT = 10.0
POISON_TRIES = 5
"""How often a store may fail over one segment, while it can be reached, before it is set aside."""
LONGEST_HEADER = 16 * 1024
"""Bytes; what claims to be longer is damage."""
LAST_TRIES = 3
"""How often a store that is away is tried again while draining."""


class Sink(Protocol):
    """Where segments go: the store."""

    def ingest(self, segment: bytes) -> int:
        """Commit what the segment holds; the highest sequence committed of its run."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class Shipper:
    """Takes segments in order and brings them to the store that `open_sink` opens."""

    def __init__(
        self,
        open_sink: Callable[[], Sink],
        *,
        lost: Callable[[int], None] | None = None,
        alarm: Alarm | None = None,
    ) -> None:
        """Make a shipper.

        Args:
            open_sink: opens the store; called in the shipper's thread, again after each failure.
            lost: told how many exchanges of a damaged segment cannot be read.
            alarm: asks the store for failures, in the shipper's thread as it holds the store.
        """
        self._open_sink = open_sink
        self._alarm = alarm
        self._lost = lost or (lambda _: None)
        self._waiting: deque[Sealed] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._hurried = False
        self._last_tries = LAST_TRIES
        self._sink: Sink | None = None
        self._thread = threading.Thread(target=self._run, name="mesh-shipper", daemon=True)
        self.stored = 0
        """Exchanges of this run that the store has committed."""
        self.damaged = 0
        """Exchanges of this run that reached the spool and could not be read."""
        self.resumed = 0
        """Segments of earlier runs that were shipped."""
        self.resumed_damaged = 0
        """Exchanges of these that could not be read."""
        self.spool_bytes = 0
        """Bytes that wait in sealed segments."""
        self.away: str | None = None
        """Why the store takes nothing at the moment; None while it does."""

    def start(self) -> None:
        """Begin to ship."""
        self._thread.start()

    def hand_over(self, sealed: Sealed) -> None:
        """Ship `sealed` after all that wait already."""
        with self._changed:
            self._waiting.append(sealed)
            self.spool_bytes += sealed.size
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether nothing waits, so that the next exchange can be in the store at once."""
        return not self._waiting

    @property
    def caught_up(self) -> bool:
        """Whether no segment of an earlier run waits."""
        with self._changed:
            return not any(sealed.resumed for sealed in self._waiting)

    @property
    def segments(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def age(self) -> float:
        """Seconds since the oldest of those that wait was written to last; 0 where none does."""
        oldest = self._oldest()
        if oldest is None:
            return 0.0
        try:
            return max(0.0, time.time() - oldest.path.stat().st_mtime)
        except OSError:  # just shipped
            return 0.0

    def drain(self, timeout: float) -> bool:
        """End once all is shipped, the store stays away, or after `timeout` seconds; whether all was."""
        with self._changed:
            self._ending = self._hurried = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting or not self._last_tries, timeout=timeout)
            done = not self._waiting
        if done:
            self._thread.join(timeout=1.0)
        return done

    def settle(self, timeout: float) -> None:
        """Wait until all is shipped and the store has told of failures once more, or is away."""
        alarm = self._alarm
        with self._changed:
            before = 0 if alarm is None else alarm.asked
            if alarm is not None:
                alarm.hurry()
            self._hurried = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: (
                    self.away is not None or (not self._waiting and (alarm is None or alarm.asked > before))
                ),
                timeout=timeout,
            )

    def _run(self) -> None:
        failures = tries = 0
        while self._has_work():
            sealed = None
            try:
                self._ask()
                sealed = self._oldest()
                if sealed is not None:
                    self._ship(sealed)
            except MeshError as error:
                failures += 1
                self._away(error.problem)
            except Exception as error:  # noqa: BLE001  # whatever a driver raises, the segment stays and is tried again
                failures, tries = failures + 1, tries + 1
                first_line = (str(error).splitlines() or [""])[0][:200]
                self._away(f"{type(error).__name__}: {first_line}")
                if tries >= POISON_TRIES and sealed is not None:
                    self._set_aside(sealed, lost=sealed.exchanges or 0)
                    tries = 0
            else:
                failures = tries = 0
                self._back()
                continue
            self._pause(failures)
        self._close()

    def _has_work(self) -> bool:
        """Wait until there is something to do; False when it is time to end."""
        alarm = self._alarm
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting or self._ending or (alarm is not None and alarm.due),
                timeout=None if alarm is None else alarm.wait,
            )
            return bool(self._waiting) or not self._ending

    def _ask(self) -> None:
        if self._alarm is None or not self._alarm.due:
            return
        try:
            self._alarm.ask(self._opened)
        finally:
            with self._changed:
                self._changed.notify_all()

    def _oldest(self) -> Sealed | None:
        """The oldest segment, which stays in line until it is done."""
        with self._changed:
            return self._waiting[0] if self._waiting else None

    def _opened(self) -> Sink:
        if self._sink is None:
            self._sink = self._open_sink()
        return self._sink

    def _ship(self, sealed: Sealed) -> None:
        try:
            content = sealed.path.read_bytes()
        except FileNotFoundError:
            self._done(sealed)  # somebody tidied up; nothing is left to do
            self._count_lost(sealed, 0 if sealed.resumed else sealed.exchanges or 0)
            return
        try:
            # What this run wrote can be read where its checksums fit: the store reads it anyway.
            segment = None if not sealed.resumed and is_whole(content) else decode_segment(content)
        except SegmentUnreadable:
            if sealed.exchanges is None and _cut_in_header(content):
                sealed.path.unlink(missing_ok=True)
                self._done(sealed)
            else:
                self._set_aside(sealed, lost=sealed.exchanges or 1)
            return
        self._opened().ingest(content)
        lost = 0 if segment is None else _lost_in(segment, sealed)
        if sealed.resumed:
            self.resumed += 1
        else:
            self.stored += (sealed.exchanges or 0) - lost
        if segment is not None and segment.damage and not all(damage.torn for damage in segment.damage):
            self._set_aside(sealed, lost=lost)
            return
        sealed.path.unlink(missing_ok=True)
        self._done(sealed)
        self._count_lost(sealed, lost)

    def _set_aside(self, sealed: Sealed, *, lost: int) -> None:
        bad = sealed.path.with_suffix(".bad")
        try:
            sealed.path.rename(bad)
        except OSError as error:
            logger.warning("%s cannot be read, and not be set aside: %s", sealed.path, error)
        else:
            logger.warning("a spool segment is damaged; it is kept as %s", bad)
        self._done(sealed)
        self._count_lost(sealed, lost)

    def _count_lost(self, sealed: Sealed, count: int) -> None:
        if not count:
            return
        if sealed.resumed:
            self.resumed_damaged += count
        else:
            self.damaged += count
        self._lost(count)

    def _done(self, sealed: Sealed) -> None:
        with self._changed:
            self._waiting.remove(sealed)
            self.spool_bytes -= sealed.size
            self._changed.notify_all()

    def _away(self, why: str) -> None:
        if self.away is None:
            logger.warning("the store is away, recording goes on into the spool: %s", why)
        with self._changed:
            self.away = why
            self._changed.notify_all()
        self._close()

    def _back(self) -> None:
        if self.away is not None:
            logger.warning("the store is back, the spool is being shipped")
        self.away = None

    def _pause(self, failures: int) -> None:
        until = time.monotonic() + wait_after(failures, random.random())  # noqa: S311  # jitter is no secret
        with self._changed:
            if self._ending and not self._hurried:
                self._last_tries = max(0, self._last_tries - 1)
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._hurried, timeout=until - time.monotonic())
            self._hurried = False

    def _close(self) -> None:
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            sink.close()
        except Exception as error:  # noqa: BLE001  # a broken connection may fail to close; it is gone either way
            logger.debug("closing the store failed: %s", error)


def wait_after(failures: int, chance: float) -> float:
    """Seconds to wait after so many failures in a row.

    Not the same for all sidecars of a store, so that it is not met by all at once when it is back.

    Args:
        failures: at least one.
        chance: between 0 and 1.
    """
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 16)) * (0.5 + chance / 2)


def _lost_in(segment: Segment, sealed: Sealed) -> int:
    """How many exchanges the damage took, by the count of those written, else by their numbers."""
    if not segment.damage:
        return 0
    if sealed.exchanges is not None:
        return sealed.exchanges - sum(frame.exchange is not None for frame in segment.frames)
    numbers = [frame.seq for frame in segment.frames]
    missing = numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0
    return missing + sum(damage.frames or 1 for damage in segment.damage if not damage.between)


def _cut_in_header(content: bytes) -> bool:
    """Whether the recorder ended before its segment's header was whole: no frame can be in it."""
    if not MAGIC.startswith(content[: len(MAGIC)]):
        return False
    length = int.from_bytes(content[8:12])
    return len(content) < 24 or len(content) < 24 + length <= LONGEST_HEADER
