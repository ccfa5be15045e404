"""What is kept goes to the journal, what may be asked for is held back, the rest is counted. One thread."""

import logging
from collections import deque
from collections.abc import Callable, Iterable

from mesh_core.config import Keep
from mesh_core.frames import Run, SegmentUnreadable, decode_segment
from mesh_core.model import Bodies, Exchange
from mesh_core.together import keys_of
from mesh_recorder.held import Held
from mesh_recorder.journal import Journal
from mesh_recorder.keep import KEEP, NO_ROOM, Keeping
from mesh_recorder.spool import Sealed

logger = logging.getLogger(__name__)

type Redact = Callable[[Exchange, Bodies], tuple[Exchange, Bodies]]

UNREADABLE = "held_damaged"


class Selection:
    """Between what traffic hands over and what is written down."""

    def __init__(self, *, keeping: Keeping, journal: Journal, redact: Redact, run: Run, cap: int) -> None:
        """Make a selection that may hold `cap` bytes back."""
        self._keeping = keeping
        self._journal = journal
        self._redact = redact
        self._held = None if keeping.keep is Keep.ALL else Held(run, cap=cap, seconds=keeping.hold)
        self._left: deque[Sealed] = deque()
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
                self._let_go(KEEP, held.let_go())
            elif held.full:
                reason = self._keeping.reason(heard_age=heard_age)
                window = oldest.first_at, oldest.last_at
                count = held.let_go()
                if reason == NO_ROOM and count:
                    self._journal.drop(NO_ROOM, count, *window)
                else:
                    self._let_go(reason, count)
            else:
                return

    def close(self) -> None:
        """End: what is held stays for the next start, but for the ring, which only a failure here wants."""
        held = self._held
        if held is None:
            return
        while self._keeping.keep is Keep.FAILURES and held.oldest is not None:
            self._let_go(KEEP, held.let_go())
        held.close()

    def _place(self, exchange: Exchange, bodies: Bodies, now: float) -> None:
        keys, held = keys_of(exchange), self._held
        if held is None:
            self._write(exchange, bodies)
            return
        if exchange.failed:
            self._keeping.heard(keys, now)
            before = held.take_all() if self._keeping.keep is Keep.FAILURES else held.take(frozenset(keys))
            self._write_all(before)
        if exchange.failed or self._keeping.wanted(keys, now):
            self._write(exchange, bodies)
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

    def _let_go(self, reason: str, count: int) -> None:
        if count:
            self.not_kept[reason] = self.not_kept.get(reason, 0) + count
