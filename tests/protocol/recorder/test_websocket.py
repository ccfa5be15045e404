"""WebSockets and other upgrades: messages and close codes are recorded, what cannot be read is relayed."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from mesh_core.model import Exchange, Sender
from mesh_core.outcome import Outcome
from support.lanes import only
from support.rig import Rig, both, rig, run
from support.talk import Talk, client, upstream
from support.websockets import Ws, open_client, open_server

type End = Callable[[Ws], Awaitable[None]]


async def _play(folder: Path, server: End, caller: End, *, deflate: bool = False) -> tuple[Exchange, Rig]:
    async def script(talk: Talk) -> None:
        await server(await open_server(talk, deflate=deflate))

    async with upstream(script) as behind, rig(folder, behind.port) as running:
        async with client(running.inbound) as talk:
            await caller(await open_client(talk, deflate=deflate))
        await running.seen(1)
        return await running.only(), running


@pytest.mark.parametrize("deflate", [False, True])
def test_messages_of_both_sides_are_recorded_in_order(tmp_path: Path, deflate: bool) -> None:
    """Case R15: text, binary, fragments, ping, close 4001, also compressed."""

    async def server(ws: Ws) -> None:
        assert await ws.message() == "hello"
        await ws.say(BytesMessage(b"\x00\xff"))
        assert await ws.message() == "fragments"
        ping = await ws.next()
        assert isinstance(ping, Ping)
        await ws.say(ping.response())
        closing = await ws.next()
        assert isinstance(closing, CloseConnection)
        assert (closing.code, closing.reason) == (4001, "enough")
        await ws.say(closing.response())

    async def caller(ws: Ws) -> None:
        await ws.say(TextMessage("hello"))
        assert await ws.message() == b"\x00\xff"
        await ws.say(TextMessage("frag", message_finished=False))
        await ws.say(TextMessage("ments"))
        await ws.say(Ping(b"here?"))
        assert isinstance(await ws.next(), Pong)
        await ws.say(CloseConnection(4001, "enough"))
        assert isinstance(await ws.next(), CloseConnection)

    exchange, _ = run(lambda: _play(tmp_path, server, caller, deflate=deflate))

    assert exchange.status == 101
    assert exchange.outcome is Outcome.OK
    assert [(message.sender, message.type, message.payload) for message in exchange.messages] == [
        (Sender.CLIENT, "text", b"hello"),
        (Sender.SERVER, "binary", b"\x00\xff"),
        (Sender.CLIENT, "text", b"fragments"),
        (Sender.CLIENT, "close", b"4001 enough"),
    ]


def test_a_server_that_drops_a_websocket_is_a_failure(tmp_path: Path) -> None:
    """Case R15: what the client sees of it depends on the lane."""

    async def server(ws: Ws) -> None:
        await ws.next()
        ws.talk.reset()

    async def caller(ws: Ws) -> None:
        await ws.say(TextMessage("hello"))
        await ws.talk.end()

    exchange, _ = run(lambda: _play(tmp_path, server, caller))

    assert exchange.outcome is Outcome.UPSTREAM_RESET
    assert exchange.messages[-1].payload == b"1006"
    assert exchange.messages[-1].sender is Sender.SERVER


def test_a_client_that_drops_a_websocket_is_none(tmp_path: Path) -> None:
    """Case R15."""

    async def server(ws: Ws) -> None:
        await ws.say(TextMessage("welcome"))
        await ws.talk.end()

    async def caller(ws: Ws) -> None:
        await ws.next()
        ws.talk.reset()

    exchange, _ = run(lambda: _play(tmp_path, server, caller))

    assert exchange.outcome is Outcome.OK


@only("mitmproxy", row="a WebSocket frame", instead="wire/test_upgrades.py::test_a_bad_frame")
def test_an_invalid_frame_is_a_protocol_error(tmp_path: Path) -> None:
    """Case R15."""

    async def server(ws: Ws) -> None:
        await ws.talk.end()

    async def caller(ws: Ws) -> None:
        await ws.talk.say(b"\x8f\x80\x00\x00\x00\x00")
        await ws.talk.end()

    exchange, _ = run(lambda: _play(tmp_path, server, caller))

    assert exchange.outcome is Outcome.PROTOCOL_ERROR


def test_an_unknown_upgrade_is_relayed_and_opaque(tmp_path: Path) -> None:
    """Case R16."""
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"
    response = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"

    async def server(talk: Talk) -> None:
        await talk.until(b"\r\n\r\n")
        await talk.say(response + b"\x00first")
        await talk.until(b"\xffraw")
        await talk.say(b"\x00second")
        await talk.end()

    async def caller(talk: Talk) -> None:
        await talk.say(request)
        await talk.until(b"\x00first")
        await talk.say(b"\xffraw")
        await talk.until(b"\x00second")

    seen = run(lambda: both(tmp_path, server, caller))

    seen.assert_same()
    assert seen.exchange.status == 101
    assert seen.exchange.opaque
    assert seen.exchange.outcome is Outcome.OK


def test_memory_does_not_grow_with_messages(tmp_path: Path) -> None:
    """mitmproxy would keep every message for as long as the connection lasts."""

    async def server(ws: Ws) -> None:
        async for event in ws.events():
            if isinstance(event, CloseConnection):
                await ws.say(event.response())
                return

    async def caller(ws: Ws) -> None:
        for _ in range(30):
            await ws.say(BytesMessage(b"x" * 100_000))
        await ws.say(CloseConnection(1000))
        await ws.next()

    exchange, _ = run(lambda: _play(tmp_path, server, caller))

    assert sum(len(message.payload) for message in exchange.messages) <= 1024 * 1024
    assert exchange.messages[-1].type == "close"
