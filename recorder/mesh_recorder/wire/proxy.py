"""What a client sends to the forward proxy: each request names where it goes."""

from typing import TYPE_CHECKING

from mesh_core.config import split_address
from mesh_recorder import failures
from mesh_recorder.settings import Endpoint
from mesh_recorder.wire.head import Doubt
from mesh_recorder.wire.http2 import Http2
from mesh_recorder.wire.reading import Reading
from mesh_recorder.wire.requests import Requests

if TYPE_CHECKING:
    from mesh_recorder.wire.link import Link

_OWN_FIELDS = (b"proxy-connection:", b"proxy-authorization:")
"""Meant for the forward proxy itself."""


class ProxyRequests(Requests):
    """Reads requests in absolute form, and CONNECT.

    Unread bytes go nowhere here: nobody could tell whom they are for.
    """

    unread = Reading.DISCARD
    _quick = False  # the line is another when it goes on

    def take(self, data: bytes) -> bytes:
        """What goes on to the upstream now that `data` came; never raises."""
        out = super().take(data)
        if self.reading is Reading.WAIT and not self.held:
            self.held = data
        return out

    def _begin(self, head: bytes) -> bytes:
        line, _, rest = head.partition(b"\r\n")
        parts = line.split(b" ")
        if len(parts) != 3 or head.startswith(b"PRI "):
            raise Doubt("the request line is malformed")
        method, form, version = parts
        target, authority, path = _destination(method, form)
        link = self.link
        if link.target is not None and link.target != (target.host, target.port):
            if self.book.pending:
                self.reading = Reading.WAIT
                return b""
            link.leave_upstream()
        link.aim(target)
        if method == b"CONNECT":
            return self._connect(head, authority)
        kept = b"\r\n".join(line for line in rest.split(b"\r\n") if not line.lower().startswith(_OWN_FIELDS))
        goes_on = super()._begin(b"%b %b %b\r\n%b" % (method, path, version, kept))
        captured = self.book.pending[-1]
        captured.request_bytes = head
        captured.authority, captured.path = authority, path
        return goes_on

    def _connect(self, head: bytes, authority: bytes) -> bytes:
        """The client wants a tunnel; what it is answered depends on the upstream."""
        captured = self.desk.begin(self.link.name, self._held_at)
        self._checked = self._held_at = 0
        captured.request_bytes = head
        captured.method, captured.authority, captured.path = b"CONNECT", authority, b""
        captured.caller, captured.target = self.link.peer, self.link.target
        captured.request_end = captured.began
        captured.opaque = True
        self.reading = Reading.UPGRADE
        self.link.connect(captured, InTunnel(self.link))
        return b""

    def _other(self, piece: bytes) -> None:
        if self.reading is Reading.UPGRADE and self.link.requests is not self:
            self._at += len(piece)
            self._out.append(self.link.requests.take(piece))
            return
        super()._other(piece)
        if self.reading is Reading.DISCARD:
            self.link.abandon()

    def _ended(self) -> None:
        if self.link.responses.reading is Reading.BLIND:
            self.last = True
        super()._ended()

    def blind(self) -> bytes:
        """Read nothing more but the rest of the request that is under way; nothing held goes on."""
        self.held = b""
        if self.current is None:
            self.reading = self.unread
        return b""

    def _refuse(self, head: bytes, reason: str) -> None:
        """What came is no request, and where it should go cannot be told."""
        super()._refuse(head, reason)
        self.link.refuse_in_turn(reason)

    def _blind(self, data: bytes) -> bytes:
        """Nothing that is unread goes on."""
        out = b"".join(self._out)
        in_body = self.current is not None
        super()._blind(data)
        if in_body or not self.book.pending:
            self.link.abandon()
        return out


class InTunnel(Requests):
    """Reads what comes through a tunnel: HTTP in plain text, or nothing that we know."""

    _quick = False  # the first request tells that it is HTTP at all

    def _begin(self, head: bytes) -> bytes:
        goes_on = super()._begin(head)
        self.book.forget_tunnel()
        return goes_on

    def _refuse(self, head: bytes, reason: str) -> None:
        if self.book.tunnel is None:
            super()._refuse(head, reason)


class Refusing(Requests):
    """Reads HTTP/2 requests whose upstream cannot be reached; they are answered here, and nothing goes on."""

    def __init__(self, link: "Link", tap: Http2, error: str) -> None:
        super().__init__(link)
        self._tap = tap
        self._error = error

    def take(self, data: bytes) -> bytes:
        """Answer what came; nothing goes on."""
        self.book.tapped(data, by_client=True)
        self.link.client.write(self._tap.refuse(self._error))
        return b""


def _destination(method: bytes, form: bytes) -> tuple[Endpoint, bytes, bytes]:
    """Where a request goes, the authority that it names, and its target as the origin is told it.

    Raises:
        Doubt: it names nothing that can be reached in plain HTTP.
    """
    if method == b"CONNECT":
        authority, path = form, b""
    else:
        scheme, mark, rest = form.partition(b"://")
        if not mark:
            raise Doubt(failures.NO_HOST)
        if scheme.lower() != b"http":
            raise Doubt("the forward proxy reaches other than http:// by CONNECT alone")
        cut = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
        authority, path = rest[:cut], rest[cut:]
        authority = authority.rpartition(b"@")[2]
        if not path.startswith(b"/"):
            path = b"*" if method == b"OPTIONS" and not path else b"/" + path
    try:
        _, host, port = split_address(f"http://{authority.decode('ascii')}")
    except ValueError as cause:
        raise Doubt(failures.NO_HOST) from cause
    if method == b"CONNECT" and not authority.rpartition(b":")[2].isdigit():
        raise Doubt("a tunnel needs a port")
    return Endpoint(host=host, port=port), authority, path
