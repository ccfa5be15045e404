"""What became of the exchanges that a sidecar saw: all that was offered is somewhere. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """A sidecar's account at one moment; nothing in it is lost silently.

    offered = waiting + held + spooled + stored + not kept + dropped + gap.
    """

    offered: int = 0
    """Exchanges that ended, whatever became of them."""
    waiting: int = 0
    """Between traffic and spool."""
    held: int = 0
    """Held back in the spool in case a failure asks for them."""
    spooled: int = 0
    """In the spool, and not yet in the store."""
    stored: int = 0
    """Committed by the store."""
    failures: int = 0
    """Of those that reached the spool, how many failed."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """By reason: never reached the spool."""
    not_kept: Mapping[str, int] = field(default_factory=dict)
    """By reason: let go because somebody chose so; no hole in the recording."""
    late: int = 0
    """Of those not kept, how many belong to failures that became known too late."""
    gap: int = 0
    """Reached the spool and was damaged there."""
    resumed: int = 0
    """Segments of earlier runs that were shipped by this one; their exchanges are not offered here."""
    resumed_damaged: int = 0
    """Exchanges of earlier runs that were damaged in the spool; nor are these."""

    @property
    def recorded(self) -> int:
        """In spool or store."""
        return self.spooled + self.stored

    @property
    def balanced(self) -> bool:
        """Whether every exchange is accounted for."""
        known = self.waiting + self.held + self.recorded + self.gap
        known += sum(self.dropped.values()) + sum(self.not_kept.values())
        return self.offered == known


@dataclass(slots=True)
class Drops:
    """Exchanges dropped since the last gap frame, by reason, with the window they fall in."""

    counts: dict[str, int] = field(default_factory=dict)
    windows: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, reason: str, count: int, started_at: int, ended_at: int) -> None:
        """Count `count` exchanges between two times, nanoseconds since the epoch."""
        first, last = self.windows.get(reason, (started_at, ended_at))
        self.counts[reason] = self.counts.get(reason, 0) + count
        self.windows[reason] = (min(first, started_at), max(last, ended_at))

    def forget(self, reason: str) -> None:
        """Forget a reason that has been written down."""
        del self.counts[reason], self.windows[reason]
