"""Open files run out; many clients are slow."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.lanes import in_use
from support.operated import metric
from support.record import Record, port_of
from support.rig import run
from support.talk import Talk, answering, client, get, ok, upstream


@pytest.fixture
def many_files() -> Iterator[None]:
    """The test itself needs two for each client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.asynccontextmanager
async def recording(
    folder: Path, app: int, *arguments: str, files: int | None = None
) -> AsyncIterator[tuple[Record, dict[str, Any]]]:
    record = await asyncio.to_thread(
        lambda: Record(
            folder,
            "--service",
            "cart",
            "--app",
            str(app),
            "--json",
            "--lane",
            in_use.get(),
            *arguments,
            files=files,
        )
    )
    with record:
        yield record, await asyncio.to_thread(record.event)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_when_files_run_out_open_flows_go_on_and_others_wait_their_turn(tmp_path: Path, workers: str) -> None:
    """Case R34: three times as many clients as files allow; all are answered in the end."""
    crowd = 120

    async def scenario() -> None:
        steps: asyncio.Queue[bytes] = asyncio.Queue()

        async def serve(talk: Talk) -> None:
            head = await talk.until(b"\r\n\r\n")
            if b"/stream" not in head:
                await talk.say(ok(b"done"))
                await talk.end()
                return
            await talk.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            while event := await steps.get():
                await talk.say(event)

        async with (
            upstream(serve) as server,
            recording(tmp_path, server.port, "--workers", workers, files=128) as (record, ready),
        ):
            inbound, admin = port_of(ready["inbound"]["listen"]), ready["admin"]
            async with client(inbound) as stream, contextlib.AsyncExitStack() as opened:
                await stream.say(get(b"/stream"))
                await stream.until(b"\r\n\r\n")
                talks = [await opened.enter_async_context(client(inbound)) for _ in range(crowd)]
                for talk in talks:
                    await talk.say(get(b"/one"))
                await steps.put(b"data: still here\n\n")
                await stream.until(b"data: still here\n\n")
                answered = [asyncio.create_task(answer(talk)) for talk in talks]
                for done in asyncio.as_completed(answered):
                    assert (await done).startswith(b"HTTP/1.1 200")
                await steps.put(b"")
                await stream.end()
            async with client(inbound) as after:
                await after.say(get(b"/after"))
                assert (await after.until(b"done")).startswith(b"HTTP/1.1 200")
            assert await asyncio.to_thread(metric, admin, "in_flight") == 0
            assert await asyncio.to_thread(record.end) == 0
            stopped = await asyncio.to_thread(record.event, "stopped")
            told = await asyncio.to_thread(record.rest, "err")
        assert (stopped["offered"], stopped["stored"], stopped["dropped"]) == (crowd + 2, crowd + 2, {})
        assert told.count("ulimit -n") == 1

    run(scenario)


async def answer(talk: Talk) -> bytes:
    """Hear the answer, and make room for another client."""
    heard = await talk.until(b"done")
    await talk.close()
    return heard


def test_slow_clients_are_borne_and_cost_little(tmp_path: Path, long_run: bool, many_files: None) -> None:
    """Case R34: 500 clients at a byte at a time; others are answered in between, and they in the end."""
    slow = 500 if long_run else 150
    request = get(b"/slow")
    early, last = request[:12], request[12:]

    async def scenario() -> None:
        async with (
            upstream(answering(ok(b"done"))) as server,
            recording(tmp_path, server.port) as (record, ready),
            client(port_of(ready["inbound"]["listen"])) as quick,
            contextlib.AsyncExitStack() as opened,
        ):
            inbound = port_of(ready["inbound"]["listen"])
            await quick.say(get())
            await quick.until(b"done")
            idle = memory(record.process.pid)
            talks = [await opened.enter_async_context(client(inbound)) for _ in range(slow)]
            for number, byte in enumerate(early):
                for talk in talks:
                    await talk.say(bytes([byte]))
                await quick.say(get())
                await quick.until(b"done", count=number + 2)
            grown = memory(record.process.pid) - idle
            for talk in talks:
                await talk.say(last)
            for talk in talks:
                assert (await talk.until(b"done")).startswith(b"HTTP/1.1 200")
            await asyncio.to_thread(record.end)
            stopped = await asyncio.to_thread(record.event, "stopped")
        assert stopped["stored"] == slow + len(early) + 1
        assert grown < slow * 64 * 1024

    run(scenario)


def memory(pid: int) -> int:
    """Bytes that a process has in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()
