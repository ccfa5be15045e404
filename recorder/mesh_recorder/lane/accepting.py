"""Accept connections on a bound socket, so that neither a crowd nor a lack of files stops what is under way.

asyncio's own server, where files run out, tries as often as its backlog is long, and says so each time.

1. A few connections are taken at a time, so that other workers on the same socket get theirs.
2. Where there are as many clients as files allow, or none are left, new ones wait in the system's queue.
"""

import asyncio
import contextlib
import errno
import logging
import resource
import socket
from collections.abc import Callable

logger = logging.getLogger(__name__)

BACKLOG = 1024
AT_ONCE = 8
"""Connections taken before the loop, and other workers, get their turn."""
LOOK_AGAIN = 0.05
"""Seconds until it is tried again, where no more could be taken."""
RESERVE = 64
"""Files that clients never get: the spool, the store, the admin listener need some."""
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def most_clients() -> int:
    """How many clients this process may have at once: each takes a file, and its upstream another."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    return max(4, (soft - RESERVE) // 2)


class Acceptor:
    """Takes clients from one socket until it is closed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bound: socket.socket,
        door: Callable[[], asyncio.Protocol],
        *,
        clients: Callable[[], int],
        most: int | None = None,
    ) -> None:
        """Begin to accept.

        Args:
            loop: the event loop.
            bound: a bound socket that does not block; closed at the end.
            door: makes the protocol of a new connection.
            clients: how many there are, by whatever socket they came.
            most: how many there may be; as many as files allow where None.
        """
        self._loop = loop
        self._bound = bound
        self._door = door
        self._clients = clients
        self._most = most_clients() if most is None else min(most, most_clients())
        self._tasks: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._told = False
        bound.listen(BACKLOG)
        loop.add_reader(bound.fileno(), self._accept)

    def close(self) -> None:
        """Accept nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._bound.fileno() >= 0:
            self._loop.remove_reader(self._bound.fileno())
            self._bound.close()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            if self._clients() + len(self._tasks) >= self._most:
                self._wait(f"{self._most} clients are connected, as many as may be")
                return
            try:
                connection, _ = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _SCARCE:
                    raise
                self._wait("no more files can be opened")
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._take(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has gone already
            await self._loop.connect_accepted_socket(self._door, connection)

    def _wait(self, why: str) -> None:
        if not self._told:
            self._told = True
            logger.warning("%s; others wait until some have gone (ulimit -n)", why)
        self._loop.remove_reader(self._bound.fileno())
        self._timer = self._loop.call_later(LOOK_AGAIN, self._again)

    def _again(self) -> None:
        self._timer = None
        self._loop.add_reader(self._bound.fileno(), self._accept)
