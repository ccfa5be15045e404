"""kill -9 of workers and of their supervisor, under load."""

import os
import signal
import threading
from pathlib import Path

from mesh_core.model import Lane
from mesh_core.query import parse_query
from mesh_store.store import open_store
from support.operated import ask, counters, gone, load, metric, until_metric, workers_of
from support.record import Record, a_service, port_of

CLIENTS = 4


def told(app: int, lane: Lane, workers: int, *more: str) -> list[str]:
    """How `mesh-record` is started."""
    return [
        *more,
        "--service",
        "cart",
        "--app",
        str(app),
        "--workers",
        str(workers),
        "--json",
        "--lane",
        lane,
    ]


def url_of(folder: Path) -> str:
    """The store that a sidecar without one takes."""
    return f"sqlite:///{folder}/data/mesh-replay/mesh.db"


def stored_paths(url: str) -> list[str]:
    """The path of each stored exchange, as often as it is stored."""
    with open_store(url) as store:
        found: list[str] = []
        page = store.search(parse_query("", now=0), limit=500)
        while page.exchanges:
            found += [exchange.path for exchange in page.exchanges]
            if page.cursor is None:
                break
            page = store.search(parse_query("", now=0), limit=500, cursor=page.cursor)
        return found


def ended(answered: list[str]) -> set[str]:
    """Those whose client has had another answer since, so that the sidecar was done with them."""
    last = {path.split("/")[1]: path for path in answered}
    return set(answered) - set(last.values())


def test_a_worker_that_is_killed_is_replaced_while_nobody_is_refused(
    tmp_path: Path, store_url: str, long_run: bool, lane: Lane
) -> None:
    """Case R26: one request of each connection is lost at most, nothing twice."""
    kills = 100 if long_run else 3
    with (
        a_service() as app,
        Record(tmp_path, *told(app, lane, 2, "--store", store_url)) as record,
    ):
        ready = record.event()
        admin = ready["admin"]
        promised: set[str] = set()
        with load(port_of(ready["inbound"]["listen"]), CLIENTS) as busy:
            for kill in range(kills):
                first = len(busy.answered)
                busy.more(20)
                promised |= ended(busy.answered[first:])
                while metric(admin, "waiting"):
                    continue  # until it is on the disk
                os.kill(workers_of(record.process.pid)[kill % 2], signal.SIGKILL)
                until_metric(admin, "worker_restarts_total", kill + 1)
                until_metric(admin, "workers", 2)
                busy.more(20)
        assert record.end() == 0
        stopped = record.event("stopped")

    assert (busy.refused, busy.wrong) == (0, [])
    assert len(busy.broken) <= kills * CLIENTS
    found = stored_paths(store_url)
    assert len(found) == len(set(found))
    assert promised - set(found) == set()
    assert stopped["worker_restarts"] == kills
    assert stopped["offered"] == stopped["stored"] + stopped["spooled"] + sum(stopped["dropped"].values())
    assert set(stopped["dropped"]) <= {"worker_died"}


def test_all_workers_at_once_make_a_pause_and_no_refusal(tmp_path: Path, lane: Lane) -> None:
    """Case R26: the supervisor holds the sockets, so that who comes meanwhile waits."""
    with (
        a_service() as app,
        Record(tmp_path, *told(app, lane, 1)) as record,
    ):
        ready = record.event()
        with load(port_of(ready["inbound"]["listen"]), CLIENTS) as busy:
            busy.more(20)
            (worker,) = workers_of(record.process.pid)
            os.kill(worker, signal.SIGSTOP)  # so that connections queue up
            os.kill(worker, signal.SIGKILL)
            busy.more(40)
        assert record.end() == 0

    assert (busy.refused, busy.wrong) == (0, [])
    assert len(busy.broken) <= CLIENTS


def test_the_process_that_makes_workers_is_not_missed(tmp_path: Path, lane: Lane) -> None:
    """Killed, it takes no worker with it, and the next worker that dies is replaced all the same."""
    with (
        a_service() as app,
        Record(tmp_path, *told(app, lane, 1)) as record,
    ):
        ready = record.event()
        with load(port_of(ready["inbound"]["listen"]), CLIENTS) as busy:
            busy.more(10)
            (worker,) = workers_of(record.process.pid)
            maker = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(maker, signal.SIGKILL)
            gone(maker)
            busy.more(20)
            assert busy.broken == []
            os.kill(worker, signal.SIGKILL)
            busy.more(20)
        assert record.end() == 0

    assert (busy.refused, busy.wrong) == (0, [])


def test_a_supervisor_that_is_killed_leaves_its_ports_and_loses_nothing(tmp_path: Path, lane: Lane) -> None:
    """Case R26: its workers answer what is open and end; the next start takes the same ports, and ships."""
    arguments = ["--service", "cart", "--instance", "one", "--workers", "2", "--json", "--lane", lane]
    with a_service() as app:
        arguments += ["--app", str(app)]
        with Record(tmp_path, *arguments) as first:
            ready = first.event()
            workers = workers_of(first.process.pid)
            inbound = port_of(ready["inbound"]["listen"])
            with load(inbound, CLIENTS) as busy:
                busy.more(40)
                first.process.kill()
                first.process.wait()
                for worker in workers:
                    gone(worker)
                refused = len(busy.answered)
                with Record(tmp_path, *arguments, "--inbound", str(inbound)) as second:
                    assert second.event()["inbound"] == ready["inbound"]
                    busy.more(40)
                    busy.stop()
                    assert second.end() == 0

    found = stored_paths(url_of(tmp_path))
    assert refused >= 40
    assert busy.wrong == []
    assert len(found) == len(set(found))
    assert set(busy.answered) <= set(found)


def test_no_counter_ever_falls_and_the_account_is_whole_after_deaths(tmp_path: Path) -> None:
    """A counter that falls is a restart to Prometheus, and a spike in every rate."""
    falls: list[str] = []
    done = threading.Event()

    def watch(admin: str) -> None:
        before: dict[str, float] = {}
        while not done.is_set():
            now = counters(admin)
            falls.extend(
                f"{name}: {before[name]} -> {now.get(name)}"
                for name in before
                if now.get(name, -1) < before[name]
            )
            before = now

    with (
        a_service() as app,
        Record(tmp_path, "--service", "cart", "--app", str(app), "--workers", "2", "--json") as record,
    ):
        ready = record.event()
        admin = ready["admin"]
        watcher = threading.Thread(target=watch, args=(admin,))
        watcher.start()
        with load(port_of(ready["inbound"]["listen"]), CLIENTS) as busy:
            for kill in range(3):
                busy.more(100)
                os.kill(workers_of(record.process.pid)[kill % 2], signal.SIGKILL)
                until_metric(admin, "worker_restarts_total", kill + 1)
                until_metric(admin, "workers", 2)
        while metric(admin, "spooled") or metric(admin, "waiting"):
            pass  # what the dead left is shipped by their successors, and counted as that
        done.set()
        watcher.join()
        assert record.end() == 0
        stopped = record.event("stopped")

    assert falls == []
    assert stopped["spooled"] == 0
    assert stopped["offered"] == stopped["stored"] + sum(stopped["dropped"].values())


def test_a_place_where_workers_die_again_and_again_is_told(tmp_path: Path) -> None:
    """By readiness, by a metric and by the log; the others go on."""
    with (
        a_service() as app,
        Record(tmp_path, "--service", "cart", "--app", str(app), "--workers", "2", "--json") as record,
    ):
        ready = record.event()
        admin = ready["admin"]
        spared = workers_of(record.process.pid)[0]
        for death in range(3):
            until_metric(admin, "workers", 2)
            (victim,) = [worker for worker in workers_of(record.process.pid) if worker != spared]
            os.kill(victim, signal.SIGKILL)
            until_metric(admin, "worker_restarts_total", death + 1)
        status, text = ask(f"http://{admin}/readyz")
        assert metric(admin, "worker_crash_loops") == 1
        assert ask(f"http://{ready['inbound']['listen']}/x")[0] == 200
        os.kill(spared, signal.SIGKILL)
        assert record.end() == 0
        said = record.rest("err")

    assert (status, text) == (200, "ready; workers die again and again in 1 of their places, see the log\n")
    assert "died (SIGKILL), 3 times in a row; another takes its place in 0.2 s" in said
