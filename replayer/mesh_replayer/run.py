"""One run: sends a plan's steps in order, judges each, and emits what happens."""

import asyncio
import dataclasses
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from mesh_core.fingerprint import fingerprint
from mesh_core.ids import uuid7
from mesh_core.model import Bodies, Exchange
from mesh_core.outcome import Outcome
from mesh_core.redact import Redactor
from mesh_replayer.alike import by_class
from mesh_replayer.diff import compare
from mesh_replayer.events import Emit, Judged, RunFinished, RunStarted, counted
from mesh_replayer.plan import Plan, Step
from mesh_replayer.prepare import Prepared, Wishes, prepare
from mesh_replayer.reply import reply_exchange
from mesh_replayer.retrace import FreshIds
from mesh_replayer.send import Sender
from mesh_replayer.verdict import Judgement, Verdict, exit_code, judge

_NOTHING_TO_COMPARE = frozenset({Outcome.CONNECT_FAILED, Outcome.DNS_FAILED, Outcome.TLS_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run sends and judges."""

    wishes: Wishes
    fixed_status: frozenset[int] = frozenset()
    expect_reproduced: bool = False
    exit_zero: bool = False
    redactor: Redactor | None = None
    """Hides what comes back as what was recorded was hidden; None for neither."""
    keyed: bool = True
    """Whether the redactor has the project's key; without it hidden values are equal by class."""
    version: str
    """Ours."""
    random: Callable[[int], bytes] = os.urandom
    clock: Callable[[], int] = time.time_ns
    """Nanoseconds since the Unix epoch."""


async def run_plan(
    plan: Plan, bodies: Bodies, sender: Sender, options: RunOptions, emit: Emit, notes: tuple[str, ...] = ()
) -> RunFinished:
    """Carry a plan out; cancelled in the middle, it tells what became of the rest, and ends.

    Args:
        plan: whose targets were checked.
        bodies: of all its exchanges, by hash.
        sender: with a route for every target.
        options: see there.
        emit: gets every event.
        notes: for the reports.
    """
    run = _Run(bodies, sender, options, FreshIds(options.random))
    judged: list[Judged] = []
    emit(RunStarted(run_id=options.wishes.run_id, plan=plan, notes=notes))
    interrupted = False
    last_of_lane = {step.lane: at for at, step in enumerate(plan.steps)}
    for at, step in enumerate(plan.steps):
        if interrupted:
            result = _skipped(step, "interrupted before it was sent")
        else:
            try:
                result = await run.step(step)
                if last_of_lane[step.lane] == at:
                    await sender.close(step.lane)
            except asyncio.CancelledError:
                interrupted = True
                result = _skipped(step, "interrupted while it was sent: what became of it is unknown")
        judged.append(result)
        emit(result)
    await sender.aclose()
    code = exit_code(
        ((each.exchange, each.verdict) for each in judged),
        interrupted=interrupted,
        expect_reproduced=options.expect_reproduced,
        exit_zero=options.exit_zero,
    )
    finished = RunFinished(exit_code=code, counts=counted(judged), interrupted=interrupted)
    emit(finished)
    return finished


@dataclass(slots=True)
class _Run:
    bodies: Bodies
    sender: Sender
    options: RunOptions
    ids: FreshIds

    async def step(self, step: Step) -> Judged:
        """Send one request and judge what came of it."""
        if step.skip is not None:
            return _skipped(step, step.skip)
        prepared = prepare(step.exchange, self.bodies, self.options.wishes, self.ids)
        if isinstance(prepared, str):
            return _skipped(step, prepared)
        received = await self.sender.send(step, prepared.request)
        replayed, kept = reply_exchange(
            step.exchange,
            prepared,
            received,
            id=uuid7(self.options.clock(), self.options.random(8)),
            recorder=self.options.version,
        )
        return self._judged(step, prepared, replayed, kept)

    def _judged(self, step: Step, prepared: Prepared, replayed: Exchange, kept: Bodies) -> Judged:
        recorded, then = self._hidden(step.exchange, self.bodies, step.exchange.trace_id)
        replayed, now = self._hidden(replayed, kept, step.exchange.trace_id)
        bodies = {**then, **now}
        comparison = compare(recorded, replayed, bodies)
        judgement = judge(
            step.exchange,
            replayed,
            same_failure=fingerprint(recorded, then).hash == fingerprint(replayed, now).hash,
            differs=comparison.matters,
            fixed_status=self.options.fixed_status,
        )
        compared = replayed.outcome not in _NOTHING_TO_COMPARE
        return Judged(
            exchange=step.exchange,
            replayed=replayed,
            verdict=judgement.verdict,
            reason=_reason(judgement, step, replayed),
            differences=comparison.differences if compared else (),
            left_out=comparison.left_out if compared else (),
            changes=prepared.changes,
        )

    def _hidden(self, exchange: Exchange, bodies: Bodies, trace_id: str) -> tuple[Exchange, Bodies]:
        """Both sides hidden alike, so that a secret that was hidden then is no difference now.

        What few values are possible of is hidden by trace: the recorded one's, on both sides.
        """
        if self.options.redactor is None:
            return exchange, bodies
        ours = dataclasses.replace(exchange, trace_id=trace_id)
        hidden, content = self.options.redactor.apply(ours, bodies)
        hidden = dataclasses.replace(hidden, trace_id=exchange.trace_id)
        return (hidden, content) if self.options.keyed else by_class(hidden, content)


def _reason(judgement: Judgement, step: Step, replayed: Exchange) -> str:
    if judgement.verdict is Verdict.UNREACHABLE:
        return f"{step.target.text}: {judgement.reason}; is the service running?"
    told = replayed.error
    if told and told not in judgement.reason:
        return f"{judgement.reason} ({told})" if judgement.reason else told
    return judgement.reason


def _skipped(step: Step, reason: str) -> Judged:
    return Judged(exchange=step.exchange, replayed=None, verdict=Verdict.SKIPPED, reason=reason)
