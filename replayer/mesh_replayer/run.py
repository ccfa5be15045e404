"""One run: sends a plan's steps in order, judges each, and emits what happens."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from mesh_core.ids import uuid7
from mesh_core.model import Bodies
from mesh_replayer.events import Emit, Judged, RunFinished, RunStarted, counted
from mesh_replayer.judging import Judge
from mesh_replayer.plan import Plan, Step
from mesh_replayer.prepare import Wishes, prepare
from mesh_replayer.reply import reply_exchange
from mesh_replayer.retrace import FreshIds
from mesh_replayer.send import Sender
from mesh_replayer.verdict import Verdict, exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run sends and judges."""

    wishes: Wishes
    judge: Judge
    expect_reproduced: bool = False
    exit_zero: bool = False
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
        return self.options.judge.judged(
            step, prepared.changes, replayed, recorded_bodies=self.bodies, kept=kept
        )


def _skipped(step: Step, reason: str) -> Judged:
    return Judged(exchange=step.exchange, replayed=None, verdict=Verdict.SKIPPED, reason=reason)
