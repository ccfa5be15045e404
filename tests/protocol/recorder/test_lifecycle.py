"""Starting, stopping, failing: traffic comes first, and every exchange is accounted for."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from mitmproxy.proxy.layers.http import _http1

from mesh_core.errors import ConfigInvalid, ListenFailed
from mesh_core.model import Exchange
from mesh_core.outcome import Outcome
from mesh_recorder.addons import recorder as recorder_addon
from mesh_recorder.compat import http1, mend, spare, stream
from mesh_recorder.counters import Counters
from mesh_recorder.settings import Listen
from support.lanes import one, only
from support.rig import rig, run
from support.talk import Talk, answering, client, get, ok, upstream


def test_a_port_that_is_taken_is_said_and_nothing_is_left_bound(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.socket() as holder, socket.socket() as probe:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
            probe.close()
            taken = Listen(port=holder.getsockname()[1])
            with pytest.raises(ListenFailed, match=f"the outbound listener: {taken} is taken") as failed:
                async with rig(tmp_path, inbound=Listen(port=free), outbound=taken):
                    pass
            assert f"(process {os.getpid()})" in failed.value.problem
            assert "choose another port" in failed.value.hint
            again = socket.create_server(("127.0.0.1", free))
            again.close()

    run(scenario)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_said(tmp_path: Path, host: str) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, inbound=Listen(host=host, port=0)):
            pass

    with pytest.raises(ListenFailed, match="no address of this machine"):
        run(scenario)


def test_a_certificate_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nothing")

    async def scenario() -> None:
        async with rig(tmp_path, cert=tmp_path / "cert.pem"):
            pass

    with pytest.raises(ConfigInvalid, match="no certificate"):
        run(scenario)


@only(
    "mitmproxy",
    row="the sidecar stops",
    instead="wire/test_endings.py::test_a_sidecar_that_stops_answers_what_is_under_way",
)
def test_requests_in_flight_are_answered_before_the_end(tmp_path: Path) -> None:
    """Case R25: six in flight; the listener is closed at once, idle connections too."""

    async def scenario() -> tuple[list[bytes], bytes, Counters, list[Exchange]]:
        arrived, go_on = asyncio.Semaphore(0), asyncio.Event()

        async def slow(talk: Talk) -> None:
            await talk.until(b"\r\n\r\n")
            arrived.release()
            await go_on.wait()
            await talk.say(ok(b"done"))
            await talk.end()

        async with upstream(slow) as server, rig(tmp_path, server.port) as running:

            async def ask() -> bytes:
                async with client(running.inbound) as talk:
                    await talk.say(get())
                    return await talk.end()

            async with client(running.inbound) as idle:
                asking = [asyncio.create_task(ask()) for _ in range(6)]
                for _ in asking:
                    await arrived.acquire()
                stopping = asyncio.create_task(running.stop())
                idle_heard = await idle.end()
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", running.inbound)
                go_on.set()
                answers = await asyncio.gather(*asking)
                counters = await stopping
            return list(answers), idle_heard, counters, await running.recorded()

    answers, idle_heard, counters, exchanges = run(scenario)

    assert all(answer.endswith(b"\r\n\r\ndone") for answer in answers)
    assert all(b"Connection: close" in answer for answer in answers)
    assert idle_heard == b""
    assert counters.stored == 6
    assert not any(name == b"Connection" for exchange in exchanges for name, _ in exchange.response_headers)


def test_what_does_not_end_in_time_is_cut_and_recorded(tmp_path: Path) -> None:
    async def scenario() -> Exchange:
        asked = asyncio.Event()

        async def silent(talk: Talk) -> None:
            await talk.until(b"\r\n\r\n")
            asked.set()
            await talk.end()

        async with upstream(silent) as server, rig(tmp_path, server.port, drain_timeout=0.2) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                await asked.wait()
                await running.stop()
                assert await talk.end() == b""
            return await running.only()

    exchange = run(scenario)

    assert exchange.outcome is Outcome.REJECTED
    assert "stopped" in (exchange.error or "")


@only("mitmproxy", row="an error of ours", instead="wire/test_doubts.py::test_an_error_of_ours_costs_no_byte")
def test_a_crash_of_the_core_closes_the_client_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Case R24."""

    def crash(*_: object) -> None:
        raise NotImplementedError("password=hunter2")

    async def scenario() -> tuple[Exchange, int]:
        async with upstream(answering(ok())) as server, rig(tmp_path, server.port) as running:
            monkeypatch.setattr(stream.HttpStream, "start_response_stream", crash)
            async with client(running.inbound) as talk:
                await talk.say(get())
                assert await talk.end() == b""
            monkeypatch.undo()
            return await running.only(), running.sidecar.crashes

    exchange, crashes = run(scenario)

    assert crashes == 1
    assert exchange.outcome is Outcome.PROTOCOL_ERROR
    assert "hunter2" not in caplog.text + (exchange.error or "")
    assert [record.levelno for record in caplog.records if "failed over" in record.message] == [
        logging.WARNING
    ]


@only("mitmproxy", row="an error of ours", instead="wire/test_doubts.py::test_an_error_of_ours_costs_no_byte")
def test_recording_that_fails_leaves_traffic_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case R23: what could not be captured is counted, once each."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    async def scenario() -> Counters:
        async with upstream(answering(ok())) as server, rig(tmp_path, server.port) as running:
            monkeypatch.setattr(recorder_addon, "mark", broken)
            async with client(running.inbound) as talk:
                for number in (1, 2):
                    await talk.say(get())
                    await talk.until(b"hello", count=number)
            monkeypatch.undo()
            async with client(running.inbound) as talk:
                await talk.say(get())
                await talk.until(b"hello")
            counters = await running.stop()
            assert len(running.store.exchanges) == 1
            return counters

    counters = run(scenario)

    assert counters.dropped == {"capture_error": 2}
    assert (counters.offered, counters.stored) == (3, 1)


def test_a_full_budget_drops_the_recording_and_not_the_traffic(tmp_path: Path) -> None:
    async def scenario() -> Counters:
        large = answering(ok(b"x" * 50_000))
        async with upstream(large) as server, rig(tmp_path, server.port, budget=100) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                await talk.until(b"x" * 50_000)
            return await running.stop()

    counters = run(scenario)

    assert counters.dropped == {"queue_full": 1}
    assert counters.balanced


NEWER = """
import asyncio, logging, sys, tempfile
from pathlib import Path
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http
{change}
sys.path.insert(0, sys.argv[1])
from support.rig import rig
from support.talk import answering, client, get, ok, upstream
logging.basicConfig(format="%(message)s")
async def main():
    folder = Path(tempfile.mkdtemp())
    async with upstream(answering(ok(), ok())) as server, rig(folder, server.port) as running:
        async with client(running.inbound) as talk:
            for count in (1, 2):
                await talk.say(get())
                await talk.until(b"hello", count=count)
        print([each.outcome.value for each in await running.recorded()])
asyncio.run(main())
"""
ANOTHER_CLASS = """
class Another(http.Http1Server):
    pass
http.Http1Server = Another
"""
"""One that ours does not descend from."""
MORE_CONTEXT = """
theirs, made = Context.fork, http.HttpStream.__init__
def fork(self):
    forked = theirs(self)
    forked.news = True
    return forked
def init(self, context, stream_id):
    assert context.news
    made(self, context, stream_id)
Context.fork, http.HttpStream.__init__ = fork, init
"""
"""Contexts carry what ours do not."""


@one("mitmproxy")
@pytest.mark.parametrize(
    ("change", "cost"), [(ANOTHER_CLASS, "trailers hang"), (MORE_CONTEXT, "each request takes more time")]
)
def test_a_newer_mitmproxy_runs_as_it_is_with_one_warning(change: str, cost: str) -> None:
    """Case R42: simulated by internals that differ."""
    support = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NEWER.format(change=change), str(support)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.stdout == "['ok', 'ok']\n", ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "this mitmproxy differs from the one we know" in ended.stderr
    assert cost in ended.stderr


@one("mitmproxy")
def test_this_mitmproxy_is_the_one_we_know() -> None:
    assert mend()
    assert spare()
    assert issubclass(http1.Http1Server, _http1.Http1Server)
