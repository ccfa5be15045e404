"""HTTP/2 in plain text, listened to: the same frames at both ends, and requests read from a copy."""

import asyncio
from collections.abc import Awaitable, Callable

import h2.events
import pytest

from mesh_core.model import Exchange, Sender, Synthesized
from mesh_core.outcome import Outcome
from support.h2talk import ANSWER, H2, Response, Serve, call, framed, h2_client, h2_server
from support.ports import free_ports
from support.talk import Script as TalkScript
from support.talk import Talk, client
from support.wire_rig import PATIENCE, Peer, Script, loops, recording, run_on, serving

type Loop = Callable[[], asyncio.AbstractEventLoop]
type Call = Callable[[H2], Awaitable[Response]]


@pytest.fixture(params=loops())
def loop(request: pytest.FixtureRequest) -> Loop:
    return request.param  # type: ignore[no-any-return]


def heard_as(script: TalkScript) -> Script:
    """A script for one kind of server, played by the other."""

    async def serve(peer: Peer) -> None:
        await script(Talk(peer.reader, peer.writer))

    return serve


def played(
    loop: Loop, serve: Serve, caller: Call, count: int = 1, **limits: float
) -> tuple[Response, list[Exchange]]:
    """The same call without and with the relay; both ends hear the same bytes."""

    async def run() -> tuple[Response, list[Exchange]]:
        async with asyncio.timeout(PATIENCE):
            async with serving(heard_as(h2_server(serve))) as server, client(server.port) as talk:
                direct = await caller(await h2_client(talk))
            async with (
                serving(heard_as(h2_server(serve))) as behind,
                recording(behind.port, **limits) as recorded,
            ):
                async with client(recorded.port) as talk:
                    through = await caller(await h2_client(talk))
                exchanges = await recorded.exchanges(count)
        assert through.seen == direct.seen
        return through, exchanges

    return run_on(loop, run())


async def accept(end: H2) -> int:
    request = await end.next(h2.events.RequestReceived)
    stream: int = request.stream_id
    return stream


async def ask(end: H2) -> Response:
    await end.headers(1, call(b"/shop.Cart/Get"))
    await end.data(1, framed(b"ping"), end=True)
    return await end.response(1)


def test_a_unary_grpc_call(loop: Loop) -> None:
    """Case R20: unary, with a `-bin` trailer."""

    async def serve(end: H2) -> None:
        stream = await accept(end)
        await end.next(h2.events.StreamEnded, stream=stream)
        await end.headers(stream, ANSWER)
        await end.data(stream, framed(b"pong"))
        await end.headers(stream, [(b"grpc-status", b"0"), (b"x-cost-bin", b"AAEC")], end=True)

    _, (exchange,) = played(loop, serve, ask)

    assert (exchange.http_version, exchange.method, exchange.path) == ("HTTP/2", "POST", "/shop.Cart/Get")
    assert (exchange.status, exchange.grpc_status, exchange.outcome) == (200, 0, Outcome.OK)
    assert exchange.response_trailers == ((b"grpc-status", b"0"), (b"x-cost-bin", b"AAEC"))
    assert [(message.sender, message.payload) for message in exchange.messages] == [
        (Sender.CLIENT, framed(b"ping")),
        (Sender.SERVER, framed(b"pong")),
    ]


def test_a_grpc_error_in_the_server(loop: Loop) -> None:
    """Case R20: a failure inside HTTP 200, in a response that has nothing but trailers."""

    async def serve(end: H2) -> None:
        stream = await accept(end)
        await end.headers(
            stream, [*ANSWER, (b"grpc-status", b"13"), (b"grpc-message", b"caf%C3%A9")], end=True
        )

    _, (exchange,) = played(loop, serve, ask)

    assert (exchange.status, exchange.grpc_status, exchange.outcome) == (200, 13, Outcome.GRPC_ERROR)
    assert exchange.failed


def test_messages_of_a_bidirectional_stream_pass_one_by_one(loop: Loop) -> None:
    """Case R20: each is answered before the next is sent."""

    async def serve(end: H2) -> None:
        stream = await accept(end)
        await end.headers(stream, ANSWER)
        for _ in range(3):
            heard = await end.next(h2.events.DataReceived, stream=stream)
            await end.data(stream, heard.data)
        await end.headers(stream, [(b"grpc-status", b"0")], end=True)

    async def caller(end: H2) -> Response:
        await end.headers(1, call(b"/shop.Cart/Watch"))
        for number in range(3):
            await end.data(1, framed(b"%d" % number))
            heard = await end.next(h2.events.DataReceived, stream=1)
            assert heard.data == framed(b"%d" % number)
        return await end.response(1)

    _, (exchange,) = played(loop, serve, caller)

    assert sorted(message.payload for message in exchange.messages) == sorted(
        framed(b"%d" % number) for number in range(3) for _ in range(2)
    )


def test_a_client_that_cancels(loop: Loop) -> None:
    """Case R20: cancel and deadline."""

    async def serve(end: H2) -> None:
        stream = await accept(end)
        await end.headers(stream, ANSWER)
        await end.next(h2.events.StreamReset, stream=stream)

    async def caller(end: H2) -> Response:
        await end.headers(1, call(b"/shop.Cart/Watch"))
        await end.next(h2.events.ResponseReceived, stream=1)
        end.frames.reset_stream(1, 8)
        await end.flush()
        return Response()

    _, (exchange,) = played(loop, serve, caller)

    assert exchange.outcome is Outcome.CLIENT_DISCONNECTED


def test_an_upstream_that_goes_away_in_mid_stream(loop: Loop) -> None:
    """Cases R20, R21."""

    async def serve(end: H2) -> None:
        stream = await accept(end)
        await end.headers(stream, ANSWER)
        await end.data(stream, framed(b"half"))
        end.frames.close_connection(0, last_stream_id=0)
        await end.flush()
        end.talk.writer.close()

    async def caller(end: H2) -> Response:
        await end.headers(1, call(b"/shop.Cart/Watch"), end=True)
        with pytest.raises(EOFError):
            await end.response(1)
        return Response()

    _, (exchange,) = played(loop, serve, caller)

    assert exchange.outcome is Outcome.UPSTREAM_RESET
    assert [message.payload for message in exchange.messages] == [framed(b"half")]


def test_an_upstream_that_refuses(loop: Loop) -> None:
    """Case R20: the client is told so in its own protocol."""

    async def run() -> None:
        async with asyncio.timeout(PATIENCE), recording(free_ports(1)[0]) as recorded:
            async with client(recorded.port) as talk:
                response = await ask(await h2_client(talk))
            exchange = await recorded.exchange()

            assert (b":status", b"502") in response.fields
            assert b"refused the connection" in response.body
            assert (exchange.outcome, exchange.synthesized) == (Outcome.CONNECT_FAILED, Synthesized.PROXY)

    run_on(loop, run())


def test_twenty_streams_at_once_and_large_tables(loop: Loop) -> None:
    """Case R21: parallel; headers that are compressed against each other are read right."""
    streams = range(1, 41, 2)

    async def serve(end: H2) -> None:
        asked = {}
        while len(asked) < len(streams):
            request = await end.next(h2.events.RequestReceived)
            asked[request.stream_id] = dict(request.headers)[b":path"]
        for stream, path in reversed(asked.items()):
            await end.headers(stream, [*ANSWER, (b"x-path", path), (b"x-long", b"y" * 3000)], end=True)

    async def caller(end: H2) -> Response:
        for stream in streams:
            await end.headers(stream, call(b"/%d" % stream, (b"x-mine", b"z%d" % stream * 500)), end=True)
        found = [await end.response(stream) for stream in streams]
        return found[-1]

    _, exchanges = played(loop, serve, caller, len(streams))

    assert sorted(exchange.path for exchange in exchanges) == sorted(f"/{stream}" for stream in streams)
    for exchange in exchanges:
        assert (b"x-path", exchange.path.encode()) in exchange.response_headers


def test_a_stream_that_waits_is_left_alone(loop: Loop) -> None:
    """Its client has a deadline of its own: no time-out of ours touches a connection with other streams."""

    async def serve(end: H2) -> None:
        slow, other = await accept(end), await accept(end)
        await asyncio.sleep(0.4)  # several times the limit: what must not happen has had its time
        for stream in (other, slow):
            await end.headers(stream, [*ANSWER], end=True)

    async def caller(end: H2) -> Response:
        for stream in (1, 3):
            await end.headers(stream, call(b"/%d" % stream), end=True)
        await end.response(3)
        return await end.response(1)

    _, exchanges = played(loop, serve, caller, 2, response_timeout=0.1)

    assert [exchange.outcome for exchange in exchanges] == [Outcome.OK] * 2


@pytest.mark.parametrize("cuts", [(1, 2), (5, 17), (18, 23)])
def test_a_preface_in_three_packets(loop: Loop, cuts: tuple[int, int]) -> None:
    """Case R21."""

    async def serve(end: H2) -> None:
        stream = await accept(end)
        await end.headers(stream, ANSWER, end=True)

    async def run() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            serving(heard_as(h2_server(serve))) as server,
            recording(server.port) as recorded,
            client(recorded.port) as talk,
        ):
            end = H2(talk, client=True)
            data = end.frames.data_to_send()
            for piece in (data[: cuts[0]], data[cuts[0] : cuts[1]], data[cuts[1] :]):
                await talk.say(piece)
                await asyncio.sleep(0.01)
            await end.headers(1, call(b"/"), end=True)
            await end.response(1)
            assert (await recorded.exchange()).http_version == "HTTP/2"

    run_on(loop, run())


def test_frames_in_disorder_pass_unread(loop: Loop) -> None:
    """Case R35: what is no HTTP/2 after its preface reaches the upstream as it came."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    heard: list[bytes] = []
    nonsense = (
        preface
        + b"\x00\x00\x04\x01\x04\x00\x00\x00\x01\xff\xff\xff\xff"
        + b"\x00\x00\x01\x09\x00\x00\x00\x00\x05x"
    )

    async def serve(talk: Talk) -> None:
        heard.append(await talk.size(len(nonsense)))
        await talk.say(b"bye")

    async def run() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            serving(heard_as(serve)) as server,
            recording(server.port) as recorded,
            client(recorded.port) as talk,
        ):
            await talk.say(nonsense)
            assert await talk.end() == b"bye"
        assert heard == [nonsense]

    run_on(loop, run())
