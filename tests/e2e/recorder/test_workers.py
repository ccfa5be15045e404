"""`--workers N`: several processes on the same ports, and one account."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import pytest

from support.operated import ask, gone, load, workers_of
from support.record import Record, a_service, port_of, run_record
from support.rig import run
from support.talk import Talk, client, get, ok, upstream


async def refused(port: int) -> None:
    """Wait until nothing more is accepted."""
    with contextlib.suppress(ConnectionError):
        while True:
            async with client(port):
                pass


@pytest.mark.parametrize("lane", ["mitmproxy", "wire"])
def test_two_workers_on_one_port_lose_and_double_nothing(tmp_path: Path, lane: str) -> None:
    """Case R28: one ready line, one closing line, all requests in it."""
    arguments = ["--service", "cart", "--workers", "2", "--lane", lane, "--json"]
    with a_service() as app, Record(tmp_path, *arguments, "--app", str(app)) as record:
        ready = record.event()
        workers = workers_of(record.process.pid)
        with load(port_of(ready["inbound"]["listen"]), clients=8) as busy:
            busy.more(200)
        assert record.end() == 0
        stopped = record.event("stopped")
        assert record.rest() == ""
        for worker in workers:
            gone(worker)

    assert len(workers) == 2
    assert (busy.broken, busy.refused, busy.wrong) == ([], 0, [])
    assert (stopped["offered"], stopped["stored"]) == (len(busy.answered), len(busy.answered))
    assert (stopped["dropped"], stopped["spooled"], stopped["worker_restarts"]) == ({}, 0, 0)


def test_two_recorders_of_one_instance_keep_out_of_each_others_spool(tmp_path: Path) -> None:
    """Case R28: the second takes a folder beside."""
    with a_service() as app:
        arguments = ["--service", "cart", "--instance", "one", "--app", str(app), "--inbound", "0", "--json"]
        with Record(tmp_path, *arguments) as one, Record(tmp_path, *arguments, "--workers", "1") as other:
            for record in (one, other):
                inbound = record.event()["inbound"]["listen"]
                assert ask(f"http://{inbound}/x")[0] == 200
            folders = sorted(path.name for path in (tmp_path / "state").glob("**/spool/cart/*"))
            assert (one.end(), other.end()) == (0, 0)
            ends = [record.event("stopped") for record in (one, other)]

    assert folders == ["one", "one~2"]
    assert [(end["offered"], end["stored"]) for end in ends] == [(1, 1), (1, 1)]


def test_a_command_runs_beside_workers_and_its_exit_code_is_ours(tmp_path: Path) -> None:
    code = "import os, sys, urllib.request as u; u.urlopen(os.environ['TO'] + '/from-command'); sys.exit(7)"
    with a_service() as app:
        environ = {"TO": f"http://127.0.0.1:{app}"}
        arguments = ["--service", "cart", "--workers", "2", "--json", "--", sys.executable, "-c", code]
        done = run_record(tmp_path, *arguments, **environ)

    assert done.returncode == 7, done.stderr
    assert '"calls": 1' in done.stderr
    assert '"exit_code": 7' in done.stderr


def test_what_no_worker_can_use_is_said_once_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nothing")
    done = run_record(
        tmp_path,
        "--service",
        "cart",
        "--app",
        "7002",
        "--cert",
        "cert.pem",
        "--key",
        "cert.pem",
        "--workers",
        "2",
    )

    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if line.startswith("mesh-record: ")]
    assert len(said) == 1, done.stderr  # a busy machine may also say that the store takes its time
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_is_in_flight_at_the_end_is_answered_and_stored(
    tmp_path: Path, workers: str, long_run: bool
) -> None:
    """Case R25: six in flight at SIGTERM; then nothing more is accepted; exit 0."""

    async def scenario(folder: Path) -> None:
        arrived, go_on = asyncio.Semaphore(0), asyncio.Event()

        async def slow(talk: Talk) -> None:
            await talk.until(b"\r\n\r\n")
            arrived.release()
            await go_on.wait()
            await talk.say(ok(b"done"))
            await talk.end()

        async with upstream(slow) as server, contextlib.AsyncExitStack() as clients:
            arguments = ["--service", "cart", "--app", str(server.port), "--workers", workers, "--json"]
            record = await asyncio.to_thread(Record, folder, *arguments)
            with record:
                ready = await asyncio.to_thread(record.event)
                inbound, admin = port_of(ready["inbound"]["listen"]), ready["admin"]
                talks = [await clients.enter_async_context(client(inbound)) for _ in range(6)]
                for talk in talks:
                    await talk.say(get())
                for _ in talks:
                    await arrived.acquire()
                record.process.send_signal(signal.SIGTERM)
                while (await asyncio.to_thread(ask, f"http://{admin}/readyz"))[0] == 200:
                    pass
                await refused(inbound)
                go_on.set()
                answers = [await talk.end() for talk in talks]
                code = await asyncio.to_thread(record.process.wait)
                stopped = await asyncio.to_thread(record.event, "stopped")
        assert [answer.startswith(b"HTTP/1.1 200") for answer in answers] == [True] * 6
        assert (code, stopped["offered"], stopped["stored"]) == (0, 6, 6)

    for number in range(100 if long_run else 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        run(lambda folder=folder: scenario(folder))
