"""Bodies out of their content encoding, never beyond a bound: strictly, or as much as can be read. Pure.

Source: RFC 9110, section 8.4; RFC 1952 (gzip), RFC 7932 (br), RFC 8878 (zstd); `deflate` also without
the zlib frame, as some servers send it.
"""

import zlib

import brotli  # type: ignore[import-untyped]  # ships no hints
import zstandard

_MOST_ENCODINGS = 4
"""Nested; more is nothing that a service sends."""
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_WINDOW = 8 * 1024 * 1024
"""Bytes of memory that a frame of zstd may ask for: a browser's limit."""
_STEP = 256
"""Bytes fed to zstd at once: a block of four becomes 128 KiB."""
_PIECE = 65536


class Undecodable(ValueError):
    """An unknown encoding, a damaged stream, or bytes after its end."""

    def __init__(self, read: bytes = b"") -> None:
        super().__init__("encoding")
        self.read = read
        """What could be read before."""


def unpacked(body: bytes, content_encoding: str | None, *, limit: int) -> tuple[bytes, bool]:
    """What `body` holds, at most `limit` bytes, and whether that is less than all of it.

    Raises:
        Undecodable: it is not, to its last byte, what it says it is.
    """
    content, cut = body, False
    for name in _names(content_encoding):
        content, short = _decode(content, name, limit)
        cut = cut or short
    return content, cut


def decoded(body: bytes, content_encoding: str | None, *, limit: int) -> bytes | None:
    """The first `limit` bytes of what `body` holds; None where that cannot be told.

    A body that was cut off, or is damaged, gives what could still be read.
    """
    if limit <= 0:
        return b""  # to zlib, 0 is no limit at all
    content = body
    try:
        names = _names(content_encoding)
    except Undecodable:
        return None
    for name in names:
        try:
            content, _ = _decode(content, name, limit)
        except Undecodable as cause:
            content = cause.read
            if not content:
                return None
    return content[:limit]


def _names(content_encoding: str | None) -> list[str]:
    """The encodings, the last one that was applied first."""
    names = [name.strip().lower() for name in (content_encoding or "").split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > _MOST_ENCODINGS:
        raise Undecodable
    return names[::-1]


def _decode(body: bytes, name: str, limit: int) -> tuple[bytes, bool]:
    if name in ("gzip", "x-gzip"):
        return _gunzip(body, limit)
    if name == "deflate":
        return _inflate(body, limit)
    if name == "zstd":
        return _unzstd(body, limit)
    if name == "br":
        return _unbrotli(body, limit)
    raise Undecodable


def _gunzip(body: bytes, limit: int) -> tuple[bytes, bool]:
    """One member after the other, as `cat a.gz b.gz` makes them."""
    content = bytearray()
    rest = body
    while rest:
        reader = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            content += reader.decompress(rest, limit - len(content))
        except zlib.error as cause:
            raise Undecodable(bytes(content)) from cause
        if not reader.eof or len(content) >= limit:
            return bytes(content), True
        rest = reader.unused_data
    return bytes(content), False


def _inflate(body: bytes, limit: int) -> tuple[bytes, bool]:
    try:
        return _stream(zlib.decompressobj(), body, limit)
    except zlib.error:
        try:
            return _stream(zlib.decompressobj(_RAW), body, limit)
        except zlib.error as cause:
            raise Undecodable from cause


def _stream(reader: "zlib._Decompress", body: bytes, limit: int) -> tuple[bytes, bool]:
    content = reader.decompress(body, limit)
    if reader.unused_data:
        raise Undecodable(content)
    return content, not reader.eof


def _unzstd(body: bytes, limit: int) -> tuple[bytes, bool]:
    """One frame after the other."""
    content = bytearray()
    rest = body
    while rest:
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
        at = 0
        try:
            while at < len(rest) and not reader.eof and len(content) < limit:
                content += reader.decompress(rest[at : at + _STEP])
                at += _STEP
        except zstandard.ZstdError as cause:
            raise Undecodable(bytes(content)) from cause
        if not reader.eof or len(content) >= limit:
            return bytes(content[:limit]), True
        rest = reader.unused_data + rest[at:]
    return bytes(content), False


def _unbrotli(body: bytes, limit: int) -> tuple[bytes, bool]:
    """Its reader takes no notice of what follows the end, so that the last byte is given apart."""
    reader = brotli.Decompressor()
    content = bytearray()
    try:
        for piece in (body[:-1], body[-1:]):
            if reader.is_finished():
                raise Undecodable(bytes(content))
            content += reader.process(piece, output_buffer_limit=_PIECE)
            while len(content) < limit and not reader.is_finished() and not reader.can_accept_more_data():
                content += reader.process(b"", output_buffer_limit=_PIECE)
            if len(content) >= limit and not reader.is_finished():
                return bytes(content[:limit]), True
    except brotli.error as cause:
        raise Undecodable(bytes(content)) from cause
    return bytes(content[:limit]), not reader.is_finished() or len(content) > limit
