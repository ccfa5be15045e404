"""Bodies out of their content encoding, never beyond a bound. Pure."""

import zlib

import zstandard

_MOST_ENCODINGS = 4
"""Nested; more is nothing that a service sends."""
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_RAW = -zlib.MAX_WBITS


def decoded(body: bytes, content_encoding: str | None, *, limit: int) -> bytes | None:
    """The first `limit` bytes of what `body` holds; None where that cannot be told.

    A body that was cut off gives what could still be read. `br` and unknown encodings give None.

    Source: RFC 9110, section 8.4; `deflate` also without the zlib frame, as some servers send it.
    """
    names = [name.strip().lower() for name in (content_encoding or "").split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > _MOST_ENCODINGS:
        return None
    if limit <= 0:
        return b""  # to zlib, 0 is no limit at all
    content = body
    for name in reversed(names):
        inner = _decode(content, name, limit)
        if inner is None:
            return None
        content = inner
    return content[:limit]


def _decode(body: bytes, name: str, limit: int) -> bytes | None:
    if name in ("gzip", "x-gzip"):
        return _inflate(body, _GZIP_OR_ZLIB, limit)
    if name == "deflate":
        content = _inflate(body, _GZIP_OR_ZLIB, limit)
        return content if content is not None else _inflate(body, _RAW, limit)
    if name == "zstd":
        return _unzstd(body, limit)
    return None


def _inflate(body: bytes, window: int, limit: int) -> bytes | None:
    content, rest = b"", body
    while True:
        stream = zlib.decompressobj(window)
        try:
            content += stream.decompress(rest, limit - len(content))
        except zlib.error:
            return content or None
        rest = stream.unused_data
        # A gzip body may have several members.
        if not rest.startswith(_GZIP_MAGIC) or len(content) >= limit:
            return content


def _unzstd(body: bytes, limit: int) -> bytes | None:
    # A frame names its window, which is memory: a browser's limit of 8 MiB is enough.
    decompressor = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024)
    reader = decompressor.stream_reader(body, read_across_frames=True)
    content = b""
    try:
        while len(content) < limit and (piece := reader.read(limit - len(content))):
            content += piece
    except zstandard.ZstdError:
        return content or None
    return content
