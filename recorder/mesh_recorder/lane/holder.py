"""Who holds a port, as far as this user may know. Linux; elsewhere nobody is named."""

import contextlib
from pathlib import Path

_LISTENING = "0A"
"""Source: Linux, include/net/tcp_states.h."""


def holder_of(port: int, *, proc: Path = Path("/proc")) -> str | None:
    """The process that listens on a port: its name and number, or None."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    if not inodes:
        return None
    for folder in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for descriptor in (folder / "fd").iterdir():
                if str(descriptor.readlink()) in inodes:
                    name = (folder / "comm").read_text().strip()
                    return f"{name} (process {folder.name})"
    return None


def _inodes(port: int, proc: Path) -> set[str]:
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / "net" / table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                    found.add(columns[9])
    return found
