"""HTTP/2 ends for raw talks, frame by frame, with the `h2` library."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
from h2.settings import SettingCodes

from support.talk import PATIENCE, Talk

type Fields = list[tuple[bytes, bytes]]


class H2:
    """One end of an HTTP/2 connection."""

    def __init__(self, talk: Talk, *, client: bool, settings: dict[SettingCodes, int] | None = None) -> None:
        config = h2.config.H2Configuration(
            client_side=client, header_encoding=False, validate_inbound_headers=False
        )
        self.talk = talk
        self.frames = h2.connection.H2Connection(config)
        self.frames.initiate_connection()
        if settings:
            self.frames.update_settings(settings)
        self.waiting: list[Any] = []

    async def flush(self) -> None:
        await self.talk.say(self.frames.data_to_send())

    async def next(self, kind: type[Any], *, stream: int | None = None) -> Any:
        """The next event of a kind, on a stream; others wait for their turn."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for at, event in enumerate(self.waiting):
                    if isinstance(event, kind) and stream in (None, getattr(event, "stream_id", None)):
                        return self.waiting.pop(at)
                await self.more()

    async def more(self) -> None:
        """Read once."""
        try:
            data = await self.talk.reader.read(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError
        for event in self.frames.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                self.frames.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.waiting.append(event)
        await self.flush()

    async def headers(self, stream: int, fields: Fields, *, end: bool = False) -> None:
        self.frames.send_headers(stream, fields, end_stream=end)
        await self.flush()

    async def data(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.frames.send_data(stream, data, end_stream=end)
        await self.flush()

    async def response(self, stream: int) -> "Response":
        """All of a response, until its stream ends or is reset."""
        found = Response()
        async with asyncio.timeout(PATIENCE):
            while not found.ended:
                mine = [event for event in self.waiting if getattr(event, "stream_id", None) == stream]
                for event in mine:
                    self.waiting.remove(event)
                    found.take(event)
                if not found.ended:
                    await self.more()
        return found


class Response:
    """What came on one stream."""

    def __init__(self) -> None:
        self.fields: Fields = []
        self.body = b""
        self.trailers: Fields = []
        self.informational: list[Fields] = []
        self.reset: int | None = None
        self.ended = False

    def take(self, event: Any) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            self.fields = list(event.headers)
        elif isinstance(event, h2.events.InformationalResponseReceived):
            self.informational.append(list(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            self.body += event.data
        elif isinstance(event, h2.events.TrailersReceived):
            self.trailers = list(event.headers)
        elif isinstance(event, h2.events.StreamReset):
            self.reset = int(event.error_code)
            self.ended = True
        elif isinstance(event, h2.events.StreamEnded):
            self.ended = True

    @property
    def seen(self) -> tuple[Fields, bytes, Fields, int | None]:
        return self.fields, self.body, self.trailers, self.reset


def call(path: bytes, *more: tuple[bytes, bytes]) -> Fields:
    """The head of a gRPC request."""
    return [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"shop.test"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        *more,
    ]


ANSWER: Fields = [(b":status", b"200"), (b"content-type", b"application/grpc")]


def framed(message: bytes) -> bytes:
    """A gRPC message with its length before it."""
    return b"\0" + len(message).to_bytes(4) + message


type Serve = Callable[[H2], Awaitable[None]]


def h2_server(
    serve: Serve, settings: dict[SettingCodes, int] | None = None
) -> Callable[[Talk], Awaitable[None]]:
    async def script(talk: Talk) -> None:
        end = H2(talk, client=False, settings=settings)
        await end.flush()
        try:
            await serve(end)
            while True:
                await end.more()
        except EOFError:
            return

    return script


async def h2_client(talk: Talk) -> H2:
    end = H2(talk, client=True)
    await end.flush()
    return end
