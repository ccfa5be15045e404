"""The sidecar's local append-only files, between traffic and store.

1. One recorder writes a folder: it holds the lock on it, and a second one takes a folder beside it.
2. `RUN-NUMBER.open` is being written, `RUN-NUMBER.EXCHANGES.seg` is whole and waits to be shipped, `.bad`
   could not be read, `.held` waits until it is known whether anybody wants it.
3. A write that fails leaves the segment as it was before, or the segment is given up.
"""

import contextlib
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from mesh_core.frames import Run, encode_header
from mesh_store.disk import make_private_folder

SYNC_BYTES = 1024 * 1024
"""As many bytes may be written before they are synced."""
MOST_FOLDERS = 64
"""Recorders of one service and instance at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A segment that nobody writes to any more."""

    path: Path
    size: int
    exchanges: int | None = None
    """How many were put into it; None where the run that did so could not say."""
    resumed: bool = False
    """Whether that was an earlier run."""


class Spool:
    """A folder of segments of one run; used by one thread."""

    def __init__(self, directory: Path, run: Run) -> None:
        self._run = run
        self._number = 0
        self._file: int | None = None
        self._path = directory
        self._size = self._exchanges = self._unsynced = 0
        self.directory, self._lock = _take_folder(directory)

    def leftovers(self) -> list[Sealed]:
        """Segments of earlier runs, in this folder and in those beside it that nobody holds."""
        return self._adopted((".seg", ".open"), ".seg")

    def held_leftovers(self) -> list[Sealed]:
        """What earlier runs held back."""
        return self._adopted((".held",), ".held")

    def _adopted(self, suffixes: tuple[str, ...], suffix: str) -> list[Sealed]:
        found = [_adopt(path, self.directory, suffix) for path in _segments(self.directory, suffixes)]
        for folder in _folders_beside(self.directory):
            lock = _lock(folder)
            if lock is not None:
                found += [_adopt(path, self.directory, suffix) for path in _segments(folder, suffixes)]
                os.close(lock)
        return sorted(found, key=lambda sealed: sealed.path.name)

    @property
    def size(self) -> int:
        """Bytes in the segment being written; 0 where there is none."""
        return self._size

    @property
    def overdue(self) -> bool:
        """Whether so much was written that it has to be synced, however soon after the last time."""
        return self._unsynced >= SYNC_BYTES

    def append(self, block: bytes, *, exchanges: int) -> None:
        """Write one block, into a new segment where none is open.

        Raises:
            OSError: nothing of it was kept.
        """
        descriptor = self._file if self._file is not None else self._begin()
        try:
            write_all(descriptor, block)
        except OSError:
            self._take_back(descriptor)
            raise
        self._size += len(block)
        self._unsynced += len(block)
        self._exchanges += exchanges

    def sync(self) -> None:
        """Make what was written survive a loss of power.

        Raises:
            OSError: it may not have; the segment is closed, and never synced again as if it had.
        """
        if self._file is None or not self._unsynced:
            return
        self._unsynced = 0
        os.fdatasync(self._file)

    def seal(self) -> Sealed | None:
        """End the open segment and give it; None where none is open.

        Raises:
            OSError: it could not be renamed, and stays as it is for the next start.
        """
        if self._file is None:
            return None
        with contextlib.suppress(OSError):  # unsynced at worst: it is read back from the page cache
            self.sync()
        descriptor, self._file = self._file, None
        os.close(descriptor)
        whole = self._path.with_suffix(f".{self._exchanges}.seg")
        sealed = Sealed(path=whole, size=self._size, exchanges=self._exchanges)
        self._size = self._exchanges = 0
        with contextlib.suppress(FileNotFoundError):  # somebody tidied up: it is missed where it is shipped
            self._path.rename(whole)
        return sealed

    def close(self) -> None:
        """Let the folder go; segments stay."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        os.close(self._lock)

    def _begin(self) -> int:
        self._number += 1
        self._path = self.directory / f"{self._run.run_id}-{self._number:08d}.open"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            header = encode_header(self._run)
            write_all(descriptor, header)
        except OSError:
            os.close(descriptor)
            self._path.unlink(missing_ok=True)
            raise
        self._file, self._size, self._exchanges, self._unsynced = descriptor, len(header), 0, len(header)
        return descriptor

    def _take_back(self, descriptor: int) -> None:
        try:
            os.ftruncate(descriptor, self._size)
            os.lseek(descriptor, self._size, os.SEEK_SET)
        except OSError:
            # The tail is torn: the reader cuts it off, and the next block goes to a new segment.
            with contextlib.suppress(OSError):
                self.seal()


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however often the system takes a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _take_folder(wanted: Path) -> tuple[Path, int]:
    """The first folder of `wanted`, `wanted~2`, … that no other recorder holds, and its lock."""
    for number in range(1, MOST_FOLDERS + 1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}~{number}")
        make_private_folder(folder)
        lock = _lock(folder)
        if lock is not None:
            return folder, lock
    raise OSError(f"{MOST_FOLDERS} recorders hold {wanted} and the folders beside it")


def _lock(folder: Path) -> int | None:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _folders_beside(folder: Path) -> list[Path]:
    first = folder.name.partition("~")[0]
    beside = [path for path in folder.parent.iterdir() if path.name.partition("~")[0] == first]
    return sorted(path for path in beside if path != folder and path.is_dir())


def _segments(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return [path for suffix in suffixes for path in folder.glob(f"*{suffix}")]


def _adopt(path: Path, folder: Path, suffix: str) -> Sealed:
    ours = folder / f"{path.stem}{suffix}"
    if path != ours:
        path.rename(ours)
    count = path.stem.rpartition(".")[2]
    exchanges = int(count) if suffix == ".seg" and count.isdigit() else None
    return Sealed(path=ours, size=ours.stat().st_size, exchanges=exchanges, resumed=True)
