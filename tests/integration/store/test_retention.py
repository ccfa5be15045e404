"""What stays, for how long, and that nothing else goes with what does not."""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import text

from mesh_core.errors import NotRecorded
from mesh_core.ids import uuid7
from mesh_core.model import Bodies, Exchange
from mesh_core.query import Query, parse_query
from mesh_core.retention import DAY, FOR_EVER, Retention
from mesh_store import partitions
from mesh_store.clock import HOUR, Clock
from mesh_store.keeper import EACH_SECONDS, Keeper
from mesh_store.retention import prune
from mesh_store.store import Store, open_store
from support.recorded import FakeCapture, finish
from support.segments import a_gap, a_run, a_segment, captured

ALL = Query("", None)
TODAY = time.time_ns() // DAY * DAY + DAY // 2
WEEK = Retention(age=7 * DAY, failed_age=30 * DAY, size=None)


def at(moment: int, number: int, *, failed: bool = False, body: bytes = b"") -> tuple[Exchange, Bodies]:
    exchange, bodies = finish(FakeCapture(number, failed=failed, body=body))
    own = {"id": uuid7(moment, number.to_bytes(8)), "trace_id": f"{number:032x}"}
    return structs.replace(exchange, started_at=moment, ended_at=moment, **own), bodies  # type: ignore[arg-type]  # both are str


def paths(store: Store) -> set[str]:
    return {e.path for e in store.search(ALL, limit=1000).exchanges}


def pruned(store: Store, retention: Retention, *, now: int | None) -> int:
    return sum(prune(store._engine, retention, now=now))


def later(days: float) -> int:
    return time.time_ns() + round(days * DAY)


def test_what_is_old_goes_and_failed_traces_later(store: Store) -> None:
    days_ago = [
        at(TODAY - days * DAY, days, failed=days % 2 == 1, body=b"%d" % days) for days in range(1, 21)
    ]
    store.ingest(a_segment(days_ago))
    upstream = structs.replace(at(TODAY - 3 * DAY, 50)[0], trace_id=days_ago[2][0].trace_id)
    store.ingest(a_segment([(upstream, {})], run=a_run(9)))

    assert pruned(store, WEEK, now=later(6)) == 0
    # Stored eight days ago by then, whatever their own times are.
    assert pruned(store, WEEK, now=later(29)) == 10
    assert paths(store) == {f"/{n}" for n in range(1, 21, 2)} | {"/50"}
    assert store.check().problems == ()
    assert store.check().bodies == 10

    assert pruned(store, WEEK, now=later(31)) == 11
    assert paths(store) == set()
    assert store.check().problems == ()
    assert store.stats().failure_groups == store.stats().traces == store.stats().bodies == 0


def test_what_is_imported_stays_although_its_time_is_long_ago(store: Store) -> None:
    store.add([at(TODAY - 20 * DAY, 1), at(TODAY - 400 * DAY, 2), at(0, 3)])
    store.ingest(a_segment([at(TODAY, 4)]))

    assert pruned(store, WEEK, now=time.time_ns()) == 0
    assert paths(store) == {"/1", "/2", "/3", "/4"}
    assert pruned(store, WEEK, now=later(8)) == 4


def test_a_pinned_trace_stays_until_it_is_unpinned(store: Store) -> None:
    recorded = [at(TODAY - 2 * DAY, 1, body=b"kept"), at(TODAY - 2 * DAY, 2)]
    store.ingest(a_segment(recorded))
    name = recorded[0][0].trace_id
    assert store.pin(name).changed
    assert not store.pin(name).changed
    with pytest.raises(NotRecorded):
        store.pin("f" * 32)
    assert store.stats().pinned == (name,)

    assert pruned(store, replace(WEEK, size=0), now=later(99)) == 1
    assert paths(store) == {"/1"}
    assert store.bodies([recorded[0][0]]) == recorded[0][1]

    assert store.pin(name, pinned=False).changed
    assert store.stats().pinned == ()
    assert pruned(store, WEEK, now=later(99)) == 1


def test_a_trace_is_pinned_with_what_is_joined_to_it_under_other_ids(store: Store) -> None:
    """A service that hands on the request id alone begins a trace of its own."""
    first, second = at(TODAY, 1), at(TODAY, 2)
    joined = [(structs.replace(each, request_id="r-1"), {}) for each, _ in (first, second)]
    store.ingest(a_segment(joined))
    whole = store.trace(first[0].trace_id)
    assert whole is not None
    expected = {each.trace_id for each in whole.exchanges}

    store.pin(first[0].trace_id)

    assert set(store.stats().pinned) == expected


def test_beyond_the_size_the_oldest_go_and_failed_traces_last(store: Store) -> None:
    big = [at(TODAY - n * 1000, n, failed=n >= 190, body=os.urandom(20_000)) for n in range(1, 201)]
    store.ingest(a_segment(big))
    before = store.stats().bytes

    gone = pruned(store, Retention(age=None, failed_age=None, size=before // 2), now=None)

    assert 0 < gone <= 190
    assert {f"/{n}" for n in range(190, 201)} <= paths(store)
    assert store.check().problems == ()
    assert store.stats().bytes <= before // 2
    assert pruned(store, FOR_EVER, now=later(1000)) == 0
    pruned(store, Retention(age=None, failed_age=None, size=0), now=None)
    assert paths(store) == set()


def test_a_body_that_another_exchange_has_stays(store: Store) -> None:
    first, second = at(TODAY - DAY, 1, body=b"same"), at(TODAY, 2, body=b"same")
    store.ingest(a_segment([first, second]))

    assert store.forget(parse_query("path:/1", now=0)) == 1
    assert store.bodies([second[0]]) == second[1]
    assert store.forget(parse_query("path:/2", now=0)) == 1
    assert store.bodies([second[0]]) == {}
    assert (store.check().bodies, store.check().problems) == (0, ())


def test_what_was_pruned_is_said_to_be(store: Store) -> None:
    old = [at(TODAY - 20 * DAY, 1), at(TODAY - 10 * DAY, 2)]
    store.ingest(a_segment([*old, at(TODAY, 3, failed=True)]))
    pruned(store, WEEK, now=later(8))

    with pytest.raises(NotRecorded, match=r"what was recorded at .* has been pruned"):
        store.find(old[0][0].id)


def test_sent_again_what_was_pruned_does_not_come_back(store: Store) -> None:
    segment = a_segment(captured(1, 2))
    store.ingest(segment)
    store.prune(replace(WEEK, age=0))

    assert store.ingest(segment) == 2
    assert paths(store) == set()
    assert store.check().problems == ()


def test_the_account_of_a_run_goes_when_nothing_of_it_is_left(store: Store) -> None:
    store.ingest(a_segment([*captured(1), a_gap()]))

    pruned(store, WEEK, now=later(31))

    found = store.stats()
    assert (found.runs, found.dropped, store.check().offered) == (0, (), 0)


def test_whole_days_are_dropped_at_once_on_postgres(store: Store) -> None:
    if store._engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no partitions")
    days = [at(TODAY - n * DAY, n, failed=n == 4) for n in (1, 3, 4, 5)]
    store.ingest(a_segment(days))

    with store._engine.connect() as connection:
        tables = set(connection.execute(text("SELECT tableoid::regclass::text FROM exchange")).scalars())
        assert tables == {partitions.name_of((TODAY - n * DAY) // DAY) for n in (1, 3, 4, 5)}
    assert pruned(store, WEEK, now=later(7.5)) == 3
    assert paths(store) == {"/4"}
    with store._engine.connect() as connection:
        assert connection.execute(text("SELECT tableoid::regclass::text FROM exchange")).scalar_one() == (
            "exchange_other"
        )
        assert all((day + 1) * DAY > time.time_ns() for day in partitions.days_there(connection))
    assert store.check().problems == ()


@dataclass
class Clocks:
    """A wall clock and a monotonic one that tests move."""

    wall: int
    ticks: float = 1000.0

    def keeper(self, store: Store, retention: Retention = WEEK) -> Keeper:
        clock = Clock(store._engine, wall=lambda: self.wall)
        return Keeper(store._engine, retention, clock, monotonic=lambda: self.ticks)


def test_who_writes_keeps_to_the_retention_from_time_to_time(store: Store) -> None:
    store.ingest(a_segment(captured(1)))
    clocks = Clocks(wall=time.time_ns())
    keeper = clocks.keeper(store, replace(WEEK, age=5_000_000_000))
    assert keeper.look_after() == 0

    clocks.ticks += EACH_SECONDS - 1
    assert keeper.look_after() == 0
    clocks.ticks += 1.5
    assert keeper.look_after() == 1


def test_a_clock_that_jumps_while_we_run_prunes_nothing(store: Store) -> None:
    """Case R33."""
    store.ingest(a_segment(captured(1)))
    clocks = Clocks(wall=time.time_ns())
    keeper = clocks.keeper(store)
    keeper.look_after()

    clocks.wall += 4000 * DAY
    clocks.ticks += 60

    assert keeper.look_after() == 0
    assert paths(store) == {"/1"}


def test_a_store_that_is_opened_again_and_again_by_a_clock_that_jumped_loses_nothing(store_url: str) -> None:
    """Case R33: each one writes first, and would find its own stamp to agree with; nor does a prune."""
    with open_store(store_url) as store:
        store.ingest(a_segment(captured(1)))
    for number in range(2, 5):
        with open_store(store_url) as store:
            store._clock.wall = lambda: later(4000)
            store._keeper._began_wall = later(4000)
            store.ingest(a_segment(captured(number), run=a_run(number)))
            assert store.clock_in_doubt
            assert store.prune(WEEK) == 0

            assert paths(store) == {f"/{n}" for n in range(1, number + 1)}


def test_a_clock_that_was_wrong_at_the_start_and_is_set_right_is_believed_at_once(store: Store) -> None:
    """Case R33: a machine that boots in 1970; what is written then is not stamped so."""
    store.ingest(a_segment(captured(1)))
    clocks = Clocks(wall=0)
    keeper = clocks.keeper(store, replace(WEEK, age=0))
    assert keeper.look_after() == 0
    store._clock.wall = lambda: 0
    store.ingest(a_segment(captured(2), run=a_run(9)))
    store._clock.wall = time.time_ns

    assert pruned(store, WEEK, now=later(6)) == 0
    clocks.wall = later(0.001)
    clocks.ticks += EACH_SECONDS + 1
    assert keeper.look_after() == 2


def test_a_time_that_has_held_for_an_hour_is_believed_also_after_years_of_silence(store: Store) -> None:
    """Case R33."""
    store.ingest(a_segment(captured(1)))
    wall = later(4000)
    store._clock.wall = lambda: wall
    assert store.prune(WEEK) == 0

    wall += HOUR // 2
    assert store.prune(WEEK) == 0
    wall += HOUR
    assert store.prune(WEEK) == 1


def test_who_answers_for_the_time_is_believed(store: Store) -> None:
    store.ingest(a_segment(captured(1)))
    store._clock.wall = lambda: later(4000)

    assert store.prune(WEEK) == 0
    assert store.prune(WEEK, now=later(8)) == 1


def test_ingest_itself_keeps_to_the_retention(store_url: str) -> None:
    small = Retention(age=None, failed_age=None, size=1)
    with open_store(store_url, retention=small) as store:
        store.ingest(a_segment(captured(1)))

        assert paths(store) == set()


def test_nothing_that_was_forgotten_is_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mesh.db"
    with open_store(f"sqlite:///{path}") as store:
        secret, bodies = finish(FakeCapture(1, body=b"\x00unlikely"))
        secret = structs.replace(secret, path="/jane@example.org", error="jane@example.org was here")
        store.add([(secret, bodies), *captured(*range(2, 50), body=b"other")])
        assert any(b"jane@example.org" in file.read_bytes() for file in tmp_path.iterdir())

        assert store.forget(parse_query("path:/jane*", now=0)) == 1

        assert not any(b"jane@example.org" in file.read_bytes() for file in tmp_path.iterdir())
        assert len(paths(store)) == 48


def test_forget_erases_what_only_bodies_tell_and_nothing_else(store: Store) -> None:
    store.add(captured(*range(1, 1200), body=b"plain") + captured(2000, 2001, body=b"jane@example.org"))

    assert store.forget(parse_query('body~"jane@"', now=0)) == 2

    assert store.stats().exchanges == 1199
    assert store.check().problems == ()


def test_an_sqlite_file_shrinks_again(tmp_path: Path) -> None:
    path = tmp_path / "mesh.db"
    with open_store(f"sqlite:///{path}", retention=FOR_EVER) as store:
        store.ingest(a_segment([at(TODAY, n, body=os.urandom(200_000)) for n in range(80)]))
        store.forget(ALL)
        for _ in range(8):
            store.prune(FOR_EVER)
        with store._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        assert path.stat().st_size < 9_000_000
