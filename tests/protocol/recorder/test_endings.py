"""However a request ends, it is one exchange that says how."""

import asyncio
import socket
from pathlib import Path

import pytest

from mesh_core.model import Exchange, Sender, Synthesized
from mesh_core.outcome import Outcome
from mesh_recorder.settings import Endpoint, Listen, UpstreamPort
from support.lanes import only
from support.rig import both, caller, rig, run
from support.talk import Talk, answering, client, get, ok, upstream


def closed_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def assert_told(answer: bytes, status: int, *words: bytes) -> None:
    """The sidecar said in plain text what is wrong."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"Content-Type: text/plain" in head
    assert body.startswith(b"mesh-record: ")
    for word in words:
        assert word in body


def test_an_app_that_is_not_up_yet_is_said_and_the_next_request_works(tmp_path: Path) -> None:
    """Cases R2 and R38."""
    port = closed_port()

    async def scenario() -> list[Exchange]:
        async with rig(tmp_path, port) as running:
            async with client(running.inbound) as talk:
                await talk.say(get(b"/early"))
                assert_told(await talk.end(), 502, b"127.0.0.1:%d refused" % port, b"is it running?")
            late = await asyncio.start_server(_hello, "127.0.0.1", port)
            async with late, client(running.inbound) as talk:
                await talk.say(get(b"/late"))
                await talk.until(b"hello")
            return await running.recorded()

    early, late = run(scenario)

    assert (early.outcome, early.status, early.synthesized) == (
        Outcome.CONNECT_FAILED,
        502,
        Synthesized.PROXY,
    )
    assert early.error is not None
    assert "refused the connection" in early.error
    assert late.outcome is Outcome.OK


async def _hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ok(b"hello"))
    await writer.drain()
    writer.close()


def test_a_name_that_cannot_be_resolved_is_said(tmp_path: Path) -> None:
    """Case R2."""

    async def scenario() -> Exchange:
        async with rig(tmp_path) as running:
            async with client(running.outbound) as talk:
                await talk.say(
                    b"GET http://no-such-host.invalid/a HTTP/1.1\r\nHost: no-such-host.invalid\r\n\r\n"
                )
                assert_told(await talk.end(), 502, b"no-such-host.invalid")
            return await running.only()

    exchange = run(scenario)

    assert exchange.outcome is Outcome.DNS_FAILED
    assert exchange.synthesized is Synthesized.PROXY


def test_a_connection_that_goes_nowhere_ends_in_time(tmp_path: Path) -> None:
    """Case R2: a full backlog takes no more connections."""

    async def scenario() -> Exchange:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            fillers = [socket.socket() for _ in range(8)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            try:
                async with rig(tmp_path, port, connect_timeout=0.2) as running:
                    async with client(running.inbound) as talk:
                        await talk.say(get())
                        assert_told(await talk.end(), 504, b"within 0.2 s")
                    return await running.only()
            finally:
                for filler in fillers:
                    filler.close()

    exchange = run(scenario)

    assert exchange.outcome is Outcome.UPSTREAM_TIMEOUT
    assert exchange.status == 504


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upstream_that_does_not_answer_ends_in_time(tmp_path: Path, method: str) -> None:
    """A response's time-out; the upstream sees its connection closed, the client is told."""
    body = b"x" * 10 if method == "POST" else b""
    request = b"%b / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (method.encode(), len(body), body)

    async def scenario() -> Exchange:
        async with upstream(Talk.end) as silent, rig(tmp_path, silent.port, response_timeout=0.3) as running:
            async with client(running.inbound) as talk:
                await talk.say(request)
                assert_told(await talk.end(), 504, b"did not answer within 0.3 s")
            await running.seen(1)
            return await running.only()

    exchange = run(scenario)

    assert (exchange.outcome, exchange.synthesized) == (Outcome.UPSTREAM_TIMEOUT, Synthesized.PROXY)


def test_a_slow_body_is_no_timeout(tmp_path: Path) -> None:
    async def scenario() -> Exchange:
        heard = asyncio.Event()

        async def slow(talk: Talk) -> None:
            await talk.until(b"\r\n\r\n")
            await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
            await heard.wait()
            await talk.say(b"b")
            await talk.end()

        async with upstream(slow) as server, rig(tmp_path, server.port, response_timeout=0.1) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                await talk.until(b"\r\n\r\na")
                await asyncio.sleep(0.5)  # several times the limit: what must not happen has had its time
                heard.set()
                await talk.until(b"ab")
            return await running.only()

    assert run(scenario).outcome is Outcome.OK


async def _close(talk: Talk) -> None:
    await talk.until(b"\r\n\r\n")


async def _reset(talk: Talk) -> None:
    await talk.until(b"\r\n\r\n")
    talk.reset()


@only(
    "mitmproxy",
    row="the service closes or resets before it answers",
    instead="wire/test_endings.py::test_an_upstream_that_goes_before_the_head",
)
@pytest.mark.parametrize("ending", [_close, _reset])
def test_an_upstream_that_ends_before_the_head_is_said(tmp_path: Path, ending: object) -> None:
    """Case R3."""

    async def scenario() -> Exchange:
        async with upstream(ending) as server, rig(tmp_path, server.port) as running:  # type: ignore[arg-type]
            async with client(running.inbound) as talk:
                await talk.say(get())
                assert_told(await talk.end(), 502, b"before it answered")
            return await running.only()

    exchange = run(scenario)

    assert (exchange.outcome, exchange.synthesized) == (Outcome.UPSTREAM_RESET, Synthesized.PROXY)


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf a bo",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf a bo\r\n",
    ],
)
def test_a_body_that_is_cut_short_reaches_the_client_as_it_is(tmp_path: Path, part: bytes) -> None:
    """Case R4."""

    async def cut(talk: Talk) -> None:
        await talk.until(b"\r\n\r\n")
        await talk.say(part)

    seen = run(lambda: both(tmp_path, cut, caller(get(), until=Talk.end)))

    seen.assert_same()
    exchange = seen.exchange
    assert (exchange.outcome, exchange.status) == (Outcome.UPSTREAM_RESET, 200)
    assert exchange.synthesized is Synthesized.NONE
    assert seen.rig.body(exchange.response_body) == b"half a bo"
    assert exchange.response_body is not None
    assert exchange.response_body.truncated
    assert exchange.response_body.full_hash is None


INVALID_RESPONSES = {
    "status line": b"NONSENSE\r\n\r\n",
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
}


@only(
    "mitmproxy",
    row="a response whose framing",
    instead="wire/test_doubts.py::test_a_doubtful_response_passes_as_it_came",
)
@pytest.mark.parametrize("kind", INVALID_RESPONSES)
def test_an_invalid_response_is_refused_and_shown(tmp_path: Path, kind: str) -> None:
    """Case R5: never handed on, and both framings can be seen."""
    response = INVALID_RESPONSES[kind]

    async def scenario() -> Exchange:
        async with upstream(answering(response)) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                assert_told(await talk.end(), 502)
            return await running.only()

    exchange = run(scenario)

    assert (exchange.outcome, exchange.synthesized) == (Outcome.PROTOCOL_ERROR, Synthesized.PROXY)
    lines = response.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    if lines:
        assert b"\r\n".join(
            name + b": " + value for name, value in exchange.response_headers
        ) == b"\r\n".join(lines)


INVALID_REQUESTS = {
    "both framings": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 4\r\n",
    "unknown coding": b"Transfer-Encoding: rot13\r\n",
}


@only(
    "mitmproxy",
    row="a request whose framing",
    instead="wire/test_doubts.py::test_a_doubtful_request_passes_as_it_came",
)
@pytest.mark.parametrize("kind", INVALID_REQUESTS)
def test_an_ambiguous_request_is_refused_and_never_reaches_the_upstream(tmp_path: Path, kind: str) -> None:
    """Case R5."""
    fields = INVALID_REQUESTS[kind]

    async def scenario() -> Exchange:
        async with upstream(answering(ok())) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(b"POST /a HTTP/1.1\r\nHost: a\r\n%b\r\n0\r\n\r\n" % fields)
                assert_told(await talk.end(), 400)
            assert server.talks == []
            return await running.only()

    exchange = run(scenario)

    assert (exchange.outcome, exchange.status) == (Outcome.PROTOCOL_ERROR, 400)
    assert exchange.synthesized is Synthesized.PROXY
    shown = b"".join(name + b": " + value + b"\r\n" for name, value in exchange.request_headers[1:])
    assert shown == fields


@only(
    "mitmproxy",
    row="a request whose framing",
    instead="wire/test_doubts.py::test_a_doubtful_request_passes_as_it_came",
)
def test_a_folded_field_passes_as_one(tmp_path: Path) -> None:
    """Case R5: folding is obsolete, and its white space may change."""

    async def scenario() -> tuple[Exchange, bytes]:
        async with upstream(answering(ok())) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: one\r\n   two\r\n\r\n")
                await talk.until(b"hello")
            return await running.only(), server.heard

    exchange, heard = run(scenario)

    assert b"X-Long: one\r\n two\r\n" in heard
    assert exchange.outcome is Outcome.OK


def test_a_client_that_gives_up_while_waiting_is_seen_at_the_upstream(tmp_path: Path) -> None:
    """Case R6."""

    async def scenario() -> Exchange:
        asked = asyncio.Event()

        async def silent(talk: Talk) -> None:
            await talk.until(b"\r\n\r\n")
            asked.set()
            await talk.end()

        async with upstream(silent) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                await asked.wait()
            await running.seen(1)
            await server.talks[0].end()
            return await running.only()

    exchange = run(scenario)

    assert (exchange.outcome, exchange.status) == (Outcome.CLIENT_DISCONNECTED, None)
    assert not exchange.failed


def test_a_client_that_gives_up_in_an_upload_leaves_the_part(tmp_path: Path) -> None:
    """Case R6."""

    async def scenario() -> tuple[Exchange, bytes]:
        arrived = asyncio.Event()

        async def taking(talk: Talk) -> None:
            await talk.until(b"half a bo")
            arrived.set()
            await talk.end()

        async with upstream(taking) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf a bo")
                await arrived.wait()
            await running.seen(1)
            exchange = await running.only()
            return exchange, running.body(exchange.request_body)

    exchange, part = run(scenario)

    assert exchange.outcome is Outcome.CLIENT_DISCONNECTED
    assert part == b"half a bo"
    assert exchange.request_body is not None
    assert exchange.request_body.truncated
    assert exchange.request_end is None


@only("mitmproxy", row="a client that says", instead="wire/test_endings.py::test_a_client_that_half_closes")
def test_a_client_that_half_closes_counts_as_gone(tmp_path: Path) -> None:
    """Case R6: as Envoy and nginx take it."""

    async def scenario() -> Exchange:
        async with upstream(Talk.end) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                talk.half_close()
                assert await talk.end() == b""
            return await running.only()

    assert run(scenario).outcome is Outcome.CLIENT_DISCONNECTED


def test_the_end_of_an_event_stream_by_its_client_is_no_failure(tmp_path: Path) -> None:
    """Cases R7 and R14: each event arrives before the next is sent."""

    async def scenario() -> Exchange:
        go_on = asyncio.Event()

        async def events(talk: Talk) -> None:
            await talk.until(b"\r\n\r\n")
            await talk.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n")
            await go_on.wait()
            await talk.say(b"id: 2\ndata: two\n\n")
            await talk.end()

        async with upstream(events) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                await talk.until(b"data: one\n\n")
                go_on.set()
                await talk.until(b"data: two\n\n")
            await running.seen(1)
            return await running.only()

    exchange = run(scenario)

    assert (exchange.outcome, exchange.error) == (Outcome.OK, None)
    assert [(m.sender, m.type, m.payload) for m in exchange.messages] == [
        (Sender.SERVER, "event", b"data: one"),
        (Sender.SERVER, "event", b"id: 2\ndata: two"),
    ]
    assert exchange.messages[0].offset < exchange.messages[1].offset


NO_REQUESTS = {
    "a malformed line": (b"this is no http\r\n\r\n", 400, "the request line is malformed"),
    "malformed fields": (b"GET / HTTP/1.1\r\nnothing\r\n\r\n", 400, "fields are malformed"),
    "a head without end": (b"GET / HTTP/1.1\r\nX: " + b"x" * 1_100_000, 400, "larger than 1 MiB"),
    "half a head": (b"GET / HTTP/1.1\r\nHos", None, "in the middle of its request's head"),
}


@only(
    "mitmproxy",
    row="what is no request at all",
    instead="wire/test_doubts.py::test_a_doubtful_request_passes_as_it_came",
)
@pytest.mark.parametrize("kind", NO_REQUESTS)
def test_what_is_no_request_is_an_exchange_of_the_connection(tmp_path: Path, kind: str) -> None:
    """Case R8."""
    said, status, error = NO_REQUESTS[kind]

    async def scenario() -> Exchange:
        async with rig(tmp_path) as running:
            async with client(running.inbound) as talk:
                await talk.say(said)
                if status is None:
                    talk.half_close()
                answer = await talk.end()
                if status is not None:
                    assert_told(answer, status)
            await running.seen(1)
            return await running.only()

    exchange = run(scenario)

    assert exchange.status == status
    assert exchange.method == ""
    assert error in (exchange.error or "")


def test_a_proxy_request_without_a_host_is_refused(tmp_path: Path) -> None:
    """Case R8: no Host."""

    async def scenario() -> Exchange:
        async with rig(tmp_path) as running:
            async with client(running.outbound) as talk:
                await talk.say(b"GET / HTTP/1.1\r\n\r\n")
                assert_told(await talk.end(), 400, b"no host")
            return await running.only()

    assert run(scenario).outcome is Outcome.PROTOCOL_ERROR


def test_a_port_for_an_upstream_names_it(tmp_path: Path) -> None:
    async def scenario() -> Exchange:
        async with upstream(answering(ok())) as server:
            target = Endpoint(host="127.0.0.1", port=server.port)
            port = UpstreamPort(name="inventory", listen=Listen(), target=target)
            async with rig(tmp_path, upstreams=(port,)) as running:
                real = running.listening.upstreams[0].listen.port
                async with client(real) as talk:
                    await talk.say(get(b"/stock"))
                    await talk.until(b"hello")
                assert (running.sidecar.requests_seen, running.sidecar.calls_seen) == (0, 1)
                return await running.only()

    exchange = run(scenario)

    assert (exchange.direction, exchange.peer, exchange.path) == ("outbound", "inventory", "/stock")


def test_a_call_through_the_forward_proxy_names_its_peer(tmp_path: Path) -> None:
    async def scenario() -> tuple[Exchange, bytes]:
        async with upstream(answering(ok())) as server:
            where = b"localhost:%d" % server.port
            peers = {f"127.0.0.1:{server.port}": "inventory"}
            async with rig(tmp_path, peers=peers) as running:
                async with client(running.outbound) as talk:
                    await talk.say(
                        b"GET http://%b/stock?a=1 HTTP/1.1\r\nHost: %b\r\nProxy-Connection: keep-alive\r\n"
                        b"Proxy-Authorization: Basic x\r\n\r\n" % (where, where)
                    )
                    await talk.until(b"hello")
                return await running.only(), server.heard

    exchange, heard = run(scenario)

    assert (exchange.peer, exchange.path) == ("inventory", "/stock?a=1")
    assert heard.startswith(b"GET /stock?a=1 HTTP/1.1\r\nHost: localhost:")
    assert b"roxy-" not in heard


def test_a_kept_connection_that_closes_as_the_next_request_comes_looks_as_it_does_directly(
    tmp_path: Path,
) -> None:
    """Case R22: no answer of the sidecar's own, so that the client sends again as it would."""

    async def server(talk: Talk) -> None:
        await talk.until(b"\r\n\r\n")
        await talk.say(ok(b"first"))
        await talk.until(b"\r\n\r\n", count=2)

    async def asking(talk: Talk) -> None:
        await talk.say(get(b"/1"))
        await talk.until(b"first")
        await talk.say(get(b"/2"))
        await talk.end()

    seen = run(lambda: both(tmp_path, server, asking))

    seen.assert_same()
    first, second = seen.exchanges
    assert first.outcome is Outcome.OK
    assert (second.outcome, second.status) == (Outcome.UPSTREAM_RESET, None)
    assert "kept-alive" in (second.error or "")


def test_addresses_of_ipv6_work_too(tmp_path: Path) -> None:
    async def scenario() -> Exchange:
        server = await asyncio.start_server(_hello, "::1", 0)
        app = Endpoint(host="::1", port=server.sockets[0].getsockname()[1])
        async with server, rig(tmp_path, app=app, inbound=Listen(host="::1")) as running:
            reader, writer = await asyncio.open_connection("::1", running.inbound)
            writer.write(get())
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
            writer.close()
            return await running.only()

    exchange = run(scenario)

    assert exchange.outcome is Outcome.OK
    assert (exchange.peer or "").startswith("[::1]:")
