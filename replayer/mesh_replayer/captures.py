"""Capture files on a disk, plain or compressed, read within bounds whoever wrote them, and written whole."""

import gzip
import os
import secrets
import zlib
from collections.abc import Iterable
from pathlib import Path

import zstandard

from mesh_core.errors import CaptureInvalid
from mesh_core.har import MOST_BYTES, dump_har
from mesh_core.model import Bodies, Exchange
from mesh_replayer.imports import exchanges_in

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_MOST_WINDOW = 128 * 1024 * 1024
"""Bytes of memory that a zstd frame may ask for."""


def read_capture(path: Path) -> list[tuple[Exchange, Bodies]]:
    """The exchanges in a file; whether it is compressed is told by its first bytes.

    Raises:
        CaptureInvalid: it is not there, too large, damaged, or no recording.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as cause:
        raise CaptureInvalid(f"{path} cannot be read: {cause.strerror}", hint="check the path") from cause
    try:
        content = unpacked(content, MOST_BYTES + 1)
    except (zlib.error, zstandard.ZstdError) as cause:
        raise CaptureInvalid(f"{path} is damaged: {cause}", hint="copy or export it again") from cause
    return exchanges_in(content, where=str(path))


def unpacked(content: bytes, most: int) -> bytes:
    """The first `most` bytes out of gzip or zstd; what is neither stays as it is."""
    if content.startswith(_GZIP):
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content, most)
    if content.startswith(_ZSTD):
        return zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW).stream_reader(content).read(most)
    return content


def write_capture(path: Path, recorded: Iterable[tuple[Exchange, Bodies]]) -> None:
    """Write a file: the whole of it or nothing.

    Raises:
        CaptureInvalid: its name ends in nothing known, or it cannot be written.
    """
    _write(path, _packed(path, dump_har(recorded)))


def write_text(path: Path, text: str) -> None:
    """Write a text file: the whole of it or nothing.

    Raises:
        CaptureInvalid: it cannot be written.
    """
    _write(path, text.encode())


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        # What was recorded is nobody else's business until the user says so.
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as cause:
        raise CaptureInvalid(
            f"{path} cannot be written: {cause.strerror}", hint="check the folder"
        ) from cause


def _packed(path: Path, content: bytes) -> bytes:
    """Compressed as the name says; the same exchanges give the same bytes."""
    if path.name.endswith(".har"):
        return content
    if path.name.endswith(".har.gz"):
        return gzip.compress(content, mtime=0)
    if path.name.endswith(".har.zst"):
        return zstandard.ZstdCompressor(level=9).compress(content)
    raise CaptureInvalid(f"{path} ends in nothing known", hint="name it .har, .har.gz or .har.zst")
