"""What a real sidecar recorded of gRPC, a WebSocket and an event stream, replayed against the same server."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import h2.events
import pytest
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from mesh_core.config import RedactMode
from mesh_core.model import Bodies, Exchange, Lane
from support.apart import apart
from support.h2talk import ANSWER, H2, call, framed, h2_client, h2_server
from support.replays import Desk, verdicts
from support.rig import KEY, rig
from support.talk import Script, Talk, client, upstream
from support.websockets import open_client, open_server

type Caller = Callable[[Talk], Awaitable[None]]
type Recorded = list[tuple[Exchange, Bodies]]


def through_a_sidecar(folder: Path, server: Script, caller: Caller, lane: Lane) -> Recorded:
    """What is recorded of one conversation."""

    async def run() -> Recorded:
        async with (
            upstream(server) as behind,
            rig(folder, behind.port, redact_mode=RedactMode.DEFAULT, lane=lane) as running,
        ):
            async with client(running.inbound) as talk:
                await caller(talk)
            await running.seen(1)
            await running.recorded()
            frames = [frame for segment in running.store.segments for frame in segment.frames]
        return [(frame.exchange, frame.bodies) for frame in frames if frame.exchange is not None]

    return asyncio.run(run())


async def grpc_server(end: H2) -> None:
    while True:
        stream = (await end.next(h2.events.RequestReceived)).stream_id
        await end.next(h2.events.StreamEnded, stream=stream)
        await end.headers(stream, ANSWER)
        for word in (b"one", b"two"):
            await end.data(stream, framed(b"\x0a" + bytes([len(word)]) + word))
        await end.headers(stream, [(b"grpc-status", b"0")], end=True)


async def grpc_caller(talk: Talk) -> None:
    end = await h2_client(talk)
    await end.headers(1, call(b"/shop.Cart/Watch"))
    await end.data(1, framed(b"\x0a\x02hi"), end=True)
    assert (await end.response(1)).trailers == [(b"grpc-status", b"0")]


async def socket_server(talk: Talk) -> None:
    ws = await open_server(talk)
    assert await ws.message() == "hello"
    await ws.say(TextMessage('{"room": "lobby"}'))
    await ws.say(BytesMessage(b"\x00\x01"))
    closing = await ws.next()
    assert isinstance(closing, CloseConnection)
    await ws.say(closing.response())


async def socket_caller(talk: Talk) -> None:
    ws = await open_client(talk)
    await ws.say(TextMessage("hello"))
    assert await ws.message() == '{"room": "lobby"}'
    assert await ws.message() == b"\x00\x01"
    await ws.say(CloseConnection(1000, "done"))
    assert isinstance(await ws.next(), CloseConnection)


async def event_server(talk: Talk) -> None:
    await talk.until(b"\r\n\r\n")
    await talk.say(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"b\r\ndata: one\n\n\r\nb\r\ndata: two\n\n\r\n"
    )
    await talk.end()  # it would go on for ever: the client leaves


async def event_caller(talk: Talk) -> None:
    await talk.say(b"GET /events HTTP/1.1\r\nHost: shop.test\r\n\r\n")
    await talk.until(b"data: two\n\n")


@pytest.mark.parametrize("lane", [Lane.WIRE, Lane.MITMPROXY])
@pytest.mark.parametrize(
    ("server", "caller"),
    [(h2_server(grpc_server), grpc_caller), (socket_server, socket_caller), (event_server, event_caller)],
    ids=["grpc", "websocket", "events"],
)
def test_what_was_recorded_is_the_same_again(
    tmp_path: Path, server: Script, caller: Caller, lane: Lane
) -> None:
    desk = Desk(tmp_path)
    desk.keep(through_a_sidecar(tmp_path / "sidecar", server, caller, lane))

    with apart(lambda: upstream(server)) as again:
        result = desk.type(
            "trace", "last", "--target", f"localhost:{again.port}", "--json", "--timeout", "20s",
            MESH_REDACT_KEY=KEY.decode(),
        )  # fmt: skip

    document = json.loads(result.stdout)
    found = [each["differences"] for each in document["exchanges"]]
    assert (result.exit_code, verdicts(document)) == (0, ["same"]), found
