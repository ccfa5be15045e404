"""Which exchanges are kept, held back for a while, or let go. Pure: exchanges and times come in.

1. Health probes and traces outside the sample are let go at once; the sample comes before everything.
2. `failures` keeps what this sidecar saw fail, the seconds before it, and what else comes of that trace here.
3. `trace-failures` keeps what belongs to a failure that any sidecar of the mesh saw.
4. What is let go by these rules is counted apart from drops; what had to go before it could be known
   whether anybody wants it is a drop.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mesh_core.config import Keep
from mesh_core.model import Exchange
from mesh_core.probes import DEFAULT, Probes, parse_probes
from mesh_core.together import sampled

RING_SECONDS = 10.0
"""What `failures` keeps of the time before a failure."""
HOLD_SECONDS = 180.0
"""How long `trace-failures` waits for a failure that belongs to an exchange."""
LEAST_HOLD = 30.0
"""What has been held for this time may give way where there is no room."""
MOST_FAILED = 200_000
"""Failures that are remembered at once."""

PROBE, PROBE_FAILED, SAMPLE, KEEP, NO_ROOM = "probe", "probe_failed", "sample", "keep", "held_full"
_DEFAULT_PROBES = parse_probes((DEFAULT,))


@dataclass(slots=True, kw_only=True)
class Keeping:
    """The rules of one sidecar, and the failures that it knows of."""

    keep: Keep = Keep.ALL
    sample: float = 1.0
    """The share of traces, 0 to 1."""
    probes: Probes = _DEFAULT_PROBES
    _failed: dict[int, float] = field(default_factory=dict)
    """By key, when it was heard of last, oldest first."""

    @property
    def hold(self) -> float:
        """Seconds for which an exchange is held back."""
        return RING_SECONDS if self.keep is Keep.FAILURES else HOLD_SECONDS

    def refused(self, exchange: Exchange) -> str | None:
        """Why an exchange is let go at once; None where it is not."""
        if self.probes.match(exchange):
            return PROBE_FAILED if exchange.failed else PROBE
        if self.sample < 1 and not sampled(exchange.trace_id, self.sample):
            return SAMPLE
        return None

    def wanted(self, keys: Iterable[int], now: float) -> bool:
        """Whether an exchange with these keys belongs to a failure that is known."""
        self._forget(now)
        return any(key in self._failed for key in keys)

    def heard(self, keys: Iterable[int], now: float) -> frozenset[int]:
        """Remember failures; those that are news."""
        self._forget(now)
        new = set()
        for key in keys:
            if self._failed.pop(key, None) is None:
                new.add(key)
            self._failed[key] = now
        while len(self._failed) > MOST_FAILED:
            del self._failed[next(iter(self._failed))]
        return frozenset(new)

    def over(self, *, age: float, heard_age: float) -> bool:
        """Whether nobody will ask any more for what is `age` seconds old.

        Args:
            age: seconds since it was held back.
            heard_age: what its age was when the store last told all it knew; below 0 where it was not
                there yet.
        """
        return (age if self.keep is Keep.FAILURES else heard_age) >= self.hold

    def reason(self, *, heard_age: float) -> str:
        """As what it counts that something has to go for want of room: `KEEP`, or `NO_ROOM`, a drop."""
        return KEEP if self.keep is Keep.FAILURES or heard_age >= LEAST_HOLD else NO_ROOM

    def _forget(self, now: float) -> None:
        failed = self._failed
        while failed:
            key = next(iter(failed))
            if now - failed[key] < self.hold:
                return
            del failed[key]
