"""Tell sidecars which traces failed, whichever of them saw it, so that all keep their parts.

1. Ids grow in the order of commits, so that who asks for all after the last one misses none.
2. The newest rows alone are kept, by count and not by time: no clock has to be right.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, func, insert, select, text

from mesh_core.model import Exchange
from mesh_core.together import Failed, keys_of
from mesh_store.dialect import is_sqlite
from mesh_store.tables import failed_key

MOST_KEPT = 50_000
MOST_TOLD = 10_000
"""At once."""
HOUR = 3_600_000_000_000


def write(connection: Connection, exchanges: Iterable[Exchange], now: int) -> None:
    """Note those that failed. Other writers of failures wait until this transaction ends."""
    keys = sorted({key for each in exchanges if each.failed for key in keys_of(each)})
    if not keys:
        return
    if not is_sqlite(connection):  # there, any writer waits for any other
        connection.execute(text("SELECT pg_advisory_xact_lock(1296389963)"))
    connection.execute(insert(failed_key), [{"key": key, "at": now} for key in keys])
    newest = select(func.max(failed_key.c.id)).scalar_subquery()
    connection.execute(delete(failed_key).where(failed_key.c.id <= newest - MOST_KEPT))


def since(connection: Connection, cursor: int | None, now: int) -> Failed:
    """The keys after `cursor`; with None, those of the last hour."""
    after = failed_key.c.at >= now - HOUR if cursor is None else failed_key.c.id > cursor
    query = select(failed_key.c.id, failed_key.c.key).where(after).order_by(failed_key.c.id).limit(MOST_TOLD)
    rows = connection.execute(query).all()
    if rows:
        return Failed(frozenset(row.key for row in rows), rows[-1].id, more=len(rows) == MOST_TOLD)
    last = cursor if cursor is not None else connection.execute(select(func.max(failed_key.c.id))).scalar()
    return Failed(frozenset(), last or 0, more=False)
