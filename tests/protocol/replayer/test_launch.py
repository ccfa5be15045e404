"""`-- COMMAND`: a service that runs for the time of a replay, and what can go wrong with it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from support.operated import gone
from support.raw_server import Exchanged, raw_server_apart
from support.replays import TRACE, Desk, recorded

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_): pass
    def version_string(self): return "then"
    def send_header(self, name, value):
        if name not in ("Server", "Date"): super().send_header(name, value)
"""
SERVE = SERVER + 'http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.keep([recorded()])
    return desk


def started(desk: Desk, code: str, *options: str, **environ: str) -> Result:
    return desk.type("trace", TRACE, *options, "--", sys.executable, "-c", code, **environ)


def test_a_command_is_started_and_ended_and_gets_its_port(desk: Desk, tmp_path: Path) -> None:
    note = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"

    result = started(desk, SERVER + note + SERVE, "--json")

    document = json.loads(result.stdout)
    assert (result.exit_code, document["counts"]) == (0, {"same": 1})
    assert document["target"].startswith("localhost:")
    gone(int((tmp_path / "pid").read_text()))


def test_a_target_says_where_the_command_listens(desk: Desk) -> None:
    from support.ports import free_ports

    [port] = free_ports(1)

    result = started(desk, SERVE, "--target", f"localhost:{port}", "--json")

    assert (result.exit_code, json.loads(result.stdout)["target"]) == (0, f"localhost:{port}")


def test_one_that_never_listens_is_one_clear_line(desk: Desk) -> None:
    """Case P27."""
    result = started(
        desk, "import signal; print('warming up', flush=True); signal.pause()", "--start-timeout", "3s"
    )

    assert (result.exit_code, result.stdout) == (3, "")
    said, line = result.stderr.splitlines()
    assert said == "  | warming up"
    assert line.startswith(f"mesh-replay: `{sys.executable} -c ")
    assert "did not listen on port" in line
    assert "within 3 s" in line


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("import sys; print('no DATABASE_URL'); sys.exit(7)", "ended with exit code 7 before it listened"),
        ("import os; print('no DATABASE_URL', flush=True); os.kill(os.getpid(), 9)", "ended by signal 9"),
    ],
)
def test_one_that_exits_early_shows_what_it_said_last(desk: Desk, code: str, how: str) -> None:
    """Case P27."""
    result = started(desk, code)

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.splitlines()[0] == "  | no DATABASE_URL"
    assert how in result.stderr.splitlines()[1]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system has no /proc/net")
def test_one_that_listens_elsewhere_is_found(desk: Desk) -> None:
    """Case P27."""
    result = started(desk, SERVE.replace('int(os.environ["PORT"])', "0"), "--json")

    document = json.loads(result.stdout)
    assert (result.exit_code, document["counts"]) == (0, {"same": 1})
    assert document["target"].startswith("127.0.0.1:")
    assert "it listens on " + document["target"] in document["notes"][-1]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system has no /proc/net")
def test_one_that_listens_at_several_other_places_is_asked_about(desk: Desk) -> None:
    """Case P27."""
    two = "import signal, socket\na, b = (socket.create_server(('127.0.0.1', 0)) for _ in 'ab')\n"
    two += "signal.pause()"

    result = started(desk, two)

    assert result.exit_code == 3
    assert "listens on ports " in result.stderr
    assert "say which: --target localhost:PORT" in result.stderr


def test_the_children_that_it_leaves_are_all_ended(desk: Desk, tmp_path: Path) -> None:
    """Case P27: also one that left its process group and its session, and ignores SIGTERM."""
    child = "import os, signal; os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    child += f"open({str(tmp_path / 'stray')!r}, 'w').write(str(os.getpid())); print(1, flush=True)\n"
    child += "while True: signal.pause()"
    leaves = "import os, subprocess, sys\n"
    leaves += (
        f"subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE).stdout.readline()\n"
    )

    result = started(desk, leaves + SERVE)

    assert result.exit_code == 0
    gone(int((tmp_path / "stray").read_text()))


def test_a_wrapper_that_ends_while_the_service_lives_is_no_early_end(desk: Desk) -> None:
    wrapper = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SERVE!r}])"

    result = started(desk, wrapper)

    assert result.exit_code == 0, result.stderr


def test_what_listens_there_already_is_not_taken_for_the_service(desk: Desk) -> None:
    async def script(exchanged: Exchanged) -> None:
        await exchanged.send(OK)

    with raw_server_apart(script) as other:
        result = started(desk, SERVE, "--target", f"localhost:{other.port}")

    assert (result.exit_code, other.requests) == (3, [])
    assert f"something else listens on localhost:{other.port} already" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--", "no-such-command-here"], "there is no command no-such-command-here"),
        (["--target", "192.0.2.1:80", "--", "true"], "a command starts one service on this machine"),
        (["--env", "A", "--", "true"], "--env 'A' is not KEY=VALUE"),
        (["--env", "A=dep:cart", "--", "true"], "there is no stub of cart; give --stub rest"),
        (["--target", "localhost:1", "--env", "A=1"], "--env is for a command"),
        ([], "there is no --target"),
    ],
)
def test_mistakes_are_one_line(desk: Desk, arguments: list[str], words: str) -> None:
    desk.config('allow_targets = ["192.0.2.1:80"]\n')

    result = desk.type("trace", TRACE, "--trust-config", *arguments)

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


def test_a_signal_ends_the_run_and_all_that_it_started(desk: Desk, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    hangs = f"def do_GET(self):\n        open({str(asked)!r}, 'w').close(); import signal; signal.pause()"
    code = SERVER.replace("def do_GET(self):", hangs)
    code += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\nos.mkfifo({str(asked)!r})\n"
    code += SERVE.removeprefix(SERVER)
    environ = {key: value for key, value in (os.environ | desk.environ).items() if value is not None}
    ours = "from mesh_replayer.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", ours, "trace", TRACE, "--json", "--", sys.executable, "-c", code],
        env=environ, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while not asked.exists():
            assert process.poll() is None
        with asked.open():  # opens once the service has its request
            process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate()

    document: dict[str, Any] = json.loads(stdout)
    assert (process.returncode, document["interrupted"]) == (130, True)
    gone(int((tmp_path / "pid").read_text()))


def test_commands_before_and_after_get_trace_and_target(desk: Desk, tmp_path: Path) -> None:
    show = "(printf '%s\\n' WHEN $MESH_TARGET; grep -c 4bf92f35 $MESH_TRACE_FILE) >> " + str(tmp_path / "log")
    before, after = show.replace("WHEN", "before"), show.replace("WHEN", "after")
    desk.config(f"[replay]\nbefore = '''{before}'''\nafter = ['''{after}''']\n")

    result = started(desk, SERVE, "--trust-config", "--json")

    target = json.loads(result.stdout)["target"]
    told = (tmp_path / "log").read_text().splitlines()
    assert result.exit_code == 0
    assert [told[0], told[1], told[3], told[4]] == ["before", target, "after", target]
    assert int(told[2]) > 0


def test_a_command_before_that_fails_sends_nothing_and_after_still_runs(desk: Desk, tmp_path: Path) -> None:
    desk.config(f'[replay]\nbefore = "exit 9"\nafter = "touch {tmp_path}/after"\n')

    async def script(exchanged: Exchanged) -> None:
        await exchanged.send(OK)

    with raw_server_apart(script) as server:
        result = desk.type("trace", TRACE, "--target", f"localhost:{server.port}", "--trust-config")

    assert (result.exit_code, server.connections) == (3, 0)
    assert "[replay] before: `exit 9` failed with exit code 9" in result.stderr
    assert (tmp_path / "after").exists()


def test_commands_of_an_untrusted_file_are_not_run(desk: Desk, tmp_path: Path) -> None:
    """Case P22."""
    desk.config(f'[replay]\nbefore = "touch {tmp_path}/before"\n')

    async def script(exchanged: Exchanged) -> None:
        await exchanged.send(OK)

    with raw_server_apart(script) as server:
        target = ("--target", f"localhost:{server.port}")
        refused = desk.type("trace", TRACE, *target)
        agreed = desk.type("trust", str(tmp_path / "mesh.toml"))
        done = desk.type("trace", TRACE, *target)
        desk.config(f'[replay]\nbefore = "touch {tmp_path}/changed"\n')
        again = desk.type("trace", TRACE, *target)

    assert (refused.exit_code, agreed.exit_code, done.exit_code, again.exit_code) == (4, 0, 0, 4)
    assert f"mesh-replay trust {tmp_path / 'mesh.toml'}" in refused.stderr
    assert len(server.requests) == 1
    assert (tmp_path / "before").exists()
    assert not (tmp_path / "changed").exists()
