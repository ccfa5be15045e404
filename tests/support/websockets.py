"""WebSocket ends for raw talks: handshakes by hand, frames by wsproto."""

from collections.abc import AsyncIterator

from wsproto.connection import Connection, ConnectionType
from wsproto.events import Event, Message
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import generate_accept_token

from support.talk import Talk

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


class Ws:
    """One end of a WebSocket over a talk."""

    def __init__(self, talk: Talk, kind: ConnectionType, *, deflate: bool, heard: bytes) -> None:
        extensions = []
        if deflate:
            extension = PerMessageDeflate()
            extension.finalize("permessage-deflate")
            extensions.append(extension)
        self.talk = talk
        self.frames = Connection(kind, extensions)
        self._taken = len(heard)

    async def say(self, event: Event) -> None:
        await self.talk.say(self.frames.send(event))

    async def events(self) -> AsyncIterator[Event]:
        """What the peer sends, until it ends."""
        while True:
            data = bytes(self.talk.heard[self._taken :])
            self._taken += len(data)
            if data:
                self.frames.receive_data(data)
            for event in self.frames.events():
                yield event
            if self._taken == len(self.talk.heard) and not await self.talk._hear():
                return

    async def message(self) -> str | bytes:
        """The next message, whole."""
        pieces: list[str | bytes] = []
        async for event in self.events():
            assert isinstance(event, Message)
            pieces.append(event.data if isinstance(event.data, str) else bytes(event.data))
            if event.message_finished:
                break
        return "".join(map(str, pieces)) if isinstance(pieces[0], str) else b"".join(pieces)  # type: ignore[arg-type]

    async def next(self) -> Event:
        """The next event."""
        async for event in self.events():
            return event
        raise AssertionError("the peer has ended")


async def open_client(talk: Talk, *, deflate: bool = False, path: bytes = b"/chat") -> Ws:
    extra = DEFLATE if deflate else b""
    await talk.say(
        b"GET %b HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n%b\r\n" % (path, KEY, extra)
    )
    heard = await talk.until(b"\r\n\r\n")
    head = heard.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert b"101" in head.split(b"\r\n")[0], head
    return Ws(talk, ConnectionType.CLIENT, deflate=deflate, heard=head)


async def open_server(talk: Talk, *, deflate: bool = False) -> Ws:
    heard = await talk.until(b"\r\n\r\n")
    head = heard.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    extra = DEFLATE if deflate else b""
    await talk.say(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: %b\r\n%b\r\n" % (generate_accept_token(KEY), extra)
    )
    return Ws(talk, ConnectionType.SERVER, deflate=deflate, heard=head)
