"""Read exchanges back, whole, by their keys."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from mesh_core.model import Exchange
from mesh_store import document
from mesh_store.dialect import chunks
from mesh_store.tables import exchange

_HEX = frozenset("0123456789abcdef")


def bytes_of(hex_digits: str) -> bytes | None:
    """The bytes of an id; None where it is none."""
    return bytes.fromhex(hex_digits) if len(hex_digits) % 2 == 0 and _HEX.issuperset(hex_digits) else None


def by_id(connection: Connection, ids: Iterable[str]) -> list[Exchange]:
    """The exchanges that are there, in the order asked for."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, Exchange] = {}
    for chunk in chunks(key for each in wanted if (key := bytes_of(each)) is not None):
        found |= {e.id: e for e in selected(connection, select_documents(exchange.c.id.in_(chunk)))}
    return [found[each] for each in wanted if each in found]


def newest(connection: Connection, *where: ColumnElement[bool], limit: int) -> list[Exchange]:
    """At most `limit` exchanges, the newest first."""
    order = (exchange.c.started_at.desc(), exchange.c.id.desc())
    return list(selected(connection, select_documents(*where).order_by(*order).limit(limit)))


def select_documents(*where: ColumnElement[bool]) -> Select[Any]:
    """A query for whole exchanges."""
    return select(exchange.c.document).where(*where)


def selected(connection: Connection, query: Select[Any]) -> Iterator[Exchange]:
    """The exchanges that a query of `select_documents` finds."""
    return (document.decode(content) for (content,) in connection.execute(query))
