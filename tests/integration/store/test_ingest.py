"""Shipping: everything once, whatever is sent twice, damaged, or written by several at a time."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from mesh_core.errors import CaptureInvalid, StoreUnreachable
from mesh_core.frames import SegmentUnreadable, encode_header
from mesh_core.query import Query
from mesh_store.store import Store, open_store
from support.recorded import RUN, FakeCapture, an_exchange, finish
from support.segments import a_gap, a_run, a_segment, captured

ALL = Query("", None)
ROOT = Path(__file__).parents[3]


def paths(store: Store) -> list[str]:
    return [e.path for e in reversed(store.search(ALL, limit=10_000).exchanges)]


def test_a_segment_sent_twice_is_stored_once(store: Store) -> None:
    segment = a_segment([*captured(1, 2), a_gap()])

    assert [store.ingest(segment), store.ingest(segment)] == [3, 3]

    assert paths(store) == ["/1", "/2"]
    assert store.stats().dropped == (("queue_full", 2),)
    assert store.check().problems == ()


def test_a_segment_that_has_grown_since_gives_the_rest(store: Store) -> None:
    assert store.ingest(a_segment(captured(1, 2))) == 2
    assert store.ingest(a_segment(captured(1, 2, 3))) == 3

    assert paths(store) == ["/1", "/2", "/3"]


def test_segments_may_come_in_any_order(store: Store) -> None:
    assert store.ingest(a_segment(captured(3, 4), first=3)) == 4
    assert store.check().missing == 2
    assert store.ingest(a_segment(captured(1, 2))) == 4

    assert paths(store) == ["/1", "/2", "/3", "/4"]
    assert store.check().missing == 0


def test_an_exchange_of_two_runs_is_stored_once_and_counted_twice(store: Store) -> None:
    store.ingest(a_segment(captured(1), run=a_run(1)))
    store.ingest(a_segment(captured(1), run=a_run(2)))

    assert paths(store) == ["/1"]
    assert (store.check().stored, store.check().problems) == (2, ())


def test_numbers_are_a_runs_own(store: Store) -> None:
    store.ingest(a_segment(captured(1), run=a_run(1)))
    store.ingest(a_segment(captured(2), run=a_run(2)))

    assert paths(store) == ["/1", "/2"]


def test_of_a_damaged_segment_all_that_can_be_read_is_stored(store: Store) -> None:
    """Case R27: what damage hits is missing from the account, nothing else is."""
    whole = a_segment(captured(1, 2, 3, 4))
    at = len(a_segment(captured(1))) + 40
    damaged = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]

    assert store.ingest(damaged) == 4
    assert paths(store) == ["/1", "/3", "/4"]
    found = store.check()
    assert (found.offered, found.stored, found.gaps, found.missing, found.problems) == (4, 3, 0, 1, ())

    assert store.ingest(whole) == 4
    assert store.check().missing == 0


def test_a_segment_without_a_readable_header_is_refused(store: Store) -> None:
    with pytest.raises(SegmentUnreadable):
        store.ingest(b"not a segment")


def test_an_empty_segment_commits_nothing(store: Store) -> None:
    assert store.ingest(encode_header(RUN)) == 0


def test_a_body_that_does_not_hash_to_its_name_is_not_stored(store: Store) -> None:
    exchange, bodies = finish(FakeCapture(1, body=b"genuine"))
    forged = dict.fromkeys(bodies, b"forged")
    store.ingest(a_segment([(exchange, forged), *captured(2, body=b"other")]))

    assert store.bodies([exchange]) == {}
    assert store.exchange(exchange.id) == exchange
    assert store.check().problems == (f"exchange {exchange.id}: its response body was never stored",)

    store.add([(exchange, bodies)])  # the exchange is there, and stays as it is
    assert store.exchange(exchange.id) == exchange


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "no id"},
        {"id": "0" * 31 + "A"},
        {"trace_id": "../../etc/passwd"},
        {"span_id": "0"},
        {"started_at": 2**63, "ended_at": 2**63},
        {"status": 2**63},
        {"service": "s" * 300},
    ],
    ids=str,
)
def test_an_exchange_that_cannot_be_stored_is_a_gap(store: Store, changes: dict[str, object]) -> None:
    """Case W6: what names a thing is never taken for a path or a number of any size."""
    broken = an_exchange(**changes)
    segment = a_segment([*captured(1), (broken, {}), *captured(2)])

    assert [store.ingest(segment), store.ingest(segment)] == [3, 3]

    assert paths(store) == ["/1", "/2"]
    assert store.stats().dropped == (("not_storable", 1),)
    assert store.check().problems == ()
    with pytest.raises(CaptureInvalid):
        store.add([*captured(3), (broken, {})])
    assert paths(store) == ["/1", "/2"]


def test_a_gap_of_any_size_is_taken(store: Store) -> None:
    store.ingest(a_segment([a_gap(2**63 + 5, started_at=-(2**63), ended_at=2**64 - 1)]))

    assert store.stats().dropped == (("queue_full", 2**63 - 1),)


def test_an_import_counts_what_is_new(store: Store) -> None:
    recorded = captured(1, 2, 3, body=b"same")

    assert [store.add(recorded[:2]), store.add(recorded), store.add(iter(recorded))] == [2, 1, 0]
    assert store.stats().bodies == 1
    assert store.check().problems == ()


def test_two_threads_with_a_store_each_write_everything_once(store_url: str) -> None:
    """Two sidecars, whose exchanges share traces and bodies, and who send the same again."""
    segments = [
        a_segment(captured(*range(at, at + 20), body=b"%d" % (at % 3)), first=at, run=a_run(run))
        for run in (1, 2)
        for at in range(run, 400, 40)
    ]

    def ship(part: list[bytes]) -> None:
        with open_store(store_url, busy_seconds=60) as store:
            for segment in part + part[::-1]:
                store.ingest(segment)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ship, [segments[0::2], segments[1::2], segments[::3], segments]))

    with open_store(store_url) as store:
        found = store.check()
        assert found.problems == ()
        assert found.stored == 400
        assert len(paths(store)) == len(
            {f"/{n}" for run in (1, 2) for at in range(run, 400, 40) for n in range(at, at + 20)}
        )


SHIP = """
import sys
from pathlib import Path
from mesh_store.store import open_store
store = open_store(sys.argv[1], busy_seconds=60)
print("ready", flush=True)
for path in sorted(Path(sys.argv[2]).iterdir()):
    store.ingest(path.read_bytes())
    print(path.name, flush=True)
"""


def test_a_shipper_killed_anywhere_loses_and_doubles_nothing(
    store_url: str, tmp_path: Path, long_run: bool
) -> None:
    """Cases R26, P2: killed while it writes, at any moment; what it had not acknowledged is sent again."""
    folder = tmp_path / "spool"
    folder.mkdir()
    numbers = range(1, 2001)
    for at in numbers[::200]:
        segment = a_segment(captured(*numbers[at - 1 : at + 199], body=b"%d" % at), first=at)
        (folder / f"{at:05d}.seg").write_bytes(segment)
    acknowledged = 0
    for kill in range(60 if long_run else 4):
        command = [sys.executable, "-c", SHIP, store_url, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as shipper:
            assert shipper.stdout is not None
            assert shipper.stdout.readline() == "ready\n"
            for _ in range(kill % 4):
                acknowledged = max(acknowledged, int(shipper.stdout.readline()[:5]) + 199)
            # Some time into the next segment, a different one each round.
            try:
                shipper.wait(0.005 * (kill % 7))
            except subprocess.TimeoutExpired:
                shipper.kill()
        with open_store(store_url, busy_seconds=60) as store:
            there = [int(path[1:]) for path in paths(store)]
        assert len(there) == len(set(there))
        assert there[:acknowledged] == list(range(1, acknowledged + 1))
        assert len(there) % 200 == 0  # a segment is there whole or not at all
    subprocess.run(
        [sys.executable, "-c", SHIP, store_url, str(folder)], check=True, stdout=subprocess.DEVNULL
    )

    with open_store(store_url) as store:
        assert paths(store) == [f"/{number}" for number in numbers]
        found = store.check()
    assert (found.problems, found.offered, found.stored, found.bodies) == ((), 2000, 2000, 10)


def test_two_processes_ship_into_one_store(store_url: str, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for run, folder in enumerate(folders, 1):
        folder.mkdir()
        for at in range(1, 1000, 100):
            numbers = range(run * 10_000 + at, run * 10_000 + at + 100)
            (folder / f"{at:05d}").write_bytes(a_segment(captured(*numbers), first=at, run=a_run(run)))
    shippers = [
        subprocess.Popen([sys.executable, "-c", SHIP, store_url, str(folder)], stdout=subprocess.DEVNULL)
        for folder in folders
    ]

    assert [shipper.wait(300) for shipper in shippers] == [0, 0]

    with open_store(store_url) as store:
        assert (store.check().stored, store.check().problems) == (2000, ())


def test_a_locked_store_is_said_to_be_and_takes_the_same_segment_later(tmp_path: Path) -> None:
    """Case F7 of the reliability notes, in small."""
    path = tmp_path / "mesh.db"
    segment = a_segment(captured(1))
    with open_store(f"sqlite:///{path}", busy_seconds=0.1) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnreachable, match="locked by another process"):
            store.ingest(segment)
        holder.execute("ROLLBACK")
        holder.close()

        assert store.ingest(segment) == 1
        assert paths(store) == ["/1"]


def test_a_lock_that_ends_in_time_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "mesh.db"
    with open_store(f"sqlite:///{path}", busy_seconds=60) as store, ThreadPoolExecutor(1) as pool:
        holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")
        waiting = pool.submit(store.ingest, a_segment(captured(1)))
        assert not waiting.done()
        holder.execute("ROLLBACK")

        assert waiting.result(60) == 1
        holder.close()


def test_a_server_that_hangs_up_is_said_to_be_away_and_found_again(
    postgres_server: str, postgres_template: str
) -> None:
    import psycopg

    from support.postgres import a_database

    with a_database(postgres_server, template=postgres_template) as url, open_store(url) as store:
        store.ingest(a_segment(captured(1)))
        name = url.partition("?")[0].rpartition("/")[2]
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

        assert store.ingest(a_segment(captured(2), first=2)) == 2
        assert paths(store) == ["/1", "/2"]


def test_days_far_away_and_near_are_stored_alike(store: Store) -> None:
    """Case R33: a recorder's clock says 1970, or 2200."""
    for started_at in (0, 10**18, 1_795_000_000 * 10**9, 7_258_118_400 * 10**9):
        exchange = replace(finish(FakeCapture(1))[0], started_at=started_at, ended_at=started_at)
        milliseconds = f"{started_at // 10**6:012x}"
        exchange = replace(exchange, id=f"{milliseconds}7{'0' * 19}", trace_id=f"{started_at + 1:032x}")
        store.ingest(a_segment([(exchange, {})], first=started_at // 10**9 + 1))
        assert store.exchange(exchange.id) == exchange
        assert store.trace(exchange.trace_id) is not None

    assert [e.started_at for e in store.search(ALL).exchanges] == sorted(
        (e.started_at for e in store.search(ALL).exchanges), reverse=True
    )
