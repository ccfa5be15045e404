"""Whether a process of this container listens: `python -I -m mesh_recorder.deploy.listening`, a health check.

Reads /proc alone, so it opens no connection that the sidecar would see, and needs no port to be told.
Nothing but the standard library is imported: it runs every few seconds.
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_LISTEN = "0A"
"""TCP's state LISTEN, as /proc/net/tcp writes it."""
_SOCKET = re.compile(r"socket:\[(\d+)\]")


def listening_inodes(tables: str) -> set[str]:
    """Inodes of the listening sockets in the text of /proc/net/tcp and tcp6."""
    rows = (line.split() for line in tables.splitlines())
    return {row[9] for row in rows if len(row) > 9 and row[3] == _LISTEN}


def own_inodes(proc: Path) -> Iterator[str]:
    """Inodes of the sockets of every process that we may look into, ourselves left out."""
    for folder in proc.glob("[0-9]*/fd"):
        if folder.parent.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):  # another user's, or gone by now
            for entry in folder.iterdir():
                with contextlib.suppress(OSError):
                    if found := _SOCKET.fullmatch(str(entry.readlink())):
                        yield found[1]


def listens(proc: Path = Path("/proc")) -> bool:
    """Whether any of those processes has a listening socket."""
    tables = [proc / "self" / "net" / name for name in ("tcp", "tcp6")]
    text = "\n".join(table.read_text() for table in tables if table.exists())
    listening = listening_inodes(text)
    return any(inode in listening for inode in own_inodes(proc))


if __name__ == "__main__":
    sys.exit(0 if listens() else 1)
