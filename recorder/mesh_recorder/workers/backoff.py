"""When a worker that died is replaced: at once, unless it never lives for long. Pure."""

LIVED = 10.0
"""Seconds after which a worker's death is no loop."""
FIRST = 0.1
LONGEST = 30.0


class Backoff:
    """The deaths of one worker and its successors."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def pause(self, lived: float) -> float:
        """Seconds to wait before the next one, after one that lived for so many."""
        if lived >= LIVED:
            self._in_a_row = 0
        self._in_a_row += 1
        if self._in_a_row == 1:
            return 0.0
        return float(min(LONGEST, FIRST * 2.0 ** min(self._in_a_row - 2, 16)))
