"""What breaks around a running sidecar: traffic goes on, what is lost is counted, and a trace says so."""

import asyncio
import os
import random
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from mesh_core.config import RedactMode
from mesh_core.query import parse_query
from mesh_core.trace import Completeness
from mesh_recorder.addons import recording
from mesh_recorder.counters import Counters
from mesh_recorder.journal import Journal
from mesh_recorder.settings import Durability, Endpoint, Listen, SidecarSettings
from mesh_recorder.sidecar import Sidecar
from mesh_store.store import open_store
from support.chaos import Gate, Mode, TcpProxy
from support.rig import KEY, run
from support.talk import Talk, answering, client, get, ok, upstream

BODY = random.Random(1).randbytes(20_000)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
"""All requests of a test are one trace, so that it lasts from before the fault to after it."""
PARENT = f"traceparent: 00-{TRACE}-b7ad6b7169203331-01".encode()


class Traffic:
    """A sidecar with a real store, and a client that is answered whatever happens."""

    def __init__(self, sidecar: Sidecar, talk: Talk, gate: Gate) -> None:
        self.sidecar = sidecar
        self.talk = talk
        self.gate = gate
        self.asked = 0

    async def ask(self, count: int) -> None:
        """Every request is answered, and whole."""
        for _ in range(count):
            self.talk.heard.clear()
            await self.talk.say(get(b"/%d" % self.asked, PARENT))
            await self.talk.size(len(ok(BODY)))
            assert bytes(self.talk.heard) == ok(BODY)
            self.asked += 1

    async def until(self, true: Callable[[Counters], bool]) -> None:
        """Ask on until the account says so."""
        async with asyncio.timeout(60):
            while not true(self.sidecar.counters):
                await self.ask(1)

    async def stop(self) -> Counters:
        counters = await self.sidecar.stop()
        assert counters.balanced, counters
        assert counters.offered == self.asked
        return counters


@asynccontextmanager
async def traffic(folder: Path, url: str, **changes: Any) -> AsyncIterator[Traffic]:
    gate = Gate(url)
    async with upstream(answering(ok(BODY))) as server:
        settings: dict[str, Any] = {
            "service": "cart",
            "instance": "cart-1",
            "app": Endpoint(host="127.0.0.1", port=server.port),
            "inbound": Listen(),
            "ca_dir": folder / "ca",
            "spool_dir": folder / "spool",
            "store": url,
            "redact_key": KEY,
            "redact_mode": RedactMode.OFF,
            "drain_timeout": 30.0,
        }
        sidecar = Sidecar(SidecarSettings(**(settings | changes)), open_sink=gate.opened)
        listening = await sidecar.start()
        assert listening.inbound is not None
        async with client(listening.inbound.port) as talk:
            yield Traffic(sidecar, talk, gate)
        await sidecar.stop()


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder}/mesh.db"


def account(url: str, counters: Counters, *, asked: int, dropped: set[str], lossy: bool) -> None:
    """The store agrees with the sidecar's own account, and the trace says whether something is missing."""
    assert set(counters.dropped) == dropped
    with open_store(url) as store:
        page = store.search(parse_query("", now=0), limit=10_000)
        told = dict(store.stats().dropped)
        assert store.check().problems == ()
        trace = store.trace(TRACE)
    assert trace is not None
    assert trace.completeness is (Completeness.LOSSY if lossy else Completeness.COMPLETE)
    paths = [exchange.path for exchange in page.exchanges]
    assert len(paths) == len(set(paths)) == counters.stored
    assert told == dict(counters.dropped)
    assert counters.stored + sum(told.values()) == asked


@contextmanager
def a_small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A tmpfs that is gone with this process, however that ends: detached at once, and held by its folder."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here; a full disk is also tried by a limit on files")
    held = None
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
    try:
        yield Path(f"/proc/self/fd/{held}")
    finally:
        os.close(held)


def test_a_full_disk(tmp_path: Path) -> None:
    """Case R23: a small tmpfs fills up while the store is away; it goes on once there is room."""
    url = sqlite_url(tmp_path)

    async def scenario(disk: Path) -> tuple[Counters, int]:
        async with traffic(tmp_path, url, spool_dir=disk / "spool") as flow:
            flow.gate.shut.set()
            await flow.until(lambda counters: counters.dropped.get("spool_unwritable", 0) >= 10)
            flow.gate.shut.clear()
            dropped = flow.sidecar.counters.dropped["spool_unwritable"]
            stored = flow.sidecar.counters.stored
            await flow.until(lambda counters: counters.stored > stored + 5)
            assert flow.sidecar.counters.dropped["spool_unwritable"] >= dropped
            return await flow.stop(), flow.asked

    with a_small_disk(tmp_path / "disk", "1m") as disk:
        counters, asked = run(lambda: scenario(disk))

    account(url, counters, asked=asked, dropped={"spool_unwritable"}, lossy=True)


def test_a_spool_that_cannot_be_written(tmp_path: Path) -> None:
    """Case R23: it is no folder at first; it goes on once it is one."""
    (tmp_path / "place").touch()
    url = sqlite_url(tmp_path)

    async def scenario() -> tuple[Counters, int]:
        async with traffic(tmp_path, url, spool_dir=tmp_path / "place" / "spool") as flow:
            await flow.until(lambda counters: counters.dropped.get("spool_unwritable", 0) >= 5)
            (tmp_path / "place").unlink()
            await flow.until(lambda counters: counters.stored >= 5)
            return await flow.stop(), flow.asked

    counters, asked = run(scenario)

    # What is there of the trace began after the last drop, so that nobody can know of it.
    account(url, counters, asked=asked, dropped={"spool_unwritable"}, lossy=False)


def test_a_spool_with_flipped_bits(tmp_path: Path) -> None:
    """Case R27: what a flip hits is a gap, nothing else is, and no wrong byte is taken for right."""
    url, chance = sqlite_url(tmp_path), random.Random(27)

    async def left_behind() -> int:
        # Each exchange in a block of its own, so that a flip costs one.
        async with traffic(tmp_path, url, drain_timeout=1.0, durability=Durability.EACH) as flow:
            flow.gate.shut.set()
            await flow.ask(60)
            return (await flow.stop()).spooled

    async def again() -> Counters:
        async with traffic(tmp_path, url) as flow:
            await flow.ask(5)
            return await flow.stop()  # what shipping finds out on the way is written down too

    assert run(left_behind) == 60
    touched = 0
    for path in (tmp_path / "spool").glob("*.seg"):
        content = bytearray(path.read_bytes())
        for _ in range(4):
            content[chance.randrange(500, len(content))] ^= 1 << chance.randrange(8)
            touched += 1
        path.write_bytes(content)
    counters = run(again)

    assert counters.stored == 5
    with open_store(url) as store:
        page = store.search(parse_query("", now=0), limit=1000)
        damaged = dict(store.stats().dropped)["frame_damaged"]
        assert store.check().problems == ()
        bodies = store.bodies(page.exchanges)
    assert len(page.exchanges) + damaged == 65
    assert 0 < damaged <= touched
    assert set(bodies.values()) == {BODY}
    assert list((tmp_path / "spool").glob("*.bad"))


def test_a_store_that_is_locked(tmp_path: Path, long_run: bool) -> None:
    """Case R23: another process holds the database; 20 s in the long run."""
    url = sqlite_url(tmp_path)
    open_store(url).close()

    async def scenario() -> Counters:
        async with traffic(tmp_path, url) as flow:
            await flow.ask(5)
            await flow.until(lambda counters: counters.stored > 0)
            holder = sqlite3.connect(tmp_path / "mesh.db", isolation_level=None)
            holder.execute("BEGIN EXCLUSIVE")
            waited = asyncio.get_running_loop().time() + (20 if long_run else 0)
            while flow.sidecar.store_away is None or asyncio.get_running_loop().time() < waited:
                await flow.ask(1)
            holder.execute("COMMIT")
            holder.close()
            await flow.ask(5)
            counters = await flow.stop()
            assert counters.stored == flow.asked
            return counters

    counters = run(scenario)

    account(url, counters, asked=counters.offered, dropped=set(), lossy=False)


@pytest.mark.parametrize("mode", [Mode.REFUSE, Mode.HANG, Mode.SLOW, Mode.RESET], ids=lambda m: m.name)
def test_a_postgres_that_misbehaves(
    tmp_path: Path, postgres_server: str, postgres_template: str, mode: Mode
) -> None:
    """Case R23: refusing, hanging, slow, resetting in the middle of a batch."""
    from support.postgres import a_database

    async def scenario(url: str, proxy: TcpProxy) -> Counters:
        async with traffic(tmp_path, url) as flow:
            await flow.ask(5)
            await flow.until(lambda counters: counters.stored > 0)
            await asyncio.to_thread(proxy.turn, mode, cut=mode is Mode.REFUSE)
            tries = flow.gate.tries
            while flow.gate.tries < tries + 1 and flow.sidecar.store_away is None:
                await flow.ask(5)
            await flow.ask(20)
            if mode is Mode.RESET:
                while not proxy.resets:
                    await flow.ask(1)
            await asyncio.to_thread(proxy.turn, Mode.PASS)
            counters = await flow.stop()
            assert counters.stored == flow.asked
            return counters

    with a_database(postgres_server, template=postgres_template) as direct:
        parts = urlsplit(direct)
        assert parts.hostname is not None
        assert parts.port is not None
        with TcpProxy(parts.hostname, parts.port) as proxy:
            through = parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}").geturl()
            counters = run(lambda: scenario(through, proxy))
        account(direct, counters, asked=counters.offered, dropped=set(), lossy=False)


def test_a_writer_that_fails_goes_on_and_what_is_lost_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Case R23: writer dead; its queue fills up to the budget, the rest is counted."""
    url = sqlite_url(tmp_path)

    failed, loop = asyncio.Event(), asyncio.AbstractEventLoop()

    def broken(*_: object) -> None:
        loop.call_soon_threadsafe(failed.set)
        raise RuntimeError("password=hunter2")

    async def scenario() -> tuple[Counters, int]:
        nonlocal loop
        loop = asyncio.get_running_loop()
        async with traffic(tmp_path, url, budget=200_000) as flow:
            monkeypatch.setattr(Journal, "open", broken)
            await flow.ask(1)
            await failed.wait()
            await flow.until(lambda counters: counters.dropped.get("queue_full", 0) >= 10)
            monkeypatch.undo()
            await flow.until(lambda counters: counters.stored >= 5)
            return await flow.stop(), flow.asked

    counters, asked = run(scenario)

    dropped = set(counters.dropped)
    assert "queue_full" in dropped
    account(url, counters, asked=asked, dropped=dropped, lossy=True)
    assert "the writer failed (RuntimeError), and goes on" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_clock_that_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case R33: an hour back, forward, beyond 2038; nothing is lost, no time is negative."""
    url, real = sqlite_url(tmp_path), recording.time
    step = 0
    stepped = SimpleNamespace(
        monotonic_ns=real.monotonic_ns, time_ns=lambda: real.time_ns() + step * 3_600_000_000_000
    )

    async def scenario() -> Counters:
        nonlocal step
        monkeypatch.setattr(recording, "time", stepped)
        async with traffic(tmp_path, url) as flow:
            for hours in (0, -1, 1, 24 * 365 * 20):
                step = hours
                await flow.ask(5)
            return await flow.stop()

    counters = run(scenario)

    account(url, counters, asked=20, dropped=set(), lossy=False)
    with open_store(url) as store:
        found = store.search(parse_query("", now=0), limit=100).exchanges
    assert sorted(int(each.path[1:]) for each in found) == list(range(20))
    assert all(each.duration >= 0 for each in found)
    assert all((each.request_end or 0) <= (each.first_byte or 0) <= each.ended_at for each in found)
    _in_order(found)


def _in_order(found: Any) -> None:
    """Within each span between two steps, the order of starts is the order in which they were asked."""
    by_step = [sorted(found, key=lambda each: int(each.path[1:]))[at : at + 5] for at in range(0, 20, 5)]
    for group in by_step:
        assert [each.started_at for each in group] == sorted(each.started_at for each in group)
