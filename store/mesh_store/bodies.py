"""Bodies by the hash of their bytes: each stored once, checked when it is written and when it is read."""

import re
import threading
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256

import zstandard
from sqlalchemy import Connection, select

from mesh_core.model import Bodies, Exchange
from mesh_store.dialect import chunks, insert_new
from mesh_store.tables import body

MOST_BODY = 1024 * 1024 * 1024
"""Bytes of one body; more is damage."""
EMPTY = sha256(b"").hexdigest()
_LEVEL = 3
_HASH = re.compile(r"[0-9a-f]{64}")


def genuine(bodies: Bodies) -> tuple[dict[str, bytes], int]:
    """The bodies whose bytes hash to their name, and how many do not."""
    good = {name: content for name, content in bodies.items() if sha256(content).hexdigest() == name}
    return good, len(bodies) - len(good)


def store(
    connection: Connection, bodies: Mapping[str, bytes], also: Iterable[str]
) -> tuple[dict[str, int], int]:
    """Write the bodies that are not there yet.

    Args:
        connection: within a transaction that writes.
        bodies: genuine ones, by hash.
        also: hashes of bodies that may be there from earlier.

    Returns:
        The row of each hash that is there now, and the bytes that were written.
    """
    wanted = {name for name in (*bodies, *also) if _HASH.fullmatch(name)}
    rows = _rows_of(connection, wanted)
    missing = [
        (bytes.fromhex(name), len(content), _contexts().compressor.compress(content))
        for name, content in bodies.items()
        if name not in rows and content
    ]
    insert_new(connection, body, ("hash", "size", "content"), missing)
    rows |= _rows_of(connection, {name.hex() for name, _, _ in missing})
    return rows, sum(len(content) for _, _, content in missing)


def load(connection: Connection, hashes: Iterable[str]) -> dict[str, bytes]:
    """The bytes of those that are there and whole."""
    hashes = set(hashes)
    found = {EMPTY: b""} if EMPTY in hashes else {}
    for chunk in chunks({name for name in hashes if _HASH.fullmatch(name)}):
        names = [bytes.fromhex(name) for name in chunk]
        for name, content in connection.execute(
            select(body.c.hash, body.c.content).where(body.c.hash.in_(names))
        ):
            plain = unpack(content)
            if plain is not None and sha256(plain).digest() == name:
                found[name.hex()] = plain
    return found


def unpack(content: bytes) -> bytes | None:
    """The bytes of a body as it is kept; None where they are damaged."""
    try:
        return _contexts().decompressor.decompress(content, max_output_size=MOST_BODY)
    except zstandard.ZstdError:
        return None


def hashes_of(exchanges: Iterable[Exchange]) -> set[str]:
    """The hashes of all bodies of which something was kept."""
    refs = (ref for e in exchanges for ref in (e.request_body, e.response_body))
    return {ref.hash for ref in refs if ref is not None and ref.stored}


def all_hashes_of(exchanges: Iterable[Exchange]) -> set[str]:
    """The hashes of all bodies, also of empty ones."""
    return {ref.hash for e in exchanges for ref in (e.request_body, e.response_body) if ref is not None}


def _rows_of(connection: Connection, hashes: Iterable[str]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for chunk in chunks(hashes):
        names = [bytes.fromhex(name) for name in chunk]
        found = connection.execute(select(body.c.hash, body.c.id).where(body.c.hash.in_(names)))
        rows.update((name.hex(), number) for name, number in found)
    return rows


class _Contexts(threading.local):
    """A context belongs to one thread at a time."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
        self.decompressor = zstandard.ZstdDecompressor()


@cache
def _contexts() -> _Contexts:
    return _Contexts()
