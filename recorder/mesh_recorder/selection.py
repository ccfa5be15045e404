"""What is kept goes to the journal, what may be asked for is held back, the rest is counted. One thread."""

import logging
from collections import deque
from collections.abc import Callable, Iterable

from mesh_core.config import Keep
from mesh_core.frames import Run, SegmentUnreadable, decode_segment
from mesh_core.model import Bodies, Exchange
from mesh_core.together import keys_of
from mesh_recorder.gone import Gone
from mesh_recorder.held import Held, HeldSegment
from mesh_recorder.journal import DISK_FULL, Journal
from mesh_recorder.keep import KEEP, NO_ROOM, Keeping
from mesh_recorder.spool import Sealed

logger = logging.getLogger(__name__)

type Redact = Callable[[Exchange, Bodies], tuple[Exchange, Bodies]]

UNREADABLE = "held_damaged"
TOO_LATE = "let_go_too_early"
SKEW = 5_000_000_000
"""Nanoseconds by which the clocks of sidecars may differ."""


class Selection:
    """Between what traffic hands over and what is written down."""

    def __init__(self, *, keeping: Keeping, journal: Journal, redact: Redact, run: Run, cap: int) -> None:
        """Make a selection that may hold `cap` bytes back."""
        self._keeping = keeping
        self._journal = journal
        self._redact = redact
        self._held = None if keeping.keep is Keep.ALL else Held(run, cap=cap, seconds=keeping.hold)
        self._left: deque[Sealed] = deque()
        self._gone = Gone()
        self.late = 0
        """Exchanges that were let go before anybody could know that they are wanted."""
        self.not_kept: dict[str, int] = {}
        """Exchanges that were let go by choice, by reason."""
        self.adopted = 0
        """Exchanges that an earlier run held back, and that are this run's now."""
        self.caught_up = False
        """Whether an earlier run's are all decided about."""

    @property
    def held(self) -> int:
        """Exchanges that are held back."""
        return self._held.count if self._held else 0

    @property
    def held_bytes(self) -> int:
        """What they take on the disk."""
        return self._held.size if self._held else 0

    def take(self, exchange: Exchange, bodies: Bodies, now: float) -> None:
        """Decide about an exchange that has just ended; `now` in monotonic seconds."""
        reason = self._keeping.refused(exchange)
        if reason is not None:
            self._let_go(reason, 1)
        elif self._held is not None:
            self._place(*self._redact(exchange, bodies), now)
        else:
            room = self._journal.room_for(exchange, bodies)
            if room is not None:
                self._journal.write(*self._redact(*room))

    def heard(self, keys: Iterable[int], now: float) -> None:
        """Exchanges with these keys failed elsewhere: what belongs to them is wanted."""
        new = self._keeping.heard(keys, now)
        if new and self._held is not None:
            self._write_all(self._held.take(new))
            self._regret(new)

    def upkeep(self, now: float, heard_at: float | None) -> None:
        """Let go what nobody will ask for, and take over a piece of what an earlier run left.

        Args:
            now: monotonic seconds.
            heard_at: when all that the store knew of failures had been told.
        """
        self._left += self._journal.held_left()
        if self._left and (heard_at is not None or self._keeping.keep is not Keep.TRACE_FAILURES):
            self._adopt(self._left.popleft(), now)
        self.caught_up = not self._left
        held = self._held
        while held is not None and (oldest := held.oldest) is not None:
            heard_age = (heard_at if heard_at is not None else oldest.last) - oldest.last
            if self._keeping.over(age=now - oldest.last, heard_age=heard_age):
                self._let_go_of(held.let_go())
            elif held.full:
                if self._keeping.reason(heard_age=heard_age) == KEEP:
                    self._let_go_of(held.let_go())
                elif count := held.let_go().count:
                    self._journal.drop(NO_ROOM, count, oldest.first_at, oldest.last_at)
            else:
                return

    def close(self) -> None:
        """End: what is held stays for the next start, but for the ring, which only a failure here wants."""
        held = self._held
        if held is None:
            return
        while self._keeping.keep is Keep.FAILURES and held.oldest is not None:
            self._let_go_of(held.let_go())
        held.close()

    def _place(self, exchange: Exchange, bodies: Bodies, now: float) -> None:
        keys, held = keys_of(exchange), self._held
        if held is None:
            self._write(exchange, bodies)
            return
        if exchange.failed:
            self._regret(self._keeping.heard(keys, now))
            before = held.take_all() if self._keeping.keep is Keep.FAILURES else held.take(frozenset(keys))
            self._write_all(before)
        if exchange.failed or self._keeping.wanted(keys, now):
            self._write(exchange, bodies)
            return
        if self._journal.crowded:
            self._journal.drop_one(DISK_FULL, exchange)
            return
        try:
            held.put(self._journal.place(), exchange, bodies, keys, now)
        except OSError as error:
            self._journal.refused(error, exchange)

    def _write(self, exchange: Exchange, bodies: Bodies) -> None:
        room = self._journal.room_for(exchange, bodies)
        if room is not None:
            self._journal.write(*room)

    def _write_all(self, found: Iterable[tuple[Exchange, Bodies] | None]) -> None:
        for each in found:
            if each is None:
                self._journal.drop_now(UNREADABLE)
            else:
                self._write(*each)

    def _adopt(self, left: Sealed, now: float) -> None:
        """Decide anew about what an earlier run held back; it counts as offered to this one."""
        try:
            segment = decode_segment(left.path.read_bytes())
        except (OSError, SegmentUnreadable) as error:
            logger.warning("%s was held back by an earlier run and cannot be read: %s", left.path, error)
        else:
            for frame in segment.frames:
                if frame.exchange is not None:
                    self.adopted += 1
                    self._place(frame.exchange, frame.bodies, now)
        left.path.unlink(missing_ok=True)

    def _regret(self, keys: frozenset[int]) -> None:
        """Tell the store of what was let go, and belongs to failures that became known after that."""
        starts = self._gone.wanted(keys) if keys else []
        if not starts:
            return
        if not self.late:
            logger.warning(
                "a failure became known after this sidecar had let go of its part of the trace "
                "(held back for %d s, as far as there is room); such are counted, and the traces are lossy",
                self._keeping.hold,
            )
        self.late += len(starts)
        self._journal.note(TOO_LATE, len(starts), min(starts) - SKEW, max(starts) + SKEW)

    def _let_go_of(self, segment: HeldSegment) -> None:
        self._let_go(KEEP, segment.count)
        if self._keeping.keep is Keep.TRACE_FAILURES and segment.count:
            self._gone.add(segment.unwanted())

    def _let_go(self, reason: str, count: int) -> None:
        if count:
            self.not_kept[reason] = self.not_kept.get(reason, 0) + count
