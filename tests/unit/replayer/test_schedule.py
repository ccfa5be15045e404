"""When each request of a run may go out."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_core.errors import ConfigInvalid
from mesh_replayer.schedule import LATE, Pace, Schedule, Timing, lateness, parse_pace

MS = 1_000_000


def timing(
    start: int, end: int, session: str = "s", lane: object = None, after: tuple[int, ...] = ()
) -> Timing:
    """Milliseconds; a connection of its own unless one is given."""
    return Timing(start=start * MS, end=end * MS, session=session, lane=lane or object(), after=after)


def ready(schedule: Schedule, elapsed: int = 0) -> list[int]:
    """All that may go out now."""
    found: list[int] = []
    while (index := schedule.take(elapsed)) is not None:
        found.append(index)
    return found


def test_of_one_session_a_request_waits_for_what_had_ended_before_it_and_no_more() -> None:
    schedule = Schedule([timing(0, 10), timing(5, 30), timing(10, 20), timing(40, 50)])

    assert ready(schedule) == [0, 1]
    schedule.finished(0)
    assert ready(schedule) == [2]
    schedule.finished(2)
    assert ready(schedule) == []
    schedule.finished(1)
    assert ready(schedule) == [3]


def test_of_two_sessions_all_may_overlap() -> None:
    assert ready(Schedule([timing(0, 1, "a"), timing(2, 3, "b"), timing(4, 5, "c")])) == [0, 1, 2]


def test_requests_of_one_connection_go_out_one_after_the_other_even_where_they_overlapped() -> None:
    schedule = Schedule([timing(0, 10, "a", "one"), timing(1, 11, "b", "one"), timing(2, 3, "c", "two")])

    assert ready(schedule) == [0, 2]
    schedule.finished(0)
    assert ready(schedule) == [1]


def test_a_request_waits_for_the_answers_that_it_uses() -> None:
    schedule = Schedule([timing(0, 10, "a"), timing(20, 30, "b", after=(0,))])

    assert ready(schedule) == [0]
    schedule.finished(0)
    assert ready(schedule) == [1]


def test_what_took_no_time_keeps_its_order_and_waits_for_nothing_later() -> None:
    schedule = Schedule([timing(5, 5)] * 3)

    for index in range(3):
        assert ready(schedule) == [index]
        schedule.finished(index)


def test_due_times_are_absolute_and_divided_by_the_speed() -> None:
    """Case P14: a capture of 1.5 s takes 1.5 s, and at x4 a quarter."""
    timings = [timing(0, 1, "a"), timing(300, 900, "b"), timing(310, 311, "c"), timing(1_500, 1_501, "d")]

    recorded, faster = Schedule(timings, Pace(1.0)), Schedule(timings, parse_pace("x4"))

    assert [recorded.due(index) // MS for index in range(4)] == [0, 300, 310, 1_500]
    assert [faster.due(index) / MS for index in range(4)] == [0, 75, 77.5, 375]
    assert ready(recorded, 299 * MS) == [0]
    assert recorded.next_due == 300 * MS
    assert ready(recorded, 1_499 * MS) == [1, 2]
    assert ready(recorded, 1_500 * MS) == [3]


def test_fast_has_no_due_times_and_keeps_the_order() -> None:
    """Case P14."""
    schedule = Schedule([timing(0, 10), timing(1_000, 1_010)])

    assert [schedule.due(index) for index in (0, 1)] == [0, 0]
    assert ready(schedule) == [0]


def test_what_lies_too_far_ahead_waits() -> None:
    schedule = Schedule([timing(0, 1, "a"), timing(0, 1, "b")])

    assert (schedule.take(0, below=1), schedule.take(0, below=1)) == (0, None)
    assert schedule.take(0, below=2) == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 15), st.integers(0, 2), st.integers(0, 3)), max_size=40
    ),
    st.randoms(use_true_random=False),
)
def test_every_request_goes_out_once_and_never_before_what_it_follows(
    given_: list[tuple[int, int, int, int]], chance: random.Random
) -> None:
    """Happens-before holds whatever the order in which answers come."""
    timings = [
        timing(start, start + lasts, f"s{session}", f"l{lane}")
        for start, lasts, session, lane in sorted(given_)
    ]
    schedule = Schedule(timings)
    going: list[int] = []
    over: list[int] = []
    while schedule.left:
        going += ready(schedule)
        index = going.pop(chance.randrange(len(going)))
        for earlier, other in enumerate(timings[:index]):
            ended = other.end <= timings[index].start and other.session == timings[index].session
            if ended or other.lane == timings[index].lane:
                assert earlier in over
        over.append(index)
        schedule.finished(index)

    assert sorted(over) == list(range(len(timings)))
    assert going == []


def test_lateness_is_told_and_a_run_that_is_late_too_often_did_not_keep_its_pace() -> None:
    prompt, slow = lateness([0, MS, 2 * MS, -5]), lateness([0] * 8 + [LATE + 1] * 2)

    assert prompt is not None
    assert (prompt.p50, prompt.p99, prompt.late, prompt.kept) == (MS, 2 * MS, 0, True)
    assert slow is not None
    assert (slow.late, slow.count, slow.kept) == (2, 10, False)
    assert lateness([]) is None


@pytest.mark.parametrize(("text", "speed"), [("fast", None), ("recorded", 1.0), ("x4", 4.0), ("x0.5", 0.5)])
def test_a_pace_is_read(text: str, speed: float | None) -> None:
    assert parse_pace(text).speed == speed


@pytest.mark.parametrize("text", ["", "x", "x0", "4x", "x-1", "xinf", "slow"])
def test_what_is_no_pace_is_said(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="give recorded, fast, or x4"):
        parse_pace(text)
