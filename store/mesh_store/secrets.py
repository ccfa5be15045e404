"""Secrets in a store, page by page: what redaction would have hidden, told without the values."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from mesh_core.redact import Leak, Scan
from mesh_store import bodies as body_store
from mesh_store import document
from mesh_store.tables import exchange

_PAGE = 100
START = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What some exchanges hold."""

    last: bytes
    """The id of the last one; the next page begins after it."""
    exchanges: int
    leaks: tuple[Leak, ...]
    unread: int
    """Exchanges that, or of which a body, could not be read: damage."""


def page(connection: Connection, after: bytes, scan: Scan) -> Page | None:
    """Look through the exchanges after `after`; None where there are none.

    One exchange with its bodies is in memory at a time.
    """
    columns = (exchange.c.id, exchange.c.document)
    query = select(*columns).where(exchange.c.id > after).order_by(exchange.c.id).limit(_PAGE)
    rows = connection.execute(query).all()
    if not rows:
        return None
    leaks: list[Leak] = []
    unread = 0
    for row in rows:
        try:
            found = document.decode(row.document)
        except ValueError:
            unread += 1
            continue
        wanted = body_store.hashes_of([found])
        bodies = body_store.load(connection, wanted) if wanted else {}
        unread += len(bodies) < len(wanted)
        leaks += scan.leaks(found, bodies)
    return Page(last=rows[-1].id, exchanges=len(rows), leaks=tuple(leaks), unread=unread)
