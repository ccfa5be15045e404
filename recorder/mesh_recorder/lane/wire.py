"""One socket of a relay. Written data is gathered and sent once per event, in one call."""

import asyncio
from typing import TYPE_CHECKING, cast

from mitmproxy.connection import Connection

if TYPE_CHECKING:
    from mesh_recorder.lane.relay import Relay


class Wire(asyncio.Protocol):
    """Hands on what happens on a socket, and keeps what is to be written until the event is over."""

    __slots__ = ("connection", "full", "pending", "relay", "transport")

    def __init__(self, relay: "Relay", connection: Connection) -> None:
        self.relay = relay
        self.connection = connection
        self.transport: asyncio.Transport | None = None
        self.pending: list[bytes] = []
        self.full = False
        """Whether the peer reads too slowly, so that nothing more should be read for it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket stands; nothing is read before the relay says so."""
        # uvloop's are none of asyncio's classes.
        self.transport = stream = cast(asyncio.Transport, transport)
        stream.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.relay.received(self, data)

    def eof_received(self) -> bool:
        """The peer sends nothing more; what is under way to it may still be written."""
        self.relay.half_closed(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """The socket is gone."""
        self.relay.lost(self)

    def pause_writing(self) -> None:
        """The peer reads too slowly."""
        self.full = True
        self.relay.balance()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.full = False
        self.relay.balance()

    def abort(self) -> None:
        """Close at once; what is still to be written is lost."""
        if self.transport is not None:
            self.transport.abort()

    def flush(self) -> None:
        """Write what was gathered."""
        pending, transport = self.pending, self.transport
        if transport is None or not pending:
            return
        self.pending = []
        if transport.is_closing():
            return
        if len(pending) == 1:
            transport.write(pending[0])
        else:
            transport.writelines(pending)
