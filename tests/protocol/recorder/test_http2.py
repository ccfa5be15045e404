"""HTTP/2 with and without TLS: gRPC in time, parallel streams, and what goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import h2.events
import pytest

from mesh_core.model import Exchange, Sender
from mesh_core.outcome import Outcome
from support.h2talk import ANSWER, H2, Fields, Response, Serve, call, framed, h2_client, h2_server
from support.lanes import only
from support.rig import Rig, rig, run
from support.talk import Talk, client, upstream

type Call = Callable[[H2], Awaitable[Response]]


async def _played(
    folder: Path, serve: Serve, caller: Call, **changes: object
) -> tuple[Response, Response, list[Exchange], Rig]:
    """The same call without and with a sidecar, and what was recorded."""
    async with upstream(h2_server(serve)) as server, client(server.port) as talk:
        direct = await caller(await h2_client(talk))
    async with upstream(h2_server(serve)) as server, rig(folder, server.port, **changes) as running:
        async with client(running.inbound) as talk:
            through = await caller(await h2_client(talk))
        await running.seen(1)
        return direct, through, await running.recorded(), running


async def _accept(end: H2) -> int:
    request = await end.next(h2.events.RequestReceived)
    stream: int = request.stream_id
    return stream


async def _unary(end: H2) -> None:
    stream = await _accept(end)
    await end.next(h2.events.StreamEnded, stream=stream)
    await end.headers(stream, ANSWER)
    await end.data(stream, framed(b"pong"))
    await end.headers(stream, [(b"grpc-status", b"0"), (b"x-cost-bin", b"AAEC")], end=True)


async def _ask(end: H2) -> Response:
    await end.headers(1, call(b"/shop.Cart/Get"))
    await end.data(1, framed(b"ping"), end=True)
    return await end.response(1)


def test_a_grpc_call_is_recorded_with_status_and_frames(tmp_path: Path) -> None:
    """Case R20: unary."""
    direct, through, (exchange,), _ = run(lambda: _played(tmp_path, _unary, _ask))

    assert through.seen == direct.seen
    assert (exchange.http_version, exchange.method, exchange.path) == ("HTTP/2", "POST", "/shop.Cart/Get")
    assert exchange.authority == "shop.test"
    assert (exchange.status, exchange.grpc_status, exchange.outcome) == (200, 0, Outcome.OK)
    assert exchange.response_trailers == ((b"grpc-status", b"0"), (b"x-cost-bin", b"AAEC"))
    assert [(m.sender, m.type, m.payload) for m in exchange.messages] == [
        (Sender.CLIENT, "grpc", framed(b"ping")),
        (Sender.SERVER, "grpc", framed(b"pong")),
    ]


def test_a_server_stream_arrives_message_by_message(tmp_path: Path) -> None:
    """Case R20: each message arrives before the next is sent."""
    heard = asyncio.Event()

    async def serve(end: H2) -> None:
        stream = await _accept(end)
        await end.headers(stream, ANSWER)
        for number in range(3):
            heard.clear()
            await end.data(stream, framed(b"%d" % number))
            await heard.wait()
        await end.headers(stream, [(b"grpc-status", b"0")], end=True)

    async def caller(end: H2) -> Response:
        await end.headers(1, call(b"/shop.Cart/Watch"))
        await end.data(1, framed(b"all"), end=True)
        for number in range(3):
            event = await end.next(h2.events.DataReceived, stream=1)
            assert event.data == framed(b"%d" % number)
            heard.set()
        return await end.response(1)

    direct, through, (exchange,), _ = run(lambda: _played(tmp_path, serve, caller))

    assert through.seen == direct.seen
    assert len(exchange.messages) == 4
    assert exchange.outcome is Outcome.OK


@pytest.mark.parametrize("answer_first", [False, True])
def test_both_sides_talk_at_once(tmp_path: Path, answer_first: bool) -> None:
    """Case R20: bidirectional; buffering either side would wait for ever."""

    async def serve(end: H2) -> None:
        stream = await _accept(end)
        if answer_first:
            await end.headers(stream, ANSWER)
        for number in range(3):
            event = await end.next(h2.events.DataReceived, stream=stream)
            if number == 0 and not answer_first:
                await end.headers(stream, ANSWER)
            await end.data(stream, event.data)
        await end.next(h2.events.StreamEnded, stream=stream)
        await end.headers(stream, [(b"grpc-status", b"0")], end=True)

    async def caller(end: H2) -> Response:
        await end.headers(1, call(b"/shop.Cart/Chat"))
        for number in range(3):
            await end.data(1, framed(b"%d" % number), end=number == 2)
            event = await end.next(h2.events.DataReceived, stream=1)
            assert event.data == framed(b"%d" % number)
        return await end.response(1)

    direct, through, (exchange,), _ = run(lambda: _played(tmp_path, serve, caller))

    assert through.seen == direct.seen
    assert [message.sender for message in exchange.messages].count(Sender.CLIENT) == 3
    assert len(exchange.messages) == 6


def test_a_client_stream_is_one_exchange(tmp_path: Path) -> None:
    """Case R20."""

    async def caller(end: H2) -> Response:
        await end.headers(1, call(b"/shop.Cart/Fill"))
        for number in range(3):
            await end.data(1, framed(b"%d" % number), end=number == 2)
        return await end.response(1)

    direct, through, (exchange,), _ = run(lambda: _played(tmp_path, _unary, caller))

    assert through.seen == direct.seen
    assert len(exchange.messages) == 4


FAILURES: dict[str, tuple[Fields, Outcome]] = {
    "not found": (
        [(b"grpc-status", b"5"), (b"grpc-message", b"gibt%20es%20n%C3%BCrgends")],
        Outcome.HTTP_4XX,
    ),
    "internal": ([(b"grpc-status", b"13"), (b"details-bin", b"CAU=")], Outcome.GRPC_ERROR),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_grpc_error_without_a_body_is_recorded(tmp_path: Path, kind: str) -> None:
    """Case R20: the status is in a head that is also the end, or in trailers."""
    fields, outcome = FAILURES[kind]

    async def serve(end: H2) -> None:
        stream = await _accept(end)
        await end.next(h2.events.StreamEnded, stream=stream)
        await end.headers(stream, [*ANSWER, *fields], end=True)

    direct, through, (exchange,), _ = run(lambda: _played(tmp_path, serve, _ask))

    assert through.seen == direct.seen
    assert exchange.grpc_status == int(fields[0][1])
    assert exchange.outcome is outcome


def test_a_cancelled_call_reaches_the_server(tmp_path: Path) -> None:
    """Case R20: cancel, as a deadline that has passed also is."""
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def serve(end: H2) -> None:
        stream = await _accept(end)
        await end.headers(stream, ANSWER)
        started.set()
        await end.next(h2.events.StreamReset, stream=stream)
        cancelled.set()

    async def caller(end: H2) -> Response:
        started.clear()
        cancelled.clear()
        await end.headers(1, call(b"/shop.Cart/Slow", (b"grpc-timeout", b"1S")))
        await started.wait()
        end.frames.reset_stream(1, 8)
        await end.flush()
        await cancelled.wait()
        return Response()

    _, _, (exchange,), _ = run(lambda: _played(tmp_path, serve, caller))

    assert exchange.outcome is Outcome.CLIENT_DISCONNECTED


def test_a_server_that_resets_a_call_resets_it_for_the_client(tmp_path: Path) -> None:
    """Case R20: upstream gone in mid-stream."""

    async def serve(end: H2) -> None:
        stream = await _accept(end)
        await end.headers(stream, ANSWER)
        await end.data(stream, framed(b"part"))
        end.frames.reset_stream(stream, 2)
        await end.flush()

    direct, through, (exchange,), running = run(lambda: _played(tmp_path, serve, _ask))

    assert through.body == direct.body
    assert through.reset is not None
    assert exchange.outcome is Outcome.UPSTREAM_RESET
    assert running.body(exchange.response_body) == framed(b"part")


def test_an_upstream_that_is_gone_is_told_over_http2(tmp_path: Path) -> None:
    """Case R20: before the call."""

    async def scenario() -> tuple[Response, Exchange]:
        async with upstream(Talk.end) as nobody:
            port = nobody.port
        async with rig(tmp_path, port) as running:
            async with client(running.inbound) as talk:
                response = await _ask(await h2_client(talk))
            return response, await running.only()

    response, exchange = run(scenario)

    assert (b":status", b"502") in response.fields
    assert (b"content-type", b"text/plain; charset=utf-8") in response.fields
    assert response.body.startswith(b"mesh-record: ")
    assert exchange.outcome is Outcome.CONNECT_FAILED


def test_a_preface_in_three_packets_is_recognised(tmp_path: Path) -> None:
    """Case R21."""

    async def scenario() -> Exchange:
        async with upstream(h2_server(_unary)) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                end = H2(talk, client=True)
                first = end.frames.data_to_send()
                for part in (first[:1], first[1:20], first[20:]):
                    await talk.say(part)
                    await asyncio.sleep(0.02)  # so that they come apart; nothing is judged by it
                assert (await _ask(end)).body == framed(b"pong")
            return await running.only()

    assert run(scenario).outcome is Outcome.OK


def test_a_post_whose_first_packet_is_one_byte_is_http_1(tmp_path: Path) -> None:
    async def scenario() -> Exchange:
        async def server(talk: Talk) -> None:
            await talk.until(b"body")
            await talk.say(b"HTTP/1.1 204 No Content\r\n\r\n")
            await talk.end()

        async with upstream(server) as behind, rig(tmp_path, behind.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(b"P")
                await asyncio.sleep(0.02)
                await talk.say(b"OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
                await talk.until(b"204")
            return await running.only()

    assert run(scenario).method == "POST"


def test_twenty_streams_run_in_parallel(tmp_path: Path) -> None:
    """No stream is answered before all have arrived."""

    async def serve(end: H2) -> None:
        streams = [await _accept(end) for _ in range(20)]
        for stream in streams:
            await end.headers(stream, [(b":status", b"200")])
            await end.data(stream, b"%d" % stream, end=True)

    async def scenario() -> list[Exchange]:
        async with upstream(h2_server(serve)) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                end = await h2_client(talk)
                streams = range(1, 41, 2)
                for stream in streams:
                    await end.headers(stream, call(b"/%d" % stream), end=True)
                for stream in streams:
                    assert (await end.response(stream)).body == b"%d" % stream
            return await running.recorded()

    exchanges = run(scenario)

    assert len(exchanges) == 20
    assert {exchange.outcome for exchange in exchanges} == {Outcome.OK}


@only("mitmproxy", row="HTTP/2 |", instead="wire/test_h2c.py::test_an_upstream_that_goes_away_in_mid_stream")
def test_open_streams_end_with_a_goaway(tmp_path: Path) -> None:
    """Case R21: the upstream goes away; the client hears of each stream, and nothing hangs."""

    async def serve(end: H2) -> None:
        for _ in range(2):
            await _accept(end)
        end.frames.close_connection(0, last_stream_id=0)
        await end.flush()
        end.talk.writer.close()

    async def scenario() -> tuple[list[Response], list[Exchange]]:
        async with upstream(h2_server(serve)) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                end = await h2_client(talk)
                for stream in (1, 3):
                    await end.headers(stream, call(b"/%d" % stream), end=True)
                responses = [await end.response(stream) for stream in (1, 3)]
            return responses, await running.recorded()

    responses, exchanges = run(scenario)

    assert all((b":status", b"502") in response.fields for response in responses)
    assert [exchange.outcome for exchange in exchanges] == [Outcome.UPSTREAM_RESET] * 2


def test_hints_pass_over_http2(tmp_path: Path) -> None:
    """Case R10, over HTTP/2."""

    async def serve(end: H2) -> None:
        stream = await _accept(end)
        await end.headers(stream, [(b":status", b"103"), (b"link", b"</a>")])
        await end.headers(stream, [(b":status", b"200")], end=True)

    async def caller(end: H2) -> Response:
        await end.headers(1, call(b"/"), end=True)
        return await end.response(1)

    direct, through, (exchange,), _ = run(lambda: _played(tmp_path, serve, caller))

    assert through.informational == direct.informational
    assert [message.payload for message in exchange.messages] == [b"103"]


@only("mitmproxy", row="HTTP/2 |", instead="wire/test_h2c.py::test_a_stream_that_waits_is_left_alone")
def test_a_stream_that_waits_too_long_ends_and_leaves_the_others(tmp_path: Path) -> None:
    """The upstream hears it cancelled; another stream of the same connection is answered after that."""

    async def serve(end: H2) -> None:
        slow, other = await _accept(end), await _accept(end)
        await end.headers(other, [(b":status", b"200")])
        cancelled = await end.next(h2.events.StreamReset)
        assert cancelled.stream_id == slow
        await end.data(other, b"still here", end=True)

    async def scenario() -> tuple[Response, Response, list[Exchange]]:
        server = h2_server(serve)
        async with upstream(server) as behind, rig(tmp_path, behind.port, response_timeout=0.3) as running:
            async with client(running.inbound) as talk:
                end = await h2_client(talk)
                for stream in (1, 3):
                    await end.headers(stream, call(b"/%d" % stream), end=True)
                slow, other = await end.response(1), await end.response(3)
            return slow, other, await running.recorded()

    slow, other, exchanges = run(scenario)

    assert (b":status", b"504") in slow.fields
    assert other.body == b"still here"
    assert [exchange.outcome for exchange in exchanges] == [Outcome.UPSTREAM_TIMEOUT, Outcome.OK]
