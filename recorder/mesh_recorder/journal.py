"""What the writer's thread writes down: exchanges and gaps, numbered, into the spool.

1. Nothing in here raises for a disk that is full or not ours: the exchange is counted as dropped.
2. A number is used once: by an exchange or by a gap that reached the spool.
"""

import logging
import time
from pathlib import Path

from mesh_core.frames import Frame, Gap, Run, encode_frame
from mesh_core.model import Bodies, Exchange
from mesh_recorder.counters import Drops
from mesh_recorder.settings import Durability
from mesh_recorder.shed import Shed, shed, without_bodies
from mesh_recorder.ship import Shipper
from mesh_recorder.spool import Sealed, Spool

logger = logging.getLogger(__name__)

SYNC_SECONDS = 0.1
"""What was written is synced at least this often."""
SEAL_SECONDS = 0.2
"""A segment is sealed after this time where the shipper has nothing else to do."""
SEAL_BYTES = 8 * 1024 * 1024
"""A segment is sealed at this size, whatever the shipper does."""
RETRY_SECONDS = 1.0
"""A spool that cannot be opened is tried again after this time."""


class Journal:
    """The spool of one run with its numbers and its account; used by one thread."""

    def __init__(
        self,
        *,
        run: Run,
        folder: Path,
        cap: int,
        shipper: Shipper | None,
        durability: Durability = Durability.BATCH,
    ) -> None:
        """Make a journal that takes at most `cap` bytes in `folder`, and hands over to `shipper`."""
        self._run = run
        self._each = durability is Durability.EACH
        self._folder = folder
        self._cap = cap
        self._shipper = shipper
        self._spool: Spool | None = None
        self._seq = 0
        self._drops = Drops()
        self._kept_back = 0
        self._held_left: list[Sealed] = []
        self._tried_at: float | None = None
        self._synced_at = self._sealed_at = time.monotonic()
        self._warned = ""
        self.written = 0
        """Exchanges that reached the spool."""
        self.failures = 0
        """How many of these failed."""
        self.dropped: dict[str, int] = {}
        """Exchanges that did not, by reason."""

    @property
    def folder(self) -> Path:
        """Where segments wait: the folder asked for, or one beside it if that was taken."""
        return self._spool.directory if self._spool else self._folder

    @property
    def unfinished(self) -> bool:
        """Whether something has to be synced, sealed or written before long."""
        return bool(self._drops.counts) or (self._spool is not None and self._spool.size > 0)

    def open(self) -> Spool | None:
        """The spool, opened where it can be, with what earlier runs left handed to the shipper."""
        if self._spool is not None:
            return self._spool
        now = time.monotonic()
        if self._tried_at is not None and now - self._tried_at < RETRY_SECONDS:
            return None
        self._tried_at = now
        try:
            spool = Spool(self._folder, self._run)
            leftovers, self._held_left = spool.leftovers(), spool.held_leftovers()
        except OSError as error:
            self._warn(f"the spool in {self._folder} cannot be used: {error.strerror or error}")
            return None
        self._spool = spool
        for sealed in leftovers:
            self._hand_over(sealed)
        return spool

    def room_for(self, exchange: Exchange, bodies: Bodies) -> tuple[Exchange, Bodies] | None:
        """What there is room for of an exchange; None, and counted, where there is none."""
        what = shed(failed=exchange.failed, used=self.used, cap=self._cap)
        if what is Shed.ALL:
            self.drop("spool_full", 1, exchange.started_at, exchange.ended_at)
            return None
        return (without_bodies(exchange), {}) if what is Shed.BODIES else (exchange, bodies)

    def write(self, exchange: Exchange, bodies: Bodies) -> None:
        """Write one exchange, or count it as dropped."""
        frame = Frame(seq=self._seq + 1, exchange=exchange, bodies=dict(bodies))
        if self._append(frame, exchanges=1):
            self.written += 1
            self.failures += exchange.failed
            if self._each:
                self._sync()
        else:
            self.drop("spool_unwritable", 1, exchange.started_at, exchange.ended_at)

    def drop(self, reason: str, count: int, started_at: int, ended_at: int) -> None:
        """Count exchanges that are not recorded; the gap is written with the next sync."""
        self.dropped[reason] = self.dropped.get(reason, 0) + count
        self._drops.add(reason, count, started_at, ended_at)

    def drop_now(self, reason: str) -> None:
        """Count an exchange that is not recorded, and of which no more is known than that it is so now."""
        now = time.time_ns()
        self.drop(reason, 1, now, now)

    def refused(self, error: OSError, exchange: Exchange) -> None:
        """Count an exchange that the disk does not take."""
        self._refused(error)
        self.drop("spool_unwritable", 1, exchange.started_at, exchange.ended_at)

    def place(self) -> Path:
        """The spool's folder, which is ours.

        Raises:
            OSError: it cannot be used.
        """
        spool = self.open()
        if spool is None:
            raise OSError("the spool cannot be used")
        return spool.directory

    def held_left(self) -> list[Sealed]:
        """What earlier runs held back, told once."""
        left, self._held_left = self._held_left, []
        return left

    def damaged(self, count: int, at: int) -> None:
        """Write down that exchanges which were in the spool cannot be read any more."""
        self._drops.add("frame_damaged", count, at, at)

    def upkeep(self) -> None:
        """Sync and seal, each when it is due."""
        now = time.monotonic()
        if not self.unfinished:
            self._sealed_at = self._synced_at = now
            return
        if now - self._synced_at >= SYNC_SECONDS or (self._spool is not None and self._spool.overdue):
            self._synced_at = now
            self._sync()
        # While segments wait for the store, new ones grow to their full size.
        wanted = self._shipper is not None and self._shipper.idle
        size = self._spool.size if self._spool else 0
        if (wanted and now - self._sealed_at >= SEAL_SECONDS) or size >= SEAL_BYTES:
            self._sealed_at = now
            self.seal()

    def seal(self) -> None:
        """Write the gaps, end the open segment, and hand it over."""
        self._write_gaps()
        self._end_segment()

    def _end_segment(self) -> None:
        if self._spool is None:
            return
        try:
            sealed = self._spool.seal()
        except OSError as error:
            self._warn(f"a spool segment cannot be ended: {error.strerror or error}")
            return
        if sealed is not None:
            self._hand_over(sealed)

    def close(self) -> None:
        """Seal, and let the folder go."""
        self.seal()
        if self._spool is not None:
            self._spool.close()

    def _append(self, frame: Frame, *, exchanges: int) -> bool:
        spool = self.open()
        if spool is None:
            return False
        try:
            spool.append(encode_frame(frame), exchanges=exchanges)
        except OSError as error:
            self._refused(error)
            return False
        self._seq = frame.seq
        self._warned = ""
        return True

    def _refused(self, error: OSError) -> None:
        self._warn(f"the spool cannot be written: {error.strerror or error}")
        if isinstance(error, FileNotFoundError) and self._spool is not None:
            # The folder is gone, and its lock with it: both are made anew.
            self._end_segment()
            self._spool.close()
            self._spool = None

    def _sync(self) -> None:
        if self._spool is None:
            return
        try:
            self._spool.sync()
        except OSError as error:
            self._warn(f"the spool cannot be synced: {error.strerror or error}")
            self.seal()

    def _write_gaps(self) -> None:
        for reason, count in list(self._drops.counts.items()):
            started_at, ended_at = self._drops.windows[reason]
            gap = Gap(reason=reason, count=count, started_at=started_at, ended_at=ended_at)
            if not self._append(Frame(seq=self._seq + 1, gap=gap), exchanges=0):
                return
            self._drops.forget(reason)

    def _hand_over(self, sealed: Sealed) -> None:
        if self._shipper is not None:
            self._shipper.hand_over(sealed)
        else:
            self._kept_back += sealed.size

    @property
    def used(self) -> int:
        """Bytes that the spool takes."""
        waiting = self._shipper.spool_bytes if self._shipper else self._kept_back
        return waiting + (self._spool.size if self._spool else 0)

    def _warn(self, problem: str) -> None:
        if problem != self._warned:
            logger.warning("%s; traffic goes on, what is not recorded is counted", problem)
        self._warned = problem
