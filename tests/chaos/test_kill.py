"""kill -9 of a whole sidecar under load, at random moments, on both kinds of store."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select

from mesh_core.model import Lane
from mesh_core.query import parse_query
from mesh_store.store import Store, open_store
from mesh_store.tables import run, run_span
from support.chaos import Load
from support.forked import Forked, fork_server
from support.record import Record, a_service, port_of

FLUSH = 0.12
"""Seconds: what is gathered is written after 20 ms, and synced after 100 ms."""
SEED = random.SystemRandom().randrange(10**6)


@contextlib.contextmanager
def slowest_sync(folder: Path) -> Iterator[list[float]]:
    """How long this disk takes to sync, in seconds, again and again."""
    took, ending = [0.0], threading.Event()

    def measure() -> None:
        with (folder / "sync").open("wb", buffering=0) as file:
            while not ending.wait(0.02):
                began = time.monotonic()
                file.write(b"x")
                os.fdatasync(file.fileno())
                took.append(time.monotonic() - began)

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        yield took
    finally:
        ending.set()
        thread.join()


def test_a_sidecar_killed_at_any_moment_loses_no_more_than_its_last_flush(
    store_url: str, tmp_path: Path, long_run: bool, lane: Lane
) -> None:
    """Cases R26, P2, P3: an independent ledger of what was answered, against what is in the store."""
    print("seed", SEED)  # noqa: T201  # to play it again
    chance = random.Random(SEED)
    promised: set[str] = set()
    answered: set[str] = set()
    with a_service() as app:
        arguments = ["--service", "cart", "--instance", "one", "--app", str(app), "--inbound", "0"]
        arguments += ["--outbound", "0", "--store", store_url, "--json", "--trace-headers", "never"]
        arguments += ["--lane", lane]
        context = fork_server()
        for kill in range(100 if long_run else 3):
            sidecar = Forked(context, tmp_path, tmp_path / f"said-{kill}", *arguments)
            load = Load(port_of(sidecar.ready()["inbound"]["listen"]))
            with slowest_sync(tmp_path) as sync, load.running(f"{kill}"):
                load.wait_for(chance.randrange(1, 400))
                assert sidecar.kill() == -signal.SIGKILL
            killed_at = max(load.answered.values())
            # Where the machine stood still for a while, or its disk, the writer stood still too.
            late = FLUSH + 2 * load.longest + 2 * max(sync)
            promised |= {path for path, at in load.answered.items() if at < killed_at - late}
            answered |= load.answered.keys()
        with Record(tmp_path, *arguments) as sidecar:
            sidecar.event()
            assert sidecar.end() == 0
            closing = sidecar.event("stopped")
    assert closing["spooled"] == closing["waiting"] == closing["gap"] == 0
    assert not list(tmp_path.rglob("*.seg")) + list(tmp_path.rglob("*.bad")) + list(tmp_path.rglob("*.open"))
    with open_store(store_url) as store:
        _account(store, promised, answered)


def _account(store: Store, promised: set[str], answered: set[str]) -> None:
    found: list[str] = []
    cursor = None
    while True:
        page = store.search(parse_query("", now=0), limit=1000, cursor=cursor)
        found += [exchange.path for exchange in page.exchanges]
        cursor = page.cursor
        if cursor is None:
            break
    assert len(found) == len(set(found))
    assert promised <= set(found), sorted(promised - set(found))[:5]
    # At most what was under way is there besides: one for each client of each round.
    assert len(set(found) - answered) <= 2 * 100
    checked = store.check()
    assert checked.problems == ()
    assert checked.missing == 0
    with store._engine.connect() as connection:
        ranges = connection.execute(
            select(func.count(), func.min(run_span.c.first)).group_by(run_span.c.run)
        ).all()
        counts = connection.execute(select(run.c.exchanges, run.c.duplicates, run.c.gaps)).all()
    assert all(tuple(each) == (1, 1) for each in ranges)
    assert sum(each.exchanges for each in counts) == len(found) == checked.stored
    assert all(each.duplicates == each.gaps == 0 for each in counts)
