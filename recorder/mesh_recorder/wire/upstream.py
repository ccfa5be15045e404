"""The upstream's side of a connection: reached in time or with a sentence that says why not."""

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from mesh_recorder import failures
from mesh_recorder.reaching import connect
from mesh_recorder.settings import host_port
from mesh_recorder.wire.desk import Desk
from mesh_recorder.wire.sockets import hold, let_go, rescued

if TYPE_CHECKING:
    from mesh_recorder.wire.link import Link


class Upstream(asyncio.Protocol):
    """One connection to an upstream; what it sends goes on at once, and is read after."""

    def __init__(self, link: "Link") -> None:
        self.link: Link | None = link
        self.transport: asyncio.Transport
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It accepted."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's is none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        """It sent bytes."""
        link = self.link
        if link is not None:
            link.client.write(data)
            link.responses.feed(data)

    def end(self) -> None:
        """The client sends nothing more."""
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def eof_received(self) -> bool:
        """It sends nothing more."""
        self.ended = True
        return self.link is not None and self.link.upstream_ended()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        link, self.link = self.link, None
        if link is None:
            return
        if exc is not None and not self.ended:
            rest = rescued(self.transport)
            if rest and not link.client.is_closing():
                link.client.write(rest)
                link.responses.feed(rest)
        link.upstream_lost(exc)

    def pause_writing(self) -> None:
        """It reads too slowly."""
        if self.link is not None:
            hold(self.link.client)

    def resume_writing(self) -> None:
        """It reads again."""
        if self.link is not None:
            let_go(self.link.client)


async def dial(link: "Link", host: str, port: int, desk: Desk) -> Upstream | str:
    """Connect; the upstream, or what went wrong, for people."""
    where, timeout = host_port(host, port), desk.connect_timeout
    if desk.is_own(host, port):
        return f"{where} {failures.LOOP}"
    try:
        async with asyncio.timeout(timeout):
            transport, upstream = await connect(lambda: Upstream(link), host, port)
    except TimeoutError:
        return f"{where} {failures.SLOW_CONNECT} {timeout:g} s"
    except (socket.gaierror, UnicodeError):
        return f"{host} {failures.UNKNOWN_NAME}"
    except ConnectionRefusedError:
        return f"{where} {failures.REFUSED}"
    except OSError as error:
        refused = "Multiple exceptions" in str(error) and "Errno 111" in str(error)
        return (
            f"{where} {failures.REFUSED if refused else f'{failures.UNREACHABLE}: {error.strerror or error}'}"
        )
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return upstream
