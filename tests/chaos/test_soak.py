"""An hour of everyday trouble, compressed: nothing that a request leaves behind stays."""

import asyncio
import statistics
from pathlib import Path

from mesh_core.model import Lane
from support.operated import memory_of, metric
from support.record import Record, port_of
from support.talk import Talk, client, get, ok, upstream
from support.websockets import open_client, open_server

BODY = b"{" + b'"sku": "sku-9", ' * 60 + b'"end": 1}'


async def _serve(talk: Talk) -> None:
    """Answers, cuts answers short, streams, and takes WebSockets."""
    while await talk._hear():
        while (end := talk.heard.find(b"\r\n\r\n")) >= 0:
            head = bytes(talk.heard[: end + 4])
            if b"/ws" in head:
                await open_server(talk)
                await talk.end()
                return
            del talk.heard[: end + 4]
            if b"/cut" in head:
                await talk.say(ok(BODY)[:-20])
                return
            await talk.say(ok(BODY, b"Content-Type: application/json"))


async def _everyday(port: int, number: int) -> None:
    """One client: a kept connection, then an ending of each kind in turn."""
    async with client(port) as talk:
        for request in range(8):
            await talk.say(get(b"/%d/%d" % (number, request)))
            await talk.until(b'"end": 1}')
            talk.heard.clear()
    async with client(port) as talk:
        match number % 5:
            case 0:
                await talk.say(get(b"/cut"))
                await talk.end()
            case 1:
                await talk.say(get(b"/gone"))
                talk.reset()
            case 2:
                await talk.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
            case 3:
                await talk.say(b"this is no http\r\n\r\n")
            case _:
                ws = await open_client(talk, path=b"/ws")
                ws.talk.reset()


def test_memory_is_flat_and_nothing_stays_open(tmp_path: Path, lane: Lane, long_run: bool) -> None:
    """Case R36: what a late window takes in memory, an early one took; no exchange is left open."""
    windows, clients = (120, 300) if long_run else (9, 60)

    async def scenario() -> tuple[list[int], float, dict[str, object]]:
        used: list[int] = []
        told = ["--service", "cart", "--lane", lane, "--store", f"sqlite:///{tmp_path}/mesh.db", "--json"]
        async with upstream(_serve) as server:
            with await asyncio.to_thread(Record, tmp_path, *told, "--app", str(server.port)) as record:
                ready = await asyncio.to_thread(record.event)
                port, admin = port_of(ready["inbound"]["listen"]), ready["admin"]
                for window in range(windows):
                    for at in range(0, clients, 20):
                        await asyncio.gather(
                            *(_everyday(port, window * clients + number) for number in range(at, at + 20))
                        )
                    async with asyncio.timeout(60):
                        while await asyncio.to_thread(metric, admin, "in_flight"):  # noqa: ASYNC110
                            await asyncio.sleep(0.02)  # the last client's end has to arrive
                    used.append(memory_of(record.process.pid, "VmRSS"))
                    server.talks.clear()
                left = await asyncio.to_thread(metric, admin, "in_flight")
                assert await asyncio.to_thread(record.end) == 0
                stopped = await asyncio.to_thread(record.event, "stopped")
        return used, left, stopped

    with asyncio.Runner() as runner:
        used, left, stopped = runner.run(scenario())

    third = len(used) // 3
    early, late = statistics.median(used[third : 2 * third]), statistics.median(used[-third:])
    assert late - early < 8 * 1024 * 1024, used
    assert left == 0
    assert stopped["offered"] == stopped["stored"]
    assert stopped["dropped"] == {}
