"""One listener of the wire lane."""

import asyncio
import socket
import time
from collections.abc import Callable

from mesh_recorder.addons.roles import Role
from mesh_recorder.lane.accepting import Acceptor
from mesh_recorder.settings import TraceHeaders
from mesh_recorder.tee import Room
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.desk import Desk
from mesh_recorder.wire.link import Link


class WireListener:
    """Relays one listener's connections, and captures what passes."""

    def __init__(
        self,
        role: Role,
        *,
        offer: Callable[[WireCaptured], None],
        lost: Callable[[str], None],
        room: Room,
        trace_headers: TraceHeaders = TraceHeaders.LINK,
        max_body: int = 1024 * 1024,
        connect_timeout: float = 10.0,
        response_timeout: float | None = 300.0,
    ) -> None:
        """Make a listener; nothing is opened before `start`.

        Args:
            role: what the listener stands for; its target, if it has one, is plain HTTP.
            offer: takes a request that has ended; must not block.
            lost: counts one that could not be captured, by reason.
            room: bytes that all open requests may keep together.
            trace_headers: what may be added to a request's headers.
            max_body: bytes of a body that are kept.
            connect_timeout: seconds.
            response_timeout: seconds without a response's head; None waits for ever.
        """
        self.desk = Desk(
            role,
            offer=offer,
            lost=lost,
            trace_headers=trace_headers,
            max_body=max_body,
            room=room,
            connect_timeout=connect_timeout,
            response_timeout=response_timeout,
        )
        self.links: set[Link] = set()
        self._acceptor: Acceptor | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    def start(self, bound: socket.socket) -> None:
        """Accept connections on a socket that is bound already, and does not block."""
        address = bound.getsockname()
        self.desk.own = frozenset({(address[0], address[1])})
        self._acceptor = Acceptor(
            asyncio.get_running_loop(),
            bound,
            lambda: Link(self, self.desk),
            clients=lambda: len(self.links),
        )
        if self.desk.response_timeout is not None:
            self._look(min(1.0, self.desk.response_timeout / 4))

    async def stop(self, patience: float) -> None:
        """Accept nothing more; what is under way has `patience` seconds to end."""
        self.desk.draining = True
        if self._acceptor is not None:
            self._acceptor.close()
        for link in list(self.links):
            if link.idle:
                link.part()
        if self.links:
            self._empty.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._empty.wait()
            except TimeoutError:
                for link in list(self.links):
                    link.stop()
        if self._watch is not None:
            self._watch.cancel()
        if self.links:
            self._empty.clear()
            await self._empty.wait()

    def gone(self, link: Link) -> None:
        """A client's connection is gone."""
        self.links.discard(link)
        if not self.links:
            self._empty.set()

    @property
    def seen(self) -> int:
        """Requests."""
        return self.desk.seen

    @property
    def busy(self) -> int:
        """Requests that are open."""
        return sum(len(link.book.pending) for link in self.links)

    def _look(self, every: float) -> None:
        """Find requests that have waited too long for a response; one timer serves all connections."""
        timeout = self.desk.response_timeout
        if timeout is None:
            return
        now = time.monotonic_ns()
        for link in list(self.links):
            link.look(now, timeout)
        self._watch = asyncio.get_running_loop().call_later(every, self._look, every)
