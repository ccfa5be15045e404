"""One pass through a plan: requests overlap as they may, results come in the plan's order."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from mesh_replayer.events import Judged
from mesh_replayer.plan import Step
from mesh_replayer.schedule import Lateness, Schedule, lateness
from mesh_replayer.verdict import Verdict

MOST_AHEAD = 4_096
"""Requests that may be sent while an earlier one has no answer: their results are held in memory."""

type Send = Callable[[int], Awaitable[Judged]]


@dataclass(slots=True)
class Course:
    """Carries one pass out."""

    steps: Sequence[Step]
    schedule: Schedule
    concurrency: int
    """Requests that may be on their way at once."""
    send: Send
    """Sends a step, by its place in the plan, and judges what came of it."""
    result: Callable[[Judged], None]
    """Gets every result, in the plan's order."""
    keep_time: bool = False
    """Whether lateness is measured."""
    interrupted: bool = False
    _tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _held: dict[int, Judged] = field(default_factory=dict)
    """Results that wait for an earlier one."""
    _told: int = 0
    """How many results were handed on."""
    _delays: list[int] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _failure: BaseException | None = None

    async def run(self) -> None:
        """Send all there is; cancelled in the middle, tell what became of the rest, and end."""
        try:
            await self._all()
        except asyncio.CancelledError:
            self.interrupted = True
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._failure is not None:
            raise self._failure
        if self.interrupted:
            for index in range(self._told, len(self.steps)):
                if index not in self._held:
                    self._finished(index, skipped(self.steps[index], "interrupted before it was sent"))

    @property
    def lateness(self) -> Lateness | None:
        """How well it kept to its pace; None where it had none."""
        return lateness(self._delays)

    async def _all(self) -> None:
        began = time.monotonic_ns()
        while self.schedule.left and self._failure is None:
            self._changed.clear()
            while len(self._tasks) < self.concurrency:
                elapsed = time.monotonic_ns() - began
                index = self.schedule.take(elapsed, below=self._told + MOST_AHEAD)
                if index is None:
                    break
                if self.keep_time:
                    self._delays.append(elapsed - self.schedule.due(index))
                self._tasks[index] = asyncio.create_task(self._step(index))
            await self._something(began)

    async def _something(self, began: int) -> None:
        """Wait until a request is over, or the next one is due."""
        due = self.schedule.next_due if len(self._tasks) < self.concurrency else None
        if due is None:
            await self._changed.wait()
            return
        left = (began + due - time.monotonic_ns()) / 1e9
        try:
            async with asyncio.timeout(max(0.0, left) if left > 0 else None):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _step(self, index: int) -> None:
        try:
            result = await self.send(index)
        except asyncio.CancelledError:
            self._held[index] = skipped(
                self.steps[index], "interrupted while it was sent: what became of it is unknown"
            )
            raise
        except BaseException as failure:  # noqa: BLE001 (raised where the run is awaited)
            self._failure = self._failure or failure
            self._changed.set()
            return
        del self._tasks[index]
        self.schedule.finished(index)
        self._finished(index, result)
        self._changed.set()

    def _finished(self, index: int, result: Judged) -> None:
        self._held[index] = result
        while self._told in self._held:
            self._told += 1
            self.result(self._held.pop(self._told - 1))


def skipped(step: Step, reason: str) -> Judged:
    """The result of a step that is not sent."""
    return Judged(exchange=step.exchange, replayed=None, verdict=Verdict.SKIPPED, reason=reason)
