"""HTTP/2 in plain text, listened to: requests, responses, trailers, gRPC. Source: RFC 9113, RFC 7541."""

import time
from typing import TYPE_CHECKING

import hpack

from mesh_core.model import Headers
from mesh_core.tracecontext import Found, read
from mesh_recorder import failures
from mesh_recorder.settings import host_port
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.desk import Desk
from mesh_recorder.wire.reading import Unreadable

if TYPE_CHECKING:
    from mesh_recorder.wire.link import Link

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MOST_STREAMS = 10_000
"""Open at once on one connection; no server allows more."""
MAX_BLOCK = 1024 * 1024
"""Bytes of one header block."""
_DATA, _HEADERS, _RESET, _SETTINGS, _PUSH, _GOAWAY, _CONTINUATION = 0, 1, 3, 4, 5, 7, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_TABLE_SIZE = 1


class _Side:
    """Frames of one sender."""

    __slots__ = ("block", "block_ends", "block_stream", "buffer", "decoder", "skip")

    def __init__(self, skip: int) -> None:
        self.buffer = b""
        self.skip = skip
        """Bytes of the preface that are still to come."""
        self.decoder = hpack.Decoder(max_header_list_size=MAX_BLOCK)
        self.block: bytearray | None = None
        """A header block that is not whole yet."""
        self.block_stream = 0
        self.block_ends = False


class Http2:
    """Listens to both sides of one connection."""

    def __init__(self, desk: Desk, link: "Link") -> None:
        """Hand over each request of the link's client when it has ended."""
        self.desk = desk
        self.link = link
        self.streams: dict[int, WireCaptured] = {}
        self._client = _Side(len(PREFACE))
        self._server = _Side(0)
        self._refused = False
        self._encoder = hpack.Encoder()

    def feed(self, data: bytes, *, by_client: bool) -> None:
        """Read a copy of what one side sent.

        Raises:
            Unreadable: it is not HTTP/2, or in disorder: no header block can be read from here on.
        """
        side = self._client if by_client else self._server
        if side.skip:
            expected = PREFACE[-side.skip :]
            given = data[: side.skip]
            if not expected.startswith(given):
                raise Unreadable("the preface is another")
            side.skip -= len(given)
            data = data[len(given) :]
        if side.buffer:
            data = side.buffer + data
        at, end = 0, len(data)
        while end - at >= 9:
            length = int.from_bytes(data[at : at + 3])
            if end - at - 9 < length:
                break
            stream = int.from_bytes(data[at + 5 : at + 9]) & 0x7FFFFFFF
            self._frame(side, data[at + 3], data[at + 4], stream, data[at + 9 : at + 9 + length])
            at += 9 + length
        side.buffer = data[at:]

    def end(self, error: str | None) -> None:
        """Nothing more comes."""
        for stream, captured in list(self.streams.items()):
            del self.streams[stream]
            if captured.error is None and not captured.answered:
                captured.error = error or failures.CLIENT_GONE
            self.desk.hand_over(captured)

    def refuse(self, error: str) -> bytes:
        """Answers, in frames, to all requests that are open, as their upstream cannot be reached."""
        frames = [] if self._refused else [_framed(_SETTINGS, 0, 0), _framed(_SETTINGS, _ACK, 0)]
        self._refused = True
        for stream, captured in list(self.streams.items()):
            del self.streams[stream]
            captured.error, captured.reply = error, failures.reply_to(error, client_at_fault=False)
            fields = [(b":status", b"%d" % captured.reply.status)]
            fields += [
                (name.lower(), value) for name, value in captured.reply.headers if name != b"Connection"
            ]
            frames.append(_framed(_HEADERS, _END_HEADERS, stream, self._encoder.encode(fields)))
            frames.append(_framed(_DATA, _END_STREAM, stream, captured.reply.body))
            self.desk.hand_over(captured)
        return b"".join(frames)

    def _frame(self, side: _Side, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if side.block is not None and (kind != _CONTINUATION or stream != side.block_stream):
            raise Unreadable("a header block is interrupted")
        if kind == _DATA:
            self._data(side, flags, stream, _unpadded(payload, flags))
        elif kind == _HEADERS:
            content = _unpadded(payload, flags)
            side.block = bytearray(content[5:] if flags & _PRIORITY else content)
            side.block_stream, side.block_ends = stream, bool(flags & _END_STREAM)
            self._block(side, flags)
        elif kind == _CONTINUATION:
            if side.block is None:
                raise Unreadable("a header block goes on that never began")
            side.block += payload
            self._block(side, flags)
        elif kind == _RESET:
            self._reset(side, stream)
        elif kind == _SETTINGS and not flags & _ACK:
            self._settings(side, payload)
        elif kind == _PUSH:
            side.block = bytearray(_unpadded(payload, flags)[4:])
            side.block_stream, side.block_ends = 0, False
            self._block(side, flags)

    def _settings(self, side: _Side, payload: bytes) -> None:
        other = self._server if side is self._client else self._client
        for at in range(0, len(payload) - 5, 6):
            if int.from_bytes(payload[at : at + 2]) == _TABLE_SIZE:
                size = int.from_bytes(payload[at + 2 : at + 6])
                # Only ever more: whether the encoder has heard of less cannot be told.
                decoder = other.decoder
                decoder.max_allowed_table_size = min(max(decoder.max_allowed_table_size, size), MAX_BLOCK)

    def _block(self, side: _Side, flags: int) -> None:
        if side.block is None or len(side.block) > MAX_BLOCK:
            raise Unreadable("a header block is too long")
        if not flags & _END_HEADERS:
            return
        block, side.block = bytes(side.block), None
        try:
            decoded = side.decoder.decode(block, raw=True)
        except hpack.HPACKError as cause:
            raise Unreadable("a header block cannot be decoded") from cause
        fields: Headers = tuple((bytes(name), bytes(value)) for name, value in decoded)
        if not side.block_stream:
            return  # a promise, whose fields only had to be decoded
        if side is self._client:
            self._client_fields(side.block_stream, fields, ends=side.block_ends)
        else:
            self._server_fields(side.block_stream, fields, ends=side.block_ends)

    # What the frames say

    def _client_fields(self, stream: int, fields: Headers, *, ends: bool) -> None:
        captured = self.streams.get(stream)
        if captured is None:
            if len(self.streams) >= MOST_STREAMS:
                raise Unreadable("too many streams")
            captured = self.streams[stream] = self._begin(fields)
        else:
            captured.request_trailers = fields
        if ends:
            captured.request_end = time.monotonic_ns()

    def _begin(self, fields: Headers) -> WireCaptured:
        captured = self.desk.begin(self.link.name)
        captured.caller, captured.target = self.link.peer, self.link.target
        captured.version = b"HTTP/2"
        kept: list[tuple[bytes, bytes]] = []
        for name, value in fields:
            if name == b":method":
                captured.method = value
            elif name == b":path":
                captured.path = value
            elif name == b":authority":
                captured.authority = value
            elif not name.startswith(b":"):
                kept.append((name, value))
        captured.request_headers = tuple(kept)
        found = read(captured.request_headers)
        captured.found = Found(found.all, found.request_id, None) if self.desk.strangers else found
        captured.request_body = self.desk.tee()
        return captured

    def _server_fields(self, stream: int, fields: Headers, *, ends: bool) -> None:
        captured = self.streams.get(stream)
        if captured is None:
            return
        status = next((value for name, value in fields if name == b":status"), None)
        if status is None or captured.status is not None:
            captured.response_trailers = fields
        elif status.startswith(b"1"):
            captured.note(False, "informational", status)
        else:
            captured.first_byte = time.monotonic_ns()
            captured.status = int(status) if status.isdigit() else None
            captured.response_headers = tuple(field for field in fields if not field[0].startswith(b":"))
            captured.response_body = self.desk.tee()
        if ends:
            self._ended(stream, captured)

    def _data(self, side: _Side, flags: int, stream: int, content: bytes) -> None:
        captured = self.streams.get(stream)
        if captured is None:
            return
        by_client = side is self._client
        body = captured.request_body if by_client else captured.response_body
        if body is not None:
            body.feed(content)
        if flags & _END_STREAM:
            if by_client:
                captured.request_end = time.monotonic_ns()
            else:
                self._ended(stream, captured)

    def _ended(self, stream: int, captured: WireCaptured) -> None:
        """The server has said all."""
        captured.answered = True
        if not captured.request_end:
            captured.request_end = time.monotonic_ns()
        del self.streams[stream]
        self.desk.hand_over(captured)

    def _reset(self, side: _Side, stream: int) -> None:
        captured = self.streams.pop(stream, None)
        if captured is None:
            return
        target = captured.target
        where = host_port(*target) if target else "the upstream"
        by_client = side is self._client
        captured.error = failures.CLIENT_RESET if by_client else f"{where} {failures.UPSTREAM_RESET}"
        self.desk.hand_over(captured)


def _unpadded(payload: bytes, flags: int) -> bytes:
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Unreadable("a frame is padded beyond its end")
    return payload[1 : len(payload) - payload[0]]


def _framed(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload
