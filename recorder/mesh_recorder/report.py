"""What a recorder can say of itself at one moment; those of several workers add up. Pure."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from typing import Any

from mesh_recorder.counters import Counters
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
    store_away: str | None = None
    """Why the store takes nothing at the moment; None while it does."""
    bypassed: bool = False
    """Whether nothing is recorded, because somebody said so."""
    workers: int = 1
    """Processes that carry traffic now."""
    restarts: int = 0
    """Workers that died and were replaced."""

    @property
    def blind(self) -> bool:
        """Whether the service was busy, and seemed to call nobody."""
        return self.requests >= BLIND_AFTER and self.calls == 0


def to_document(report: Report) -> dict[str, Any]:
    """As JSON takes it."""
    return asdict(report)


def from_document(document: dict[str, Any]) -> Report:
    """Back from `to_document`."""
    parts = {**document, "counters": Counters(**document["counters"]), "tally": Tally(**document["tally"])}
    return Report(**parts)


def total(reports: Iterable[Report]) -> Report:
    """All reports as one."""
    documents = [to_document(report) for report in reports]
    return from_document(reduce(_plus, documents)) if documents else Report()


def after_death(report: Report) -> tuple[Report, int]:
    """What still holds of a dead worker's last report, and how many requests it took with it.

    Those are counted again by whoever tells the store of them, so they are taken out here.
    """
    counters = report.counters
    taken = replace(counters, offered=counters.offered - counters.waiting, waiting=0)
    rest = replace(
        report, counters=taken, in_flight=0, queue_bytes=0, spool_bytes=0, store_away=None, workers=0
    )
    return rest, counters.waiting + report.in_flight


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
