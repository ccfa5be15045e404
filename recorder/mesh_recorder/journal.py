"""What the writer's thread writes down: exchanges and gaps, numbered, into the spool.

1. Nothing in here raises for a disk that is full or not ours: the exchange is counted as dropped.
2. A number is used once: by an exchange or by a gap that reached the spool.
3. Exchanges are written several at a time, as a block: one compression and one write for all of them.
"""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from mesh_core.frames import Frame, Gap, Run, encode_block, pack_frame
from mesh_core.model import Bodies, Exchange
from mesh_recorder.counters import Drops
from mesh_recorder.room import Room
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
DISK_FULL = "disk_full"
"""The reason for what is dropped so that others have something left of the disk."""
RETRY_SECONDS = 1.0
"""A spool that cannot be opened is tried again after this time."""
BLOCK_BYTES = 256 * 1024
"""A block is written once it holds so many bytes, before compression …"""
BLOCK_FRAMES = 64
"""… or so many exchanges, or when nothing more is to be written at the moment."""


@dataclass(slots=True)
class _Block:
    """Exchanges that are packed, and not written yet."""

    packed: list[bytes] = field(default_factory=list)
    recorded: list[tuple[Exchange, Bodies]] = field(default_factory=list)
    """The same, in case they have to be written one by one."""
    size: int = 0

    def add(self, packed: bytes, exchange: Exchange, bodies: Bodies) -> None:
        self.packed.append(packed)
        self.recorded.append((exchange, bodies))
        self.size += len(packed)

    @property
    def full(self) -> bool:
        return self.size >= BLOCK_BYTES or len(self.packed) >= BLOCK_FRAMES


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
        self._room = Room(cap)
        self._shipper = shipper
        self._spool: Spool | None = None
        self._seq = 0
        self._block = _Block()
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
    def opened(self) -> bool:
        """Whether it is known what earlier runs left."""
        return self._spool is not None

    @property
    def unfinished(self) -> bool:
        """Whether something has to be synced, sealed or written before long."""
        written = self._spool is not None and self._spool.size > 0
        return written or bool(self._drops.counts) or bool(self._block.packed)

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
        limit = self._room.limit(self.folder, self.used)
        what = shed(failed=exchange.failed, used=self.used, cap=limit)
        if what is Shed.ALL:
            self.drop_one("spool_full" if limit == self._cap else DISK_FULL, exchange)
            return None
        return (without_bodies(exchange), {}) if what is Shed.BODIES else (exchange, bodies)

    def write(self, exchange: Exchange, bodies: Bodies) -> None:
        """Write one exchange with the block that it belongs to; at once where each is to be synced."""
        block = self._block
        block.add(self._packed(exchange, bodies, after=len(block.packed)), exchange, bodies)
        if self._each:
            self.flush()
            self._sync()
        elif block.full:
            self.flush()

    def flush(self) -> None:
        """Write the block that is being filled; what of it the disk does not take is counted as dropped."""
        block, self._block = self._block, _Block()
        if not block.packed:
            return
        if self._append(block.packed, exchanges=len(block.packed)):
            self.written += len(block.packed)
            self.failures += sum(exchange.failed for exchange, _ in block.recorded)
            return
        if len(block.packed) > 1:  # there may be room for some of them
            for exchange, bodies in block.recorded:
                self._block.add(self._packed(exchange, bodies), exchange, bodies)
                self.flush()
            return
        exchange, _ = block.recorded[0]
        self.drop("spool_unwritable", 1, exchange.started_at, exchange.ended_at)

    def _packed(self, exchange: Exchange, bodies: Bodies, *, after: int = 0) -> bytes:
        """One exchange under the number that it gets if the `after` before it are written."""
        return pack_frame(Frame(seq=self._seq + after + 1, exchange=exchange, bodies=dict(bodies)))

    def drop(self, reason: str, count: int, started_at: int, ended_at: int) -> None:
        """Count exchanges that are not recorded; the gap is written with the next sync."""
        self.dropped[reason] = self.dropped.get(reason, 0) + count
        self._drops.add(reason, count, started_at, ended_at)

    def drop_one(self, reason: str, exchange: Exchange) -> None:
        """Count one exchange that is not recorded."""
        if reason == DISK_FULL:
            self._warn("the spool's disk is almost full, and what is left of it is for others")
        self.drop(reason, 1, exchange.started_at, exchange.ended_at)

    @property
    def crowded(self) -> bool:
        """Whether what is left of the disk is for others."""
        return self._room.crowded(self.folder, self.used)

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
        self.note("frame_damaged", count, at, at)

    def note(self, reason: str, count: int, started_at: int, ended_at: int) -> None:
        """Have the store told that exchanges are missing which are counted elsewhere; with the next sync."""
        self._drops.add(reason, count, started_at, ended_at)

    def upkeep(self) -> None:
        """Sync and seal, each when it is due."""
        now = time.monotonic()
        if not self.unfinished:
            self._sealed_at = self._synced_at = now
            return
        if now - self._synced_at >= SYNC_SECONDS or (self._spool is not None and self._spool.overdue):
            self._synced_at = now
            self.flush()
            self._sync()
        # While segments wait for the store, new ones grow to their full size.
        wanted = self._shipper is not None and self._shipper.idle
        size = self._spool.size if self._spool else 0
        if (wanted and now - self._sealed_at >= SEAL_SECONDS) or size >= SEAL_BYTES:
            self._sealed_at = now
            self.seal()

    def seal(self) -> None:
        """Write the block and the gaps, end the open segment, and hand it over."""
        self.flush()
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

    def _append(self, packed: list[bytes], *, exchanges: int) -> bool:
        """Write a block of frames that follow the last one; whether the spool took it."""
        try:
            spool = self.open()
            if spool is None:
                return False
            spool.append(encode_block(self._seq + 1, packed), exchanges=exchanges)
        except OSError as error:
            self._refused(error)
            return False
        except Exception as error:  # noqa: BLE001  # what is in the block is counted as dropped, whatever it was
            self._warn(f"the spool cannot be written ({type(error).__name__})")
            return False
        self._seq += len(packed)
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
            if not self._append([pack_frame(Frame(seq=self._seq + 1, gap=gap))], exchanges=0):
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
        return waiting + self._block.size + (self._spool.size if self._spool else 0)

    def _warn(self, problem: str) -> None:
        if problem != self._warned:
            logger.warning("%s; traffic goes on, what is not recorded is counted", problem)
        self._warned = problem
