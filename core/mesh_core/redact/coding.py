"""Bodies out of their content encoding, whole or with a clear no: what is kept must have been read. Pure."""

import zlib

import brotli  # type: ignore[import-untyped]  # ships no hints
import zstandard

from mesh_core.redact.sweep import Unreadable

_MOST_ENCODINGS = 4
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_WINDOW = 8 * 1024 * 1024
_STEP = 256
"""Bytes fed to zstd at once: a block of four becomes 128 KiB."""


def plain(raw: bytes, encoding: str | None, *, limit: int) -> tuple[bytes, bool]:
    """What `raw` holds, at most `limit` bytes, and whether that is less than all of it.

    Raises:
        Unreadable: an unknown encoding, a damaged stream, or bytes after its end.
    """
    names = [
        name
        for name in ((encoding or "").lower().replace(" ", "")).split(",")
        if name not in ("", "identity")
    ]
    if len(names) > _MOST_ENCODINGS:
        raise Unreadable("encoding")
    content, cut = raw, False
    for name in reversed(names):
        content, short = _plain(content, name, limit)
        cut = cut or short
    return content, cut


def _plain(raw: bytes, name: str, limit: int) -> tuple[bytes, bool]:
    try:
        if name in ("gzip", "x-gzip"):
            return _gunzip(raw, limit)
        if name == "deflate":
            return _inflate(raw, limit)
        if name == "zstd":
            return _unzstd(raw, limit)
        if name == "br":
            return _unbrotli(raw, limit)
    except (zlib.error, zstandard.ZstdError, brotli.error) as cause:
        raise Unreadable("encoding") from cause
    raise Unreadable("encoding")


def _gunzip(raw: bytes, limit: int) -> tuple[bytes, bool]:
    """One member after the other, as `cat a.gz b.gz` makes them."""
    content: list[bytes] = []
    left, rest = limit, raw
    while rest:
        reader = zlib.decompressobj(_GZIP_OR_ZLIB)
        piece = reader.decompress(rest, left)
        content.append(piece)
        left -= len(piece)
        if not reader.eof or left <= 0:
            return b"".join(content), True
        rest = reader.unused_data
    return b"".join(content), False


def _inflate(raw: bytes, limit: int) -> tuple[bytes, bool]:
    """With the zlib frame, or without it, as some servers send it."""
    try:
        return _stream(zlib.decompressobj(), raw, limit)
    except zlib.error:
        return _stream(zlib.decompressobj(_RAW), raw, limit)


def _stream(reader: "zlib._Decompress", raw: bytes, limit: int) -> tuple[bytes, bool]:
    content = reader.decompress(raw, limit)
    if reader.unused_data:
        raise Unreadable("encoding")
    return content, not reader.eof


def _unzstd(raw: bytes, limit: int) -> tuple[bytes, bool]:
    content = bytearray()
    reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
    for at in range(0, len(raw), _STEP):
        content += reader.decompress(raw[at : at + _STEP])
        if len(content) >= limit:
            return bytes(content[:limit]), True
        if reader.eof:
            if bytes(reader.unused_data) + raw[at + _STEP :]:
                raise Unreadable("encoding")  # a second frame: nothing that a service sends
            return bytes(content), False
    return bytes(content), True


def _unbrotli(raw: bytes, limit: int) -> tuple[bytes, bool]:
    reader = brotli.Decompressor()
    content = bytearray(reader.process(raw, output_buffer_limit=65536))
    while not reader.is_finished() and len(content) < limit:
        piece = reader.process(b"", output_buffer_limit=65536)
        if not piece and reader.can_accept_more_data():
            break
        content += piece
    return bytes(content[:limit]), not reader.is_finished() or len(content) > limit
