"""Which clock a store believes."""

from hypothesis import given
from hypothesis import strategies as st

from mesh_core.retention import DAY
from mesh_store.clock import HOUR, MINUTE, Watch, believed, judged

NOW = 20_000 * DAY


def test_the_first_time_is_believed_and_each_that_follows_on_it() -> None:
    watch = judged(Watch(None), NOW)
    assert watch == Watch(NOW)
    assert judged(watch, NOW + HOUR) == Watch(NOW + HOUR)
    assert judged(watch, NOW - HOUR) == Watch(NOW)


def test_a_time_that_jumped_has_to_hold_for_an_hour() -> None:
    for jump in (4000 * DAY, -4000 * DAY):
        doubted = judged(Watch(NOW), NOW + jump)
        assert doubted == Watch(NOW, NOW + jump)
        assert judged(doubted, NOW + jump + HOUR - 1) == doubted
        assert judged(doubted, NOW + jump + HOUR) == Watch(NOW + jump + HOUR)


def test_who_writes_by_the_old_time_keeps_a_wrong_one_from_being_believed() -> None:
    doubted = judged(Watch(NOW), NOW + 400 * DAY)
    contradicted = judged(doubted, NOW + MINUTE)

    assert contradicted == Watch(NOW + MINUTE)
    assert judged(contradicted, NOW + 400 * DAY + 2 * HOUR).doubted is not None


@given(st.lists(st.integers(-5 * DAY, 5 * DAY), max_size=30))
def test_no_single_jump_moves_what_is_believed_by_more_than_a_day(steps: list[int]) -> None:
    watch, now = Watch(NOW), NOW
    for step in steps:
        now += step
        before = watch
        watch = judged(watch, now)

        assert watch.seen is not None
        assert before.seen is not None
        if not believed(before.seen, now) and watch.seen != before.seen:
            assert before.doubted is not None
            assert HOUR <= now - before.doubted <= 2 * DAY
