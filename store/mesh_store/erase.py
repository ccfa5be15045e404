"""Take exchanges out of the store, and with them whatever only they needed.

A body, a trace or a failure group goes with the last exchange that needs it; the account of the
run that recorded them remembers how many went.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select, text

from mesh_store import partitions, runs
from mesh_store.bookkeeping import FREED_BYTES, recall, remember
from mesh_store.dialect import chunks, is_sqlite
from mesh_store.tables import ROW_BYTES, body, exchange, failure_group, trace

_WRITERS = 1296389962
"""Names the lock that writers share and who erases holds alone."""


def share_lock(connection: Connection) -> None:
    """Let nobody erase until the transaction ends: a body that is there now must stay."""
    if not is_sqlite(connection):
        connection.execute(text(f"SELECT pg_advisory_xact_lock_shared({_WRITERS})"))


def own_lock(connection: Connection) -> None:
    """Let nobody write until the transaction ends."""
    if not is_sqlite(connection):
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITERS})"))


def erase(connection: Connection, ids: Iterable[bytes]) -> int:
    """Delete exchanges within a transaction that has the lock; how many there were."""
    return sum(_erase(connection, chunk) for chunk in chunks(ids))


def erase_unneeded_bodies(connection: Connection) -> int:
    """Delete bodies that belong to no exchange, as when one was sent twice with different bodies."""
    unneeded = list(connection.execute(select(body.c.id).where(~needed(body.c.id))).scalars())
    account(connection, {}, clean_up(connection, traces=(), groups=(), bodies=unneeded))
    return len(unneeded)


def _erase(connection: Connection, ids: list[bytes]) -> int:
    columns = (
        exchange.c.run,
        exchange.c.trace_id,
        exchange.c.fingerprint,
        exchange.c.request_body,
        exchange.c.response_body,
        func.length(exchange.c.document).label("size"),
    )
    rows = connection.execute(select(*columns).where(exchange.c.id.in_(ids))).all()
    connection.execute(delete(exchange).where(exchange.c.id.in_(ids)))
    freed = sum(row.size + ROW_BYTES for row in rows)
    freed += clean_up(
        connection,
        traces={row.trace_id for row in rows},
        groups={row.fingerprint for row in rows if row.fingerprint is not None},
        bodies={key for row in rows for key in (row.request_body, row.response_body) if key is not None},
    )
    account(connection, Counter(row.run for row in rows), freed)
    return len(rows)


def clean_up(
    connection: Connection, *, traces: Collection[bytes], groups: Collection[bytes], bodies: Collection[int]
) -> int:
    """Delete those of these that no exchange needs any more; the bytes of the bodies among them."""
    freed = 0
    for chunk in chunks(bodies):
        unneeded = and_(body.c.id.in_(chunk), ~needed(body.c.id))
        freed += connection.execute(
            select(func.coalesce(func.sum(func.length(body.c.content)), 0)).where(unneeded)
        ).scalar_one()
        connection.execute(delete(body).where(unneeded))
    for names in chunks(traces):
        there = exists().where(exchange.c.trace_id == trace.c.trace_id)
        connection.execute(delete(trace).where(trace.c.trace_id.in_(names), ~there))
    for names in chunks(groups):
        there = exists().where(exchange.c.fingerprint == failure_group.c.fingerprint)
        connection.execute(delete(failure_group).where(failure_group.c.fingerprint.in_(names), ~there))
    return int(freed)


def needed(body_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether an exchange has this body."""
    return or_(
        exists().where(exchange.c.request_body == body_id),
        exists().where(exchange.c.response_body == body_id),
    )


def account(connection: Connection, by_run: Mapping[int, int], freed: int) -> None:
    """Remember what went."""
    runs.erased(connection, by_run)
    remember(connection, FREED_BYTES, (recall(connection, FREED_BYTES) or 0) + freed)


def erase_day(connection: Connection, day: int, *, stored_before: int) -> int:
    """Drop a day's partition, on Postgres; what outlives it moves to the partition of all others.

    That is what belongs to a failed or pinned trace, or was stored later. How many went.
    """
    table = partitions.name_of(day)
    columns = ", ".join(column.name for column in exchange.columns)
    run_sql = connection.exec_driver_sql
    run_sql(f"ALTER TABLE exchange DETACH PARTITION {table}")
    run_sql(
        f"CREATE TEMP TABLE going ON COMMIT DROP AS SELECT e.id, e.run, e.trace_id, e.fingerprint, "  # noqa: S608  # names of ours
        f"e.request_body, e.response_body, length(e.document) AS size FROM {table} e "
        f"LEFT JOIN trace t ON t.trace_id = e.trace_id "
        f"WHERE e.stored_at < %s AND coalesce(t.failed, 0) = 0 AND coalesce(t.pinned, 0) = 0",
        (stored_before,),
    )
    run_sql(
        f"INSERT INTO exchange ({columns}) SELECT {columns} FROM {table} e "  # noqa: S608  # names of ours
        f"WHERE NOT EXISTS (SELECT 1 FROM going WHERE going.id = e.id) ON CONFLICT DO NOTHING"
    )
    run_sql(f"DROP TABLE {table}")
    counted = run_sql("SELECT run, count(*), sum(size) FROM going GROUP BY run").all()
    values = {
        name: set(run_sql(f"SELECT DISTINCT {name} FROM going WHERE {name} IS NOT NULL").scalars())  # noqa: S608  # names of ours
        for name in ("trace_id", "fingerprint", "request_body", "response_body")
    }
    gone = sum(int(count) for _, count, _ in counted)
    freed = sum(int(size) for _, _, size in counted) + gone * ROW_BYTES
    freed += clean_up(
        connection,
        traces=values["trace_id"],
        groups=values["fingerprint"],
        bodies=values["request_body"] | values["response_body"],
    )
    account(connection, {number: count for number, count, _ in counted}, freed)
    return gone
