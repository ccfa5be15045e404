"""Erase what a query finds, so that nothing of it is left in the database's file."""

from sqlalchemy import Engine

from mesh_core.query import Query
from mesh_store import door, erase
from mesh_store.conditions import compiled
from mesh_store.dialect import is_sqlite
from mesh_store.search import Position, looked_through, position

_STEP = 500
"""Exchanges looked at in one transaction."""


def forget(engine: Engine, query: Query) -> int:
    """Erase the exchanges that a query finds, and the bodies that no other needs; how many went."""
    gone, after = 0, None
    while True:
        ids, after, more = _found(engine, query, after)
        if ids:
            with door.transaction(engine, writes=True) as connection:
                if is_sqlite(connection):
                    connection.exec_driver_sql("PRAGMA secure_delete = ON")  # overwrites what it frees
                erase.own_lock(connection)
                gone += erase.erase(connection, ids)
                if is_sqlite(connection):
                    connection.exec_driver_sql("PRAGMA secure_delete = OFF")
        if not more:
            break
    if gone:
        _clear_traces(engine)
    return gone


def _found(engine: Engine, query: Query, after: Position | None) -> tuple[list[bytes], Position | None, bool]:
    """Ids of some that are to go, where to go on, and whether there is more."""
    ids: list[bytes] = []
    with door.transaction(engine, writes=False) as connection:
        meaning = compiled(query, connection.dialect.name)
        for seen, hit in enumerate(looked_through(connection, query, meaning, after=after, batch=_STEP), 1):
            after = position(hit.exchange)
            if hit.fits:
                ids.append(bytes.fromhex(hit.exchange.id))
            if seen == _STEP:
                return ids, after, True
    return ids, after, False


def _clear_traces(engine: Engine) -> None:
    """Overwrite what the database keeps beside its tables, as far as it can be told to."""
    if engine.dialect.name == "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("exchange", "body", "trace", "failure_group"):
            connection.exec_driver_sql(f"VACUUM {table}")
