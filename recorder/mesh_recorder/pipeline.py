"""From traffic to spool: what the event loop hands over is finished, redacted and written by a thread.

1. `offer` is all that traffic ever waits for: a sum, a comparison, an append.
2. When something has to give, it is the recording; each drop is counted by its reason.
3. offered = waiting + held + spooled + stored + not kept + dropped + gap.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from mesh_core.config import Keep
from mesh_core.frames import Run
from mesh_core.model import Bodies, Exchange
from mesh_recorder.alarm import Alarm
from mesh_recorder.counters import Counters, Drops
from mesh_recorder.journal import Journal
from mesh_recorder.keep import Keeping
from mesh_recorder.selection import Selection
from mesh_recorder.settings import Durability
from mesh_recorder.ship import Shipper, Sink

logger = logging.getLogger(__name__)

BATCH_WAIT = 0.02
"""Seconds that the writer lets exchanges gather, so that it wakes seldom."""
SLICE_SECONDS = 0.001
"""How long the writer works before it lets others run: so long the event loop may have to wait for the
interpreter."""
SPOOL_CAP = 1024**3
"""Bytes that a spool may take."""
HELD_SHARE = 4
"""One part in so many of the spool's cap is for what is held back, where anything is."""
RECOVERY = 0.2
"""Seconds that the writer rests after an error of its own."""
LAST_TRIES = 5
"""How many such errors the end puts up with."""
LAST_WORD = 0.5
"""Share of the end's time that is waited for what shipping brings to light: damage, failures elsewhere."""
DAMAGED = "frame_damaged"


class Held(Protocol):
    """What traffic hands over."""

    @property
    def held(self) -> int:
        """Bytes of memory that it keeps; the same each time it is asked."""
        ...


class Pipeline[Captured: Held]:
    """Takes captured exchanges off the event loop, and brings them to spool and store."""

    def __init__(
        self,
        *,
        finish: Callable[[Captured], tuple[Exchange, Bodies]],
        redact: Callable[[Exchange, Bodies], tuple[Exchange, Bodies]],
        run: Run,
        spool_dir: Path,
        open_sink: Callable[[], Sink] | None = None,
        budget: int = 64 * 1024 * 1024,
        cap: int = SPOOL_CAP,
        keeping: Keeping | None = None,
        durability: Durability = Durability.BATCH,
    ) -> None:
        """Make a pipeline; nothing runs and no file is touched before `start`.

        Args:
            finish: makes the exchange and its bodies by hash; called in the writer's thread.
            redact: hides what must not reach a disk; called after.
            run: names this run of the recorder in every segment.
            spool_dir: where segments wait.
            open_sink: opens the store; None leaves everything in the spool.
            budget: bytes that may wait for the writer.
            cap: bytes that the spool may take.
            keeping: decides what is kept; all but health probes where None.
            durability: when it is synced.
        """
        self._finish = finish
        self._budget = budget
        keeping = keeping or Keeping()
        held = 0 if keeping.keep is Keep.ALL else cap // HELD_SHARE
        self._alarm = Alarm(self._heard) if keeping.keep is Keep.TRACE_FAILURES else None
        self._shipper = Shipper(open_sink, lost=self._damaged, alarm=self._alarm) if open_sink else None
        self._journal = Journal(
            run=run, folder=spool_dir, cap=cap - held, shipper=self._shipper, durability=durability
        )
        self._selection = Selection(keeping=keeping, journal=self._journal, redact=redact, run=run, cap=held)
        self._failures: deque[frozenset[int]] = deque()
        self._queue: deque[Captured] = deque()
        self._reports = Drops()
        self._reporting = threading.Lock()  # only where something is lost, and only ever for a moment
        self._wake = threading.Event()
        self._asleep = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mesh-writer", daemon=True)
        self._offered = self._taken = self._released = 0  # each written by one thread alone: no lock

    def offer(self, captured: Captured) -> None:
        """Hand over one exchange that ended; never blocks, never raises."""
        self._offered += 1
        held = captured.held
        if self._taken - self._released + held > self._budget:
            self._report("queue_full", 1)
            return
        self._taken += held
        self._queue.append(captured)
        if self._asleep:
            self._wake.set()

    def lost(self, reason: str, count: int = 1) -> None:
        """Count exchanges that ended and could not be captured; never blocks, never raises."""
        self._offered += count
        self._report(reason, count)

    def start(self) -> None:
        """Begin to write, and to ship."""
        self._thread.start()
        if self._shipper is not None:
            self._shipper.start()

    _patience = 0.0
    """Seconds that the end may take, once it has begun."""

    def drain(self, timeout: float) -> Counters:
        """Write and ship what there is, for at most `timeout` seconds; the final account.

        What is not shipped by then stays in the spool for the next start.
        """
        until = time.monotonic() + timeout
        self._patience = timeout
        self._ending.set()
        self._wake.set()
        self._thread.join(timeout)
        if self._shipper is not None and not self._thread.is_alive():
            self._shipper.drain(max(0.0, until - time.monotonic()))
        return self.counters()

    def counters(self) -> Counters:
        """The account at this moment; exact once the pipeline is drained."""
        journal, shipper = self._journal, self._shipper
        stored, gap = (shipper.stored, shipper.damaged) if shipper else (0, 0)
        dropped = dict(journal.dropped)
        with self._reporting:
            unwritten = dict(self._reports.counts)
        for reason, count in unwritten.items():
            if reason != DAMAGED:
                dropped[reason] = dropped.get(reason, 0) + count
        selection = self._selection
        offered, held, not_kept = self._offered + selection.adopted, selection.held, dict(selection.not_kept)
        placed = journal.written + held + sum(dropped.values()) + sum(not_kept.values())
        return Counters(
            offered=offered,
            waiting=offered - placed,
            held=held,
            spooled=journal.written - stored - gap,
            stored=stored,
            failures=journal.failures,
            dropped=dropped,
            not_kept=not_kept,
            late=selection.late,
            gap=gap,
            resumed=shipper.resumed if shipper else 0,
            resumed_damaged=shipper.resumed_damaged if shipper else 0,
        )

    @property
    def adopted(self) -> int:
        """Exchanges that earlier runs held back and this one took over; they are offered here too."""
        return self._selection.adopted

    @property
    def caught_up(self) -> bool:
        """Whether nothing of earlier runs waits any more."""
        shipped = self._shipper is None or self._shipper.caught_up
        return self._journal.opened and self._selection.caught_up and shipped

    @property
    def spool_dir(self) -> Path:
        """Where segments wait: the folder asked for, or one beside it if that was taken."""
        return self._journal.folder

    @property
    def queue_bytes(self) -> int:
        """What waits for the writer."""
        return self._taken - self._released

    @property
    def spool_bytes(self) -> int:
        """What the spool takes."""
        return self._journal.used

    @property
    def spool_segments(self) -> int:
        """How many files wait for the store."""
        return self._shipper.segments if self._shipper else 0

    @property
    def spool_age(self) -> float:
        """Seconds that the oldest of them has waited."""
        return self._shipper.age if self._shipper else 0.0

    @property
    def held_bytes(self) -> int:
        """What is held back takes."""
        return self._selection.held_bytes

    @property
    def store_away(self) -> str | None:
        """Why the store takes nothing at the moment; None while it does."""
        return self._shipper.away if self._shipper else None

    def _work(self) -> None:
        """The writer's thread, which ends when it is told to and never before."""
        failures = 0
        while self._queue or not self._ending.is_set():
            try:
                self._journal.open()  # what earlier runs left is shipped, also where no traffic comes
                self._write_slice()
                self._look_after()
            except Exception as error:  # noqa: BLE001  # recording goes on, whatever it was
                failures += 1
                if failures == 1:  # and of what kind alone: what was captured may be in its text
                    logger.warning("the writer failed (%s), and goes on", type(error).__name__)
                if self._ending.is_set() and failures >= LAST_TRIES:
                    break
                self._ending.wait(RECOVERY)
            else:
                failures = 0
                self._rest()
        self._end()

    def _end(self) -> None:
        if self._shipper is not None:
            self._journal.seal()
            self._shipper.settle(LAST_WORD * self._patience)
        self._look_after()
        self._selection.close()
        self._journal.close()

    def _look_after(self) -> None:
        if not self._queue:
            self._journal.flush()
        now = time.monotonic()
        while self._failures:
            self._selection.heard(self._failures.popleft(), now)
        self._note_reports()
        self._selection.upkeep(now, self._alarm.heard_at if self._alarm else None)
        self._journal.upkeep()

    def _rest(self) -> None:
        """Wait: a moment where more is to do, longer where nothing is."""
        if self._ending.is_set():
            return
        if self._queue:
            # Written in slices, so that the event loop never waits long for the interpreter.
            self._wake.wait(0.0005)
            return
        self._wake.clear()
        self._asleep = True
        if not self._queue and not self._ending.is_set():
            self._wake.wait(0.05 if self._journal.unfinished else 1.0)
        self._asleep = False
        if self._queue:
            self._ending.wait(BATCH_WAIT)

    def _write_slice(self) -> None:
        until = time.monotonic() + SLICE_SECONDS
        while self._queue and time.monotonic() < until:
            captured = self._queue.popleft()
            try:
                self._write(captured)
            except Exception as error:  # noqa: BLE001  # one exchange must not end the recording of the others
                # What was captured may be in the error's text, so that only its kind is said.
                logger.warning("an exchange could not be recorded (%s)", type(error).__name__)
                now = time.time_ns()
                self._journal.drop("record_error", 1, now, now)
            finally:
                self._released += captured.held

    def _write(self, captured: Captured) -> None:
        self._selection.take(*self._finish(captured), time.monotonic())

    def _report(self, reason: str, count: int) -> None:
        now = time.time_ns()
        with self._reporting:
            self._reports.add(reason, count, now, now)

    def _note_reports(self) -> None:
        if not self._reports.counts:
            return
        with self._reporting:
            for reason, count in self._reports.counts.items():
                started_at, ended_at = self._reports.windows[reason]
                if reason == DAMAGED:
                    self._journal.damaged(count, ended_at)
                else:
                    self._journal.drop(reason, count, started_at, ended_at)
            self._reports = Drops()

    def _heard(self, keys: frozenset[int]) -> None:
        """Called in the shipper's thread."""
        self._failures.append(keys)
        self._wake.set()

    def _damaged(self, count: int) -> None:
        """Called in the shipper's thread."""
        self._report(DAMAGED, count)
