"""httpx's transport interface over our own connection: one transport is one connection at a time.

What httpx would change is taken from the request's extensions instead: `target` (raw path),
`method` and `version` as bytes, `trailers`. The response has `reason_phrase`, `http_version`,
`informational`, `trailing_headers` (filled when the body has been read) and `request_end`.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx

from mesh_core.model import header
from mesh_replayer.wire.connection import Address, Connection, connect
from mesh_replayer.wire.request import chunk, head, is_chunked, last_chunk
from mesh_replayer.wire.response import ResponseReader

CONTINUE_LIMIT = 1.0
"""Seconds that a client waits for `100 Continue` before it sends the body anyway."""


class WireTransport(httpx.AsyncBaseTransport):
    """Sends requests one after the other, on one connection as long as both sides keep it."""

    def __init__(
        self,
        addresses: Sequence[Address],
        *,
        context: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            addresses: checked ones; the request's own URL is never resolved or connected to.
            context: for a target that speaks TLS.
            server_name: whose certificate it must be.
        """
        self._addresses, self._context, self._server_name = addresses, context, server_name
        self.connection: Connection | None = None
        self.opened = 0
        """Connections that were made."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, and give the response once its head is there.

        Raises:
            httpx.ConnectError: see `connect`; also `ConnectTimeout`.
            httpx.ReadError: the connection ended before the response was whole.
            httpx.RemoteProtocolError: what came is not HTTP.
        """
        limits: dict[str, float | None] = request.extensions.get("timeout", {})
        connection = await self._connected(limits.get("connect"))
        reader = connection.begin(to_head=request.method == "HEAD")
        try:
            await _send(connection, reader, request)
            request_end = time.monotonic_ns()
            await _await_head(connection, limits.get("read"))
        except BaseException:
            connection.abort()
            raise
        return _response(connection, reader, request_end)

    async def connect(self, limit: float | None = None) -> None:
        """Have a connection, as a request would; see `handle_async_request` for what it raises."""
        await self._connected(limit)

    async def aclose(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.abort()
            self.connection = None

    async def _connected(self, limit: float | None) -> Connection:
        if self.connection is not None:
            await asyncio.sleep(0)  # let a close that has arrived be seen
            if self.connection.usable:
                return self.connection
            self.connection.abort()
        try:
            async with asyncio.timeout(limit):
                connection = await connect(self._addresses, self._context, self._server_name, Connection)
        except TimeoutError as cause:
            raise httpx.ConnectTimeout(f"no connection within {limit:g} s") from cause
        self.connection = connection
        self.opened += 1
        return connection


async def _send(connection: Connection, reader: ResponseReader, request: httpx.Request) -> None:
    """Head and body; a body that nobody wants any more is not sent on."""
    extensions: dict[str, Any] = request.extensions
    headers = tuple(request.headers.raw)
    chunked = is_chunked(headers)
    waiting = head(
        extensions.get("method", request.method.encode()),
        extensions.get("target", request.url.raw_path),
        extensions.get("version", b"HTTP/1.1"),
        headers,
    )
    if (header(headers, b"expect") or b"").lower() == b"100-continue":
        await connection.send(waiting)
        waiting = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONTINUE_LIMIT):
                await connection.until_continued()
    stream: AsyncIterator[bytes] = request.stream.__aiter__()  # type: ignore[union-attr]  # an async client's is async
    async for piece in stream:
        if reader.head is not None:
            return
        await connection.send(waiting + (chunk(piece) if chunked else piece))
        waiting = b""
    if reader.head is None:
        await connection.send(waiting + (last_chunk(extensions.get("trailers", ())) if chunked else b""))


async def _await_head(connection: Connection, limit: float | None) -> None:
    try:
        async with asyncio.timeout(limit):
            await connection.until_head()
    except TimeoutError as cause:
        raise httpx.ReadTimeout(f"no answer within {limit:g} s") from cause


def _response(connection: Connection, reader: ResponseReader, request_end: int) -> httpx.Response:
    assert reader.head is not None, "awaited"  # noqa: S101 (until_head returned)
    return httpx.Response(
        reader.head.status,
        headers=list(reader.head.headers),
        stream=_Body(connection),
        extensions={
            "http_version": reader.head.version.encode(),
            "reason_phrase": reader.head.reason,
            "informational": reader.informational,
            "trailing_headers": reader.trailers,
            "request_end": request_end,
        },
    )


class _Body(httpx.AsyncByteStream):
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self.connection.body():
            yield piece

    async def aclose(self) -> None:
        if not self.connection.usable:
            self.connection.abort()
