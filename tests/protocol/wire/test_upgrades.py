"""WebSockets and other upgrades through the wire lane."""

import asyncio
import struct
import zlib
from collections.abc import Callable

import pytest

from mesh_core.model import Sender
from mesh_core.outcome import Outcome
from support.wire_rig import Peer, Twice, loops, twice

type Loop = Callable[[], asyncio.AbstractEventLoop]

ASK = b"GET /chat HTTP/1.1\r\nHost: c\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
PLAIN = SWITCH + b"\r\n"
DEFLATE = SWITCH + b"Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n\r\n"


@pytest.fixture(params=loops())
def loop(request: pytest.FixtureRequest) -> Loop:
    return request.param  # type: ignore[no-any-return]


def frame(
    opcode: int, payload: bytes, *, mask: bool = False, final: bool = True, rsv1: bool = False
) -> bytes:
    head = bytes([opcode | (0x80 if final else 0) | (0x40 if rsv1 else 0)])
    length, bit = len(payload), 0x80 if mask else 0
    if length < 126:
        head += bytes([length | bit])
    elif length < 65536:
        head += bytes([126 | bit]) + struct.pack(">H", length)
    else:
        head += bytes([127 | bit]) + struct.pack(">Q", length)
    if not mask:
        return head + payload
    key = b"\x01\x02\x03\x04"
    return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


def talking(
    loop: Loop, client: bytes, server: bytes, *, answer: bytes = PLAIN, byte_by_byte: bool = False
) -> Twice:
    """The client says its part, then the server its own; both close."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)
        await peer.read(len(client))
        await peer.send(server)

    async def call(peer: Peer) -> None:
        await peer.send(ASK)
        await peer.head()
        pieces = [client[at : at + 1] for at in range(len(client))] if byte_by_byte else [client]
        for piece in pieces:
            await peer.send(piece)
            await asyncio.sleep(0)
        await peer.rest()

    return twice(loop, serve, call)


def said(seen: Twice) -> list[tuple[Sender, str, bytes]]:
    return [(message.sender, message.type, message.payload) for message in seen.exchange.messages]


@pytest.mark.parametrize("byte_by_byte", [False, True])
def test_messages_and_close_code_are_recorded(loop: Loop, byte_by_byte: bool) -> None:
    """Case R15: text, binary, fragments, ping, close 4001."""
    client = (
        frame(1, b"hello", mask=True)
        + frame(9, b"ping", mask=True)
        + frame(2, bytes(range(256)), mask=True)
        + frame(1, b"one ", mask=True, final=False)
        + frame(9, b"in between", mask=True)
        + frame(0, b"two ", mask=True, final=False)
        + frame(0, b"three", mask=True)
    )
    server = frame(10, b"ping") + frame(1, b"x" * 70_000) + frame(8, struct.pack(">H", 4001) + b"enough")

    seen = talking(loop, client, server, byte_by_byte=byte_by_byte)

    assert said(seen) == [
        (Sender.CLIENT, "text", b"hello"),
        (Sender.CLIENT, "binary", bytes(range(256))),
        (Sender.CLIENT, "text", b"one two three"),
        (Sender.SERVER, "text", b"x" * 70_000),
        (Sender.SERVER, "close", b"4001 enough"),
    ]
    assert (seen.exchange.status, seen.exchange.outcome) == (101, Outcome.OK)
    assert not seen.exchange.opaque


def test_compressed_messages_are_recorded_as_they_were_said(loop: Loop) -> None:
    """Case R15: permessage-deflate, one side with and one without a context of its own."""
    server_side = zlib.compressobj(wbits=-15)

    def squeezed(compressor: "zlib._Compress", text: bytes) -> bytes:
        return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]

    client = b"".join(
        frame(1, squeezed(zlib.compressobj(wbits=-15), b"hello hello hello"), mask=True, rsv1=True)
        for _ in range(2)
    )
    server = b"".join(frame(1, squeezed(server_side, b"world world world"), rsv1=True) for _ in range(2))
    server += frame(1, b"plain")

    seen = talking(loop, client, server, answer=DEFLATE)

    assert [payload for _, kind, payload in said(seen) if kind == "text"] == [
        *[b"hello hello hello"] * 2,
        *[b"world world world"] * 2,
        b"plain",
    ]


def test_an_upstream_that_drops_a_websocket(loop: Loop) -> None:
    """Case R15: abrupt drop."""
    seen = talking(loop, frame(1, b"a", mask=True), frame(1, b"b"))

    assert seen.exchange.outcome is Outcome.UPSTREAM_RESET
    assert [payload for _, _, payload in said(seen)] == [b"a", b"b", b"1006"]


def test_a_client_that_drops_a_websocket(loop: Loop) -> None:
    """Case R15: no failure, people close their browsers."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(PLAIN + frame(1, b"hello"))
        await peer.rest()

    async def call(peer: Peer) -> None:
        await peer.send(ASK)
        await peer.head()
        await peer.read(7)

    seen = twice(loop, serve, call)

    assert seen.exchange.outcome is Outcome.OK
    assert said(seen) == [(Sender.SERVER, "text", b"hello"), (Sender.CLIENT, "close", b"1006")]


def test_a_bad_frame(loop: Loop) -> None:
    """Case R15: bytes pass, and the exchange says so."""
    seen = talking(
        loop, frame(1, b"fine", mask=True) + frame(15, b"bad", mask=True), frame(8, struct.pack(">H", 1002))
    )

    assert seen.exchange.outcome is Outcome.PROTOCOL_ERROR
    assert said(seen)[0] == (Sender.CLIENT, "text", b"fine")


def test_a_message_beyond_the_limit_passes(loop: Loop) -> None:
    seen = talking(
        loop, frame(2, b"x" * 1_500_000, mask=True) + frame(1, b"after", mask=True), frame(8, b"\x03\xe8")
    )

    assert said(seen) == [(Sender.CLIENT, "text", b"after"), (Sender.SERVER, "close", b"1000")]


def test_frames_sent_before_the_answer(loop: Loop) -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.read(len(frame(1, b"early", mask=True)))
        await peer.send(PLAIN + frame(8, b"\x03\xe8"))

    async def call(peer: Peer) -> None:
        await peer.send(ASK + frame(1, b"early", mask=True))
        await peer.rest()

    seen = twice(loop, serve, call)

    assert said(seen)[0] == (Sender.CLIENT, "text", b"early")


def test_an_upgrade_that_is_refused(loop: Loop) -> None:
    """The connection goes on with HTTP."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    async def serve(peer: Peer) -> None:
        for _ in range(2):
            await peer.head()
            await peer.send(ok)
        await peer.rest()

    async def call(peer: Peer) -> None:
        for request in (ASK, b"GET /2 HTTP/1.1\r\nHost: c\r\n\r\n"):
            await peer.send(request)
            await peer.read(len(ok))

    seen = twice(loop, serve, call, exchanges=2)

    assert [exchange.path for exchange in seen.exchanges] == ["/chat", "/2"]


def test_another_protocol_is_relayed_unread(loop: Loop) -> None:
    """Case R16."""
    ask = b"GET / HTTP/1.1\r\nHost: c\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"
    answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"
    raw = b"GET /not-http HTTP/1.1\r\nHost: c\r\n\r\n" + bytes(range(256))

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)
        await peer.read(len(raw))
        await peer.send(raw)
        await peer.rest()

    async def call(peer: Peer) -> None:
        await peer.send(ask)
        await peer.head()
        await peer.send(raw)
        peer.end()
        await peer.rest()

    seen = twice(loop, serve, call)

    assert seen.exchange.opaque
    assert (seen.exchange.status, seen.exchange.outcome) == (101, Outcome.OK)
