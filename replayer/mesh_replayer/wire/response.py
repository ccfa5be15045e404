"""Reads one HTTP/1 response from bytes as they come. No I/O: bytes come in, a response grows.

1. One reader reads one response, with the informational ones before it.
2. What is malformed is said, never guessed at.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import httptools

from mesh_core.model import Headers
from mesh_replayer.wire.request import is_chunked

MAX_HEAD = 1024 * 1024
"""Bytes of all that comes before the body."""
_BODILESS = frozenset({204, 304})
_SWITCHING = 101


class ResponseMalformed(ValueError):
    """What came is no HTTP/1 response."""


class ResponseTruncated(ValueError):
    """The connection ended before the response did."""

    def __init__(self, how: str, *, unanswered: bool = False) -> None:
        """Say how, and whether not even a byte had come."""
        super().__init__(how)
        self.unanswered = unanswered


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """Status line and header section, as they came."""

    version: str
    """`HTTP/1.0` or `HTTP/1.1`."""
    status: int
    reason: bytes
    headers: Headers


@dataclass(slots=True)
class ResponseReader:
    """The state of reading one response."""

    to_head: bool = False
    """Whether the request was a HEAD, so that no body follows."""
    informational: list[ResponseHead] = field(default_factory=list)
    """1xx responses that came before."""
    head: ResponseHead | None = None
    """Once it is whole."""
    pieces: deque[bytes] = field(default_factory=deque)
    """Parts of the body that nobody has taken yet."""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    complete: bool = False
    rest: bytes = b""
    """What came behind the head of an upgrade: another protocol's bytes."""
    surplus: bool = False
    """Whether bytes came after the end that belong to no request."""
    _reason: bytes = b""
    _headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    _head_size: int = 0
    _parser: httptools.HttpResponseParser = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._parser = httptools.HttpResponseParser(_Callbacks(self))

    def feed(self, data: bytes) -> None:
        """Read on.

        Raises:
            ResponseMalformed: this is no HTTP response, or its head is beyond all bounds.
        """
        if self.complete:
            self.surplus = self.surplus or bool(data)
            return
        if self.head is None:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._end()
            self.rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as cause:
            if not self.complete:
                raise ResponseMalformed(str(cause) or "not HTTP") from cause
        if self.head is None and self._head_size > MAX_HEAD:
            raise ResponseMalformed(f"more than {MAX_HEAD} bytes of headers")

    def eof(self) -> None:
        """The connection ended.

        Raises:
            ResponseTruncated: the response was not whole.
        """
        if self.complete:
            return
        if self.head is None:
            if not self._head_size:
                raise ResponseTruncated("closed without an answer", unanswered=True)
            raise ResponseTruncated("closed in the head")
        if not self._until_eof:
            raise ResponseTruncated("closed before the body was whole")
        self.complete = True

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another request after this response."""
        if self.head is None or not self.complete or self.surplus or self.head.status == _SWITCHING:
            return False
        tokens = {
            token.strip().lower()
            for name, value in self.head.headers
            if name.lower() == b"connection"
            for token in value.split(b",")
        }
        kept = b"close" not in tokens if self.head.version == "HTTP/1.1" else b"keep-alive" in tokens
        return kept and (self._bodiless or not self._until_eof)

    @property
    def _bodiless(self) -> bool:
        return self.to_head or (self.head is not None and self.head.status in _BODILESS)

    @property
    def _until_eof(self) -> bool:
        """Whether only the connection's end ends the body; RFC 9112, section 6.3."""
        assert self.head is not None, "asked once the head is whole"  # noqa: S101 (the callers' order)
        names = {name.lower() for name, _ in self.head.headers}
        if b"transfer-encoding" in names:
            return not is_chunked(self.head.headers)
        return b"content-length" not in names

    def _head_ended(self) -> None:
        if self.complete or self.head is not None:
            return
        version = f"HTTP/{self._parser.get_http_version()}"
        status = self._parser.get_status_code()
        found = ResponseHead(
            version=version, status=status, reason=self._reason, headers=tuple(self._headers)
        )
        self._reason, self._headers = b"", []
        if 100 <= status < 200 and status != _SWITCHING:
            self.informational.append(found)
            return
        self.head = found
        if self._bodiless:
            self.complete = True

    def _end(self) -> None:
        # The message may have been an informational one.
        if self.head is not None:
            self.complete = True


class _Callbacks:
    """What httptools calls; it looks for each name once."""

    def __init__(self, reader: ResponseReader) -> None:
        self._reader = reader

    def on_message_begin(self) -> None:
        if self._reader.complete:
            self._reader.surplus = True

    def on_status(self, reason: bytes) -> None:
        if not self._reader.complete:
            self._reader._reason += reason  # comes in parts

    def on_header(self, name: bytes, value: bytes) -> None:
        reader = self._reader
        if reader.complete:
            return
        fields = reader._headers if reader.head is None else reader.trailers
        fields.append((name, value.strip(b" \t")))  # blanks around a value are none of it; RFC 9110, 5.5

    def on_headers_complete(self) -> None:
        self._reader._head_ended()

    def on_body(self, piece: bytes) -> None:
        if self._reader.complete:
            self._reader.surplus = True
        else:
            self._reader.pieces.append(piece)

    def on_message_complete(self) -> None:
        self._reader._end()
