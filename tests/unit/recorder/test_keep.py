"""What is kept, held back or let go, through the whole pipeline."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mesh_core.config import Keep
from mesh_core.frames import Run, decode_segment
from mesh_core.model import Bodies, Exchange
from mesh_core.together import keys_of
from mesh_recorder import held
from mesh_recorder.counters import Counters
from mesh_recorder.gone import Gone
from mesh_recorder.journal import Journal
from mesh_recorder.keep import HOLD_SECONDS, LEAST_HOLD, RING_SECONDS, Keeping
from mesh_recorder.pipeline import Pipeline
from mesh_recorder.selection import Selection
from support.recorded import RUN, FakeCapture, MemoryStore, an_exchange, finish

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


def as_it_is(exchange: Exchange, bodies: Bodies) -> tuple[Exchange, Bodies]:
    return exchange, bodies


def a_pipeline(
    folder: Path, store: MemoryStore, keeping: Keeping, *, run: str = "a", cap: int = 2**30
) -> Pipeline[FakeCapture]:
    named = Run(
        run_id=run * 32, project="shop", service="cart", instance="cart-1", recorder="0.1.0", started_at=2
    )
    started = Pipeline(
        finish=finish,
        redact=as_it_is,
        run=named,
        spool_dir=folder,
        open_sink=store.opened,
        keeping=keeping,
        cap=cap,
    )
    started.start()
    return started


def paths(store: MemoryStore) -> list[str]:
    return [exchange.path for exchange in store.exchanges]


def recorded(
    folder: Path, keeping: Keeping, *captures: FakeCapture, **more: Any
) -> tuple[list[str], Counters]:
    store = MemoryStore()
    pipeline = a_pipeline(folder, store, keeping, **more)
    for each in captures:
        pipeline.offer(each)
    counters = pipeline.drain(20)
    assert counters.balanced, counters
    assert store.gaps == counters.dropped
    return paths(store), counters


def test_probes_are_counted_and_not_stored(tmp_path: Path) -> None:
    """Case R43."""
    probe, failing = FakeCapture(1, path="/healthz"), FakeCapture(2, path="/readyz", failed=True)

    stored, counters = recorded(tmp_path, Keeping(), probe, failing, FakeCapture(3))

    assert stored == ["/3"]
    assert (counters.not_kept, counters.dropped) == ({"probe": 1, "probe_failed": 1}, {})


def test_a_trace_is_sampled_whole_or_not_at_all(tmp_path: Path) -> None:
    traces = [f"{n:032x}" for n in range(40)]
    captures = [FakeCapture(2 * n + part, trace=trace) for n, trace in enumerate(traces) for part in (0, 1)]

    stored, counters = recorded(tmp_path / "one", Keeping(sample=0.5), *captures)
    elsewhere, _ = recorded(tmp_path / "other", Keeping(sample=0.5), *captures)

    numbers = sorted(int(path[1:]) for path in stored)
    assert 0 < len(stored) < 80
    assert numbers[::2] == [number - 1 for number in numbers[1::2]]
    assert stored == elsewhere
    assert counters.not_kept == {"sample": 80 - len(stored)}


def test_failures_are_kept_with_the_seconds_before(tmp_path: Path) -> None:
    store = MemoryStore()
    pipeline = a_pipeline(tmp_path, store, Keeping(keep=Keep.FAILURES))

    pipeline.offer(FakeCapture(1, trace=A))
    pipeline.offer(FakeCapture(2, trace=B, failed=True))
    pipeline.offer(FakeCapture(3, trace=B))
    pipeline.offer(FakeCapture(4, trace=C))
    store.wait_for(3)
    counters = pipeline.drain(20)

    assert paths(store) == ["/1", "/2", "/3"]
    assert counters.balanced
    assert (counters.not_kept, counters.held) == ({"keep": 1}, 0)
    assert not list(tmp_path.glob("*.held"))


def test_a_failure_elsewhere_asks_for_what_is_held_and_for_what_comes(tmp_path: Path) -> None:
    store = MemoryStore()
    pipeline = a_pipeline(tmp_path, store, Keeping(keep=Keep.TRACE_FAILURES))
    pipeline.offer(FakeCapture(1, trace=A, body=b"whole"))
    pipeline.offer(FakeCapture(2, trace=B, request_id="r"))
    pipeline.offer(FakeCapture(3, trace=C))

    of_request = keys_of(an_exchange(trace_id="d" * 32, request_id="r"))
    store.failed += [keys_of(an_exchange(trace_id=A))[0], *of_request]
    store.wait_for(2)
    pipeline.offer(FakeCapture(4, trace=A))
    store.wait_for(3)
    counters = pipeline.drain(20)

    assert paths(store) == ["/1", "/2", "/4"]
    assert b"whole" in store.segments[0].frames[0].bodies.values()
    assert counters.balanced
    assert (counters.offered, counters.stored, counters.held) == (4, 3, 1)
    assert counters.dropped == counters.not_kept == {}


def test_its_own_failure_needs_no_store(tmp_path: Path) -> None:
    captures = [
        FakeCapture(1, trace=A),
        FakeCapture(2, trace=B),
        FakeCapture(3, trace=A, failed=True),
        FakeCapture(4, trace=A),
    ]

    stored, counters = recorded(tmp_path, Keeping(keep=Keep.TRACE_FAILURES), *captures)

    assert stored == ["/1", "/3", "/4"]
    assert (counters.held, counters.failures) == (1, 1)


@pytest.mark.parametrize(("keep", "comes"), [(Keep.TRACE_FAILURES, ["/1"]), (Keep.ALL, ["/1", "/2"])])
def test_the_next_start_decides_about_what_is_still_held(
    tmp_path: Path, keep: Keep, comes: list[str]
) -> None:
    captures = [FakeCapture(1, trace=A), FakeCapture(2, trace=B)]
    recorded(tmp_path, Keeping(keep=Keep.TRACE_FAILURES), *captures)
    [file] = tmp_path.glob("*.held")
    with file.open("ab") as torn:
        torn.write(b"\0\0\1")

    store = MemoryStore(failed=[keys_of(an_exchange(trace_id=A))[0]])
    second = a_pipeline(tmp_path, store, Keeping(keep=keep), run="b")
    store.wait_for(len(comes))
    counters = second.drain(20)

    assert paths(store) == comes
    assert counters.balanced
    assert (counters.offered, counters.held) == (2, 2 - len(comes))


def test_what_is_held_is_bounded_and_what_goes_too_early_is_a_drop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "SEGMENT_BYTES", 10_000)
    keeping = Keeping(keep=Keep.TRACE_FAILURES)
    captures = [FakeCapture(n, trace=f"{n:032x}", body=os.urandom(9_000)) for n in range(20)]

    stored, counters = recorded(tmp_path, keeping, *captures, cap=200_000)

    assert stored == []
    assert counters.dropped["held_full"] + counters.held == 20
    assert sum(file.stat().st_size for file in tmp_path.glob("*.held")) <= 60_000


def test_a_disk_that_takes_nothing_back_is_a_drop(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keeping = Keeping(keep=Keep.TRACE_FAILURES)
    pipeline = a_pipeline(tmp_path / "file" / "spool", MemoryStore(), keeping)

    pipeline.offer(FakeCapture(1))
    counters = pipeline.drain(20)

    assert counters.dropped == {"spool_unwritable": 1}
    assert counters.balanced


def test_a_store_that_is_away_at_the_end_does_not_keep_us(tmp_path: Path) -> None:
    store = MemoryStore()
    store.away.set()
    pipeline = a_pipeline(tmp_path, store, Keeping(keep=Keep.TRACE_FAILURES))
    pipeline.offer(FakeCapture(1))
    pipeline.offer(FakeCapture(2, trace=B, failed=True))
    counters = pipeline.drain(10)

    assert (counters.held, counters.spooled) == (1, 1)
    assert counters.balanced


def _ages(keep: Keep) -> Callable[[float, float], bool]:
    rule = Keeping(keep=keep)
    return lambda age, heard: rule.over(age=age, heard_age=heard)


def test_nothing_is_let_go_for_its_age_while_nobody_can_know_of_failures() -> None:
    dashcam, ring = _ages(Keep.TRACE_FAILURES), _ages(Keep.FAILURES)

    assert not dashcam(10 * HOLD_SECONDS, -1.0)
    assert dashcam(10 * HOLD_SECONDS, HOLD_SECONDS)
    assert not ring(RING_SECONDS / 2, -1.0)
    assert ring(RING_SECONDS, -1.0)
    assert Keeping(keep=Keep.TRACE_FAILURES).reason(heard_age=LEAST_HOLD) == "keep"
    assert Keeping(keep=Keep.TRACE_FAILURES).reason(heard_age=LEAST_HOLD - 1) == "held_full"


def test_failures_are_remembered_for_as_long_as_parts_are_held() -> None:
    keeping = Keeping(keep=Keep.TRACE_FAILURES)

    assert keeping.heard([1, 2], 0.0) == {1, 2}
    assert keeping.heard([2, 3], 100.0) == {3}
    assert keeping.wanted((2, 9), HOLD_SECONDS + 50)
    assert not keeping.wanted((1, 9), HOLD_SECONDS + 50)


def test_an_hour_without_a_store_takes_no_more_room_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can know of failures then: what goes goes for want of room, and the account is whole."""
    monkeypatch.setattr(held, "SEGMENT_BYTES", 20_000)
    cap = 100_000
    journal = Journal(run=RUN, folder=tmp_path, cap=10**9, shipper=None)
    keeping = Keeping(keep=Keep.TRACE_FAILURES)
    selection = Selection(keeping=keeping, journal=journal, redact=as_it_is, run=RUN, cap=cap)
    most = 0
    for second in range(3600):
        selection.take(*finish(FakeCapture(second, trace=f"{second:032x}")), now=float(second))
        selection.upkeep(float(second), heard_at=1.0)
        most = max(most, selection.held_bytes)
    journal.close()

    assert cap / 2 < most <= cap + 20_000
    assert sum(file.stat().st_size for file in tmp_path.glob("*.held")) <= cap
    assert selection.held > 0
    assert selection.not_kept == {}
    assert selection.held + journal.dropped["held_full"] == 3600


def test_a_failure_that_is_heard_of_too_late_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was let go is counted once, and the store is told when it was."""
    journal = Journal(run=RUN, folder=tmp_path, cap=10**9, shipper=None)
    keeping = Keeping(keep=Keep.TRACE_FAILURES)
    selection = Selection(keeping=keeping, journal=journal, redact=as_it_is, run=RUN, cap=10**9)
    ours = [finish(FakeCapture(number, trace=trace)) for number, trace in ((1, A), (2, A), (3, B))]
    for each in ours:
        selection.take(*each, now=0.0)
    selection.upkeep(HOLD_SECONDS + 1, heard_at=HOLD_SECONDS + 1)
    assert (selection.held, selection.not_kept) == (0, {"keep": 3})

    for _ in range(2):
        selection.heard([keys_of(ours[0][0])[0]], now=HOLD_SECONDS + 2)
    journal.close()

    (gap,) = [
        frame.gap for file in tmp_path.glob("*.seg") for frame in decode_segment(file.read_bytes()).frames
    ]
    assert gap is not None
    assert (gap.reason, gap.count, selection.late) == ("let_go_too_early", 2, 2)
    assert gap.started_at <= ours[0][0].started_at <= ours[1][0].started_at <= gap.ended_at
    assert selection.not_kept == {"keep": 3}
    assert sum("had let go of its part" in message for message in caplog.messages) == 1


def test_what_was_let_go_is_remembered_for_the_newest_alone() -> None:
    gone = Gone(most=10)
    for piece in range(5):
        gone.add((2 * n + 1, 2 * n + 2, n) for n in range(4 * piece, 4 * piece + 4))

    assert gone.wanted([1]) == []
    assert gone.wanted([2 * 19 + 1, 2 * 18 + 2]) == [18, 19]
    assert gone.wanted([2 * 19 + 1]) == []


def test_run_names_a_held_file(tmp_path: Path) -> None:
    recorded(tmp_path, Keeping(keep=Keep.TRACE_FAILURES), FakeCapture(1))

    assert [file.name for file in tmp_path.glob("*.held")] == [f"{RUN.run_id}-00000001.held"]
