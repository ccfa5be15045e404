import errno
import logging
import os
import resource
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mesh_core.config import Keep
from mesh_core.frames import Run, decode_segment
from mesh_core.model import Bodies, Exchange
from mesh_recorder import room
from mesh_recorder.keep import Keeping
from mesh_recorder.pipeline import Pipeline
from mesh_recorder.settings import Durability
from mesh_recorder.ship import FIRST_WAIT, LONGEST_WAIT, wait_after
from support.recorded import RUN, FakeCapture, MemoryStore, finish


def as_it_is(exchange: Exchange, bodies: Bodies) -> tuple[Exchange, Bodies]:
    return exchange, bodies


def a_pipeline(
    folder: Path,
    store: MemoryStore | None = None,
    *,
    run: Run = RUN,
    budget: int = 2**26,
    cap: int = 2**30,
    durability: Durability = Durability.BATCH,
    keeping: Keeping | None = None,
) -> Pipeline[FakeCapture]:
    return Pipeline(
        finish=finish,
        redact=as_it_is,
        run=run,
        spool_dir=folder,
        open_sink=store.opened if store else None,
        budget=budget,
        cap=cap,
        durability=durability,
        keeping=keeping,
    )


def test_what_is_offered_is_in_the_store_before_the_pipeline_ends(tmp_path: Path) -> None:
    store = MemoryStore()
    pipeline = a_pipeline(tmp_path / "spool", store)
    pipeline.start()

    pipeline.offer(FakeCapture(1, body=b"hello"))
    store.wait_for(1)

    assert pipeline.drain(10).stored == 1
    assert list(tmp_path.glob("spool/*.seg")) == []


def test_every_exchange_is_counted_once(tmp_path: Path) -> None:
    store = MemoryStore()
    pipeline = a_pipeline(tmp_path, store)
    pipeline.start()

    for number in range(500):
        pipeline.offer(FakeCapture(number, failed=number % 10 == 0, broken=number % 100 == 99))
    pipeline.lost("capture_error", 3)
    counters = pipeline.drain(20)

    assert counters.balanced
    assert (counters.offered, counters.stored, counters.failures) == (503, 495, 50)
    assert counters.dropped == {"record_error": 5, "capture_error": 3}
    assert store.gaps == counters.dropped
    assert [exchange.path for exchange in store.exchanges] == [f"/{n}" for n in range(500) if n % 100 != 99]


def test_frames_are_numbered_without_a_hole(tmp_path: Path) -> None:
    store = MemoryStore()
    pipeline = a_pipeline(tmp_path, store)
    pipeline.start()

    for number in range(50):
        pipeline.offer(FakeCapture(number))
    pipeline.lost("capture_error")
    pipeline.drain(20)

    assert [frame.seq for segment in store.segments for frame in segment.frames] == list(range(1, 52))


def test_the_memory_that_waits_is_bounded_in_bytes(tmp_path: Path) -> None:
    store = MemoryStore()
    pipeline = a_pipeline(tmp_path, store, budget=10_000)

    for number in range(12):  # not started: nothing is taken off
        pipeline.offer(FakeCapture(number))
    pipeline.start()
    counters = pipeline.drain(20)

    assert (counters.offered, counters.stored, counters.dropped) == (12, 10, {"queue_full": 2})
    assert store.gaps == {"queue_full": 2}


def test_what_was_captured_is_never_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pipeline = a_pipeline(tmp_path, MemoryStore())
    pipeline.start()

    pipeline.offer(FakeCapture(1, broken=True))
    pipeline.drain(20)

    assert "could not be recorded (RuntimeError)" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_store_that_is_away_gets_everything_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Case R23: store down."""
    caplog.set_level(logging.WARNING)
    store = MemoryStore()
    store.away.set()
    pipeline = a_pipeline(tmp_path, store)
    pipeline.start()
    pipeline.offer(FakeCapture(1))
    store.wait_for_tries(2)
    assert pipeline.store_away == "the store refused the connection"

    store.away.clear()
    pipeline.offer(FakeCapture(2))
    store.wait_for(2)

    assert pipeline.drain(20).stored == 2
    assert caplog.messages == [
        "the store is away, recording goes on into the spool: the store refused the connection",
        "the store is back, the spool is being shipped",
    ]


def test_a_restart_ships_what_an_earlier_run_left(tmp_path: Path) -> None:
    away = MemoryStore()
    away.away.set()
    first = a_pipeline(tmp_path, away)
    first.start()
    first.offer(FakeCapture(1))
    left = first.drain(10)
    assert (left.stored, left.spooled) == (0, 1)

    store = MemoryStore()
    second = a_pipeline(tmp_path, store, run=_run("b"))
    second.start()
    second.offer(FakeCapture(2))
    counters = second.drain(20)

    assert [exchange.path for exchange in store.exchanges] == ["/1", "/2"]
    assert (counters.offered, counters.stored, counters.resumed) == (1, 1, 1)
    assert [segment.run.run_id for segment in store.segments] == ["a" * 32, "b" * 32]


def test_a_second_recorder_takes_a_folder_beside_the_first(tmp_path: Path) -> None:
    """Case R28: two recorders on one spool directory."""
    store = MemoryStore()
    first = a_pipeline(tmp_path / "cart", store)
    second = a_pipeline(tmp_path / "cart", store, run=_run("b"))
    for pipeline in (first, second):
        pipeline.start()
        pipeline.offer(FakeCapture(1))
        store.wait_for(1 if pipeline is first else 2)

    assert (first.spool_dir, second.spool_dir) == (tmp_path / "cart", tmp_path / "cart~2")
    assert first.drain(10).stored == second.drain(10).stored == 1


def test_what_a_dead_recorder_left_beside_is_adopted(tmp_path: Path) -> None:
    holder = a_pipeline(tmp_path / "cart")
    holder.start()
    beside = a_pipeline(tmp_path / "cart", run=_run("b"))
    holder.offer(FakeCapture(1))
    beside.start()
    beside.offer(FakeCapture(2))
    beside.drain(10)
    holder.drain(10)

    store = MemoryStore()
    third = a_pipeline(tmp_path / "cart", store, run=_run("c"))
    third.start()
    third.drain(10)

    assert sorted(exchange.path for exchange in store.exchanges) == ["/1", "/2"]


def test_a_spool_that_cannot_be_made_drops_and_counts(tmp_path: Path) -> None:
    """Case R23: spool directory unusable."""
    (tmp_path / "file").touch()
    pipeline = a_pipeline(tmp_path / "file" / "spool", MemoryStore())
    pipeline.start()

    pipeline.offer(FakeCapture(1))
    counters = pipeline.drain(10)

    assert counters.dropped == {"spool_unwritable": 1}
    assert counters.balanced


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size`: as good as a full disk (EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_drops_and_counts_and_recovers(tmp_path: Path) -> None:
    """Case R23: disk full."""
    store = MemoryStore()
    pipeline = a_pipeline(tmp_path, store)
    pipeline.start()
    with _largest_file(20_000):
        pipeline.offer(FakeCapture(1))
        store.wait_for(1)
        pipeline.offer(FakeCapture(2, body=os.urandom(50_000)))
        pipeline.offer(FakeCapture(3))
        store.wait_for(2)
    pipeline.offer(FakeCapture(4, body=os.urandom(50_000)))
    counters = pipeline.drain(20)

    assert [exchange.path for exchange in store.exchanges] == ["/1", "/3", "/4"]
    assert counters.dropped == store.gaps == {"spool_unwritable": 1}
    assert counters.balanced


def test_a_spool_that_fills_up_gives_bodies_then_successes_then_failures(tmp_path: Path) -> None:
    pipeline = a_pipeline(tmp_path, cap=100_000)
    pipeline.start()

    pipeline.offer(FakeCapture(1, body=os.urandom(85_000)))
    pipeline.offer(FakeCapture(2, body=os.urandom(5_000)))
    pipeline.offer(FakeCapture(3, failed=True, body=os.urandom(7_000)))
    pipeline.offer(FakeCapture(4))
    pipeline.offer(FakeCapture(5, failed=True, body=os.urandom(7_000)))
    pipeline.offer(FakeCapture(6, failed=True))
    counters = pipeline.drain(20)

    frames = [f for path in sorted(tmp_path.glob("*.seg")) for f in decode_segment(path.read_bytes()).frames]
    kept = {f.exchange.path: f.exchange.response_body for f in frames if f.exchange is not None}
    assert list(kept) == ["/1", "/2", "/3", "/5"]
    assert kept["/2"] is not None
    assert (kept["/2"].stored, kept["/2"].size, kept["/2"].truncated) == (0, 5_000, True)
    assert counters.dropped == {"spool_full": 2}


def test_a_disk_that_is_almost_full_is_left_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the recording may take is what is free beyond a reserve; the service may share the disk."""
    monkeypatch.setattr(room, "reserve", lambda size: 2 * size)
    for keep in (Keep.ALL, Keep.TRACE_FAILURES):
        pipeline = a_pipeline(tmp_path / keep, keeping=Keeping(keep=keep))
        pipeline.start()
        pipeline.offer(FakeCapture(1))
        pipeline.offer(FakeCapture(2, failed=True))
        counters = pipeline.drain(20)

        assert counters.balanced
        assert counters.dropped == {"disk_full": 2}


def test_what_stays_free_is_less_on_a_small_disk() -> None:
    assert room.reserve(1024**4) == room.KEEP_FREE
    assert room.reserve(100 * 1024**2) == 5 * 1024**2
    assert room.Room(1000).limit(Path("/nowhere/at/all"), used=10) == 1000


def test_a_store_that_fails_is_asked_ever_less_often_and_not_by_all_at_once() -> None:
    least = [wait_after(failures, 0.0) for failures in range(1, 40)]
    most = [wait_after(failures, 1.0) for failures in range(1, 40)]

    assert least == sorted(least)
    assert all(high == 2 * low for low, high in zip(least, most, strict=True))
    assert (most[0], most[-1]) == (FIRST_WAIT, LONGEST_WAIT)


def test_nobody_else_may_read_the_spool_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keeping = Keeping(keep=Keep.TRACE_FAILURES)
        pipeline = a_pipeline(tmp_path / "project" / "spool" / "cart", None, keeping=keeping)
        pipeline.start()
        pipeline.offer(FakeCapture(1))
        pipeline.offer(FakeCapture(2, failed=True, trace="b" * 32))
        pipeline.drain(10)
    finally:
        os.umask(before)

    found = list((tmp_path / "project").rglob("*"))
    assert {path.suffix for path in found if path.is_file()} == {".seg", ".held", ""}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "project", *found]}
    assert all(mode == (0o600 if "." in name or name == "lock" else 0o700) for name, mode in modes.items())


def test_a_torn_tail_is_cut_and_counted(tmp_path: Path) -> None:
    """Case R27: cut at every byte of the last block."""
    first = a_pipeline(tmp_path, durability=Durability.EACH)
    first.start()
    for number in (1, 2):
        first.offer(FakeCapture(number))
    first.drain(10)
    [path] = tmp_path.glob("*.seg")
    whole = path.read_bytes()
    length = len(whole) - _offset_of_last_block(whole)
    for cut in range(1, length, max(1, length // 12)):
        path.write_bytes(whole[:-cut])

        store = MemoryStore()
        second = a_pipeline(tmp_path, store, run=_run("b"))
        second.start()
        store.wait_for(1)
        second.drain(10)

        assert [exchange.path for exchange in store.exchanges] == ["/1"]


def test_a_segment_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    """Case R27: quarantined, never a crash loop."""
    (tmp_path / ("c" * 32 + "-00000001.seg")).write_bytes(b"MESHSEG9" + b"x" * 500)
    (tmp_path / ("d" * 32 + "-00000001.open")).write_bytes(b"MESHSEG2")
    store = MemoryStore()
    pipeline = a_pipeline(tmp_path, store)
    pipeline.start()

    pipeline.offer(FakeCapture(1))
    store.wait_for(1)
    counters = pipeline.drain(10)

    assert [path.name for path in tmp_path.glob("*.bad")] == ["c" * 32 + "-00000001.bad"]
    assert not list(tmp_path.glob("*.open"))
    assert counters.stored == 1


def test_damage_inside_a_segment_is_counted_as_a_gap(tmp_path: Path) -> None:
    away = MemoryStore()
    first = a_pipeline(tmp_path, durability=Durability.EACH)
    first.start()
    for number in (1, 2, 3):
        first.offer(FakeCapture(number, body=os.urandom(1000)))
    first.drain(10)
    [path] = tmp_path.glob("*.seg")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)

    second = a_pipeline(tmp_path, away, run=_run("b"))
    second.start()
    away.wait_for(2)
    second.offer(FakeCapture(4))
    away.wait_for(3)
    counters = second.drain(10)

    # The account of this run is of its own exchanges alone.
    assert (counters.offered, counters.stored, counters.spooled, counters.gap) == (1, 1, 0, 0)
    assert (counters.resumed, counters.resumed_damaged) == (1, 1)
    assert [exchange.path for exchange in away.exchanges] == ["/1", "/3", "/4"]
    assert away.gaps == {"frame_damaged": 1}
    assert len(list(tmp_path.glob("*.bad"))) == 1


def _run(letter: str) -> Run:
    return Run(
        run_id=letter * 32, project="shop", service="cart", instance="cart-1", recorder="0.1.0", started_at=2
    )


def _offset_of_last_block(segment: bytes) -> int:
    last = offset = 24 + int.from_bytes(segment[8:12])
    while offset < len(segment):
        last, offset = offset, offset + 20 + int.from_bytes(segment[offset : offset + 4])
    return last


def test_damage_that_shipping_finds_at_the_very_end_is_still_written_down(tmp_path: Path) -> None:
    first = a_pipeline(tmp_path, durability=Durability.EACH)
    first.start()
    for number in (1, 2, 3):
        first.offer(FakeCapture(number, body=os.urandom(1000)))
    first.drain(10)
    [path] = tmp_path.glob("*.seg")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)

    class Late(MemoryStore):
        def ingest(self, segment: bytes) -> int:
            second._ending.wait()
            return super().ingest(segment)

    store = Late()
    second = a_pipeline(tmp_path, store, run=_run("b"))
    second.start()
    second.drain(10)

    assert store.gaps == {"frame_damaged": 1}


def test_a_spool_folder_that_is_removed_is_made_anew_and_what_was_in_it_is_missed(tmp_path: Path) -> None:
    """Case R23: somebody tidies up below a running sidecar."""
    store = MemoryStore()
    store.away.set()
    pipeline = a_pipeline(tmp_path / "spool", store)
    pipeline.start()
    pipeline.offer(FakeCapture(1))
    store.wait_for_tries(1)  # it waits in the spool
    shutil.rmtree(tmp_path / "spool")
    store.away.clear()
    for number in range(2, 200):
        pipeline.offer(FakeCapture(number))
        if (tmp_path / "spool").exists():
            break
        store.committed.acquire()
        store.committed.wait(0.05)
        store.committed.release()
    counters = pipeline.drain(20)

    assert counters.balanced
    assert counters.stored == len(store.exchanges) > 0
    assert counters.gap >= 1
    assert store.gaps == {"frame_damaged": counters.gap, **counters.dropped}
    assert (tmp_path / "spool" / "lock").exists()


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_a_disk_that_fails_to_sync_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Case R23: EIO; the segment is given up, and never synced again as if it had been well."""
    failed: list[int] = []

    def broken(descriptor: int) -> None:
        failed.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    store = MemoryStore()
    pipeline = a_pipeline(tmp_path, store)
    pipeline.start()
    for number in range(1, 11):
        pipeline.offer(FakeCapture(number, body=os.urandom(size)))
        store.wait_for(number)
    counters = pipeline.drain(20)

    assert failed
    assert (counters.offered, counters.stored, dict(counters.dropped)) == (10, 10, {})
    assert [exchange.path for exchange in store.exchanges] == [f"/{number}" for number in range(1, 11)]
    numbers = [frame.seq for segment in store.segments for frame in segment.frames]
    assert numbers == list(range(1, 11))
