"""Keep a copy of a body while it streams, bounded: traffic is handed on whatever becomes of the copy."""

import time

MOST_PIECES = 4096
"""Pieces whose times are kept; what comes in more is kept without."""


class Room:
    """Bytes that all open bodies may keep together; used on the event loop alone."""

    __slots__ = ("free",)

    def __init__(self, size: int) -> None:
        self.free = size


class Tee:
    """One body as it passes: its first bytes, when they came, and its whole size."""

    __slots__ = ("broken", "kept", "last", "limit", "pieces", "room", "size", "tail", "times")

    def __init__(self, limit: int, room: Room) -> None:
        self.limit = limit
        self.room = room
        self.pieces: list[bytes] = []
        self.times: list[int] = []
        """Monotonic nanoseconds at which each piece came."""
        self.tail = bytearray()
        """What came after `MOST_PIECES` pieces."""
        self.size = 0
        self.kept = 0
        self.last = 0
        """Monotonic nanoseconds at which the last piece came."""
        self.broken = False
        """Whether keeping failed; the body passed all the same."""

    def feed(self, data: bytes) -> bytes:
        """Take one piece and hand it on; never raises: what it raises would hang the client."""
        try:
            if data:
                self._keep(data)
        except Exception:  # noqa: BLE001  # the copy may fail, the traffic not
            self.broken = True
        return data

    def _keep(self, data: bytes) -> None:
        length = len(data)
        self.size += length
        self.last = now = time.monotonic_ns()
        left = min(self.limit - self.kept, self.room.free)
        if left <= 0:
            return
        if length > left:
            data, length, self.limit = data[:left], left, self.kept + left
        self.kept += length
        self.room.free -= length
        if len(self.pieces) < MOST_PIECES:
            self.pieces.append(data)
            self.times.append(now)
        else:
            self.tail += data

    def release(self) -> None:
        """Stop counting against the room; called once, when the exchange has ended."""
        self.room.free += self.kept

    @property
    def content(self) -> bytes:
        """What was kept."""
        if self.tail:
            return b"".join([*self.pieces, self.tail])
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
