"""What the next bytes of one side are."""

from enum import IntEnum


class Unreadable(Exception):
    """What passes is not the protocol that it should be."""


class Reading(IntEnum):
    """What the next bytes are."""

    HEAD = 0
    LENGTH = 1
    CHUNKS = 2
    UPGRADE = 3
    """Unknown until the response comes: more requests, or another protocol."""
    TAPPED = 4
    """Another protocol, which is listened to."""
    BLIND = 5
    """Unread."""
    WAIT = 6
    """A head for another upstream, while the last one still answers."""
    DISCARD = 7
    """Nobody's: the upstream is gone, and the client is only given time to read."""
