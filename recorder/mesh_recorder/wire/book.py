"""What is open on one connection: each request that was begun is handed over once, whatever ends it."""

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from mesh_recorder import failures
from mesh_recorder.settings import host_port
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.head import Doubt
from mesh_recorder.wire.http2 import Http2
from mesh_recorder.wire.reading import Reading, Unreadable
from mesh_recorder.wire.sockets import closed_by_peer
from mesh_recorder.wire.websocket import WebSocket

if TYPE_CHECKING:
    from mesh_recorder.wire.link import Link


class Tap(Protocol):
    """Listens to another protocol than HTTP/1."""

    def feed(self, data: bytes, *, by_client: bool) -> None:
        """Read a copy."""
        ...

    def end(self, error: str | None) -> None:
        """Nothing more comes; hand over what is open."""
        ...


class Book:
    """The requests of one client that have not ended, and what its connection has become."""

    __slots__ = ("_late", "cut", "desk", "link", "pending", "refusal", "tap", "tunnel")

    def __init__(self, link: "Link") -> None:
        self.link = link
        self.desk = link.desk
        self.pending: deque[WireCaptured] = deque()
        """Requests whose response is not whole, oldest first."""
        self.tunnel: WireCaptured | None = None
        """The request whose connection became something else."""
        self.tap: Tap | None = None
        self.refusal = ""
        """Why the last request is refused, once those before it are answered."""
        self.cut: str | None = None
        """That the upstream was the first to end what the connection had become."""
        self._late: list[WireCaptured] = []
        """Answered after the client's end, so that it may never have read them."""

    # What the readers say

    def answered(self, captured: WireCaptured) -> None:
        """The oldest response is whole."""
        self.pending.popleft()
        if captured.upgrade or not captured.request_end:
            captured.answered = True
            self.link.requests.answered_final(captured)
            if not captured.request_end:
                return
        self.whole(captured)

    def whole(self, captured: WireCaptured) -> None:
        """A request and its response are whole."""
        link = self.link
        if link.ended:
            self._late.append(captured)
        else:
            self.desk.hand_over(captured)
        if not self.pending:
            if link.ended or self.desk.draining:
                link.part()
            elif link.requests.reading is Reading.WAIT:
                link.requests.reading = Reading.HEAD
                link.data_received(b"")
        elif self.refusal and self.pending[0].malformed:
            link.refuse(self.refusal, client_at_fault=True)

    def doubtful(self, reason: str) -> None:
        """What the upstream sends leaves a doubt; nothing more is read of this connection."""
        if self.pending:
            captured = self.pending[0]
            captured.error = captured.error or reason
        self.link.send_up(self.link.requests.blind())

    def upgraded(self, captured: WireCaptured, protocol: bytes, rest: bytes) -> None:
        """The connection becomes something else; `rest` is the first that the upstream said in it."""
        self.pending.popleft()
        link = self.link
        early = link.requests.become_tunnel(captured)
        if protocol == b"websocket" and captured.upgrade == protocol:
            self.tap = WebSocket(captured, self.desk.max_body)
        else:
            captured.opaque = True
        self.tunnel = captured
        link.responses.reading = link.requests.reading = Reading.TAPPED if self.tap else Reading.BLIND
        if early:
            self.tapped(early, by_client=True)
        if rest:
            self.tapped(rest, by_client=False)

    def http2(self, head: bytes) -> bytes:
        """The client speaks HTTP/2 from its first byte on.

        Raises:
            Doubt: it spoke HTTP/1 before.
        """
        link = self.link
        if self.pending or link.responses.used or link.responses.reading is not Reading.HEAD:
            raise Doubt("HTTP/2 began in the middle of HTTP/1")
        self.tap = Http2(self.desk, link)
        self.tap.feed(head, by_client=True)
        link.responses.reading = link.requests.reading = Reading.TAPPED
        early, link.responses.early = link.responses.early, b""
        self.tapped(early, by_client=False)
        return head

    def tapped(self, data: bytes, *, by_client: bool) -> None:
        """Bytes of another protocol have passed."""
        if self.tap is None:
            return
        try:
            self.tap.feed(data, by_client=by_client)
        except Unreadable as error:
            self.end_tap(str(error))
        except Exception as error:  # noqa: BLE001  # an error of ours must never touch traffic
            self.desk.failed(error)
            self.end_tap("the sidecar could not read the connection")

    def open_tunnel(self, captured: WireCaptured) -> None:
        """The client's tunnel stands."""
        captured.status, captured.first_byte = 200, time.monotonic_ns()

    def forget_tunnel(self) -> None:
        """What is in the tunnel can be read, so that it is no exchange of its own."""
        if self.tunnel is not None:
            self.tunnel = None
            self.desk.seen -= 1

    # Ends

    def end_all(self, error: str, *, force: bool = False) -> None:
        """What is open will not be answered; `force`: this is why, whatever else was wrong with it."""
        current = self.link.requests.current
        found = list(self.pending)
        self.pending.clear()
        if current is not None and current.answered:
            found.insert(0, current)
        for captured in found:
            if force or (captured.error is None and not captured.answered):
                cut = captured is current and error == failures.CLIENT_GONE
                captured.error = failures.CLIENT_CUT if cut else error
            self.desk.hand_over(captured)

    def fail(self, where: str) -> None:
        """The upstream answers nothing more; a request whose answer is whole still goes on."""
        for captured in self.pending:
            if captured.error is None:
                closed = failures.STALE if self.link.responses.used else failures.UPSTREAM_CLOSED
                what = failures.UPSTREAM_CUT if captured.status else closed
                captured.error = failures.CLIENT_GONE if self.link.ended else f"{where} {what}"
            self.desk.hand_over(captured)
        self.pending.clear()

    def settle(self, *, broken: bool) -> None:
        """Hand over what was answered after the client's end: it read it, or it was gone."""
        late, self._late = self._late, []
        if late and (broken or closed_by_peer(self.link.client)):
            late[-1].error = failures.CLIENT_GONE
        for captured in late:
            self.desk.hand_over(captured)

    def end_tunnel(self, error: str | None) -> None:
        """The connection that became something else has ended."""
        tunnel, self.tunnel = self.tunnel, None
        if tunnel is not None:
            if tunnel.websocket == 0:
                by_client = self.cut is None and error == failures.CLIENT_GONE
                tunnel.websocket = 1006
                tunnel.error = None if by_client else self.cut or error
                tunnel.note(by_client, "close", b"1006")
            self.desk.hand_over(tunnel)
        self.end_tap(error)

    def end_tap(self, error: str | None) -> None:
        """Listen no more."""
        tap, self.tap = self.tap, None
        if tap is not None:
            link = self.link
            link.responses.reading = link.requests.reading = Reading.BLIND
            tap.end(self.cut or error)

    def overdue(self, now: int, timeout: float) -> bool:
        """Whether the oldest request has waited too long for a response's head."""
        if not self.pending or self.pending[0].first_byte:
            return False
        first = self.pending[0]
        since = max(first.request_end, first.request_body.last if first.request_body else 0)
        return bool(since) and now - since >= timeout * 1e9

    def to_answer(self) -> WireCaptured | None:
        """The request that an answer of the sidecar's own would be for; None where one has begun."""
        first = self.pending[0] if self.pending else None
        return first if first is not None and not first.first_byte else None


def name_of(target: tuple[str, int] | None) -> str:
    """An upstream as people are told it."""
    return host_port(*target) if target else "the upstream"
