"""A small HTTP/1.1 server: whole requests come in, whole answers go out; a forward proxy where asked.

h11 reads and writes, so that what is malformed is refused as strictly as by a real server.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import h11

from mesh_core.model import Headers

MOST_BODY = 64 * 1024 * 1024
"""Bytes of a request body; more is refused."""
_PIECE = 64 * 1024
_TLS_HELLO = b"\x16\x03"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request."""

    method: str
    target: str
    """As it came: a path, or of a proxy's client a whole URL."""
    authority: str
    """Host and port that it is meant for."""
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back."""

    status: int
    reason: bytes = b""
    headers: Headers = ()
    """Without those that frame the body."""
    body: bytes = b""


type Handle = Callable[[Asked], Awaitable[Answer | None]]
"""Gives an answer, or None to close the connection without one."""


class HttpServer:
    """One listening port."""

    def __init__(self, handle: Handle, *, proxy: bool = False) -> None:
        """Prepare; nothing is listened on yet.

        Args:
            handle: answers each request.
            proxy: whether this is a forward proxy: CONNECT opens a tunnel in which plain HTTP is answered.
        """
        self._handle, self._proxy = handle, proxy
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self, port: int) -> None:
        """Listen on a port of 127.0.0.1; 0 takes any.

        Raises:
            OSError: it is taken.
        """
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and close what is open."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(reader, writer)
        self._open.add(writer)
        try:
            await self._requests(connection, None)
        except h11.RemoteProtocolError as error:
            await connection.refuse(error.error_status_hint or 400, str(error))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _requests(self, connection: "_Connection", tunnel: str | None) -> None:
        while True:
            head = await connection.event()
            if not isinstance(head, h11.Request):
                return
            if head.method == b"CONNECT" and self._proxy and tunnel is None:
                await self._tunnel(connection, head.target.decode("latin-1"))
                return
            body = await connection.body()
            asked = Asked(
                method=head.method.decode("latin-1"),
                target=head.target.decode("latin-1"),
                authority=tunnel or _authority(head),
                headers=tuple(head.headers.raw_items()),
                body=body,
            )
            answer = await self._handle(asked)
            if answer is None or not await connection.answer(answer):
                return

    async def _tunnel(self, connection: "_Connection", authority: str) -> None:
        """Answer inside the tunnel that a client has opened: plain HTTP alone can be."""
        await connection.opened()
        if (await connection.peek(2)) == _TLS_HELLO:
            asked = Asked(method="CONNECT", target=authority, authority=authority, headers=(), body=b"")
            await self._handle(asked)
            return
        await self._requests(connection.fresh(), authority)


class _Connection:
    """h11's state beside the streams that carry its bytes."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: bytes = b""
    ) -> None:
        self._reader, self._writer = reader, writer
        self._state = h11.Connection(h11.SERVER, max_incomplete_event_size=256 * 1024)
        if waiting:
            self._state.receive_data(waiting)
        self._tunnelled = b""
        self._to_head = False

    def fresh(self) -> "_Connection":
        """The same streams, and what was read of them already, from the beginning."""
        return _Connection(self._reader, self._writer, self._tunnelled)

    async def event(self) -> Any:
        """The next event."""
        while (event := self._state.next_event()) is h11.NEED_DATA:
            if self._state.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._send(self._state.send(go_on))
            self._state.receive_data(await self._reader.read(_PIECE))
        if isinstance(event, h11.Request):
            self._to_head = event.method == b"HEAD"
        return event

    async def body(self) -> bytes:
        """The whole body of the request whose head came last."""
        body = bytearray()
        while isinstance(event := await self.event(), h11.Data):
            body += event.data
            if len(body) > MOST_BODY:
                raise h11.RemoteProtocolError("the body is too large for a stub", error_status_hint=413)
        return bytes(body)

    async def answer(self, answer: Answer) -> bool:
        """Send an answer; whether the connection takes another request."""
        bodiless = self._to_head or answer.status in (204, 304)
        framed = [*answer.headers]
        if answer.status != 204 and not any(name.lower() == b"content-length" for name, _ in framed):
            framed.append((b"Content-Length", b"%d" % len(answer.body)))
        head = h11.Response(status_code=answer.status, headers=framed, reason=answer.reason)
        data = self._state.send(head) or b""
        if answer.body and not bodiless:
            data += self._state.send(h11.Data(data=answer.body)) or b""
        data += self._state.send(h11.EndOfMessage()) or b""
        await self._send(data)
        if self._state.our_state is not h11.DONE or self._state.their_state is not h11.DONE:
            return False
        self._state.start_next_cycle()
        return True

    async def opened(self) -> None:
        """Say that a tunnel is open."""
        while not isinstance(await self.event(), h11.EndOfMessage):
            pass
        await self._send(self._state.send(h11.Response(status_code=200, headers=[])))
        self._tunnelled = self._state.trailing_data[0]

    async def peek(self, count: int) -> bytes:
        """The first bytes in the tunnel."""
        while len(self._tunnelled) < count and (data := await self._reader.read(_PIECE)):
            self._tunnelled += data
        return self._tunnelled[:count]

    async def refuse(self, status: int, why: str) -> None:
        """Answer what is no request."""
        if self._state.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = why.encode("ascii", "replace")
            with contextlib.suppress(h11.LocalProtocolError, ConnectionError):
                await self.answer(Answer(status=status, headers=((b"Connection", b"close"),), body=body))

    async def _send(self, data: bytes | None) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()


def _authority(head: h11.Request) -> str:
    """Whom a request is meant for: of a URL its server, else its Host."""
    target = head.target.decode("latin-1")
    _, scheme, rest = target.partition("://")
    if scheme and not target.startswith("/"):
        return rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    host = next((value for name, value in head.headers if name == b"host"), b"")
    return host.decode("latin-1")
