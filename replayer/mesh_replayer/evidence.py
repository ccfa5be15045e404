"""What repeated answers say of noise: passes that are gathered first, and judged when all is known. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mesh_core.model import Bodies, Exchange
from mesh_replayer.events import Answered, Judged
from mesh_replayer.judging import Judge
from mesh_replayer.noise.deciding import Explain
from mesh_replayer.noise.learning import Group, learn
from mesh_replayer.noise.rule import NoiseRules
from mesh_replayer.plan import Plan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What is sent besides, to learn what varies."""

    runs: int
    """How often."""
    plan: Plan | None = None
    """The same requests to another target, whose answers are what is expected; None for the target itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request, before it is judged."""

    step: Step
    changes: tuple[str, ...]
    replayed: Exchange
    bodies: Bodies
    recorded: Bodies
    """The bodies of then, by hash."""
    explain: Explain
    """What is known of its links."""

    def judged(
        self, judge: Judge, expected: tuple[Exchange, Bodies] | None = None
    ) -> tuple[Answered, Judged]:
        """See `Judge.judged`."""
        return judge.judged(
            self.step,
            self.changes,
            self.replayed,
            recorded_bodies=self.recorded,
            kept=self.bodies,
            explain=self.explain if expected is None else None,  # links tell of what was recorded
            expected=expected,
        )


@dataclass(slots=True)
class Pass:
    """All answers of one pass."""

    answers: dict[int, Answer] = field(default_factory=dict)
    """By the step's place in the plan; what was not sent is left out."""
    results: list[Judged] = field(default_factory=list)
    """One for each step: those of what was not sent count."""


def learned(judge: Judge, passes: Sequence[Pass], *, now: int) -> NoiseRules:
    """What is known once these passes are: each a repetition of the one before.

    Args:
        judge: hides answers as the recorded ones were; and what it knows already.
        passes: at one target.
        now: nanoseconds since the Unix epoch.
    """
    return judge.noise.rules.with_rules(learn(groups_of(judge, passes), now=now))


def groups_of(judge: Judge, passes: Sequence[Pass], *, with_recorded: bool = False) -> list[Group]:
    """The answers of all passes, together by what was asked.

    Args:
        judge: hides answers as the recorded ones were.
        passes: at one target.
        with_recorded: whether what was recorded is known to be good too.
    """
    groups: list[Group] = []
    for place in sorted({place for each in passes for place in each.answers}):
        answers = [each.answers[place] for each in passes if place in each.answers]
        read = [judge.response(answer.step, answer.replayed, answer.bodies) for answer in answers]
        step = answers[0].step
        then = judge.response(step, step.exchange, answers[0].recorded) if with_recorded else None
        groups.append(Group(read, then))
    return groups


def judged(judge: Judge, first: Pass, expected: Pass | None) -> Iterator[tuple[Answered | None, Judged]]:
    """The results of a pass that was gathered, in the order of the plan.

    Args:
        judge: who knows all.
        first: what is judged.
        expected: what it is compared with, where that is not what was recorded.
    """
    for place, result in enumerate(first.results):
        answer = first.answers.get(place)
        if answer is None:
            yield None, result
            continue
        other = None if expected is None else expected.answers.get(place)
        comparable = other is not None and other.replayed.status is not None
        yield answer.judged(judge, (other.replayed, other.bodies) if other and comparable else None)
