"""One run: sends a plan's steps, judges each, and emits what happens."""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mesh_core.ids import uuid7
from mesh_core.model import Bodies, Exchange, own_bodies
from mesh_replayer.correlate import Flow
from mesh_replayer.course import Course, Send, skipped
from mesh_replayer.events import Emit, Judged, RunFinished, RunStarted, counted
from mesh_replayer.evidence import Answer, Baseline, Pass, judged, learned
from mesh_replayer.flaky import combined
from mesh_replayer.journal import Journal
from mesh_replayer.judging import Judge
from mesh_replayer.linking import route_of
from mesh_replayer.plan import Plan, Step
from mesh_replayer.prepare import Prepared, Wishes, prepare
from mesh_replayer.reply import Received, reply_exchange
from mesh_replayer.retrace import FreshIds
from mesh_replayer.schedule import FAST, Lateness, Pace, Schedule
from mesh_replayer.send import Sends
from mesh_replayer.stubs.told import TellsStubs
from mesh_replayer.verdict import Rules, Verdict, exit_code, is_wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run sends and judges."""

    wishes: Wishes
    judge: Judge
    pace: Pace = FAST
    concurrency: int = 32
    """Requests that may be on their way at once."""
    journal: Journal | None = None
    """Where it is written down what was sent that may have changed something; None for nowhere."""
    repeat: int = 1
    """How often all of it is sent."""
    baseline: Baseline | None = None
    """What is sent besides, so that noise is known; None for nothing."""
    rules: Rules = field(default_factory=Rules)
    exit_zero: bool = False
    stubs: TellsStubs | None = None
    """The stubs of the dependencies; None where these are live."""
    version: str
    """Ours."""
    random: Callable[[int], bytes] = os.urandom
    clock: Callable[[], int] = time.time_ns
    """Nanoseconds since the Unix epoch."""


async def run_plan(
    plan: Plan, bodies: Bodies, sender: Sends, options: RunOptions, emit: Emit, notes: tuple[str, ...] = ()
) -> RunFinished:
    """Carry a plan out; cancelled in the middle, it tells what became of the rest, and ends.

    Args:
        plan: whose targets were checked.
        bodies: of all its exchanges, by hash.
        sender: with a route for every target.
        options: see there.
        emit: gets every event; results come in the plan's order.
        notes: for the reports.
    """
    stubs = None if options.stubs is None else tuple(options.stubs.callees)
    journal = options.journal
    emit(RunStarted(run_id=options.wishes.run_id, plan=plan, notes=notes, stubs=stubs))
    tally = _Tally(emit, options, replace(options.rules, old_failures=plan.old_failures))
    interrupted, delays = False, None
    try:
        for number in range(options.repeat):
            if number == 0 and options.baseline is not None:
                interrupted, delays, options = await _with_evidence(plan, bodies, sender, options, tally)
            else:
                course = _course(plan, bodies, sender, options, tally)
                await course.run()
                interrupted, delays = course.interrupted, course.lateness
            tally.pass_ended(interrupted)
            if interrupted:
                break
    finally:
        await sender.aclose()
    if journal is not None:
        # Ctrl-C at a breakpoint on one's own machine is no accident: the next run sends all of it.
        known = not interrupted or all(choice.target.loopback for choice in plan.choices)
        journal.close({step.exchange.id for step in plan.steps}, done=known)
    finished = tally.finished(interrupted, delays)
    emit(finished)
    return finished


async def _with_evidence(
    plan: Plan, bodies: Bodies, sender: Sends, options: RunOptions, tally: "_Tally"
) -> tuple[bool, Lateness | None, RunOptions]:
    """The first pass, judged once it is known what varies; gives the options with what was learned."""
    assert options.baseline is not None, "the caller looked"  # noqa: S101
    first, interrupted, delays = await gathered(plan, bodies, sender, options)
    others: list[Pass] = []
    for _ in range(options.baseline.runs):
        if interrupted:
            break
        other, interrupted, _ = await gathered(options.baseline.plan or plan, bodies, sender, options)
        others.append(other)
    elsewhere = options.baseline.plan is not None
    passes = others if elsewhere else [first, *others]
    judge = options.judge.anew(learned(options.judge, passes, now=options.clock()))
    expected = others[0] if elsewhere and others else None
    for answered, result in judged(judge, first, expected):
        if answered is not None:
            tally.emit(answered)
        tally.take(result)
    return interrupted, delays, replace(options, judge=judge)


async def gathered(
    plan: Plan, bodies: Bodies, sender: Sends, options: RunOptions
) -> tuple[Pass, bool, Lateness | None]:
    """One pass that is not judged; whether it was interrupted, and how late it was."""
    kept = Pass()

    def keep(place: int, answer: Answer) -> Judged:
        kept.answers[place] = answer
        return skipped(answer.step, "it was not judged yet")

    requests = _requests(plan, bodies, sender, options, keep)
    course = _paced(plan, options, requests.send, kept.results.append)
    await course.run()
    return kept, course.interrupted, course.lateness


def _course(plan: Plan, bodies: Bodies, sender: Sends, options: RunOptions, tally: "_Tally") -> Course:
    """One pass: every pass has traces of its own."""
    judge = options.judge.anew()

    def judge_it(_: int, answer: Answer) -> Judged:
        answered, result = answer.judged(judge)
        tally.emit(answered)
        return result

    requests = _requests(plan, bodies, sender, options, judge_it)
    return _paced(plan, options, requests.send, tally.take)


def _requests(
    plan: Plan, bodies: Bodies, sender: Sends, options: RunOptions, answered: "_Answered"
) -> "_Requests":
    given = {name.lower().decode("latin-1") for name, _ in options.wishes.headers}
    flow = Flow(plan.links, given, options.judge.hides)
    return _Requests(plan, bodies, sender, options, FreshIds(options.random), flow, answered)


def _paced(plan: Plan, options: RunOptions, send: Send, result: Callable[[Judged], None]) -> Course:
    return Course(
        plan.steps,
        Schedule([step.timing for step in plan.steps], options.pace),
        options.concurrency,
        send,
        result,
        keep_time=options.pace.speed is not None,
    )


type _Answered = Callable[[int, Answer], Judged]
"""What becomes of an answer, by the step's place in the plan."""


@dataclass(slots=True)
class _Requests:
    """The requests of one pass."""

    plan: Plan
    bodies: Bodies
    sender: Sends
    options: RunOptions
    ids: FreshIds
    flow: Flow
    answered: _Answered
    _left_of_lane: Counter[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._left_of_lane = Counter(step.lane for step in self.plan.steps)

    async def send(self, index: int) -> Judged:
        """Send one request; gives what became of it."""
        step = self.plan.steps[index]
        try:
            return await self._sent(index, step)
        finally:
            self._left_of_lane[step.lane] -= 1
            if not self._left_of_lane[step.lane]:
                await self.sender.close(step.lane)

    async def _sent(self, index: int, step: Step) -> Judged:
        if step.skip is not None:
            return skipped(step, step.skip)
        filled = self.flow.filled(index, step.exchange, self.bodies, self._route)
        if isinstance(filled, str):
            return skipped(step, filled)
        prepared = prepare(filled.exchange, filled.bodies, self.options.wishes, self.ids)
        if isinstance(prepared, str):
            return skipped(step, prepared)
        received = await self._received(step, prepared)
        if isinstance(received, str):
            return skipped(step, received)
        replayed, kept = reply_exchange(
            step.exchange,
            prepared,
            received,
            id=uuid7(self.options.clock(), self.options.random(8)),
            recorder=self.options.version,
        )
        then = own_bodies(step.exchange, self.bodies)
        self.flow.learn(index, replayed, kept)
        changes = (*filled.changes, *prepared.changes)
        return self.answered(index, Answer(step, changes, replayed, kept, then, self.flow.explained))

    async def _received(self, step: Step, prepared: Prepared) -> Received | str:
        """What came back; or why it is not sent: a run that was stopped had sent it."""
        journal, exchange = self.options.journal, step.exchange
        if journal is None:
            return await self.sender.send(step, prepared.request)
        already = journal.already(exchange.id, exchange.method)
        if already is not None:
            return already.reason
        await journal.begin(exchange.id, exchange.method)
        received = await self.sender.send(step, prepared.request)
        answer = received.failure or received.status
        journal.ended(exchange.id, exchange.method, str(answer).replace("_", " "))
        return received

    def _route(self, index: int) -> str:
        return route_of(self.plan.steps[index].exchange)


@dataclass(slots=True)
class _Tally:
    """Hands results on, those of several passes as one, and counts."""

    emit: Emit
    options: RunOptions
    rules: Rules
    _counted: list[tuple[Exchange, Verdict]] = field(default_factory=list)
    """What was recorded, with its verdict now; what came back is not kept."""
    _passes: list[list[Judged]] = field(default_factory=list)
    _place: int = 0

    def take(self, judged: Judged) -> None:
        """Take the next result of a pass."""
        if self.options.repeat == 1:
            self._tell(judged)
            return
        if self._place == len(self._passes):
            self._passes.append([])
        self._passes[self._place].append(judged)
        self._place += 1

    def pass_ended(self, interrupted: bool) -> None:
        """A pass is over; after the last one, tell what all of them amount to."""
        self._place = 0
        last = interrupted or (self._passes and len(self._passes[0]) == self.options.repeat)
        if not last:
            return
        for results in self._passes:
            # What the last pass could not send any more does not hide what the ones before told.
            cut = interrupted and len(results) > 1 and results[-1].verdict is Verdict.SKIPPED
            self._tell(combined(results[:-1] if cut else results))

    def finished(self, interrupted: bool, delays: Lateness | None) -> RunFinished:
        """What all of it amounts to."""
        stubs = None if self.options.stubs is None else self.options.stubs.told()
        code = exit_code(
            self._counted,
            self.rules,
            never_recorded=stubs is not None and stubs.wrong,
            interrupted=interrupted,
            exit_zero=self.options.exit_zero,
        )
        return RunFinished(
            exit_code=code,
            counts=counted(verdict for _, verdict in self._counted),
            interrupted=interrupted,
            old_failures=self.rules.old_failures
            and any(verdict is Verdict.REPRODUCED for _, verdict in self._counted),
            lateness=delays,
            stubs=stubs,
        )

    def _tell(self, judged: Judged) -> None:
        self._counted.append((judged.exchange, judged.verdict))
        self.emit(replace(judged, wrong=is_wrong(judged.exchange, judged.verdict, self.rules)))
