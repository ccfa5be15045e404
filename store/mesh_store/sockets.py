"""The TCP sockets of this machine, as /proc tells of them (Linux); nothing where there is no /proc."""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LISTENING = "0A"
"""State of a listening socket. Source: Linux, include/net/tcp_states.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """A row of /proc/net/tcp."""

    state: str
    host: str
    port: int
    remote_host: str
    remote_port: int
    inode: str


def sockets(proc: Path = Path("/proc")) -> Iterator[Socket]:
    """The TCP sockets of this machine; none where the system does not tell."""
    for name in ("tcp", "tcp6"):
        try:
            table = (proc / "net" / name).read_text()
        except OSError:
            continue
        for line in table.splitlines()[1:]:
            fields = line.split()
            if len(fields) >= 10:
                yield _socket(fields)


def _socket(fields: Sequence[str]) -> Socket:
    host, _, port = fields[1].partition(":")
    remote_host, _, remote_port = fields[2].partition(":")
    return Socket(
        state=fields[3],
        host=_host(host),
        port=int(port, 16),
        remote_host=_host(remote_host),
        remote_port=int(remote_port, 16),
        inode=fields[9],
    )


def _host(address: str) -> str:
    """The address of the table, hexadecimal in the machine's order of bytes, as people write it."""
    words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
    raw = b"".join(words)
    if not any(raw):
        return "127.0.0.1"  # any address: loopback reaches it
    numeric = ipaddress.ip_address(raw)
    mapped = numeric.ipv4_mapped if isinstance(numeric, ipaddress.IPv6Address) else None
    return str(mapped or numeric)


def inodes(process: Path) -> set[str]:
    """The sockets that a process holds, given its folder in /proc; none where we may not look."""
    found = set()
    try:
        for descriptor in (process / "fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:  # it ended, or is not ours to look into
        return found
    return found
