"""`mesh-record … -- COMMAND`: the service itself is run, told where everything is, and its end is ours."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from mesh_core.model import Direction
from mesh_core.query import parse_query
from mesh_store.store import open_store
from support.authority import make_authority, make_certificate
from support.record import Record, a_closed_port, a_service, run_record

SERVICE = """
import json, os, sys, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["PORT"].encode())
    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer)
"""


def python(code: str) -> list[str]:
    return ["--", sys.executable, "-c", code]


def test_its_exit_code_and_output_are_the_commands(tmp_path: Path) -> None:
    done = run_record(tmp_path, "--service", "cart", *python("import sys; print('mine'); sys.exit(9)"))

    assert done.returncode == 9
    assert done.stdout == "mine\n"
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["mesh-record cart"] * 2


def test_callers_keep_their_port_and_the_command_gets_another(tmp_path: Path) -> None:
    known = a_closed_port()
    code = (
        f"{SERVICE}\n"
        "import threading\n"
        "threading.Thread(target=server.handle_request).start()\n"
        f"opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))\n"
        f"print(opener.open('http://127.0.0.1:{known}/').read().decode(), os.environ['PORT'])"
    )

    done = run_record(tmp_path, "--service", "cart", "--inbound", str(known), *python(code))

    answered, told = done.stdout.split()
    assert answered == told != str(known)
    assert done.returncode == 0


def test_its_calls_are_seen_plain_and_over_tls(tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "ca")
    cert = make_certificate(authority, tmp_path / "server.pem")
    code = "import sys, urllib.request\nfor url in sys.argv[1:]: print(urllib.request.urlopen(url).status)"
    with a_service() as plain, a_service(cert=cert, key=cert) as tls:
        done = run_record(
            tmp_path,
            "--service",
            "cart",
            "--store",
            "sqlite:///mesh.db",
            "--upstream-ca",
            str(authority.cert),
            *python(code),
            f"http://localhost:{plain}/plain",
            f"https://localhost:{tls}/tls",
        )
    with open_store(f"sqlite:///{tmp_path}/mesh.db") as store:
        found = store.search(parse_query("direction:outbound", now=0)).exchanges

    assert done.stdout.split() == ["200", "200"], done.stderr
    calls = {(exchange.scheme, exchange.path) for exchange in found if exchange.method != "CONNECT"}
    assert calls == {("http", "/plain"), ("https", "/tls")}
    assert {exchange.direction for exchange in found} == {Direction.OUTBOUND}


def test_a_variable_leads_to_a_port_of_ours(tmp_path: Path) -> None:
    code = (
        "import os, urllib.request\n"
        "opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))\n"
        "print(opener.open(os.environ['INVENTORY_URL'] + '/stock').status)\n"
        "print(os.environ['INVENTORY_URL'])"
    )
    with a_service() as inventory:
        done = run_record(
            tmp_path,
            *("--service", "cart", "--store", "sqlite:///mesh.db", "--upstream-env", "INVENTORY_URL"),
            *python(code),
            INVENTORY_URL=f"http://127.0.0.1:{inventory}/v1",
        )
    with open_store(f"sqlite:///{tmp_path}/mesh.db") as store:
        (exchange,) = store.search(parse_query("", now=0)).exchanges

    status, url = done.stdout.split()
    assert status == "200"
    assert url.endswith("/v1")
    assert str(inventory) not in url
    assert (exchange.path, exchange.peer) == ("/v1/stock", "inventory")


def test_no_proxy_that_hides_the_callees_is_rewritten(tmp_path: Path) -> None:
    code = "import os; print(os.environ['NO_PROXY'])"

    done = run_record(tmp_path, "--service", "cart", *python(code), no_proxy="localhost,127.0.0.1,.corp")

    assert done.stdout == ".corp\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_and_the_commands_answer_counts(tmp_path: Path, number: int) -> None:
    code = (
        "import signal, sys\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(23))\n"
        "print('up', flush=True)\n"
        "while True: signal.pause()"
    )
    with Record(tmp_path, "--service", "cart", "--json", *python(code)) as record:
        assert record.line() == "up\n"
        record.event("ready", "err")

        assert record.end(number) == 23
        assert record.event("stopped", "err")["exit_code"] == 23


def test_a_second_signal_ends_a_command_that_does_not_listen(tmp_path: Path) -> None:
    code = (
        "import signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True))\n"
        "print('up', flush=True)\n"
        "while True: signal.pause()"
    )
    with Record(tmp_path, "--service", "cart", *python(code)) as record:
        assert record.line() == "up\n"
        record.line_with("lane", "err")
        record.process.send_signal(signal.SIGTERM)
        assert record.line() == "no\n"

        assert record.end(signal.SIGTERM) == 128 + signal.SIGKILL


def test_what_the_command_leaves_running_is_ended(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print(child.pid, flush=True)\n"
        "os._exit(0)"
    )

    done = run_record(tmp_path, "--service", "cart", *python(code))

    assert done.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_a_command_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = run_record(tmp_path, "--service", "cart", "--", "no-such-command")

    assert done.returncode == 2
    assert done.stderr == ("mesh-record: there is no command no-such-command; check its spelling and PATH\n")


def test_a_busy_service_that_calls_nobody_is_told_what_to_do(tmp_path: Path) -> None:
    code = (
        f"{SERVICE}\n"
        "import threading\n"
        "threading.Thread(target=server.handle_request).start()\n"
        "opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))\n"
        "opener.open('http://127.0.0.1:' + sys.argv[1]).read()"
    )
    known = str(a_closed_port())

    done = run_record(tmp_path, "--service", "cart", "--json", "--inbound", known, *python(code), known)
    stopped = json.loads(done.stderr.splitlines()[-1])

    assert (stopped["requests"], stopped["calls"]) == (1, 0)
    assert stopped["note"].startswith("took 1 request and made no call that the sidecar saw")
    assert "mesh-record doctor -- " in stopped["note"]
