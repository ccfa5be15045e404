"""Large bodies stream through in bounded memory, and what is kept says how much there was."""

import asyncio
import hashlib
from asyncio import Queue
from pathlib import Path

import pytest

from mesh_core.model import Exchange, Lane
from mesh_core.outcome import Outcome
from mesh_core.query import parse_query
from mesh_store.store import open_store
from support.operated import forget_peak, memory_of
from support.record import Record, port_of
from support.rig import rig, run
from support.talk import Script, Talk, client, get, ok, upstream

PIECE = b"a line of 32 bytes, no secret.\r\n" * 2048
"""64 KiB."""
TEXT = b"Content-Type: text/plain\r\n"
MIB = 1024 * 1024


async def _download(inbound: int, size: int) -> str:
    heard = hashlib.sha256()
    async with client(inbound) as talk:
        await talk.say(get(b"/down"))
        await talk.until(b"\r\n\r\n")
        body = bytes(talk.heard).partition(b"\r\n\r\n")[2]
        got = len(body)
        heard.update(body)
        while got < size:
            data = await talk.reader.read(1 << 20)
            assert data
            heard.update(data)
            got += len(data)
    return heard.hexdigest()


async def _upload(inbound: int, size: int) -> str:
    sent = hashlib.sha256()
    async with client(inbound) as talk:
        await talk.say(b"PUT /up HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n" % (TEXT, size))
        for _ in range(size // len(PIECE)):
            sent.update(PIECE)
            await talk.say(PIECE)
        await talk.until(b"taken")
    return sent.hexdigest()


def _peer(size: int, other: Queue[str]) -> Script:
    """Sends a large body or takes one, and says its hash."""

    async def server(talk: Talk) -> None:
        digest = hashlib.sha256()
        head = await talk.until(b"\r\n\r\n")
        if head.startswith(b"GET"):
            await talk.say(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n" % (TEXT, size))
            for _ in range(size // len(PIECE)):
                digest.update(PIECE)
                await talk.say(PIECE)
        else:
            body = head.partition(b"\r\n\r\n")[2]
            got = len(body)
            digest.update(body)
            while got < size:
                data = await talk.reader.read(1 << 20)
                assert data
                digest.update(data)
                got += len(data)
            await talk.say(ok(b"taken"))
        other.put_nowait(digest.hexdigest())
        await talk.end()

    return server


@pytest.mark.parametrize("way", ["down", "up"])
@pytest.mark.parametrize("mebibytes", [200, pytest.param(1024, marks=pytest.mark.long)])
def test_a_large_body_passes_whole_and_is_kept_in_part(
    tmp_path: Path, lane: Lane, way: str, mebibytes: int
) -> None:
    """Case R18: in the memory of a process that had been idle, and its budget."""
    size = mebibytes * MIB
    url = f"sqlite:///{tmp_path}/mesh.db"

    async def scenario() -> int:
        other: Queue[str] = Queue()
        async with upstream(_peer(size, other)) as server:
            told = ["--service", "cart", "--app", str(server.port), "--lane", lane, "--store", url, "--json"]
            with await asyncio.to_thread(Record, tmp_path, *told) as record:
                inbound = port_of((await asyncio.to_thread(record.event))["inbound"]["listen"])
                async with client(inbound) as talk:  # so that all is imported that a request needs
                    await talk.say(get(b"/warm", b"Range: bytes=0-0"))
                    await talk.until(b"\r\n\r\n")
                idle = memory_of(record.process.pid, "VmRSS")
                forget_peak(record.process.pid)
                digest = await (_download if way == "down" else _upload)(inbound, size)
                peak = memory_of(record.process.pid, "VmHWM")
                assert await asyncio.to_thread(record.end) == 0
            hashes = {other.get_nowait() for _ in range(other.qsize())}
            assert digest in hashes
        return peak - idle

    grown = run(scenario)

    with open_store(url) as store:
        (exchange,) = store.search(parse_query(f"path:/{way}", now=0), limit=9).exchanges
    body = exchange.response_body if way == "down" else exchange.request_body
    assert body is not None
    assert (body.size, body.stored, body.truncated) == (size, MIB, True)
    assert body.full_hash is None
    assert exchange.outcome is Outcome.OK
    assert grown < 64 * MIB, "the body was buffered"


def test_a_slow_client_slows_the_upstream(tmp_path: Path) -> None:
    """What is not read is not fetched: no more than the sockets' buffers is under way."""
    size = 256 * MIB
    said = 0

    async def server(talk: Talk) -> None:
        nonlocal said
        await talk.until(b"\r\n\r\n")
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while said < size:
            await talk.say(PIECE)
            said += len(PIECE)

    async def scenario() -> Exchange:
        async with upstream(server) as behind, rig(tmp_path, behind.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                await talk.until(b"\r\n\r\n")
                before = -1
                while before != said:
                    before = said
                    await asyncio.sleep(0.3)
            await running.seen(1)
            return await running.only()

    exchange = run(scenario)

    assert said < 64 * MIB
    assert exchange.outcome is Outcome.CLIENT_DISCONNECTED


def test_a_body_in_tiny_pieces_is_kept_whole(tmp_path: Path) -> None:
    async def server(talk: Talk) -> None:
        await talk.until(b"\r\n\r\n")
        await talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await talk.say(b"1\r\nx\r\n" * 6000 + b"0\r\n\r\n")
        await talk.end()

    async def scenario() -> tuple[Exchange, bytes]:
        async with upstream(server) as behind, rig(tmp_path, behind.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                await talk.until(b"\r\n0\r\n\r\n")
            exchange = await running.only()
            return exchange, running.body(exchange.response_body)

    exchange, body = run(scenario)

    assert body == b"x" * 6000
    assert exchange.response_body is not None
    assert not exchange.response_body.truncated
