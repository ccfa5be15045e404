"""gRPC, WebSockets and event streams replayed, against servers that speak them."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import h2.events
import pytest
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from mesh_core.model import Lane, Message, Sender
from mesh_core.outcome import Outcome
from support.apart import apart
from support.authority import make_authority, make_certificate
from support.h2talk import ANSWER, H2, call, framed, h2_server
from support.raw_server import Exchanged, raw_server_apart
from support.replays import Desk, recorded, trace_json, verdicts
from support.talk import Talk, upstream
from support.websockets import Ws, open_server

type Script = Callable[[Talk], Awaitable[None]]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def said(text: bytes) -> bytes:
    """A framed protobuf message with one text, its first field."""
    return framed(b"\x0a" + _varint(len(text)) + text)


def _varint(number: int) -> bytes:
    found = b""
    while number >= 128:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def grpc_call(
    number: int = 0, *answers: bytes, status: bytes = b"0", path: str = "/shop.Cart/Get", **changes: Any
) -> Any:
    """A recorded call with one request message."""
    fields: dict[str, Any] = {
        "method": "POST", "path": path, "http_version": "HTTP/2", "lane": Lane.WIRE, "authority": "shop.test",
        "connection": "one", "headers": tuple(call(path.encode())), "body": said(b"ask"),
        "answer": tuple(ANSWER[1:]), "answer_body": b"".join(said(answer) for answer in answers),
        "response_trailers": ((b"grpc-status", status),), "grpc_status": int(status),
    }  # fmt: skip
    if status not in (b"0", b"5"):
        fields["outcome"] = Outcome.GRPC_ERROR
    return recorded(number, **(fields | changes))


def answering_grpc(*answers: bytes, status: bytes = b"0") -> tuple[Script, list[Any]]:
    """Answers every call alike, and remembers what was asked."""
    asked: list[Any] = []

    async def serve(end: H2) -> None:
        while True:
            request = await end.next(h2.events.RequestReceived)
            data = await end.next(h2.events.DataReceived, stream=request.stream_id)
            asked.append((list(request.headers), data.data))
            await end.headers(request.stream_id, ANSWER)
            for answer in answers:
                await end.data(request.stream_id, said(answer))
            await end.headers(request.stream_id, [(b"grpc-status", status)], end=True)

    return h2_server(serve), asked


def test_a_grpc_call_goes_out_as_it_was_over_h2c(desk: Desk) -> None:
    desk.keep([grpc_call(0, b"answer")])
    script, asked = answering_grpc(b"answer")

    with apart(lambda: upstream(script)) as server:
        code, document = trace_json(desk, server.port)

    [(fields, data)] = asked
    assert (code, verdicts(document)) == (0, ["same"])
    assert fields[:4] == [
        (b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"shop.test"),
        (b":path", b"/shop.Cart/Get"),
    ]  # fmt: skip
    assert fields[4:] == [
        (b"content-type", b"application/grpc"), (b"te", b"trailers"),
        (b"mesh-replay", document["run_id"].encode()),
    ]  # fmt: skip
    assert data == said(b"ask")


@pytest.mark.parametrize(
    ("answers", "status", "verdict", "where"),
    [
        ([b"one", b"two", b"three"], b"0", "same", set()),
        ([b"one", b"two"], b"0", "different", {"body"}),
        ([b"one", b"two", b"three"], b"5", "different", {"grpc_status", "trailer"}),
        ([], b"13", "broken", {"grpc_status", "trailer", "body"}),
    ],
)
def test_a_server_s_stream_is_compared_with_its_status_and_trailers(
    desk: Desk, answers: list[bytes], status: bytes, verdict: str, where: set[str]
) -> None:
    desk.keep([grpc_call(0, b"one", b"two", b"three")])
    script, _ = answering_grpc(*answers, status=status)

    with apart(lambda: upstream(script)) as server:
        _, document = trace_json(desk, server.port)

    assert verdicts(document) == [verdict]
    assert {each["where"] for each in document["exchanges"][0]["differences"]} == where


def test_a_grpc_failure_is_reproduced(desk: Desk) -> None:
    """Case P16."""
    desk.keep([grpc_call(0, status=b"13")])
    script, _ = answering_grpc(status=b"13")

    with apart(lambda: upstream(script)) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document)) == (1, ["reproduced"])


def test_streams_that_overlapped_share_a_connection_and_overlap_again(desk: Desk) -> None:
    calls = [
        grpc_call(number, b"x", path=f"/shop.Cart/N{number}", ended_at=1_770_000_001_000_000_000)
        for number in range(5)
    ]
    desk.keep(calls)
    connections: list[int] = []

    async def serve(end: H2) -> None:
        connections.append(1)
        streams = [(await end.next(h2.events.RequestReceived)).stream_id for _ in range(5)]
        for stream in reversed(streams):  # only once all have come
            await end.headers(stream, ANSWER)
            await end.data(stream, said(b"x"))
            await end.headers(stream, [(b"grpc-status", b"0")], end=True)

    with apart(lambda: upstream(h2_server(serve))) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document), len(connections)) == (0, ["same"] * 5, 1)


def test_a_large_message_goes_both_ways_under_flow_control(desk: Desk) -> None:
    """A message is many times the window of either side."""
    large = bytes(range(256)) * 8_000
    desk.keep([grpc_call(0, large, body=said(large))])
    got = bytearray()

    async def serve(end: H2) -> None:
        request = await end.next(h2.events.RequestReceived)
        while len(got) < len(said(large)):
            got.extend((await end.next(h2.events.DataReceived, stream=request.stream_id)).data)
        await end.headers(request.stream_id, ANSWER)
        rest = said(large)
        while rest:
            window = end.frames.local_flow_control_window(request.stream_id)
            room = min(window, end.frames.max_outbound_frame_size)
            if not room:
                await end.more()
                continue
            await end.data(request.stream_id, rest[:room])
            rest = rest[room:]
        await end.headers(request.stream_id, [(b"grpc-status", b"0")], end=True)

    with apart(lambda: upstream(h2_server(serve))) as server:
        code, document = trace_json(desk, server.port)

    assert bytes(got) == said(large)
    assert (code, verdicts(document)) == (0, ["same"])


@pytest.mark.parametrize(
    ("how", "words"), [("reset", "CANCEL"), ("close", "before the answer was whole"), ("http1", "HTTP/2")]
)
def test_a_stream_that_breaks_is_an_outcome_in_words(desk: Desk, how: str, words: str) -> None:
    desk.keep([grpc_call(0, b"x")])

    async def serve(end: H2) -> None:
        request = await end.next(h2.events.RequestReceived)
        if how == "reset":
            end.frames.reset_stream(request.stream_id, 8)
            await end.flush()
        else:
            await end.talk.close()
            raise EOFError

    async def http1(talk: Talk) -> None:
        await talk.until(b"SM\r\n\r\n")
        await talk.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await talk.end()

    with apart(lambda: upstream(http1 if how == "http1" else h2_server(serve))) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document)) == (1, ["broken"])
    assert words in document["exchanges"][0]["reason"]


def test_grpc_over_tls_agrees_on_http2(desk: Desk) -> None:
    authority = make_authority(desk.folder)
    desk.config(f'[services.cart]\nupstream_ca = "{authority.cert}"\n')
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(make_certificate(authority, desk.folder / "server.pem"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    desk.keep([grpc_call(0, b"answer", scheme="https")])
    script, asked = answering_grpc(b"answer")

    with apart(lambda: upstream(script, tls=context)) as server:
        target = f"cart=https://localhost:{server.port}"
        result = desk.type("trace", "last", "--target", target, "--json", "--trust-config")

    assert (result.exit_code, result.stderr) == (0, "")
    assert (b":scheme", b"https") in asked[0][0]


HANDSHAKE = (
    (b"Host", b"shop.test"), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"),
    (b"Sec-WebSocket-Version", b"13"), (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
)  # fmt: skip
SWITCHED = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"))


def socket(*messages: tuple[str, str, bytes], **changes: Any) -> Any:
    """A recorded WebSocket: who said what."""
    said = tuple(
        Message(sender=Sender(sender), offset=number, type=kind, payload=payload)
        for number, (sender, kind, payload) in enumerate(messages)
    )
    fields: dict[str, Any] = {"messages": said, "outcome": Outcome.OK, "path": "/chat"}
    return recorded(0, headers=HANDSHAKE, status=101, answer=SWITCHED, answer_body=b"", **(fields | changes))


SAID = (
    ("client", "text", b"hello"), ("server", "text", b'{"n": 1}'), ("server", "binary", b"\x00\xff"),
    ("client", "binary", b"\x01"), ("server", "text", b"bye"), ("client", "close", b"4001 enough"),
)  # fmt: skip


def talking(last: str = "bye", *, deflate: bool = False, number: int = 1) -> tuple[Script, list[object]]:
    """A server that answers in turn, and asks for a pong between."""
    heard: list[object] = []

    async def script(talk: Talk) -> None:
        ws: Ws = await open_server(talk, deflate=deflate)
        heard.append(await ws.message())
        await ws.say(TextMessage(f'{{"n": {number}}}'))
        await ws.say(Ping(b"there?"))
        await ws.say(BytesMessage(b"\x00", message_finished=False))
        await ws.say(BytesMessage(b"\xff"))
        heard.append(type(await ws.next()))
        heard.append(await ws.message())
        await ws.say(TextMessage(last))
        closing = await ws.next()
        assert isinstance(closing, CloseConnection)
        heard.append((closing.code, closing.reason))
        await ws.say(closing.response())

    return script, heard


@pytest.mark.parametrize("deflate", [False, True])
def test_a_websocket_is_replayed_in_lock_step(desk: Desk, deflate: bool) -> None:
    answer = (*SWITCHED, *([(b"Sec-WebSocket-Extensions", b"permessage-deflate")] if deflate else []))
    exchange, bodies = socket(*SAID)
    fields = {name: getattr(exchange, name) for name in exchange.__struct_fields__}
    desk.keep([(type(exchange)(**(fields | {"response_headers": answer})), bodies)])
    script, heard = talking(deflate=deflate)

    with apart(lambda: upstream(script)) as server:
        code, document = trace_json(desk, server.port)

    differences = [each for each in document["exchanges"][0]["differences"] if each["where"] != "header"]
    assert heard == ["hello", Pong, b"\x01", (4001, "enough")]
    assert differences == []
    assert document["exchanges"][0]["replayed_status"] == 101
    assert code in (0, 1)  # Sec-WebSocket-Accept is another one


def test_what_a_websocket_s_server_says_is_compared_message_by_message(desk: Desk) -> None:
    desk.keep([socket(*SAID)])
    script, _ = talking("no", number=2)

    with apart(lambda: upstream(script)) as server:
        code, document = trace_json(desk, server.port)

    found = {(each["where"], each["path"]) for each in document["exchanges"][0]["differences"]}
    assert (code, verdicts(document)) == (1, ["different"])
    assert {where for where, _ in found if where == "body"} == {"body"}
    assert len([path for where, path in found if where == "body"]) == 2


def test_a_websocket_s_server_that_goes_away_or_is_silent_is_an_outcome(desk: Desk) -> None:
    desk.keep([socket(*SAID)])

    async def gone(talk: Talk) -> None:
        ws = await open_server(talk)
        await ws.message()
        await ws.say(TextMessage('{"n": 1}'))
        talk.reset()

    async def silent(talk: Talk) -> None:
        ws = await open_server(talk)
        await ws.message()
        await ws.message()

    with apart(lambda: upstream(gone)) as server:
        _, broken = trace_json(desk, server.port)
    with apart(lambda: upstream(_until_gone(silent))) as server:
        _, late = trace_json(desk, server.port, "--timeout", "300ms")

    assert (verdicts(broken), broken["exchanges"][0]["replayed_outcome"]) == (["broken"], "upstream_reset")
    assert (verdicts(late), late["exchanges"][0]["replayed_outcome"]) == (["broken"], "upstream_timeout")


def _until_gone(script: Script) -> Script:
    async def run(talk: Talk) -> None:
        try:
            await script(talk)
        except (AssertionError, IndexError, ConnectionError):
            return  # the client has left

    return run


def test_a_websocket_that_is_refused_now_is_different(desk: Desk) -> None:
    desk.keep([socket(*SAID)])

    async def script(exchanged: Exchanged) -> None:
        await exchanged.end(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")

    with raw_server_apart(script) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document)) == (1, ["different"])
    assert document["exchanges"][0]["replayed_status"] == 404


EVENTS = b"data: one\n\ndata: two\n\n"


def stream(*payloads: bytes, **changes: Any) -> Any:
    """A recorded event stream that its client left."""
    messages = tuple(
        Message(sender=Sender.SERVER, offset=at, type="event", payload=payload)
        for at, payload in enumerate(payloads)
    )
    answer = ((b"Content-Type", b"text/event-stream"), (b"Transfer-Encoding", b"chunked"))
    body = b"".join(payload + b"\n\n" for payload in payloads)
    return recorded(0, path="/events", answer=answer, answer_body=body, messages=messages, **changes)


@pytest.mark.parametrize("ends", [True, False])
def test_an_event_stream_ends_with_the_recorded_events_or_with_the_server(desk: Desk, ends: bool) -> None:
    desk.keep([stream(b"data: one", b"data: two")])
    left = asyncio.Event()

    async def script(exchanged: Exchanged) -> None:
        await exchanged.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"a\r\ndata: one\n\r\n1\r\n\n\r\nb\r\ndata: two\n\n\r\n"
        )
        if ends:
            await exchanged.send(b"0\r\n\r\n")
        else:
            await exchanged.send(b"d\r\ndata: three\n\n\r\n")
            await exchanged.reader.read()
            left.set()
            exchanged.ended = True

    with raw_server_apart(script) as server:
        code, document = trace_json(desk, server.port)
        if not ends:
            assert server.wait(left)

    assert (code, verdicts(document)) == (0, ["same"]), json.dumps(document["exchanges"])


def test_an_event_that_is_another_now_is_different(desk: Desk) -> None:
    desk.keep([stream(b"data: one", b"data: two")])

    async def script(exchanged: Exchanged) -> None:
        body = EVENTS.replace(b"two", b"six")
        await exchanged.end(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 22\r\n\r\n" + body
        )

    with raw_server_apart(script) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document)) == (1, ["different"])
