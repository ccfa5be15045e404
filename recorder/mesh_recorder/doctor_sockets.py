"""Connections that a command makes past its sidecar, as far as /proc tells (Linux).

It is looked at a few times a second, so that a short connection may be missed: what is found is
there, what is not found may be.
"""

import contextlib
import threading
from pathlib import Path

from mesh_store.processes import of_group
from mesh_store.sockets import LISTENING, inodes, sockets

LOOK_EVERY = 0.03
"""Seconds."""
_CONNECTED = frozenset({"01", "02", "04", "05", "08"})
"""Established, being made, or being closed. Source: Linux, include/net/tcp_states.h."""


class Connections:
    """Looks at a process group until it is told to stop."""

    def __init__(self, group: int, ours: frozenset[int], proc: Path = Path("/proc")) -> None:
        """Look at `group`; connections to the ports `ours` are no news."""
        self._group = group
        self._ours = ours
        self._proc = proc
        self._seen: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_often, name="mesh-doctor-sockets", daemon=True)
        self.programs: set[str] = set()
        """The files that the group's processes run."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> dict[tuple[str, int], int]:
        """How many connections went where, past the sidecar: at least these."""
        self._ended.set()
        self._thread.join()
        counts: dict[tuple[str, int], int] = {}
        for remote in self._seen.values():
            counts[remote] = counts.get(remote, 0) + 1
        return counts

    def look(self) -> None:
        """Look now, at what is there at this moment."""
        with self._lock:
            held: set[str] = set()
            for process in of_group(self._group, self._proc):
                held |= inodes(process)
                with contextlib.suppress(OSError):
                    self.programs.add(str((process / "exe").readlink()))
            self._note(held)

    def _look_often(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            self.look()

    def _note(self, held: set[str]) -> None:
        rows = [row for row in sockets(self._proc) if row.inode in held]
        taking = {row.port for row in rows if row.state == LISTENING}
        for row in rows:
            if row.state in _CONNECTED and row.port not in taking and row.remote_port not in self._ours:
                self._seen[row.inode] = (row.remote_host, row.remote_port)
