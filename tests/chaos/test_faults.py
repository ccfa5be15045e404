"""What breaks around a running sidecar: traffic goes on, what is lost is counted, and a trace says so."""

import asyncio
import contextlib
import errno
import os
import random
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from mesh_core.config import RedactMode
from mesh_core.model import Exchange
from mesh_core.query import parse_query
from mesh_core.trace import Completeness
from mesh_recorder import spool
from mesh_recorder.addons import recording
from mesh_recorder.counters import Counters
from mesh_recorder.journal import Journal
from mesh_recorder.lines import Seen, closing_line
from mesh_recorder.metrics import exposition
from mesh_recorder.settings import Durability, Endpoint, Listen, SidecarSettings
from mesh_recorder.sidecar import Sidecar
from mesh_recorder.wire import desk
from mesh_store.store import Store, open_store
from support.chaos import Gate, Mode, Steps, TcpProxy
from support.lanes import in_use
from support.postgres import a_database
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

    async def stop(self) -> "Told":
        counters = await self.sidecar.stop()
        assert counters.balanced, counters
        assert counters.offered == self.asked
        report = await self.sidecar.report()
        closing = closing_line("cart", Seen(counters=counters, requests=self.asked, calls=0), "")
        return Told(counters, self.asked, closing, exposition(report, {}, started_at=0.0))


@dataclass(frozen=True)
class Told:
    """What a sidecar says of itself in the end."""

    counters: Counters
    asked: int
    closing: str
    metrics: str


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
            "lane": in_use.get(),
        }
        sidecar = Sidecar(SidecarSettings(**(settings | changes)), open_sink=gate.opened)
        listening = await sidecar.start()
        assert listening.inbound is not None
        async with client(listening.inbound.port) as talk:
            yield Traffic(sidecar, talk, gate)
        await sidecar.stop()


def account(url: str, told: Told, *, dropped: set[str], lossy: bool | None) -> None:
    """Store, closing line and metrics agree, and the trace says whether something is missing."""
    counters = told.counters
    assert set(counters.dropped) == dropped
    for reason, count in counters.dropped.items():
        assert f"{reason} {count}" in told.closing
        assert f'mesh_record_dropped_total{{reason="{reason}"}} {count}\n' in told.metrics
    assert f"{told.asked} offered, {counters.stored} stored, 0 spooled, " in told.closing
    assert f"mesh_record_stored_total {counters.stored}\n" in told.metrics
    with open_store(url) as store:
        exchanges = everything_in(store)
        told_store = dict(store.stats().dropped)
        assert store.check().problems == ()
        trace = store.trace(TRACE)
    assert trace is not None
    if lossy is not None:
        assert trace.completeness is (Completeness.LOSSY if lossy else Completeness.COMPLETE)
    paths = [exchange.path for exchange in exchanges]
    assert len(paths) == len(set(paths)) == counters.stored
    assert {exchange.lane for exchange in exchanges} == {in_use.get()}
    assert told_store == dict(counters.dropped)
    assert counters.stored + sum(told_store.values()) == told.asked


def everything_in(store: Store) -> list[Exchange]:
    """All of its exchanges, however fast the machine made them."""
    found: list[Exchange] = []
    cursor: str | None = None
    while True:
        page = store.search(parse_query("", now=0), limit=10_000, cursor=cursor)
        found.extend(page.exchanges)
        cursor = page.cursor
        if cursor is None:
            return found


@contextmanager
def a_small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A tmpfs; who unmounts it reads until this process ends, however it does."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here; a full disk is also tried by a limit on files")
    ending = ["sh", "-c", 'read _; umount -l "$1"', "sh", str(folder)]
    with subprocess.Popen(ending, stdin=subprocess.PIPE, start_new_session=True):
        yield folder


def test_a_full_disk(tmp_path: Path, store_url: str) -> None:
    """Case R23: a small tmpfs fills up while the store is away; it goes on once there is room."""

    async def scenario(disk: Path) -> Told:
        async with traffic(tmp_path, store_url, spool_dir=disk / "spool") as flow:
            flow.gate.shut.set()
            await flow.until(lambda counters: counters.dropped.get("disk_full", 0) >= 10)
            flow.gate.shut.clear()
            stored = flow.sidecar.counters.stored
            await flow.until(lambda counters: counters.stored > stored + 5)
            return await flow.stop()

    with a_small_disk(tmp_path / "disk", "size=1m") as disk:
        told = run(lambda: scenario(disk))

    account(store_url, told, dropped={"disk_full"}, lossy=True)


def test_a_spool_that_cannot_be_written(tmp_path: Path, store_url: str) -> None:
    """Case R23: it is no folder at first; it goes on once it is one."""
    (tmp_path / "place").touch()

    async def scenario() -> Told:
        async with traffic(tmp_path, store_url, spool_dir=tmp_path / "place" / "spool") as flow:
            await flow.until(lambda counters: counters.dropped.get("spool_unwritable", 0) >= 5)
            (tmp_path / "place").unlink()
            await flow.until(lambda counters: counters.stored >= 5)
            return await flow.stop()

    told = run(scenario)

    account(store_url, told, dropped={"spool_unwritable"}, lossy=None)


def test_a_spool_on_a_disk_that_is_read_only(tmp_path: Path, store_url: str) -> None:
    """Case R23: from the start, until somebody mends it."""

    async def scenario(disk: Path) -> Told:
        async with traffic(tmp_path, store_url, spool_dir=disk / "spool") as flow:
            await flow.until(lambda counters: counters.dropped.get("spool_unwritable", 0) >= 5)
            await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,rw", str(disk)], check=True)
            await flow.until(lambda counters: counters.stored >= 5)
            return await flow.stop()

    with a_small_disk(tmp_path / "disk", "ro") as disk:
        told = run(lambda: scenario(disk))

    account(store_url, told, dropped={"spool_unwritable"}, lossy=None)


@pytest.mark.parametrize("call", ["write", "sync"])
def test_a_disk_that_fails(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Case R23: EIO, for a while; what is in a segment that could not be synced is not lost by that."""
    broken = asyncio.Event()

    def fails(*_: object) -> None:
        loop.call_soon_threadsafe(broken.set)
        raise OSError(errno.EIO, "Input/output error")

    async def scenario() -> Told:
        nonlocal loop
        loop = asyncio.get_running_loop()
        async with traffic(tmp_path, store_url) as flow:
            await flow.until(lambda counters: counters.stored >= 5)
            owner, name = (spool, "write_all") if call == "write" else (os, "fdatasync")
            monkeypatch.setattr(owner, name, fails)
            while not broken.is_set():
                await flow.ask(1)
            await flow.ask(10)
            if call == "write":
                await flow.until(lambda counters: counters.dropped.get("spool_unwritable", 0) >= 5)
            monkeypatch.undo()
            stored = flow.sidecar.counters.stored
            await flow.until(lambda counters: counters.stored > stored + 5)
            return await flow.stop()

    loop: asyncio.AbstractEventLoop
    told = run(scenario)

    dropped = {"spool_unwritable"} if call == "write" else set()
    account(store_url, told, dropped=dropped, lossy=call == "write")


def test_a_spool_with_flipped_bits(tmp_path: Path, store_url: str) -> None:
    """Case R27: what a flip hits is a gap, nothing else is, and no wrong byte is taken for right."""
    chance = random.Random(27)

    async def left_behind() -> int:
        # Each exchange in a block of its own, so that a flip costs one.
        async with traffic(tmp_path, store_url, drain_timeout=1.0, durability=Durability.EACH) as flow:
            flow.gate.shut.set()
            await flow.ask(60)
            return (await flow.stop()).counters.spooled

    async def again() -> Counters:
        async with traffic(tmp_path, store_url) as flow:
            await flow.ask(5)
            return (await flow.stop()).counters  # what shipping finds out on the way is written down too

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
    with open_store(store_url) as store:
        page = store.search(parse_query("", now=0), limit=1000)
        damaged = dict(store.stats().dropped)["frame_damaged"]
        assert store.check().problems == ()
        bodies = store.bodies(page.exchanges)
    assert len(page.exchanges) + damaged == 65
    assert damaged > 0
    assert set(bodies.values()) == {BODY}
    assert list((tmp_path / "spool").glob("*.bad"))


@contextmanager
def held_lock(url: str) -> Iterator[None]:
    """Another program holds the whole database."""
    if url.startswith("sqlite"):
        holder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.execute("COMMIT")
        holder.close()
        return
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE exchange, run IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_store_that_is_locked(tmp_path: Path, store_url: str, long_run: bool) -> None:
    """Case R23: another program holds the database; 20 s in the long run."""

    async def scenario() -> Told:
        async with traffic(tmp_path, store_url) as flow:
            await flow.ask(5)
            await flow.until(lambda counters: counters.stored > 0)
            with held_lock(store_url):
                until = asyncio.get_running_loop().time() + (20 if long_run else 1)
                while asyncio.get_running_loop().time() < until:
                    await flow.ask(1)
                assert flow.sidecar.counters.spooled
            await flow.ask(5)
            told = await flow.stop()
            assert told.counters.stored == flow.asked
            return told

    told = run(scenario)

    account(store_url, told, dropped=set(), lossy=False)


def test_a_store_whose_disk_is_full(tmp_path: Path) -> None:
    """Case R23: it takes nothing for as long, and not a segment is given up for it."""

    async def scenario(disk: Path, url: str) -> Told:
        async with traffic(tmp_path, url) as flow:
            await flow.until(lambda counters: counters.stored > 0)
            (disk / "ballast").write_bytes(b"")
            with (disk / "ballast").open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
                while True:
                    ballast.write(bytes(4096))
            while flow.sidecar.store_away is None:
                await flow.ask(1)
                await asyncio.sleep(0.02)  # a trickle, which leaves room on the disk for what waits
            tries = flow.gate.tries
            while flow.gate.tries < tries + 6:  # as often as one segment that is bad would be tried
                await flow.ask(1)
                await asyncio.sleep(0.02)
            (disk / "ballast").unlink()
            while flow.sidecar.store_away is not None:
                await flow.ask(1)
                await asyncio.sleep(0.02)
            told = await flow.stop()
            assert told.counters.stored == flow.asked
            return told

    with a_small_disk(tmp_path / "disk", "size=8m") as disk:
        url = f"sqlite:///{disk}/mesh.db"
        told = run(lambda: scenario(disk, url))
        account(url, told, dropped=set(), lossy=False)


@pytest.mark.parametrize(
    "mode", [Mode.REFUSE, Mode.HANG, Mode.SLOW, Mode.RESET, Mode.DEAF], ids=lambda m: m.name
)
def test_a_postgres_that_misbehaves(
    tmp_path: Path, postgres_server: str, postgres_template: str, mode: Mode
) -> None:
    """Cases R23, R26: refusing, hanging, slow, resetting in a batch, or between commit and answer."""

    async def scenario(url: str, proxy: TcpProxy) -> Told:
        async with traffic(tmp_path, url) as flow:
            await flow.ask(5)
            await flow.until(lambda counters: counters.stored > 0)
            await asyncio.to_thread(proxy.turn, mode, cut=mode is Mode.REFUSE)
            tries = flow.gate.tries
            while flow.gate.tries < tries + 1 and flow.sidecar.store_away is None:
                await flow.ask(5)
            await flow.ask(20)
            if mode in (Mode.RESET, Mode.DEAF):
                while not proxy.resets:
                    await flow.ask(1)
            await asyncio.to_thread(proxy.turn, Mode.PASS)
            told = await flow.stop()
            assert told.counters.stored == flow.asked
            return told

    with a_database(postgres_server, template=postgres_template) as direct:
        parts = urlsplit(direct)
        assert parts.hostname is not None
        assert parts.port is not None
        with TcpProxy(parts.hostname, parts.port) as proxy:
            through = parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}").geturl()
            told = run(lambda: scenario(through, proxy))
        account(direct, told, dropped=set(), lossy=False)


def test_a_writer_that_fails_goes_on_and_what_is_lost_is_told(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Case R23: writer dead; its queue fills up to the budget, the rest is counted."""
    failed = asyncio.Event()

    def broken(*_: object) -> None:
        loop.call_soon_threadsafe(failed.set)
        raise RuntimeError("password=hunter2")

    async def scenario() -> Told:
        nonlocal loop
        loop = asyncio.get_running_loop()
        async with traffic(tmp_path, store_url, budget=200_000) as flow:
            monkeypatch.setattr(Journal, "open", broken)
            await flow.ask(1)
            await failed.wait()
            await flow.until(lambda counters: counters.dropped.get("queue_full", 0) >= 10)
            monkeypatch.undo()
            await flow.until(lambda counters: counters.stored >= 5)
            return await flow.stop()

    loop: asyncio.AbstractEventLoop
    told = run(scenario)

    dropped = set(told.counters.dropped)
    assert "queue_full" in dropped
    account(store_url, told, dropped=dropped, lossy=True)
    assert "the writer failed (RuntimeError), and goes on" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_clock_that_steps(tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case R33: an hour back, forward, beyond 2038; nothing is lost, no time is negative."""
    steps = Steps(recording.time)

    async def scenario() -> Told:
        for module in (recording, desk):
            monkeypatch.setattr(module, "time", steps)
        async with traffic(tmp_path, store_url) as flow:
            for hours in (0, -1, 1, 24 * 365 * 20):
                steps.hours = hours
                await flow.ask(5)
            return await flow.stop()

    told = run(scenario)

    account(store_url, told, dropped=set(), lossy=False)
    with open_store(store_url) as store:
        found = store.search(parse_query("", now=0), limit=100).exchanges
    assert sorted(int(each.path[1:]) for each in found) == list(range(20))
    assert all(each.duration >= 0 for each in found)
    assert all((each.request_end or 0) <= (each.first_byte or 0) <= each.ended_at for each in found)
    assert {each.started_at // (10**9 * 3600 * 24 * 365) >= 70 for each in found} == {True, False}
    _in_order(found)


def _in_order(found: Any) -> None:
    """Within each span between two steps, the order of starts is the order in which they were asked."""
    by_step = [sorted(found, key=lambda each: int(each.path[1:]))[at : at + 5] for at in range(0, 20, 5)]
    for group in by_step:
        assert [each.started_at for each in group] == sorted(each.started_at for each in group)
