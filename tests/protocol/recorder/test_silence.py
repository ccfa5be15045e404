"""Silence is no end: what waits for an event outlasts every limit that is not about it."""

import asyncio
from pathlib import Path

from wsproto.events import BytesMessage, CloseConnection, TextMessage

from mesh_core.model import Exchange
from mesh_core.outcome import Outcome
from support.rig import rig, run
from support.talk import Talk, client, get, ok, upstream
from support.websockets import open_client, open_server

LIMIT = 0.2
"""Seconds without a response's head that a request may take in these tests."""
SILENCE = 4 * LIMIT
"""What must not happen has had its time."""


def test_an_idle_websocket_is_left_alone(tmp_path: Path) -> None:
    """Case R14: idle past the time-out; then both sides talk again."""

    async def scenario() -> Exchange:
        async def server(talk: Talk) -> None:
            ws = await open_server(talk)
            assert await ws.message() == "first"
            await asyncio.sleep(SILENCE)
            await ws.say(TextMessage("still here"))
            assert await ws.message() == b"so am I"
            closing = await ws.next()
            assert isinstance(closing, CloseConnection)
            await ws.say(closing.response())

        async with upstream(server) as behind, rig(tmp_path, behind.port, response_timeout=LIMIT) as running:
            async with client(running.inbound) as talk:
                ws = await open_client(talk)
                await ws.say(TextMessage("first"))
                assert await ws.message() == "still here"
                await asyncio.sleep(SILENCE)
                await ws.say(BytesMessage(b"so am I"))
                await ws.say(CloseConnection(1000))
                assert isinstance(await ws.next(), CloseConnection)
            await running.seen(1)
            return await running.only()

    exchange = run(scenario)

    assert exchange.outcome is Outcome.OK
    assert [message.payload for message in exchange.messages[:3]] == [b"first", b"still here", b"so am I"]


def test_an_event_stream_that_is_silent_is_left_alone(tmp_path: Path) -> None:
    """Case R14: the client reads each event before the next is sent, however long that takes."""

    async def scenario() -> Exchange:
        heard = asyncio.Semaphore(0)

        async def server(talk: Talk) -> None:
            await talk.until(b"\r\n\r\n")
            await talk.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            for number in range(3):
                await talk.say(b"data: %d\n\n" % number)
                await heard.acquire()
                await asyncio.sleep(SILENCE / 2)

        async with upstream(server) as behind, rig(tmp_path, behind.port, response_timeout=LIMIT) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                for number in range(3):
                    await talk.until(b"data: %d\n\n" % number)
                    heard.release()
                await talk.end()
            return await running.only()

    exchange = run(scenario)

    assert exchange.outcome is Outcome.OK
    assert [message.payload for message in exchange.messages] == [b"data: 0", b"data: 1", b"data: 2"]


def test_a_long_poll_is_answered_when_there_is_something(tmp_path: Path) -> None:
    """Case R14: silent for a tenth of the time-out, as 30 s are of the default."""

    async def scenario() -> Exchange:
        async def server(talk: Talk) -> None:
            await talk.until(b"\r\n\r\n")
            await asyncio.sleep(1)
            await talk.say(ok(b"news"))
            await talk.end()

        async with upstream(server) as behind, rig(tmp_path, behind.port, response_timeout=10.0) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                await talk.until(b"news")
            return await running.only()

    exchange = run(scenario)

    assert exchange.outcome is Outcome.OK
    assert exchange.duration >= 900_000_000


def test_an_idle_connection_takes_another_request(tmp_path: Path) -> None:
    async def scenario() -> list[Exchange]:
        async def server(talk: Talk) -> None:
            for number in (1, 2):
                await talk.until(b"\r\n\r\n", count=number)
                await talk.say(ok(b"answer %d" % number))
            await talk.end()

        async with upstream(server) as behind, rig(tmp_path, behind.port, response_timeout=LIMIT) as running:
            async with client(running.inbound) as talk:
                await talk.say(get(b"/1"))
                await talk.until(b"answer 1")
                await asyncio.sleep(SILENCE)
                await talk.say(get(b"/2"))
                await talk.until(b"answer 2")
            return await running.recorded()

    assert [exchange.outcome for exchange in run(scenario)] == [Outcome.OK] * 2
