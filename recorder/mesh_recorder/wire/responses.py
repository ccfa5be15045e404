"""What an upstream sends, read as a copy of what has already gone on to the client.

1. Nothing in here can hold, change or lose a byte: the bytes are gone before they are read.
2. At the first doubt the connection's remaining bytes stay unread, in both directions.
"""

import re
import time
from typing import TYPE_CHECKING

from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.chunks import Chunks
from mesh_recorder.wire.head import CHUNKED, END, MAX_HEAD, UNTIL_CLOSE, Doubt, ResponseHead, read_response
from mesh_recorder.wire.quick import LENGTH, RESPONSE, STATUS
from mesh_recorder.wire.reading import Reading

if TYPE_CHECKING:
    from mesh_recorder.wire.link import Link

_HEAD = Reading.HEAD
MOST_INFORMATIONAL = 100
MOST_EARLY = 64 * 1024
"""Bytes that are kept of what an upstream says before it is asked."""


class Responses:
    """Reads what one upstream sends."""

    def __init__(self, link: "Link") -> None:
        self.book = link.book
        self.desk = link.desk
        self.reading = Reading.HEAD
        self.until_close = False
        """Whether the response that comes ends with the connection."""
        self.used = False
        """Whether this upstream has answered anything on this connection."""
        self.early = b""
        """What it said before the client did: the client's first bytes tell in which protocol."""
        self._part = b""
        self._left = 0
        self._chunks: Chunks | None = None
        self._last = False

    def feed(self, data: bytes) -> None:
        """Read a copy; never raises."""
        try:
            pending = self.book.pending
            if pending and self.reading is _HEAD and not self._part:
                captured = pending[0]
                if captured.asked is not None and captured.request_end:
                    told = RESPONSE.match(data)
                    if told is not None and self._take_quickly(captured, told, data):
                        return
            if self.reading is not Reading.BLIND:
                self._read(data, 0)
        except Doubt as doubt:
            self._doubt(str(doubt))
        except Exception as error:  # noqa: BLE001  # an error of ours must never touch traffic
            self.desk.failed(error)
            self._doubt("the sidecar could not read the response")

    def _take_quickly(self, captured: WireCaptured, told: re.Match[bytes], data: bytes) -> bool:
        """Take a response whose head one pattern told all of; False to read it with care."""
        end = told.end()
        left = end + int(told[LENGTH]) - len(data)
        if left < 0:
            return False
        now = time.monotonic_ns()
        captured.first_byte = captured.first_byte or now
        self._last, self.used = False, True
        if not left and len(data) <= self.desk.quick:
            captured.told, captured.ended = told, now
            captured.held += len(data)
            self.book.pending.popleft()
            self.book.whole(captured)
            return True
        captured.status = int(told[STATUS])
        captured.response_bytes = head = data[:end]
        captured.told = RESPONSE.match(head)  # the match keeps what it was found in
        tee = captured.response_body = self.desk.tee()
        tee.feed(data[end:])
        self._left, self.reading, self.until_close = left, Reading.LENGTH, False
        if not left:
            self._done(captured)
        return True

    def _read(self, data: bytes, at: int) -> None:
        while at < len(data):
            match self.reading:
                case Reading.HEAD:
                    if self._part:
                        data, at, self._part = self._part + data[at:], 0, b""
                    at = self._head(data, at)
                case Reading.LENGTH:
                    at = self._body(data, at)
                case Reading.CHUNKS:
                    at = self._chunked(data, at)
                case Reading.TAPPED:
                    self.book.tapped(data[at:], by_client=False)
                    return
                case _:
                    return

    def _head(self, data: bytes, at: int) -> int:
        """Read one head; where its body begins, or ends where that is here too."""
        pending = self.book.pending
        if not pending:
            if self.used or len(self.early) > MOST_EARLY:
                raise Doubt("the upstream answered without being asked")
            self.early += data[at:]
            return len(data)
        captured = pending[0]
        if not captured.first_byte:
            captured.first_byte = time.monotonic_ns()
        end = data.find(END, at)
        if end < 0:
            self._part = data[at:]
            if len(self._part) > MAX_HEAD or not _may_begin(self._part):
                raise Doubt("the response's head is malformed")
            return len(data)
        head = data[at : end + 4]
        captured.response_bytes = head
        read = read_response(head, captured.method)
        captured.status = read.status
        at = end + 4
        if read.status < 200 or captured.upgrade:
            return self._special(captured, read, data, at)
        return self._begin(captured, read, data, at)

    def _begin(self, captured: WireCaptured, read: ResponseHead, data: bytes, at: int) -> int:
        """A response begins whose head says how it ends."""
        body = read.body
        self._last = read.last
        if not body:
            self._done(captured)
            return at
        tee = captured.response_body = self.desk.tee()
        if body == len(data) - at:
            tee.feed(data[at:])
            self._done(captured)
            return len(data)
        if body == CHUNKED:
            self.reading = Reading.CHUNKS
            self._chunks = Chunks(tee.feed)
        else:
            self.reading = Reading.LENGTH
            self.until_close = body == UNTIL_CLOSE
            self._left = 1 << 62 if self.until_close else body
        return at

    def _special(self, captured: WireCaptured, read: ResponseHead, data: bytes, at: int) -> int:
        """An informational response, or one that may change the protocol."""
        status = read.status
        if status == 101 or (captured.upgrade == b"connect" and 200 <= status < 300):
            self.book.upgraded(captured, read.upgrade, data[at:])
            return len(data)
        if status < 200:
            if len(captured.messages) < MOST_INFORMATIONAL:
                line = captured.response_bytes.partition(b"\r\n")[0][9:].strip()
                captured.note(False, "informational", line)
            captured.status = None
            captured.response_bytes = b""
            captured.expects = captured.expects and status != 100
            return at
        return self._begin(captured, read, data, at)

    def _body(self, data: bytes, at: int) -> int:
        captured = self.book.pending[0]
        piece = data[at : at + self._left] if at or len(data) > self._left else data
        self._left -= len(piece)
        if captured.response_body is not None:
            captured.response_body.feed(piece)
        if not self._left:
            self._done(captured)
        return at + len(piece)

    def _chunked(self, data: bytes, at: int) -> int:
        chunks, captured = self._chunks, self.book.pending[0]
        if chunks is None:
            raise ValueError("a chunked body without its response")
        end = chunks.feed(data, at)
        if end < 0:
            return len(data)
        captured.trailer_bytes = (captured.trailer_bytes[0], chunks.trailers)
        self._chunks = None
        self._done(captured)
        return end

    def _done(self, captured: WireCaptured) -> None:
        """The response is whole."""
        self.reading = Reading.HEAD
        self.until_close = False
        self.used = True
        self.book.answered(captured)

    def closed(self, captured: WireCaptured) -> None:
        """The upstream ended a response by its connection's end."""
        self._done(captured)

    def _doubt(self, reason: str) -> None:
        self.reading = Reading.BLIND
        self._part = b""
        self.book.doubtful(reason)


def _may_begin(part: bytes) -> bool:
    """Whether a head that is not whole yet may become one."""
    return b"HTTP/1.".startswith(part[:7]) and b"\n" not in part.replace(b"\r\n", b"")
