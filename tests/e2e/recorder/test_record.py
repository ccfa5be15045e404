"""`mesh-record` beside a service: what it says, what it records, how it ends."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from mesh_core.model import Exchange
from mesh_core.outcome import Outcome
from mesh_core.query import parse_query
from mesh_store.store import open_store
from support.record import Record, a_closed_port, a_service, port_of, run_record

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(port: int, path: str = "/") -> int:
    with DIRECT.open(f"http://127.0.0.1:{port}{path}") as response:
        response.read()
        return int(response.status)


def stored(folder: Path) -> list[Exchange]:
    with open_store(f"sqlite:///{folder}/mesh.db") as store:
        return list(store.search(parse_query("", now=0)).exchanges)


def configure(folder: Path, text: str) -> None:
    (folder / "mesh.toml").write_text(text)


def test_a_service_of_mesh_toml_needs_nothing_but_its_name(tmp_path: Path) -> None:
    with a_service() as app:
        configure(tmp_path, f'[services.cart]\napp = "127.0.0.1:{app}"\ninbound = "{a_closed_port()}"\n')
        with Record(tmp_path, "--service", "cart", "--json") as record:
            ready = record.event()
            statuses = [get(port_of(ready["inbound"]["listen"]), path) for path in ("/a", "/b")]

            assert record.end() == 0
            stopped = record.event("stopped")

    assert statuses == [200, 200]
    assert ready["store"] == f"sqlite:///{tmp_path}/mesh.db"
    assert (stopped["offered"], stopped["stored"], stopped["spooled"], stopped["dropped"]) == (2, 2, 0, {})
    assert [(found.service, found.path) for found in stored(tmp_path)] == [("cart", "/b"), ("cart", "/a")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_that_asks_it_to_end_gives_the_account_and_exit_0(tmp_path: Path, number: int) -> None:
    with a_service() as app, Record(tmp_path, "--service", "cart", "--app", str(app)) as record:
        ready = record.line()
        inbound = port_of(ready.partition(" -> ")[0])
        get(inbound)

        assert record.end(number) == 0
        closing = record.line()
        assert record.rest() == ""

    assert ready.startswith(
        f"mesh-record cart: inbound 127.0.0.1:{inbound} -> 127.0.0.1:{app}, outbound 127.0.0.1:"
    )
    assert ready.endswith(", lane wire\n")
    assert closing.startswith(
        "mesh-record cart: 1 offered, 1 stored, 0 spooled, 0 dropped; took 1 request and made"
    )
    assert "HTTP_PROXY=http://127.0.0.1:" in closing


def test_free_ports_are_the_same_at_the_next_start(tmp_path: Path) -> None:
    def start() -> dict[str, object]:
        with Record(tmp_path, "--service", "cart", "--app", "7002", "--json") as record:
            ready = record.event()
            return {name: ready[name] for name in ("inbound", "outbound")}

    assert start() == start()


def test_a_service_that_is_not_up_yet_is_said_to_callers_and_recorded(tmp_path: Path) -> None:
    """Case R38."""
    app = a_closed_port()
    configure(tmp_path, "")
    with Record(tmp_path, "--service", "cart", "--app", str(app), "--json") as record:
        inbound = port_of(record.event()["inbound"]["listen"])
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(inbound)
        body = caught.value.read().decode()
        caught.value.close()
        record.end()

    (exchange,) = stored(tmp_path)
    assert caught.value.code == 502
    assert str(app) in body
    assert exchange.outcome is Outcome.CONNECT_FAILED


def test_an_unknown_service_gets_a_proxy_and_the_lines_to_add(tmp_path: Path) -> None:
    with a_service() as other, Record(tmp_path, "--service", "cart") as record:
        ready = record.line()
        proxy = ready.partition("outbound ")[2].partition(",")[0]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": f"http://{proxy}"}))
        with opener.open(f"http://127.0.0.1:{other}/x") as response:
            assert response.status == 200
        record.end()
        said = record.rest("err")

    assert "inbound" not in ready
    assert "no address of cart is known (there is no mesh.toml)" in said
    assert f"127.0.0.1:{other}" in said
    assert f"Give --app HOST:PORT, or add to {tmp_path}/mesh.toml:\n  [services.cart]\n  app = " in said
    assert f'  outbound = "{proxy}"\n' in said
    assert record.line().startswith("mesh-record cart: 1 offered, 1 stored")


def test_redaction_that_is_off_is_said_at_each_start(tmp_path: Path) -> None:
    configure(tmp_path, '[redact]\nmode = "off"\n')

    with Record(tmp_path, "--service", "cart", "--app", "1", "--trust-config") as record:
        record.line()
        record.end()

    assert "redaction is off" in record.rest("err")
    assert not list(tmp_path.rglob("redact.key"))


def test_a_store_that_is_away_is_said_and_gets_everything_later(tmp_path: Path) -> None:
    away = f"postgresql://nobody@127.0.0.1:{a_closed_port()}/mesh"
    with a_service() as app:
        common = ("--service", "cart", "--app", str(app), "--instance", "one", "--json")
        with Record(tmp_path, *common, "--store", away) as record:
            note = record.line("err")
            assert get(port_of(record.event()["inbound"]["listen"])) == 200
            assert record.end() == 0
            first = record.event("stopped")
        with Record(tmp_path, *common, "--store", f"sqlite:///{tmp_path}/mesh.db") as record:
            record.event()
            assert record.end() == 0
            second = record.event("stopped")

    assert note.startswith("mesh-record cart: the store takes nothing now, recording goes on into the spool")
    assert (first["stored"], first["spooled"]) == (0, 1)
    assert second["resumed_segments"] == 1
    assert [exchange.path for exchange in stored(tmp_path)] == ["/"]


def test_a_spool_that_cannot_be_written_stops_no_traffic(tmp_path: Path) -> None:
    spool = tmp_path / "state" / "mesh-replay" / "projects" / "default" / "spool"
    spool.parent.mkdir(parents=True, mode=0o700)
    spool.write_text("in the way")
    with a_service() as app, Record(tmp_path, "--service", "cart", "--app", str(app), "--json") as record:
        assert get(port_of(record.event()["inbound"]["listen"])) == 200
        assert record.end() == 0
        stopped = record.event("stopped")

    assert str(spool) in record.rest("err")
    assert (stopped["offered"], stopped["stored"], sum(stopped["dropped"].values())) == (1, 0, 1)


def test_a_port_that_is_taken_is_one_line_with_who_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = run_record(tmp_path, "--service", "cart", "--app", "1", "--inbound", str(port))

    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("content", [b"SQLite format 3\0" + b"\xff" * 8000, b"name,price\n" * 500])
def test_a_store_that_is_damaged_or_not_ours_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mesh.db").write_bytes(content)

    done = run_record(tmp_path, "--service", "cart", "--app", "1", "--store", "sqlite:///mesh.db")

    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "mesh.db" in done.stderr
    assert (tmp_path / "mesh.db").read_bytes() == content


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("[services.cart]\napp = 7002\n", 2, "mesh.toml:2: services.cart.app is wrong"),
        ("[services.cart\n", 2, "is not valid TOML"),
        (
            '[services.cart]\napp = "10.0.0.9:80"\n',
            4,
            "is not trusted and has services.cart: app 10.0.0.9:80",
        ),
    ],
)
def test_a_mesh_toml_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, code: int, says: str) -> None:
    configure(tmp_path, text)

    done = run_record(tmp_path, "--service", "cart")

    assert done.returncode == code
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_it_goes_on_where_its_output_is_closed(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    script = (
        "import os, sys\n"
        f"os.dup2({write}, 1)\n"
        "from mesh_recorder.cli import main\n"
        "main(['--service', 'cart', '--app', '1', '--', sys.executable, '-c', 'exit(5)'])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, pass_fds=[write], check=False)
    os.close(write)

    assert done.returncode == 5


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_sidecar_keeps_the_store_to_its_retention_as_it_writes(tmp_path: Path, workers: str) -> None:
    """By mesh.toml; an option stands over it."""
    with a_service() as app:
        configure(tmp_path, f'[retention]\nsize = "0"\n[services.cart]\napp = "127.0.0.1:{app}"\n')
        for arguments, left in ([], 0), (["--retention-size", "unlimited"], 1):
            with Record(tmp_path, "--service", "cart", "--workers", workers, "--json", *arguments) as record:
                assert get(port_of(record.event()["inbound"]["listen"])) == 200
                assert record.end() == 0
                assert record.event("stopped")["stored"] == 1

            assert len(stored(tmp_path)) == left
