"""What listens on this machine: candidates for `--app` where nobody said which it is."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LISTENING = "0A"
"""State of a listening socket. Source: Linux, include/net/tcp_states.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A program that takes connections."""

    host: str
    port: int
    command: str = ""
    """Its command line, as far as it can be seen."""


def listeners(proc: Path = Path("/proc")) -> list[Listener]:
    """Who listens, by port, without this process; empty where the system does not tell (no /proc)."""
    sockets: dict[int, tuple[str, str]] = {}
    for name in ("tcp", "tcp6"):
        try:
            table = (proc / "net" / name).read_text()
        except OSError:
            continue
        for host, port, inode in _listening(table):
            sockets.setdefault(port, (host, inode))
    commands = _commands(proc)
    own = _inodes(proc / str(os.getpid()))
    return [
        Listener(host=host, port=port, command=commands.get(inode, ""))
        for port, (host, inode) in sorted(sockets.items())
        if inode not in own
    ]


def _listening(table: str) -> Iterator[tuple[str, int, str]]:
    """Address, port and inode of each listening socket of a /proc/net/tcp table."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != LISTENING:
            continue
        address, _, port = fields[1].partition(":")
        yield _host(address), int(port, 16), fields[9]


def _host(address: str) -> str:
    """The address of the table, hexadecimal in the machine's order of bytes, as people write it."""
    words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
    raw = b"".join(words)
    if not any(raw):
        return "127.0.0.1"  # any address: loopback reaches it
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _commands(proc: Path) -> dict[str, str]:
    """Command lines by the inodes of the sockets that each process holds; those that we may see."""
    found: dict[str, str] = {}
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        inodes = _inodes(process)
        if not inodes:
            continue
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        found |= dict.fromkeys(inodes, command)
    return found


def _inodes(process: Path) -> set[str]:
    found = set()
    try:
        for descriptor in (process / "fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:  # it ended, or is not ours to look into
        return found
    return found
