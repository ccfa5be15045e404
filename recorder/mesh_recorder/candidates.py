"""What listens on this machine: candidates for `--app` where nobody said which it is."""

import os
from dataclasses import dataclass
from pathlib import Path

from mesh_store.sockets import LISTENING, Socket, inodes, sockets


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A program that takes connections."""

    host: str
    port: int
    command: str = ""
    """Its command line, as far as it can be seen."""


def listeners(proc: Path = Path("/proc")) -> list[Listener]:
    """Who listens, by port, without this process; empty where the system does not tell (no /proc)."""
    listening: dict[int, Socket] = {}
    for row in sockets(proc):
        if row.state == LISTENING:
            listening.setdefault(row.port, row)
    commands = _commands(proc)
    own = inodes(proc / str(os.getpid()))
    return [
        Listener(host=row.host, port=port, command=commands.get(row.inode, ""))
        for port, row in sorted(listening.items())
        if row.inode not in own
    ]


def _commands(proc: Path) -> dict[str, str]:
    """Command lines by the inodes of the sockets that each process holds; those that we may see."""
    found: dict[str, str] = {}
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        held = inodes(process)
        if not held:
            continue
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        found |= dict.fromkeys(held, command)
    return found
