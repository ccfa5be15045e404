"""A replay that is stopped in the middle, and started again: nothing is sent twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.raw_server import Exchanged, raw_server_apart
from support.replays import START, TRACE, Desk, recorded, trace_json, verdicts

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MS = 1_000_000


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.keep(
        recorded(
            number, method=method, path=f"/{number}", headers=((b"Host", b"a"), (b"Content-Length", b"0")),
            started_at=START + number * 10 * MS, ended_at=START + (number * 10 + 5) * MS,
        )
        for number, method in enumerate(["POST", "GET", "PUT", "POST"])
    )  # fmt: skip
    return desk


def stopped_at(desk: Desk, path: bytes, how: signal.Signals) -> list[str]:
    """A run that is stopped while a request waits for its answer; what the server got."""
    process: list[subprocess.Popen[bytes]] = []

    async def script(exchanged: Exchanged) -> None:
        if exchanged.request.split()[1] == path:
            process[0].send_signal(how)
            await exchanged.reader.read()
            exchanged.ended = True
        else:
            await exchanged.send(OK)

    with raw_server_apart(script) as server:
        code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        code += "from mesh_replayer.cli import main; main()"
        command = [sys.executable, "-c", code, "trace", TRACE, "--target", f"localhost:{server.port}"]
        environ = {key: value for key, value in (os.environ | desk.environ).items() if value is not None}
        process.append(subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL))
        process[0].wait()
    return asked(server.requests)


def asked(requests: list[bytes]) -> list[str]:
    return [b" ".join(request.split()[:2]).decode() for request in requests]


async def answering(exchanged: Exchanged) -> None:
    await exchanged.send(OK)


def test_what_a_stopped_run_had_sent_is_not_sent_again_and_its_outcome_may_be_unknown(desk: Desk) -> None:
    """Case P21."""
    before = stopped_at(desk, b"/2", signal.SIGKILL)

    with raw_server_apart(answering) as server:
        code, document = trace_json(desk, server.port)
        _, again = trace_json(desk, server.port)

    assert before == ["POST /0", "GET /1", "PUT /2"]
    assert asked(server.requests)[:2] == ["GET /1", "POST /3"]
    assert (code, verdicts(document)) == (0, ["skipped", "same", "skipped", "same"])
    first, _, third, _ = [each["reason"] for each in document["exchanges"]]
    assert "had sent it and got 200; --allow-repeat sends it again" in first
    assert third.startswith("unknown: run ")
    assert verdicts(again) == ["same"] * 4  # that one came to its end: this is a new one


def test_a_run_that_its_user_ended_on_this_machine_is_sent_again(desk: Desk) -> None:
    stopped_at(desk, b"/2", signal.SIGINT)

    with raw_server_apart(answering) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document)) == (0, ["same"] * 4)


def test_it_is_sent_again_where_that_is_asked_for(desk: Desk) -> None:
    """Case P21."""
    stopped_at(desk, b"/2", signal.SIGKILL)

    with raw_server_apart(answering) as server:
        code, document = trace_json(desk, server.port, "--allow-repeat")

    assert (code, verdicts(document)) == (0, ["same"] * 4)
    assert len(server.requests) == 4


def test_a_run_that_ends_leaves_no_journal_and_a_torn_one_is_read_as_far_as_it_goes(desk: Desk) -> None:
    """Case P21."""
    stopped_at(desk, b"/2", signal.SIGKILL)
    folder = desk.folder / "state" / "mesh-replay" / "replays"
    [journal] = folder.iterdir()
    assert journal.stat().st_mode & 0o777 == 0o600
    lines = journal.read_bytes()
    journal.write_bytes(lines[:-9])

    with raw_server_apart(answering) as server:
        _, document = trace_json(desk, server.port)

    assert verdicts(document) == ["skipped", "same", "same", "same"]
    assert list(folder.iterdir()) == []
    assert b"Host" not in lines


def test_where_nothing_can_be_written_down_nothing_unsafe_is_sent(desk: Desk) -> None:
    """Case P21."""
    folder = desk.folder / "state" / "mesh-replay"
    folder.mkdir(parents=True)
    (folder / "replays").write_text("no folder")

    with raw_server_apart(answering) as server:
        result = desk.type("trace", TRACE, "--target", f"localhost:{server.port}")

    assert (result.exit_code, server.requests) == (2, [])
    assert result.stderr.startswith("mesh-replay: the journal in ")
    assert result.stderr.count("\n") == 1
