"""On Postgres an exchange lies in the partition of its day, which its id tells: a day goes at once.

1. Ids of days that are far away, and what outlives its day, lie in the partition for all others.
2. A partition that cannot be made is no reason to store nothing: the one for all others takes its rows.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from mesh_core.errors import StoreUnreachable
from mesh_store import door

logger = logging.getLogger(__name__)

_DAY_MS = 86_400_000
_BACK, _AHEAD = 6, 2
"""Days around today that get a partition of their own; what is older is an import."""
_PREFIX = "exchange_d"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_of(exchange_id: bytes) -> int:
    """The day that an id tells, counted from the Unix epoch."""
    return int.from_bytes(exchange_id[:6]) // _DAY_MS


def moment_of(exchange_id: bytes) -> int:
    """The time that an id tells, in nanoseconds since the Unix epoch."""
    return int.from_bytes(exchange_id[:6]) * 1_000_000


def first_id_at(moment: int) -> bytes:
    """The least id of a moment in nanoseconds since the Unix epoch."""
    return max(0, min(moment // 1_000_000, 2**48 - 1)).to_bytes(6) + bytes(10)


def end_of(day: int) -> int:
    """When a day ends, in nanoseconds since the Unix epoch."""
    return (day + 1) * _DAY_MS * 1_000_000


def prepare(engine: Engine, ids: Iterable[bytes], *, now: int, known: set[int]) -> None:
    """Make the partitions of these exchanges' days, of today and tomorrow, where they are missing.

    Args:
        engine: of a Postgres store; of any other nothing happens.
        ids: of exchanges that are going to be written.
        now: nanoseconds since the Unix epoch.
        known: days that need no looking at; added to.
    """
    if engine.dialect.name == "sqlite":
        return
    today = day_of(first_id_at(now))
    days = {*map(day_of, ids), today, today + 1}
    near = {day for day in days if today - _BACK <= day <= today + _AHEAD}
    for day in sorted(near - known):
        try:
            with door.transaction(engine, writes=True) as connection:
                _make(connection, day)
        except (DBAPIError, StoreUnreachable) as error:
            # Rows of that day are in the other partition already, or a reader holds the table.
            logger.info("no partition for %s: %s", name_of(day), error)
        known.add(day)


def days_there(connection: Connection) -> list[int]:
    """The days that have a partition, oldest first."""
    rows = connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'exchange'::regclass")
    )
    names = [name.removeprefix(_PREFIX) for (name,) in rows if name.startswith(_PREFIX)]
    days = (datetime.strptime(name, "%Y%m%d").replace(tzinfo=UTC) - _EPOCH for name in names)
    return sorted(day.days for day in days)


def name_of(day: int) -> str:
    """The table of a day."""
    return f"{_PREFIX}{_EPOCH + timedelta(days=day):%Y%m%d}"


def _make(connection: Connection, day: int) -> None:
    low, high = (first_id_at(end_of(each)).hex() for each in (day - 1, day))
    connection.execute(text("SET LOCAL lock_timeout = '3s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(1296389961)"))
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS {name_of(day)} PARTITION OF exchange "
        f"FOR VALUES FROM ('\\x{low}') TO ('\\x{high}')"
    )
