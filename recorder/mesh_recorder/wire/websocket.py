"""A WebSocket's messages and close code, read from frames that have passed. Source: RFC 6455, RFC 7692."""

import zlib

from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.head import fields_of
from mesh_recorder.wire.reading import Unreadable

MOST_MESSAGES = 10_000
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_TAIL = b"\x00\x00\xff\xff"
"""What a sender leaves off each compressed message."""


class _Side:
    """Frames of one sender."""

    def __init__(self, limit: int, *, deflate: bool, fresh: bool) -> None:
        """Keep at most `limit` bytes of a message; `fresh`: each is compressed by itself."""
        self.buffer = bytearray()
        self.skip = 0
        """Bytes of a payload that are not kept."""
        self.kind = 0
        self.parts: list[bytes] = []
        self.size = 0
        self.whole = True
        self.compressed = False
        self._limit = limit
        self._deflate = deflate
        self._fresh = fresh
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if deflate else None

    def begin(self, opcode: int, first: int) -> None:
        """A message's first frame."""
        if self.kind:
            raise Unreadable("a WebSocket frame was invalid")
        self.kind, self.parts, self.size, self.whole = opcode, [], 0, True
        self.compressed = bool(first & 0x40)
        if self.compressed and not self._deflate:
            raise Unreadable("a WebSocket frame was invalid")

    def end(self) -> tuple[str, bytes] | None:
        """The message that is whole; None where it was too long to keep."""
        kind = "text" if self.kind == _TEXT else "binary"
        content, self.kind, self.parts = b"".join(self.parts), 0, []
        if self.compressed and self._inflater is not None:
            if not self.whole:
                # What follows is compressed against what was not kept.
                self._inflater = None if not self._fresh else zlib.decompressobj(-zlib.MAX_WBITS)
                return None
            content = self._inflater.decompress(content + _TAIL, self._limit + 1)
            self.whole = len(content) <= self._limit
            if self._inflater.unconsumed_tail:
                self._inflater = None
            if self._fresh:
                self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        elif self.compressed:
            return None
        return (kind, content) if self.whole else None


class WebSocket:
    """Listens to both sides of one WebSocket."""

    def __init__(self, captured: WireCaptured, limit: int) -> None:
        """Keep the messages, at most `limit` bytes of them, with the request that opened it."""
        self.captured = captured
        captured.websocket = 0
        self._limit = limit
        self._kept = 0
        fields = fields_of(captured.response_bytes)
        named = b",".join(
            value.lower() for name, value in fields if name.lower() == b"sec-websocket-extensions"
        )
        deflate = b"permessage-deflate" in named
        self._client = _Side(limit, deflate=deflate, fresh=b"client_no_context_takeover" in named)
        self._server = _Side(limit, deflate=deflate, fresh=b"server_no_context_takeover" in named)

    def feed(self, data: bytes, *, by_client: bool) -> None:
        """Read a copy of what one side sent.

        Raises:
            Unreadable: no receiver accepts this; it closes with 1002, and until then bytes pass unread.
        """
        side = self._client if by_client else self._server
        if side.skip:
            cut = min(side.skip, len(data))
            side.skip -= cut
            data = data[cut:]
        side.buffer += data
        try:
            while self._frame(side, by_client=by_client):
                pass
        except (Unreadable, zlib.error) as cause:
            self.captured.websocket = 1002
            raise Unreadable("a WebSocket frame was invalid") from cause

    def end(self, error: str | None) -> None:
        """Nothing more comes; the link hands the request over."""

    def _frame(self, side: _Side, *, by_client: bool) -> bool:
        """Read one frame; whether it was whole."""
        buffer = side.buffer
        head = _head(buffer)
        if head is None:
            return False
        at, length, mask = head
        first = buffer[0]
        opcode, final = first & 0x0F, first & 0x80
        if first & 0x30 or opcode not in (0, _TEXT, _BINARY, _CLOSE, _PING, _PONG):
            raise Unreadable("a WebSocket frame was invalid")
        if length > self._limit:
            self._too_long(side, opcode, first)
            side.skip = max(0, at + length - len(buffer))
            del buffer[: at + length]
        elif len(buffer) < at + length:
            return False
        else:
            payload = _unmasked(bytes(buffer[at : at + length]), mask)
            del buffer[: at + length]
            self._payload(side, first, payload, by_client=by_client)
        if final and opcode < _CLOSE:
            self._end_message(side, by_client=by_client)
        return True

    def _too_long(self, side: _Side, opcode: int, first: int) -> None:
        if opcode >= _CLOSE:
            raise Unreadable("a WebSocket frame was invalid")
        if opcode:
            side.begin(opcode, first)
        side.whole = False

    def _payload(self, side: _Side, first: int, payload: bytes, *, by_client: bool) -> None:
        opcode = first & 0x0F
        if opcode >= _CLOSE:
            self._control(opcode, first, payload, by_client=by_client)
            return
        if opcode:
            side.begin(opcode, first)
        elif not side.kind:
            raise Unreadable("a WebSocket frame was invalid")
        side.size += len(payload)
        if side.size > self._limit:
            side.whole = False
        else:
            side.parts.append(payload)

    def _control(self, opcode: int, first: int, payload: bytes, *, by_client: bool) -> None:
        if not first & 0x80 or len(payload) > 125:
            raise Unreadable("a WebSocket frame was invalid")
        captured = self.captured
        if opcode != _CLOSE or captured.websocket:
            return
        code = int.from_bytes(payload[:2]) if len(payload) >= 2 else 1005
        captured.websocket = code
        self._note(by_client, "close", b"%d %b" % (code, payload[2:]) if payload[2:] else b"%d" % code)

    def _end_message(self, side: _Side, *, by_client: bool) -> None:
        message = side.end()
        if message is not None:
            self._note(by_client, *message)

    def _note(self, by_client: bool, kind: str, payload: bytes) -> None:
        captured = self.captured
        if len(captured.messages) < MOST_MESSAGES and self._kept + len(payload) <= self._limit:
            self._kept += len(payload)
            captured.held += 200 + len(payload)
            captured.note(by_client, kind, payload)


def _head(buffer: bytearray) -> tuple[int, int, bytes] | None:
    """Where a frame's payload begins, its length and its mask; None while that is not here."""
    if len(buffer) < 2:
        return None
    length, at = buffer[1] & 0x7F, 2
    if length > 125:
        size = 2 if length == 126 else 8
        if len(buffer) < 2 + size:
            return None
        length, at = int.from_bytes(buffer[2 : 2 + size]), 2 + size
    if not buffer[1] & 0x80:
        return at, length, b""
    if len(buffer) < at + 4:
        return None
    return at + 4, length, bytes(buffer[at : at + 4])


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    if not mask or not payload:
        return payload
    length = len(payload)
    key = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(length)
