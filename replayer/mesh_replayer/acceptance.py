"""What came back, taken as what is expected from now on. Pure.

1. What is the same, or the same but for noise, stays as it was recorded: a reviewer sees what changed alone.
2. A status, a type, or something gone breaks callers: it is taken only when that is asked for.
3. What says nothing of the service (not reached, not sent, now so and now so) is never taken.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from mesh_core.model import Bodies, Exchange
from mesh_replayer.diff import Difference, Kind, Where
from mesh_replayer.events import Answered, Event, Judged
from mesh_replayer.look.safe import safe
from mesh_replayer.verdict import Verdict, what

_AS_IT_WAS = frozenset({Verdict.SAME, Verdict.REPRODUCED})
_NEVER = frozenset({Verdict.AUTH, Verdict.UNREACHABLE, Verdict.SKIPPED, Verdict.FLAKY})
_BREAKING = frozenset({Kind.TYPE, Kind.MISSING, Kind.ITEM_MISSING})
_OF_THE_RESPONSE = (
    "status",
    "reason",
    "response_headers",
    "response_trailers",
    "response_body",
    "grpc_status",
    "outcome",
    "error",
    "messages",
)


@dataclass(slots=True)
class Acceptance:
    """A consumer of a run's events that knows, when the run is over, what to keep."""

    breaking: bool = False
    """Whether to take what breaks callers too."""
    refused: list[str] = field(default_factory=list)
    """What is not taken, and why: a line each."""
    _answers: dict[str, Answered] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def handle(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Answered):
            self._answers[event.recorded.id] = event
        elif isinstance(event, Judged):
            why = _why_not(event, breaking=self.breaking)
            if why is not None:
                self.refused.append(safe(f"{event.exchange.method} {event.exchange.path}: {why}"))
            elif event.verdict not in _AS_IT_WAS:
                self._taken.add(event.exchange.id)
                return
            self._answers.pop(event.exchange.id, None)

    @property
    def count(self) -> int:
        """How many answers are taken."""
        return len(self._taken)

    def applied(self, recorded: Iterable[tuple[Exchange, Bodies]]) -> list[tuple[Exchange, Bodies]]:
        """All that was recorded, the answers that were taken in place of the ones before."""
        return [
            _with_answer(exchange, bodies, self._answers[exchange.id])
            if exchange.id in self._taken
            else (exchange, bodies)
            for exchange, bodies in recorded
        ]


def _why_not(judged: Judged, *, breaking: bool) -> str | None:
    if judged.verdict in _NEVER:
        return judged.reason or judged.verdict.replace("_", " ")
    if judged.verdict in _AS_IT_WAS or breaking:
        return None
    recorded, replayed = judged.exchange, judged.replayed
    if replayed is not None and what(recorded) != what(replayed):
        return f"{what(recorded)} then, {what(replayed)} now"
    found = next((each for each in judged.differences if _breaks(each)), None)
    return None if found is None else f"{_words(found)} {found.path or found.where.value}".strip()


def _breaks(difference: Difference) -> bool:
    if difference.noise is not None:
        return False
    return difference.kind in _BREAKING or difference.where in (Where.STATUS, Where.GRPC_STATUS)


def _words(difference: Difference) -> str:
    return {Kind.TYPE: "another type at", Kind.VALUE: "another"}.get(difference.kind, "gone:")


def _with_answer(exchange: Exchange, bodies: Bodies, answered: Answered) -> tuple[Exchange, Bodies]:
    now = answered.replayed
    taken = msgspec.structs.replace(exchange, **{name: getattr(now, name) for name in _OF_THE_RESPONSE})
    refs = (exchange.request_body, now.response_body)
    known = {**bodies, **answered.bodies}
    return taken, {ref.hash: known[ref.hash] for ref in refs if ref is not None and ref.hash in known}
