"""Chunked bodies, read strictly as they pass. Pure. Source: RFC 9112, section 7.1."""

import re
from collections.abc import Callable

from mesh_recorder.wire.head import Doubt

MAX_LINE = 4096
"""Bytes of a chunk's size line."""
MAX_TRAILERS = 64 * 1024

_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILERS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[^\0\r\n]*+\r\n)*+\r\n")


class Chunks:
    """Finds the end of one chunked body, and hands on what it holds."""

    def __init__(self, keep: Callable[[bytes], object]) -> None:
        """Give each piece of the decoded body to `keep`."""
        self._keep = keep
        self._left = 0
        """Bytes of the chunk, and the line end after it, that are still to come."""
        self._part = b""
        """A line that is not whole yet, or the trailers so far."""
        self._ending = False
        self.trailers = b""
        """The trailer fields' lines, with the empty one; set at the end."""

    def feed(self, data: bytes, at: int = 0) -> int:
        """Read on in `data` from `at`; where the body ended in it, or -1 while it goes on.

        Raises:
            Doubt: about where a chunk ends.
        """
        while at < len(data):
            if self._left:
                at = self._body(data, at)
            elif self._ending:
                return self._trailers(data, at)
            else:
                at = self._size(data, at)
        return -1

    def _body(self, data: bytes, at: int) -> int:
        content = self._left - 2
        if content > 0:
            piece = data if at == 0 and len(data) <= content else data[at : at + content]
            self._left -= len(piece)
            self._keep(piece)
            at += len(piece)
        while self._left in (1, 2) and at < len(data):
            if data[at] != b"\n\r"[self._left - 1]:
                raise Doubt("a chunk is longer than it says")
            self._left -= 1
            at += 1
        return at

    def _size(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at) + 1
        line = self._part + data[at : end or len(data)]
        if len(line) > MAX_LINE:
            raise Doubt("a chunk's size is not a number")
        if not end:
            self._part = line
            return len(data)
        match = _SIZE.fullmatch(line)
        if match is None:
            raise Doubt("a chunk's size is not a number")
        self._part = b""
        size = int(match[1], 16)
        if size:
            self._left = size + 2
        else:
            self._ending = True
        return end

    def _trailers(self, data: bytes, at: int) -> int:
        before = len(self._part)
        lines = self._part + data[at:]
        match = _TRAILERS.match(lines)
        if match is not None:
            self.trailers = lines[: match.end()]
            self._part = b""
            return at + match.end() - before
        end = lines.find(b"\r\n\r\n")
        if end >= 0 or len(lines) > MAX_TRAILERS or b"\n" in lines.replace(b"\r\n", b""):
            raise Doubt("the trailers are malformed")
        self._part = lines
        return -1
