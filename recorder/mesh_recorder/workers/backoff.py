"""When a worker that died is replaced: at once, unless it never lives for long. Pure."""

LIVED = 10.0
"""Seconds after which a worker's death is no loop."""
LOOP = 3
"""Deaths in a row that are no accident any more."""
FIRST = 0.1
LONGEST = 30.0


class Backoff:
    """The deaths of one worker and its successors."""

    def __init__(self) -> None:
        self.deaths = 0
        """In a row, each after less than `LIVED`."""

    @property
    def loops(self) -> bool:
        """Whether it happens again and again."""
        return self.deaths >= LOOP

    def pause(self, lived: float) -> float:
        """Seconds to wait before the next one, after one that lived for so many."""
        if lived >= LIVED:
            self.deaths = 0
        self.deaths += 1
        if self.deaths == 1:
            return 0.0
        return float(min(LONGEST, FIRST * 2.0 ** min(self.deaths - 2, 16)))
