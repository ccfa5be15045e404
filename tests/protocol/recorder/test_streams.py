"""Large bodies stream through in bounded memory, and what is kept says how much there was."""

import asyncio
import hashlib
import resource
from pathlib import Path

import pytest

from mesh_core.model import Exchange
from mesh_core.outcome import Outcome
from support.rig import rig, run
from support.talk import Talk, client, get, ok, upstream

PIECE = bytes(range(256)) * 256
"""64 KiB."""
MIB = 1024 * 1024


async def _download(folder: Path, size: int) -> tuple[Exchange, str, str]:
    digest = hashlib.sha256()

    async def server(talk: Talk) -> None:
        await talk.until(b"\r\n\r\n")
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(PIECE)):
            digest.update(PIECE)
            await talk.say(PIECE)
        await talk.end()

    heard = hashlib.sha256()
    async with upstream(server) as behind, rig(folder, behind.port) as running:
        async with client(running.inbound) as talk:
            await talk.say(get())
            await talk.until(b"\r\n\r\n")
            body = bytes(talk.heard).partition(b"\r\n\r\n")[2]
            got = len(body)
            heard.update(body)
            while got < size:
                data = await talk.reader.read(1 << 20)
                assert data
                heard.update(data)
                got += len(data)
        return await running.only(), digest.hexdigest(), heard.hexdigest()


async def _upload(folder: Path, size: int) -> tuple[Exchange, str, str]:
    sent, heard = hashlib.sha256(), hashlib.sha256()

    async def server(talk: Talk) -> None:
        head = await talk.until(b"\r\n\r\n")
        body = head.partition(b"\r\n\r\n")[2]
        got = len(body)
        heard.update(body)
        while got < size:
            data = await talk.reader.read(1 << 20)
            assert data
            heard.update(data)
            got += len(data)
        await talk.say(ok(b"taken"))
        await talk.end()

    async with upstream(server) as behind, rig(folder, behind.port) as running:
        async with client(running.inbound) as talk:
            await talk.say(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // len(PIECE)):
                sent.update(PIECE)
                await talk.say(PIECE)
            await talk.until(b"taken")
        return await running.only(), sent.hexdigest(), heard.hexdigest()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("way", [_download, _upload])
@pytest.mark.parametrize("mebibytes", [32, pytest.param(200, marks=pytest.mark.long)])
def test_a_large_body_passes_whole_and_is_kept_in_part(tmp_path: Path, way: object, mebibytes: int) -> None:
    """Case R18."""
    size = mebibytes * MIB
    before = _peak()
    exchange, sent, heard = run(lambda: way(tmp_path, size))  # type: ignore[operator]  # one of the two above
    grown = _peak() - before

    assert sent == heard
    body = exchange.response_body if way is _download else exchange.request_body
    assert body is not None
    assert (body.size, body.stored, body.truncated) == (size, MIB, True)
    assert body.full_hash is None
    assert exchange.outcome is Outcome.OK
    assert grown < 24 * MIB, "the body was buffered"


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
