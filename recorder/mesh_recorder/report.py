"""What a recorder can say of itself at one moment; those of several workers add up. Pure."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from typing import Any

from mesh_recorder.counters import Counters
from mesh_recorder.resources import Resources
from mesh_recorder.tally import Tally

BLIND_AFTER = 100
"""Requests after which a service that seems to call nobody is spoken of."""
DIED = "worker_died"
"""The reason for what a worker had taken and not written when it died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The account, and what the account does not tell."""

    counters: Counters = field(default_factory=Counters)
    tally: Tally = field(default_factory=Tally)
    requests: int = 0
    """To the service."""
    calls: int = 0
    """By the service."""
    in_flight: int = 0
    """Requests that are open now."""
    crashes: int = 0
    """Connections that a lane failed over."""
    queue_bytes: int = 0
    """Between traffic and spool."""
    spool_bytes: int = 0
    """In the spool."""
    spool_segments: int = 0
    """Files that wait for the store."""
    spool_age: float = 0.0
    """Seconds that the oldest of them has waited."""
    held_bytes: int = 0
    """Of what is held back in case a failure asks for it."""
    resources: Resources = field(default_factory=Resources)
    store_away: str | None = None
    """Why the store takes nothing at the moment; None while it does."""
    bypassed: bool = False
    """Whether nothing is recorded, because somebody said so."""
    workers: int = 1
    """Processes that carry traffic now."""
    restarts: int = 0
    """Workers that died and were replaced."""
    crash_loops: int = 0
    """Places in which workers die again and again."""
    adopted: int = 0
    """Exchanges that earlier runs held back and this one took over."""
    caught_up: bool = True
    """Whether nothing that earlier runs left waits any more; of several, whether that is so of all."""

    @property
    def blind(self) -> bool:
        """Whether the service was busy, and seemed to call nobody."""
        return self.requests >= BLIND_AFTER and self.calls == 0


def to_document(report: Report) -> dict[str, Any]:
    """As JSON takes it."""
    return asdict(report)


def from_document(document: dict[str, Any]) -> Report:
    """Back from `to_document`."""
    kinds: dict[str, Any] = {"counters": Counters, "tally": Tally, "resources": Resources}
    return Report(**{**document, **{name: kind(**document[name]) for name, kind in kinds.items()}})


def total(reports: Iterable[Report]) -> Report:
    """All reports as one."""
    reports = list(reports)
    documents = [to_document(report) for report in reports]
    if not documents:
        return Report()
    return replace(
        from_document(reduce(_plus, documents)),
        spool_age=max(report.spool_age for report in reports),  # two waits at once are not a longer one
        caught_up=all(report.caught_up for report in reports),
    )


def after_death(report: Report) -> tuple[Report, int]:
    """What still holds of a dead worker's last report, and how many requests it took with it.

    Those are counted again by whoever tells the store of them, so they are taken out here.
    """
    counters = report.counters
    taken = replace(counters, offered=counters.offered - counters.waiting, waiting=0)
    return of_the_past(replace(report, counters=taken)), counters.waiting + report.in_flight


def of_the_past(report: Report) -> Report:
    """What still holds of a report when the process that gave it is gone."""
    return replace(
        report,
        in_flight=0,
        queue_bytes=0,
        spool_bytes=0,
        spool_segments=0,
        spool_age=0.0,
        held_bytes=0,
        resources=Resources(cpu_seconds=report.resources.cpu_seconds),
        store_away=None,
        workers=0,
        adopted=0,
        caught_up=True,
    )


def inherited(present: Report, past: Report) -> Report:
    """What holds of those who are gone, as who has their place by now sees to what they left.

    It ships what they spooled, and decides about what they held back, which it counts as offered to itself.
    Ask no more once it has caught up.
    """
    left, over = past.counters, present.caught_up
    moved = left.held if over else min(left.held, present.adopted)
    shipped = left.spooled if over else 0
    bad = min(present.counters.resumed_damaged, shipped)
    settled = replace(
        left,
        offered=left.offered - moved,
        held=left.held - moved,
        spooled=left.spooled - shipped,
        stored=left.stored + shipped - bad,
        gap=left.gap + bad,
    )
    return replace(past, counters=settled)


def _plus(one: Any, other: Any) -> Any:
    if isinstance(one, bool) or isinstance(other, bool):
        return one or other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one + other
    if isinstance(one, dict) and isinstance(other, dict):
        shared = {key: _plus(one[key], other[key]) for key in one.keys() & other.keys()}
        return {**one, **other, **shared}
    if isinstance(one, list) and isinstance(other, list):
        return [_plus(*pair) for pair in zip(one, other, strict=True)]
    return one or other
