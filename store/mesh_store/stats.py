"""What is in a store, in numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from mesh_store.pins import pinned_traces
from mesh_store.retention import used_bytes
from mesh_store.tables import FAILED, IMPORTS, body, exchange, failure_group, recorder_gap, run, trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What is in a store."""

    bytes: int
    exchanges: int
    failures: int
    traces: int
    failure_groups: int
    bodies: int
    runs: int
    services: tuple[str, ...]
    """In lower case, by name."""
    first_at: int | None
    """Start of the oldest exchange, in nanoseconds since the epoch."""
    last_at: int | None
    dropped: tuple[tuple[str, int], ...]
    """Exchanges that were not recorded, by reason."""
    pinned: tuple[str, ...]
    """Traces that neither age nor size takes, newest first."""


def stats(connection: Connection) -> Stats:
    """Count what is there."""
    counts = {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in (exchange, trace, failure_group, body)
    }
    failed = connection.execute(select(func.count()).where(FAILED)).scalar_one()
    times = select(func.min(exchange.c.started_at), func.max(exchange.c.started_at))
    first_at, last_at = connection.execute(times).one()
    runs = connection.execute(select(func.count()).where(run.c.run_id != IMPORTS)).scalar_one()
    dropped = connection.execute(
        select(recorder_gap.c.reason, func.sum(recorder_gap.c.count)).group_by(recorder_gap.c.reason)
    )
    return Stats(
        bytes=used_bytes(connection),
        exchanges=counts["exchange"],
        failures=failed,
        traces=counts["trace"],
        failure_groups=counts["failure_group"],
        bodies=counts["body"],
        runs=runs,
        services=tuple(_services(connection)),
        first_at=first_at,
        last_at=last_at,
        dropped=tuple(sorted((reason, int(count)) for reason, count in dropped)),
        pinned=pinned_traces(connection),
    )


def _services(connection: Connection) -> Iterator[str]:
    """The names of the services, one look at the index for each."""
    name = ""
    while (
        found := connection.execute(
            select(func.min(exchange.c.service)).where(exchange.c.service > name)
        ).scalar()
    ) is not None:
        yield found
        name = found
