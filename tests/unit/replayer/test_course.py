"""One pass through a plan: what is held, and what a stop leaves."""

import asyncio

import pytest

from mesh_replayer import course as course_module
from mesh_replayer.course import Course, skipped
from mesh_replayer.events import Judged
from mesh_replayer.plan import Step
from mesh_replayer.schedule import Schedule
from mesh_replayer.target import parse_target
from support.replays import recorded

TARGET = parse_target("localhost:1")


def steps(count: int) -> list[Step]:
    """All of sessions of their own: nothing waits for anything."""
    return [Step(exchange=recorded(number)[0], target=TARGET, session=f"{number}") for number in range(count)]


def test_however_long_the_first_one_takes_only_so_many_results_are_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(course_module, "MOST_AHEAD", 10)
    plan = steps(50)
    begun: list[int] = []
    results: list[Judged] = []

    async def run() -> int:
        first_may_end = asyncio.Event()

        async def send(index: int) -> Judged:
            begun.append(index)
            if index == 0:
                await first_may_end.wait()
            elif len(begun) == 10:
                asyncio.get_running_loop().call_soon(first_may_end.set)
            return skipped(plan[index], "")

        course = Course(plan, Schedule([step.timing for step in plan]), 4, send, results.append)
        await course.run()
        return begun.index(10)

    assert asyncio.run(run()) == 10  # the eleventh began only once the first had ended
    assert [each.exchange.id for each in results] == [step.exchange.id for step in plan]


def test_a_bug_in_one_step_ends_the_run_and_is_seen() -> None:
    plan = steps(5)
    cancelled: list[int] = []

    async def send(index: int) -> Judged:
        if index == 2:
            raise LookupError("a slip of ours")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(index)
            raise
        raise AssertionError("never")

    course = Course(plan, Schedule([step.timing for step in plan]), 5, send, lambda _: None)

    with pytest.raises(LookupError, match="a slip of ours"):
        asyncio.run(course.run())
    assert sorted(cancelled) == [0, 1, 3, 4]


def test_a_stop_tells_what_became_of_every_step() -> None:
    """Case P17."""
    plan = steps(4)
    results: list[Judged] = []

    async def run() -> bool:
        waiting = asyncio.Event()

        async def send(index: int) -> Judged:
            if index == 0:
                return skipped(plan[index], "done")
            waiting.set()
            await asyncio.Event().wait()
            raise AssertionError("never")

        course = Course(plan, Schedule([step.timing for step in plan]), 2, send, results.append)
        task = asyncio.create_task(course.run())
        await waiting.wait()
        task.cancel()
        await task
        return course.interrupted

    assert asyncio.run(run())
    assert [each.reason.partition(":")[0] for each in results] == [
        "done", "interrupted while it was sent", "interrupted while it was sent",
        "interrupted before it was sent",
    ]  # fmt: skip
