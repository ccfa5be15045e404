"""How long exchanges stay: by age and by size, those of failed traces longer, of pinned ones for ever.

1. Who writes keeps to it, a little at a time; nobody waits long for the lock.
2. Age counts from when an exchange was stored: an old capture is not gone once it is imported, and
   no recorder's clock erases anything.
3. A clock that jumped erases nothing: `mesh_store.clock` says which to believe.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select

from mesh_core.retention import Retention
from mesh_store import door, erase, partitions, pins
from mesh_store.bookkeeping import FREED_BYTES, PRUNED_BEFORE, recall, remember
from mesh_store.dialect import is_sqlite
from mesh_store.tables import IMPORTS, exchange, recorder_gap, run, run_span, trace

STEP = 1_000
"""Exchanges looked at in one transaction."""
_VACUUM_PAGES = 2_000
"""Free pages given back to the file system at a time."""


def prune(engine: Engine, retention: Retention, *, now: int | None) -> Iterator[int]:
    """Erase what is not kept, oldest first, step by step.

    Args:
        engine: of the store.
        retention: what is kept.
        now: nanoseconds since the epoch; None where the time is not trusted, then nothing is too old.

    Yields:
        How many exchanges went, after each step; the caller may stop at any.
    """
    if now is not None:
        yield from _by_age(engine, retention, now)
    if retention.size is not None:
        for failed_too in (False, True):
            yield from _by_size(engine, retention.size, failed_too=failed_too)
    _give_back_room(engine)


def used_bytes(connection: Connection) -> int:
    """What the store takes: its pages in use on SQLite, an account of what was written on Postgres."""
    if is_sqlite(connection):
        pages, free, size = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)
    written = connection.execute(select(func.coalesce(func.sum(run.c.bytes), 0))).scalar_one()
    return int(written) - (recall(connection, FREED_BYTES) or 0)


def _by_age(engine: Engine, retention: Retention, now: int) -> Iterator[int]:
    if retention.age is None:
        return
    yield from _whole_days(engine, retention, now)
    young = partitions.first_id_at(now - retention.age)
    for rows in _in_order(engine, until=young):
        old = [row.id for row in rows if _too_old(row, retention, now)]
        yield _erase(engine, old)
    if retention.longest is not None:
        _forget_runs(engine, now - retention.longest)


def _too_old(row: Any, retention: Retention, now: int) -> bool:
    age = retention.longest if row.failed else retention.age
    return age is not None and not row.pinned and row.stored_at < now - age


def _whole_days(engine: Engine, retention: Retention, now: int) -> Iterator[int]:
    """On Postgres: a day at once, but for what outlives it."""
    if engine.dialect.name == "sqlite" or retention.age is None:
        return
    with door.transaction(engine, writes=False) as connection:
        days = partitions.days_there(connection)
    for day in days:
        if partitions.end_of(day) > now - retention.age:
            return
        with door.transaction(engine, writes=True) as connection:
            erase.own_lock(connection)
            gone = erase.erase_day(connection, day, stored_before=now - retention.age)
            _pruned_before(connection, partitions.end_of(day) if gone else None)
        yield gone


def _by_size(engine: Engine, most: int, *, failed_too: bool) -> Iterator[int]:
    for rows in _in_order(engine, until=None):
        with door.transaction(engine, writes=False) as connection:
            if used_bytes(connection) <= most:
                return
        yield _erase(engine, [row.id for row in rows if not row.pinned and (failed_too or not row.failed)])


def _in_order(engine: Engine, *, until: bytes | None) -> Iterator[list[Any]]:
    """What retention has to know of the exchanges, oldest first, in steps."""
    after = b""
    while True:
        statement = (
            select(
                exchange.c.id,
                exchange.c.stored_at,
                func.coalesce(trace.c.failed, 0).label("failed"),
                func.coalesce(trace.c.pinned, 0).label("pinned"),
            )
            .outerjoin_from(exchange, trace, trace.c.trace_id == exchange.c.trace_id)
            .where(exchange.c.id > after)
            .order_by(exchange.c.id)
            .limit(STEP)
        )
        if until is not None:
            statement = statement.where(exchange.c.id < until)
        with door.transaction(engine, writes=False) as connection:
            rows: list[Any] = list(connection.execute(statement))
        if rows:
            yield rows
            after = rows[-1].id
        if len(rows) < STEP:
            return


def _erase(engine: Engine, ids: list[bytes]) -> int:
    if not ids:
        return 0
    with door.transaction(engine, writes=True) as connection:
        erase.own_lock(connection)
        going = pins.unpinned(connection, ids)  # somebody may have pinned one since it was looked at
        gone = erase.erase(connection, going)
        _pruned_before(connection, partitions.moment_of(max(going)) if going else None)
    return gone


def _pruned_before(connection: Connection, moment: int | None) -> None:
    if moment is not None and moment > (recall(connection, PRUNED_BEFORE) or 0):
        remember(connection, PRUNED_BEFORE, moment)


def _forget_runs(engine: Engine, before: int) -> None:
    """The account of runs of which nothing is left, and of gaps nobody asks for any more."""
    over = (
        run.c.run_id != IMPORTS,
        run.c.stored_at < before,
        run.c.exchanges - run.c.duplicates - run.c.erased == 0,
    )
    with door.transaction(engine, writes=False) as connection:
        old = list(connection.execute(select(run.c.id).where(*over)).scalars())
        gaps = connection.execute(
            select(recorder_gap.c.run).where(recorder_gap.c.stored_at < before).limit(1)
        ).first()
    if not old and gaps is None:
        return
    with door.transaction(engine, writes=True) as connection:
        erase.own_lock(connection)
        connection.execute(delete(recorder_gap).where(recorder_gap.c.stored_at < before))
        bytes_written = 0
        for number in old:
            bytes_written += connection.execute(select(run.c.bytes).where(run.c.id == number)).scalar_one()
            connection.execute(delete(recorder_gap).where(recorder_gap.c.run == number))
            connection.execute(delete(run_span).where(run_span.c.run == number))
            connection.execute(delete(run).where(run.c.id == number))
        remember(connection, FREED_BYTES, (recall(connection, FREED_BYTES) or 0) - bytes_written)


def _give_back_room(engine: Engine) -> None:
    """Let an SQLite file shrink."""
    if engine.dialect.name != "sqlite":
        return
    with door.transaction(engine, writes=False) as connection:
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    if free > _VACUUM_PAGES:
        with door.transaction(engine, writes=True) as connection:
            cursor = connection.connection.cursor()
            cursor.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
            cursor.fetchall()  # each row is a page that is freed
