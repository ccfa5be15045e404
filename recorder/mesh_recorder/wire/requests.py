"""What a client sends, cut into requests as it passes.

1. Only a head is held, until it is whole; every other byte goes on as it came, in order.
2. At the first doubt the rest of the connection goes on unread: nothing is spliced any more.
3. An error of ours is a doubt too, and loses no byte.
"""

import logging
import re
import time
from typing import TYPE_CHECKING

from mesh_recorder import failures
from mesh_recorder.settings import TraceHeaders
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.chunks import Chunks
from mesh_recorder.wire.head import CHUNKED, END, Doubt, check_begun, read_request
from mesh_recorder.wire.http2 import PREFACE
from mesh_recorder.wire.quick import CLAIM, LENGTH, PARENT, REQUEST
from mesh_recorder.wire.reading import Reading
from mesh_recorder.wire.splice import spliced, spliced_quickly

if TYPE_CHECKING:
    from mesh_recorder.wire.link import Link

logger = logging.getLogger(__name__)

_HEAD, _BLIND = Reading.HEAD, Reading.BLIND
MOST_EARLY = 64 * 1024
"""Bytes that are kept of what a client sends before its upgrade is answered."""


class Requests:
    """Reads what one client sends."""

    unread = Reading.BLIND
    """What becomes of a client's bytes that are not read."""
    _quick = True
    """Whether a whole request may be told by one pattern."""

    def __init__(self, link: "Link") -> None:
        self.link = link
        self.book = link.book
        self.desk = link.desk
        self.reading = Reading.HEAD
        self.current: WireCaptured | None = None
        """The request whose end has not been seen."""
        self.held = b""
        """A head that is not whole yet."""
        self.early = b""
        self.last = False
        self._checked = 0
        self._held_at = 0
        self._left = 0
        self._chunks: Chunks | None = None
        self._at = 0
        self._out: list[bytes] = []

    def take(self, data: bytes) -> bytes:
        """What goes on to the upstream now that `data` came; never raises."""
        reading = self.reading
        if reading is _BLIND:
            return data
        if self.held:
            data = self.held + data
            self.held = b""
        self._at = 0
        try:
            if reading is _HEAD and self._quick and self.desk.mode is TraceHeaders.LINK:
                asked = REQUEST.match(data)
                if asked is not None and (out := self._begin_quickly(data, asked)) is not None:
                    return out
            return self._read(data)
        except Doubt as doubt:
            return self._doubt(data, str(doubt))
        except Exception as error:  # noqa: BLE001  # an error of ours must never touch traffic
            self.desk.failed(error)
            return self._blind(data)

    def _begin_quickly(self, data: bytes, asked: re.Match[bytes]) -> bytes | None:
        """A request begins whose head one pattern told all of: what goes on; None to read it with care."""
        link, desk, end, told = self.link, self.desk, asked.end(), asked[LENGTH]
        length = int(told) if told else 0
        left = end + length - len(data)
        if left < 0 or link.responses.early or (asked[CLAIM] and (desk.strangers or not asked[PARENT])):
            return None
        captured = desk.begin(link.name, self._held_at)
        self._checked = self._held_at = 0
        captured.caller, captured.target = link.peer, link.target
        self.book.pending.append(captured)
        goes_on, captured.made = spliced_quickly(data, asked, captured.id, desk.fresh_id)
        if not left and len(data) <= desk.quick:
            captured.asked, captured.request_bytes = asked, data[:end] if length else data
            captured.held += len(data)
            captured.request_end = captured.began  # or a little later, where it came in parts
        else:
            captured.request_bytes = head = data[:end]
            captured.asked = REQUEST.match(head)  # the match keeps what it was found in
            self._expect_body(captured, length)
            self._left = left
            self._keep(data[end:])
            if not left:
                self._ended()
        return goes_on

    def _read(self, data: bytes) -> bytes:
        out = self._out = []
        while (at := self._at) < len(data):
            match self.reading:
                case Reading.HEAD:
                    if not self._head(data, at):
                        break
                case Reading.LENGTH:
                    piece = data[at : at + self._left] if at or len(data) > self._left else data
                    self._left -= len(piece)
                    self._pass(piece)
                    self._keep(piece)
                    if not self._left:
                        self._ended()
                case Reading.CHUNKS:
                    self._chunked(data, at)
                case Reading.WAIT:
                    self.held = data[at:]
                    break
                case _:
                    self._other(data[at:])
        self._out = []
        return out[0] if len(out) == 1 else b"".join(out)

    def _pass(self, piece: bytes) -> None:
        self._out.append(piece)
        self._at += len(piece)

    # Heads

    def _head(self, data: bytes, at: int) -> bool:
        """Read one head; whether it is whole."""
        blank = at
        while data.startswith(b"\r\n", blank):
            blank += 2  # some clients end a body with a line end that is not part of it
        if blank > at:
            self._pass(data[at:blank])
            return True
        end = data.find(END, at + max(0, self._checked - 3))
        if end < 0:
            part = data[at:]
            if not self._held_at:
                self._held_at = time.monotonic_ns()
            if not PREFACE.startswith(part):
                self._checked = check_begun(part, self._checked)
            self.held = part
            return False
        head = data[at : end + 4]
        self._out.append(self._begin(head))
        if self.reading is not Reading.WAIT:
            self._at += len(head)
        return True

    def _begin(self, head: bytes) -> bytes:
        """A request begins; its head as it goes on."""
        if head.startswith(PREFACE[:18]):
            return self.book.http2(head)
        read = read_request(head)
        link, desk = self.link, self.desk
        if link.responses.early:
            raise Doubt("the upstream spoke before it was asked")
        captured = desk.begin(link.name, self._held_at)
        self._checked = self._held_at = 0
        captured.request_bytes = head
        captured.method = read.method
        captured.caller, captured.target = link.peer, link.target
        self.book.pending.append(captured)
        goes_on, captured.made = spliced(
            head, read, captured.id, mode=desk.mode, strangers=desk.strangers, fresh_id=desk.fresh_id
        )
        self._expect_body(captured, read.body)
        if read.last or read.expects or read.upgrade or read.method == b"CONNECT":
            self.last = read.last
            captured.expects = read.expects and read.body != 0
            captured.upgrade = read.upgrade if read.method != b"CONNECT" else b"connect"
        if not read.body:
            self._ended()
        return goes_on

    def _expect_body(self, captured: WireCaptured, body: int) -> None:
        self.current = captured
        if body == CHUNKED:
            self.reading = Reading.CHUNKS
            tee = captured.request_body = self.desk.tee()
            self._chunks = Chunks(tee.feed)
        elif body:
            self.reading = Reading.LENGTH
            self._left = body
            captured.request_body = self.desk.tee()

    # Bodies

    def _keep(self, piece: bytes) -> None:
        captured = self.current
        if captured is not None and captured.request_body is not None:
            captured.request_body.feed(piece)

    def _chunked(self, data: bytes, at: int) -> None:
        chunks, captured = self._chunks, self.current
        if chunks is None or captured is None:
            raise ValueError("a chunked body without its request")
        end = chunks.feed(data, at)
        self._pass(data[at:end] if end >= 0 else data[at:] if at else data)
        if end >= 0:
            captured.trailer_bytes = (chunks.trailers, captured.trailer_bytes[1])
            self._chunks = None
            self._ended()

    def _ended(self) -> None:
        """The request is whole."""
        captured, self.current = self.current, None
        if captured is None:
            return
        captured.request_end = time.monotonic_ns()
        if captured.upgrade and not captured.answered:
            self.reading = Reading.UPGRADE
        else:
            self.reading = self.unread if self.last else Reading.HEAD
        if captured.answered:
            self.book.whole(captured)

    # Other protocols

    def _other(self, piece: bytes) -> None:
        """Bytes that are no HTTP/1, or perhaps not."""
        if self.reading is Reading.DISCARD:
            self._at += len(piece)
            return
        self._pass(piece)
        if self.reading is Reading.UPGRADE:
            self.early += piece
            if len(self.early) > MOST_EARLY:
                self.reading = self.unread
        elif self.reading is Reading.TAPPED:
            self.book.tapped(piece, by_client=True)

    def answered_final(self, captured: WireCaptured) -> None:
        """The response to a request is whole; the request perhaps not, or it asked for another protocol."""
        if self.reading is Reading.UPGRADE and captured.upgrade:
            # What came in between is a request to some and another protocol to others.
            self.reading = self.unread if self.early or self.last else Reading.HEAD
        tee = captured.request_body
        if captured is self.current and captured.expects and (tee is None or not tee.size):
            # The client may leave the body out now, or send it all the same.
            captured.request_end = time.monotonic_ns()
            self.reading, self.current = self.unread, None

    def become_tunnel(self, captured: WireCaptured) -> bytes:
        """The connection becomes something else; what the client has already sent of it."""
        if not captured.request_end:
            captured.request_end = time.monotonic_ns()
        self.current = None
        early, self.early = self.early, b""
        return early

    # Ends

    def end(self) -> bytes:
        """The client sends nothing more; what of it was held, to go on as it came."""
        rest, self.held = self.held, b""
        if rest and self.reading is Reading.HEAD:
            self._refuse(rest, failures.HALF_HEAD)
        self.reading = Reading.BLIND
        return rest

    def blind(self) -> bytes:
        """Read nothing more; what was held, to go on as it came."""
        rest, self.held = self.held, b""
        self._let_go()
        self.reading = self.unread
        return rest

    def discard(self) -> None:
        """The upstream is gone: what the client still sends is nobody's."""
        self.held, self.current = b"", None
        self.reading = Reading.DISCARD

    def _let_go(self) -> None:
        """Stop waiting for the end of the request that is under way."""
        captured, self.current = self.current, None
        if captured is None and self.book.pending:
            captured = self.book.pending[-1]
        if captured is not None and not captured.request_end:
            captured.request_end = time.monotonic_ns()
            if captured.answered:
                self.book.whole(captured)

    def _doubt(self, data: bytes, reason: str) -> bytes:
        if self.current is not None:
            self.current.error = self.current.error or reason
        else:
            self._refuse(data[self._at :], reason)
        return self._blind(data)

    def _refuse(self, head: bytes, reason: str) -> None:
        """What came is no request; it goes on all the same, and its answer is its own."""
        captured = self.desk.begin(self.link.name, self._held_at)
        captured.caller, captured.target = self.link.peer, self.link.target
        captured.malformed = True
        captured.request_bytes = head.partition(END)[0][:65536]
        captured.method = head[:64].partition(b" ")[0]
        captured.error = reason
        captured.request_end = time.monotonic_ns()
        self.book.pending.append(captured)

    def _blind(self, data: bytes) -> bytes:
        """Everything that has not gone on yet, as it came."""
        at, out = self._at, self._out
        self._out, self._at, self.held = [], 0, b""
        self._let_go()
        self.reading = self.unread
        return b"".join([*out, data[at:]])
