"""What the stubs have to say when a run is over. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mesh_replayer.stubs.calls import RecordedCall
from mesh_replayer.stubs.shelf import Missed

MOST_TOLD = 100
"""Of each kind, in a report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StubsTold:
    """How the recorded dependencies were used."""

    served: int = 0
    by_form: int = 0
    """Of these, calls in which a value was another of the same form, such as a new UUID."""
    repeated: int = 0
    """Of these, calls that were made more often than recorded."""
    passed_on: int = 0
    """Calls that were never recorded and went to the real dependency."""
    misses: tuple[Missed, ...] = ()
    not_made: tuple[RecordedCall, ...] = ()
    """Recorded calls that were not made again."""
    left_out: tuple[RecordedCall, ...] = ()
    """Recorded calls that cannot be served, each with its reason."""

    @property
    def wrong(self) -> bool:
        """Whether the service asked for what was never recorded."""
        return bool(self.misses)


class TellsStubs(Protocol):
    """Stubs, as a run knows them."""

    @property
    def callees(self) -> Sequence[str]:
        """Whom they stand for."""
        ...

    def told(self) -> StubsTold:
        """What they have to say when the run is over."""
        ...


def stubs_json(told: StubsTold) -> dict[str, Any]:
    """As JSON: DESIGN's shape for a run has it under `stubs`."""
    return {
        "served": told.served,
        "by_form": told.by_form,
        "repeated": told.repeated,
        "passed_on": told.passed_on,
        "missed": len(told.misses),
        "misses": [_missed(missed) for missed in told.misses[:MOST_TOLD]],
        "not_made": [_call(call) for call in told.not_made[:MOST_TOLD]],
        "left_out": [{**_call(call), "why": call.why_not} for call in told.left_out[:MOST_TOLD]],
    }


def _missed(missed: Missed) -> dict[str, Any]:
    return {
        "callee": missed.callee,
        "method": missed.method,
        "path": missed.path,
        "why": missed.why,
        "nearest": None if missed.nearest is None else missed.nearest.id,
        "differs": list(missed.differs),
        "caused_by": None if missed.parent is None else missed.parent.id,
    }


def _call(call: RecordedCall) -> dict[str, Any]:
    exchange = call.exchange
    return {
        "callee": call.callee,
        "method": exchange.method,
        "path": exchange.path,
        "exchange_id": exchange.id,
        "caused_by": call.parent.id,
        "inferred": call.inferred,
    }
