"""Any bytes through the wire lane: `make fuzz`, with libFuzzer's options in ARGS.

Needs `atheris`; the same property runs bounded, without it, as `tests/property/test_wire_fuzz.py`.
"""

import sys
import tempfile
from pathlib import Path

from mesh_recorder.settings import TraceHeaders
from support.wire_bytes import Relay, without_added

TURN = b"\n~~~~\n"
"""Between what one side says and what the other says then; the client begins."""
WIDTHS = (1, 2, 3, 7, 19, 64, 1 << 20)
"""Bytes that arrive at once."""
DICTIONARY = Path(__file__).with_name("http.dict")


def check(data: bytes) -> None:
    """The first byte says what may be added and in which pieces the rest arrives; nothing else is changed."""
    first = data[0] if data else 0
    width = WIDTHS[first % len(WIDTHS)]
    turns = data[1:].split(TURN)
    told = b"mesh=" in data or b"x-request-id" in data.lower()  # what could be taken for an addition of ours
    mode = TraceHeaders.NEVER if told or first & 128 else TraceHeaders.LINK
    relay = Relay(mode)
    sent: dict[bool, bytes] = {True: b"", False: b""}
    for number, turn in enumerate(turns):
        by_client = number % 2 == 0
        for at in range(0, len(turn), width):
            if relay.client.closed or relay.server.closed:
                break
            piece = turn[at : at + width]
            (relay.asks if by_client else relay.answers)(piece)
            sent[by_client] += piece
    closed = relay.server.closed
    relay.over()
    got = bytes(relay.server.written)
    assert bytes(relay.client.written) == sent[False]
    assert closed or (got == sent[True] if mode is TraceHeaders.NEVER else without_added(got, sent[True]))


def seeds() -> list[bytes]:
    """Conversations to begin with."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
    parent = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    get = b"GET /a?b=c HTTP/1.1\r\nHost: shop\r\n"
    post = b"POST / HTTP/1.1\r\nHost: shop\r\n"
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    accepted = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    accepted += b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    frames = b"\x81\x85\0\0\0\0hello\x89\x80\0\0\0\0\x88\x82\0\0\0\0\x03\xe8"
    # Settings, then the head of one request; its answer, a gRPC message and trailers.
    http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\4\1\5\0\0\0\1\x82\x86\x84\x87"
    answer = b"\0\0\0\4\0\0\0\0\0\0\0\1\1\4\0\0\0\1\x88\0\0\6\0\0\0\0\0\1\0\0\0\0\1x\0\0\1\1\5\0\0\0\1\x88"
    talks = [
        [get + b"\r\n", ok, get + parent + b"\r\n", ok],
        [get + b"\r\n" + get + b"\r\n", ok + ok],
        [post + chunked, b"HTTP/1.1 201 Made\r\n" + chunked],
        [
            post + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"{}",
            ok,
        ],
        [b"HEAD / HTTP/1.1\r\nHost: s\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"],
        [get + upgrade + b"\r\n", accepted + b"\x81\2hi", frames, b"\x88\2\x03\xe8"],
        [get + b"Accept: text/event-stream\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\ndata: 1\n\ndata: 2\n\n"],
        [http2, answer],
    ]
    return [bytes([width]) + TURN.join(talk) for talk in talks for width in (6, 5 + 126 + 3)]


def main() -> None:
    """Fuzz until told to stop."""
    import atheris

    folder = Path(tempfile.mkdtemp(prefix="mesh-fuzz-"))
    for number, seed in enumerate(seeds()):
        (folder / f"seed-{number}").write_bytes(seed)
    atheris.instrument_all()
    arguments = [*sys.argv, f"-dict={DICTIONARY}", "-max_len=4096", str(folder)]
    atheris.Setup(arguments, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
