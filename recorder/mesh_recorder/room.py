"""How much of a disk the recording may take: its cap, and less where there is little left for others."""

import os
import time
from pathlib import Path

KEEP_FREE = 64 * 1024 * 1024
"""Bytes of a disk that are left to others,"""
KEEP_SHARE = 20
"""or one part in so many of a small disk."""
LOOK_SECONDS = 1.0


def reserve(size: int) -> int:
    """What stays free of a disk of `size` bytes."""
    return min(KEEP_FREE, size // KEEP_SHARE)


class Room:
    """Looks at the disk once a second; used by one thread."""

    def __init__(self, cap: int) -> None:
        """Never give more than `cap` bytes."""
        self._cap = self._limit = cap
        self._looked_at: float | None = None
        self._left: int | None = None

    def limit(self, folder: Path, used: int) -> int:
        """Bytes that all may take, of which `used` are taken."""
        self._look(folder, used)
        return self._limit

    def crowded(self, folder: Path, used: int) -> bool:
        """Whether what is left of the disk is for others."""
        self._look(folder, used)
        return self._left is not None and self._left <= 0

    def _look(self, folder: Path, used: int) -> None:
        now = time.monotonic()
        if self._looked_at is not None and now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            disk = os.statvfs(folder)
        except OSError:  # not there yet, or not ours: writing will say so
            self._left, self._limit = None, self._cap
        else:
            self._left = disk.f_bavail * disk.f_frsize - reserve(disk.f_blocks * disk.f_frsize)
            self._limit = min(self._cap, used + max(0, self._left))
