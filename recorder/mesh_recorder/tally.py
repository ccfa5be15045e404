"""How often which outcome, and how long it took: what the metrics say of the requests. Pure."""

from bisect import bisect_left
from dataclasses import dataclass, field

from mesh_core.model import Exchange

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds; a duration counts at the first bound that it does not exceed, else beyond them all."""


@dataclass(slots=True)
class Tally:
    """Exchanges by direction and outcome; filled by one thread, read by any."""

    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    buckets: dict[str, list[int]] = field(default_factory=dict)
    """By direction: how many up to each of `BOUNDS`, and beyond."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By direction: all durations together."""

    def add(self, exchange: Exchange) -> None:
        """Count one."""
        direction, outcome = str(exchange.direction), str(exchange.outcome)
        if direction not in self.outcomes:
            self.buckets[direction], self.seconds[direction] = [0] * (len(BOUNDS) + 1), 0.0
            self.outcomes[direction] = {}
        outcomes = self.outcomes[direction]
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        took = (exchange.ended_at - exchange.started_at) / 1e9
        self.buckets[direction][bisect_left(BOUNDS, took)] += 1
        self.seconds[direction] += took

    def copy(self) -> "Tally":
        """As it is now; each copy is one step, so that the counting thread may go on."""
        return Tally(
            outcomes={direction: dict(found) for direction, found in dict(self.outcomes).items()},
            buckets={direction: list(found) for direction, found in dict(self.buckets).items()},
            seconds=dict(self.seconds),
        )
