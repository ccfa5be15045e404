"""One client's connection and its upstream's: bytes first, a copy read after.

1. Each side's bytes, end and reset reach the other as they would have directly.
2. What a slow side does not take is not read from the other.
"""

import asyncio
from typing import TYPE_CHECKING

from mesh_recorder import failures
from mesh_recorder.settings import Endpoint
from mesh_recorder.wire.book import Book, name_of
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.desk import Desk
from mesh_recorder.wire.http2 import Http2
from mesh_recorder.wire.proxy import ProxyRequests, Refusing
from mesh_recorder.wire.reading import Reading
from mesh_recorder.wire.replies import ESTABLISHED, rendered
from mesh_recorder.wire.requests import Requests
from mesh_recorder.wire.responses import Responses
from mesh_recorder.wire.sockets import hold, let_go, reset, reset_when_sent, seconds
from mesh_recorder.wire.upstream import Upstream, dial

if TYPE_CHECKING:
    from mesh_recorder.wire.relay import WireListener

MOST_BACKLOG = 256 * 1024
"""Bytes that wait while the upstream is being reached."""
LINGER = 2.0
"""Seconds that a client has to read what it was answered, while it still sends."""


class Link(asyncio.Protocol):
    """A client, and the upstream that its requests go to."""

    def __init__(self, listener: "WireListener", desk: Desk) -> None:
        """Wait for the client; `listener` is told when it comes and goes."""
        self.listener = listener
        self.desk = desk
        self.name = desk.connection_name()
        self.client: asyncio.Transport
        self.peer: tuple[str, int] | None = None
        self.target: tuple[str, int] | None = None
        self.upstream: Upstream | None = None
        self.book = Book(self)
        self.responses = Responses(self)
        self.requests = Requests(self) if desk.role.target else ProxyRequests(self)
        self.ended = False
        """Whether the client sends nothing more."""
        self._greeting = b""
        """What a client is told once its tunnel stands."""
        self._over = False
        self._backlog: list[bytes] = []
        self._dialing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if desk.role.target is not None:
            self.aim(desk.role.target)

    # The client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self.client = transport  # type: ignore[assignment]  # uvloop's is none of asyncio's classes
        peer = transport.get_extra_info("peername")
        self.peer = peer[:2] if peer else None
        self.listener.links.add(self)

    def data_received(self, data: bytes) -> None:
        """It sent bytes."""
        out = self.requests.take(data)
        if out:
            upstream = self.upstream
            if upstream is not None:
                upstream.transport.write(out)
            else:
                self._queue(out)
        elif self.upstream is None and self._dialing is None and self.target is not None:
            self._dial()

    def eof_received(self) -> bool:
        """It sends nothing more; whether the connection stays open for what is under way."""
        rest = self.requests.end()
        self.ended = True
        if rest:
            self.send_up(rest)
        if self.idle or self._over or (self.upstream is not None and self.upstream.ended):
            self._close_upstream()
            return False
        if self.upstream is not None:
            self.upstream.end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, by itself or closed by us."""
        self.listener.gone(self)
        self.book.settle(broken=exc is not None)
        self.book.end_all(failures.CLIENT_GONE)
        self.book.end_tunnel(failures.CLIENT_GONE)
        self._over = True
        if self._dialing is not None:
            self._dialing.cancel()
        if self._timer is not None:
            self._timer.cancel()
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.link = None
            if exc is not None:
                reset(upstream.transport)
            else:
                upstream.transport.close()

    def pause_writing(self) -> None:
        """It reads too slowly."""
        if self.upstream is not None:
            hold(self.upstream.transport)

    def resume_writing(self) -> None:
        """It reads again."""
        if self.upstream is not None:
            let_go(self.upstream.transport)

    # The upstream

    def aim(self, target: Endpoint) -> None:
        """Send what follows there."""
        self.target = (target.host, target.port)

    def send_up(self, data: bytes) -> None:
        """Send bytes to the upstream, which is connected to if it is not yet."""
        if not data:
            return  # where the client sends nothing more, not even nothing can be written
        if self.upstream is not None:
            self.upstream.transport.write(data)
        else:
            self._queue(data)

    def _queue(self, data: bytes) -> None:
        if self._over or self.client.is_closing():
            return
        self._backlog.append(data)
        if sum(map(len, self._backlog)) > MOST_BACKLOG:
            hold(self.client)
        if self._dialing is None:
            self._dial()

    def _dial(self) -> None:
        if self.target is not None and not self._over:
            self._dialing = asyncio.get_running_loop().create_task(self._reach(*self.target))

    async def _reach(self, host: str, port: int) -> None:
        captured = self.book.pending[0] if self.book.pending else None
        began = seconds()
        reached = await dial(self, host, port, self.desk)
        self._dialing = None
        if isinstance(reached, str):
            self.refuse(reached)
            return
        if self._over or reached.link is None:
            reached.transport.close()
            return
        captured = captured or (self.book.pending[0] if self.book.pending else self.book.tunnel)
        if captured is not None:
            captured.server_times = (began, seconds(), None)
            captured.target_peer = reached.transport.get_extra_info("peername")[:2]
        self.upstream = reached
        self._greet()
        backlog, self._backlog = self._backlog, []
        if backlog:
            reached.transport.write(b"".join(backlog))
        let_go(self.client)
        if self.ended:
            reached.end()

    def connect(self, captured: WireCaptured, inside: Requests) -> None:
        """A client wants a tunnel."""
        self.book.tunnel = captured
        self.requests = inside
        self._greeting = ESTABLISHED
        if self.upstream is not None:
            self.leave_upstream()
        self._dial()

    def _greet(self) -> None:
        greeting, self._greeting = self._greeting, b""
        if greeting:
            self.client.write(greeting)
            if self.book.tunnel is not None:
                self.book.open_tunnel(self.book.tunnel)

    def leave_upstream(self) -> None:
        """Let go of an idle upstream, as the next request goes elsewhere."""
        self._close_upstream()
        self.responses = Responses(self)

    def _close_upstream(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.link = None
            upstream.transport.close()

    def upstream_ended(self) -> bool:
        """It sends nothing more; whether its connection stays open for what the client still sends."""
        if self.responses.until_close and self.book.pending:
            self.responses.closed(self.book.pending[0])
        where, book = name_of(self.target), self.book
        if book.tap is not None or book.tunnel is not None or self._blind:
            if not self.ended:
                book.cut = f"{where} {failures.UPSTREAM_CUT}"
            self._end_client()
            return not self.ended
        if self.requests.current is not None and self.requests.current.first_byte:
            self.book.fail(where)
            self._end_client()
            return True
        self.book.fail(where)
        self.part()
        return False

    def upstream_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        broken, busy = exc is not None, bool(self.book.pending) or self.book.tunnel is not None
        uploading = self.requests.current is not None
        where = name_of(self.target)
        self.book.fail(where)
        self.book.end_tunnel(f"{where} {failures.UPSTREAM_CUT}" if broken or not self.ended else None)
        self.upstream = None
        if self.client.is_closing():
            return
        if uploading and not self.ended:
            self._linger()
        elif broken and busy:
            self.book.settle(broken=False)
            reset_when_sent(self.client)
        else:
            self.part()

    # Ends

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not (
            self.book.pending or self.book.tunnel or self.book.tap or self._blind or self.requests.current
        )

    @property
    def _blind(self) -> bool:
        return self.responses.reading is Reading.BLIND

    def refuse(self, error: str, *, client_at_fault: bool = False) -> None:
        """Answer in the upstream's place, and close."""
        book = self.book
        if isinstance(book.tap, Http2):
            self._refuse_http2(book.tap, error)
            return
        tunnel = book.tunnel
        if tunnel is not None and self._greeting:
            book.tunnel, self._greeting, tunnel.opaque = None, b"", False
            book.pending.appendleft(tunnel)
        first = book.to_answer()
        if first is not None:
            first.reply = failures.reply_to(error, client_at_fault=client_at_fault)
            self.client.write(rendered(first.reply, first.method))
        book.end_all(error)
        book.end_tap(error)
        self._close_upstream()
        if first is not None:
            self._linger()
        else:
            self.client.close()

    def _refuse_http2(self, tap: Http2, error: str) -> None:
        """Answer each request that comes within a moment, in the client's own protocol."""
        self._backlog.clear()
        self.requests = Refusing(self, tap, error)
        self.client.write(tap.refuse(error))
        self._timer = asyncio.get_running_loop().call_later(LINGER, self.client.close)

    def refuse_in_turn(self, error: str) -> None:
        """Refuse the last request, once those before it are answered."""
        self.book.refusal = error
        if len(self.book.pending) == 1:
            self.refuse(error, client_at_fault=True)

    def abandon(self) -> None:
        """Close, as it cannot be told whom the client's next bytes are for."""
        if self._timer is None and not self.client.is_closing():
            self.book.end_all(failures.CLIENT_BODY)
            self.part()

    def look(self, now: int, timeout: float) -> None:
        """Tell a client whose request has waited for too long."""
        if self.book.overdue(now, timeout):
            self.refuse(f"{name_of(self.target)} {failures.NO_HEAD} {timeout:g} s")

    def stop(self) -> None:
        """End at once; what is open was not whole."""
        self.book.end_all(failures.STOPPED, force=True)
        self.book.end_tunnel(failures.STOPPED)
        self.client.abort()

    def _end_client(self) -> None:
        if self.ended:
            self.client.close()
        elif not self.client.is_closing():
            self.client.write_eof()

    def part(self) -> None:
        """Close both sides."""
        self.book.settle(broken=False)
        self._close_upstream()
        self.client.close()

    def _linger(self) -> None:
        """Let the client read its answer while it still sends; then close."""
        self.requests.discard()
        if not self.client.is_closing():
            self.client.write_eof()
            self._timer = asyncio.get_running_loop().call_later(LINGER, self.client.close)
