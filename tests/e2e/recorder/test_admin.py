"""The admin listener as an operator, a probe and a web page find it."""

import contextlib
import http.client
import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_core.query import parse_query
from mesh_recorder.deploy.promise import HEALTHY
from mesh_store.store import open_store
from support.operated import ask, load, metric, metrics, until_metric
from support.record import Record, a_closed_port, a_service, port_of

WORKERS = pytest.mark.parametrize("workers", ["0", "2"])


def stored_paths(folder: Path) -> list[str]:
    with open_store(f"sqlite:///{folder}/data/mesh-replay/mesh.db") as store:
        found: list[str] = []
        cursor = None
        while True:
            page = store.search(parse_query("", now=0), limit=500, cursor=cursor)
            found += [exchange.path for exchange in page.exchanges]
            cursor = page.cursor
            if cursor is None:
                return found


@WORKERS
def test_health_readiness_and_metrics_are_told(tmp_path: Path, workers: str) -> None:
    with (
        a_service() as app,
        Record(tmp_path, "--service", "cart", "--app", str(app), "--workers", workers, "--json") as record,
    ):
        ready = record.event()
        admin, inbound = ready["admin"], ready["inbound"]["listen"]
        for path in ("/a", "/b", "/fail"):
            ask(f"http://{inbound}{path}")
        until_metric(admin, "stored_total", 3)

        assert ask(f"http://{admin}/healthz") == (200, "ok\n")
        assert ask(f"http://{admin}/readyz") == (200, "ready\n")
        assert metric(admin, 'requests_total{direction="inbound",outcome="ok"}') == 2
        assert metric(admin, 'requests_total{direction="inbound",outcome="http_5xx"}') == 1
        assert metric(admin, 'request_duration_seconds_count{direction="inbound"}') == 3
        assert metric(admin, "workers") == max(1, int(workers))
        assert ask(f"http://{admin}/other")[0] == 404
        assert ask(f"http://{admin}/metrics", data=b"x")[0] == 405
        assert ready["workers"] == int(workers)


@WORKERS
def test_the_metrics_are_the_closing_line_and_the_store_to_the_last_exchange(
    tmp_path: Path, workers: str
) -> None:
    """Case R43 among them: probes are counted, not stored."""
    sent = {"/a": 7, "/fail": 3, "/healthz": 4}
    with (
        a_service() as app,
        Record(tmp_path, "--service", "cart", "--app", str(app), "--workers", workers, "--json") as record,
    ):
        ready = record.event()
        admin, inbound = ready["admin"], ready["inbound"]["listen"]
        for path, times in sent.items():
            for _ in range(times):
                ask(f"http://{inbound}{path}")
        ask(f"http://{admin}/bypass", data=b"on")
        ask(f"http://{inbound}/unseen")
        ask(f"http://{admin}/bypass", data=b"off")
        until_metric(admin, "stored_total", 10)
        until_metric(admin, 'not_kept_total{reason="probe"}', 4)
        until_metric(admin, 'dropped_total{reason="bypass"}', 1)
        found = metrics(admin)
        assert record.end() == 0
        stopped = record.event("stopped")

    assert found["requests_total{direction=inbound,outcome=ok}"] == 11
    assert found["requests_total{direction=inbound,outcome=http_5xx}"] == 3
    assert found["request_duration_seconds_count{direction=inbound}"] == 14
    assert found["seen_total{direction=inbound}"] == stopped["requests"] == 15
    for name in ("offered", "stored", "failures"):
        assert found[f"{name}_total"] == stopped[name]
    assert {"bypass": found["dropped_total{reason=bypass}"]} == stopped["dropped"]
    assert {"probe": found["not_kept_total{reason=probe}"]} == stopped["not_kept"]
    nothing = ("waiting", "held", "spooled", "damaged_total", "queue_bytes", "spool_bytes", "spool_segments")
    assert {name: found[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert (found["store_up"], found["bypassed"], found["spool_oldest_seconds"]) == (1, 0, 0)
    assert found["process_resident_memory_bytes"] > 10_000_000 * max(1, int(workers))
    assert found["process_cpu_seconds_total"] > 0
    assert found["process_max_fds"] > found["process_open_fds"] > 0
    assert len(stored_paths(tmp_path)) == found["stored_total"]
    with open_store(f"sqlite:///{tmp_path}/data/mesh-replay/mesh.db") as store:
        assert dict(store.stats().dropped) == stopped["dropped"]
        assert store.stats().failures == found["failures_total"]


def test_what_waits_for_a_store_that_is_away_is_in_the_metrics(tmp_path: Path) -> None:
    nowhere = f"postgresql://u@127.0.0.1:{a_closed_port()}/mesh"
    arguments = ["--service", "cart", "--store", nowhere, "--json"]
    with a_service() as app, Record(tmp_path, *arguments, "--app", str(app)) as record:
        ready = record.event()
        admin = ready["admin"]
        for _ in range(5):
            ask(f"http://{ready['inbound']['listen']}/x")
        until_metric(admin, "spooled", 5)
        until_metric(admin, "spool_segments", 1)
        until_metric(admin, "spool_oldest_seconds", 0.01)
        found = metrics(admin)
        said = ask(f"http://{admin}/readyz")

    assert (found["store_up"], found["stored_total"], found["spooled"]) == (0, 0, 5)
    assert found["spool_bytes"] > 500
    assert said[0] == 200
    assert said[1].startswith("ready; the store is away: ")


def test_the_images_health_check_asks_it(tmp_path: Path) -> None:
    """As the image, Compose and pods in an Istio mesh run it."""

    def check(*arguments: str, admin: str = "") -> int:
        command = [sys.executable, *HEALTHY[1:], *arguments]
        return subprocess.run(command, env={"MESH_ADMIN": admin}).returncode

    with Record(
        tmp_path, "--service", "cart", "--app", "7002", "--json", environ={"MESH_ADMIN": "0.0.0.0:0"}
    ) as record:
        admin = record.event()["admin"]
        assert admin.startswith("0.0.0.0:")
        assert [check(admin), check(admin, "/healthz"), check(admin=admin)] == [0, 0, 0]
        assert check(admin, "/other") == 1
    assert [check(admin), check("nonsense"), check()] == [1, 1, 1]


def test_the_health_check_imports_nothing_of_ours_that_is_heavy() -> None:
    code = "import mesh_recorder.deploy.healthy, sys; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True).stdout

    ours = {name for name in said.split() if name.startswith("mesh_")}
    assert ours == {"mesh_recorder", "mesh_recorder.deploy", "mesh_recorder.deploy.healthy"}
    assert not {"click", "asyncio", "ssl"} & set(said.split())


def test_it_can_be_off(tmp_path: Path) -> None:
    with Record(tmp_path, "--service", "cart", "--app", "7002", "--admin", "off", "--json") as record:
        assert record.event()["admin"] is None


def test_the_switch_is_for_this_machine_and_for_no_web_page(tmp_path: Path) -> None:
    with Record(tmp_path, "--service", "cart", "--app", "7002", "--json") as record:
        admin = record.event()["admin"]

        assert ask(f"http://{admin}/bypass", data=b"on", Origin="http://evil.test")[0] == 403
        assert ask(f"http://{admin}/bypass", data=b"on", Host="evil.test")[0] == 403
        assert ask(f"http://{admin}/metrics", Host="evil.test:80")[0] == 403
        assert ask(f"http://{admin}/bypass", data=b"maybe")[0] == 400
        assert ask(f"http://{admin}/bypass") == (200, '{"bypass": false}\n')
        assert ask(f"http://{admin}/healthz", Host="localhost:1")[0] == 200


def test_who_sends_nonsense_or_nothing_keeps_nobody_waiting(tmp_path: Path) -> None:
    with Record(tmp_path, "--service", "cart", "--app", "7002", "--json") as record:
        admin = record.event()["admin"]
        silent = [http.client.HTTPConnection(admin) for _ in range(5)]
        for connection in silent:
            connection.connect()
        silent[0].sock.sendall(b"nonsense\r\n\r\n")

        assert silent[0].sock.recv(100) == b""
        assert ask(f"http://{admin}/healthz")[0] == 200
        for connection in silent:
            connection.close()
        assert record.end() == 0


@WORKERS
def test_with_the_bypass_on_all_passes_nothing_is_recorded_and_the_gap_is_told(
    tmp_path: Path, workers: str
) -> None:
    """Case R43: on and off under load, by HTTP."""
    with (
        a_service() as app,
        Record(tmp_path, "--service", "cart", "--app", str(app), "--workers", workers, "--json") as record,
    ):
        ready = record.event()
        admin, inbound = ready["admin"], port_of(ready["inbound"]["listen"])
        with load(inbound) as busy:
            busy.more(40)
            assert ask(f"http://{admin}/bypass", data=b"on") == (200, '{"bypass": true}\n')
            first = len(busy.answered)
            busy.more(40)
            last = len(busy.answered)
            between = set(busy.answered[first + 4 : last])  # up to four were answered, and noted late
            assert ask(f"http://{admin}/bypass", data=b"off") == (200, '{"bypass": false}\n')
            busy.more(40)
        assert record.end() == 0
        stopped = record.event("stopped")

    assert (busy.broken, busy.refused, busy.wrong) == ([], 0, [])
    assert len(between) >= 30
    found = stored_paths(tmp_path)
    assert not between & set(found)
    assert stopped["dropped"] == {"bypass": len(busy.answered) - len(found)}
    assert stopped["offered"] == len(busy.answered)
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "mesh-replay" / "mesh.db")) as database:
        gaps = database.execute("select sum(count) from recorder_gap where reason = 'bypass'").fetchone()
    assert gaps == (stopped["dropped"]["bypass"],)


@WORKERS
def test_a_signal_toggles_the_bypass_and_no_header_is_changed_while_it_is_on(
    tmp_path: Path, workers: str
) -> None:
    with (
        a_service() as app,
        Record(tmp_path, "--service", "cart", "--app", str(app), "--workers", workers, "--json") as record,
    ):
        admin = record.event()["admin"]
        record.process.send_signal(signal.SIGUSR1)
        until_metric(admin, "bypassed", 1)
        assert json.loads(ask(f"http://{admin}/bypass")[1]) == {"bypass": True}
        record.process.send_signal(signal.SIGUSR1)
        while metric(admin, "bypassed"):
            pass
        assert record.end() == 0
