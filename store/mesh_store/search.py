"""Search: exchanges that a query looks for, newest first, page by page."""

import base64
import binascii
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from sqlalchemy import ColumnElement, Connection, and_, func, literal, select, tuple_

from mesh_core.errors import QueryInvalid
from mesh_core.model import Exchange
from mesh_core.query import Query, matches
from mesh_store import bodies as body_store
from mesh_store import document
from mesh_store.conditions import Compiled, compiled
from mesh_store.tables import exchange

MOST_LOOKED_THROUGH = 100_000
"""Exchanges that one page may look through for what SQL cannot decide."""
MOST_LIMIT = 10_000
_BATCH = 500
"""Exchanges read at once while looking through."""
_BODY_BYTES = 16 * 1024 * 1024
"""Of bodies held at once."""

type Position = tuple[int, bytes]
"""Start and id of the last exchange that was seen."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what was found."""

    exchanges: tuple[Exchange, ...]
    """Newest first. Fewer than asked for, also none, where a search of headers or bodies has looked
    through as much as one page may: then `cursor` goes on."""
    cursor: str | None
    """Gives the next page; None at the end."""


def search(connection: Connection, query: Query, *, limit: int, cursor: str | None) -> Page:
    """One page.

    Raises:
        QueryInvalid: the cursor is not one that this query gave.
    """
    if not 0 < limit <= MOST_LIMIT:
        raise QueryInvalid(f"a page of {limit} exchanges", hint=f"ask for 1 to {MOST_LIMIT:,}", position=0)
    after = None if cursor is None else _read_cursor(cursor, query)
    found: list[Exchange] = []
    meaning = compiled(query, connection.dialect.name)
    batch = limit + 1 if meaning.exact else _BATCH
    last, seen = after, 0
    for hit in looked_through(connection, query, meaning, after=after, batch=batch):
        full = len(found) == limit and hit.fits
        if full or (seen == MOST_LOOKED_THROUGH and not meaning.exact):
            return Page(tuple(found), _write_cursor(last, query))
        last, seen = position(hit.exchange), seen + 1
        if hit.fits:
            found.append(hit.exchange)
    return Page(tuple(found), None)


def count(connection: Connection, query: Query) -> int:
    """How many exchanges a query finds."""
    meaning = compiled(query, connection.dialect.name)
    if meaning.exact:
        statement = select(func.count()).select_from(exchange).where(meaning.where)
        return int(connection.execute(statement).scalar_one())
    return sum(hit.fits for hit in looked_through(connection, query, meaning))


@dataclass(frozen=True, slots=True)
class Hit:
    """An exchange that SQL found."""

    exchange: Exchange
    fingerprint: bytes | None
    """As it was stored; of failures."""
    fits: bool
    """Whether it is what is looked for."""


def looked_through(
    connection: Connection,
    query: Query,
    meaning: Compiled,
    *,
    after: Position | None = None,
    batch: int = _BATCH,
) -> Iterator[Hit]:
    """What SQL finds after a position, newest first, read in batches."""
    while True:
        rows = _read(connection, meaning.where, after, batch)
        if meaning.exact:
            yield from (Hit(each, name, True) for each, name in rows)
        else:
            yield from _checked(connection, query, meaning, rows)
        if len(rows) < batch:
            return
        after, batch = position(rows[-1][0]), max(batch, _BATCH)


type _Row = tuple[Exchange, bytes | None]


def _read(
    connection: Connection, where: ColumnElement[bool], after: Position | None, size: int
) -> list[_Row]:
    if after is not None:
        where = and_(where, tuple_(exchange.c.started_at, exchange.c.id) < tuple_(*map(literal, after)))
    statement = (
        select(exchange.c.document, exchange.c.fingerprint)
        .where(where)
        .order_by(exchange.c.started_at.desc(), exchange.c.id.desc())
        .limit(size)
    )
    return [(document.decode(content), name) for content, name in connection.execute(statement)]


def position(last: Exchange) -> Position:
    """Where a search that stops at an exchange goes on."""
    return last.started_at, bytes.fromhex(last.id)


def _checked(connection: Connection, query: Query, meaning: Compiled, rows: list[_Row]) -> Iterator[Hit]:
    for part in _by_body_bytes(rows) if meaning.bodies else [rows]:
        bodies = {}
        if meaning.bodies:
            bodies = body_store.load(connection, body_store.hashes_of(each for each, _ in part))
        yield from (Hit(each, name, matches(query, each, bodies)) for each, name in part)


def _by_body_bytes(rows: list[_Row]) -> Iterator[list[_Row]]:
    """The exchanges in parts whose bodies may be held at once."""
    part: list[_Row] = []
    held = 0
    for each, name in rows:
        size = sum(ref.stored for ref in (each.request_body, each.response_body) if ref is not None)
        if part and held + size > _BODY_BYTES:
            yield part
            part, held = [], 0
        part.append((each, name))
        held += size
    if part:
        yield part


_CURSOR = Struct(">Iq16s")
"""CRC-32 of the query's text, start and id of the last exchange."""


def _write_cursor(last: Position | None, query: Query) -> str | None:
    if last is None:
        return None
    content = _CURSOR.pack(_named(query), *last)
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _read_cursor(cursor: str, query: Query) -> Position:
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) != _CURSOR.size:
        raise QueryInvalid("this is no cursor of a search", hint="begin again without it", position=0)
    named, started_at, exchange_id = _CURSOR.unpack(content)
    if named != _named(query):
        raise QueryInvalid("the cursor is one of another query", hint="begin again without it", position=0)
    return started_at, exchange_id


def _named(query: Query) -> int:
    return zlib.crc32(query.text.encode("utf-8", "surrogatepass"))
