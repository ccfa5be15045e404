"""Server-sent events counted in a body as it comes, to stop where the recorded stream had come to. Pure."""

import re
from dataclasses import dataclass

_END = re.compile(rb"\r\n\r\n|\n\n")


@dataclass(slots=True)
class EventCounter:
    """Counts events, as the recorder does. Source: WHATWG HTML, "Parsing an event stream"."""

    most: int | None
    """How many are wanted; None for all that come."""
    seen: int = 0
    _tail: bytes = b""
    """The bytes since the last event's end, or of them the last ones."""

    @property
    def enough(self) -> bool:
        """Whether as many events as are wanted have come."""
        return self.most is not None and self.seen >= self.most

    def taken(self, piece: bytes) -> bytes:
        """What of a part of the body is wanted: all of it, or up to the end of the last event."""
        if self.most is None:
            return piece
        before = len(self._tail)
        content = self._tail + piece
        start = 0
        while not self.enough and (end := _END.search(content, start)) is not None:
            self.seen += bool(content[start : end.start()].strip())
            start = end.end()
        if self.enough:
            return piece[: max(0, start - before)]
        rest = content[start:]
        # What has content keeps a mark of it: an event may be longer than what is held.
        self._tail = rest if len(rest) < 8 else (b"x" if rest.strip() else b"") + rest[-3:]
        return piece
