"""The same addon in stock mitmproxy, as its users start it."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import mesh_recorder.addons
from mesh_core.outcome import Outcome
from mesh_core.query import parse_query
from mesh_store.store import open_store
from support.lanes import one
from support.ports import free_ports
from support.record import clean_environment
from support.rig import run
from support.talk import Talk, answering, client, ok, upstream

pytestmark = one("mitmproxy")

MITMDUMP = Path(sys.executable).with_name("mitmdump")
ADDON = Path(mesh_recorder.addons.__file__).with_name("stock.py")


async def _listening(process: asyncio.subprocess.Process) -> None:
    """Wait for the line that says so."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if b"listening at" in line:
            return
    raise AssertionError("mitmdump ended")


@pytest.mark.parametrize("way", ["options", "environment"])
def test_mitmdump_records_into_the_store(tmp_path: Path, way: str) -> None:
    store = f"sqlite:///{tmp_path}/mesh.db"
    (port,) = free_ports(1)
    given = ["--set", f"mesh_store={store}", "--set", "mesh_service=cart"] if way == "options" else []
    environ = {} if way == "options" else {"MESH_STORE": store, "MESH_SERVICE": "cart"}
    trailing = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"

    async def scenario() -> None:
        async with upstream(answering(ok(b"first"), trailing)) as server:
            process = await asyncio.create_subprocess_exec(
                str(MITMDUMP),
                *("--mode", f"reverse:http://127.0.0.1:{server.port}@127.0.0.1:{port}"),
                *("--set", f"confdir={tmp_path}/conf", "-s", str(ADDON), *given),
                env=clean_environment(tmp_path, PYTHONUNBUFFERED="1", **environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            await _listening(process)
            async with client(port) as talk:
                await _ask(talk)
            process.send_signal(signal.SIGINT)
            said = (await process.communicate())[0].decode()
            assert "mesh: 2 recorded, 0 dropped" in said, said
            assert not re.search("Traceback|rror", said), said

    run(scenario)

    with open_store(store) as opened:
        second, first = opened.search(parse_query("service:cart", now=0)).exchanges
    assert (first.path, first.service, first.outcome) == ("/1", "cart", Outcome.OK)
    assert first.direction == "inbound"
    assert second.response_trailers == ((b"X-Sum", b"1"),)


async def _ask(talk: Talk) -> None:
    await talk.say(b"GET /1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret-1\r\n\r\n")
    await talk.until(b"first")
    await talk.say(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    await talk.until(b"X-Sum: 1\r\n\r\n")


def test_a_wrong_option_is_said(tmp_path: Path) -> None:
    ended = subprocess.run(
        [str(MITMDUMP), "-s", str(ADDON), "-p", "0", "--set", "mesh_trace_headers=some"],
        env=clean_environment(tmp_path) | {"HOME": os.fspath(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode != 0
    assert "'some'" in ended.stdout + ended.stderr
