"""The account of every recorder run: what came, what of it was stored, and what is missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Update,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from mesh_core.frames import Run
from mesh_store.dialect import greater, insert_new, lesser
from mesh_store.spans import Span
from mesh_store.tables import IMPORTS, run, run_span, searchable


@dataclass(slots=True)
class Account:
    """What one transaction adds to a run."""

    exchanges: int = 0
    duplicates: int = 0
    refused: int = 0
    gaps: int = 0
    bodies_refused: int = 0
    bytes: int = 0
    first_at: int | None = None
    """Nanoseconds since the epoch, of the earliest exchange or gap."""
    last_at: int | None = None
    stored_at: int = 0

    def seen(self, started_at: int, ended_at: int) -> None:
        """Something happened in this time."""
        self.first_at = started_at if self.first_at is None else min(self.first_at, started_at)
        self.last_at = ended_at if self.last_at is None else max(self.last_at, ended_at)


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run whose row is locked until the transaction ends."""

    id: int
    spans: list[Span] = field(default_factory=list)


_LOCKED = select(run.c.id).where(run.c.run_id == bindparam("run_id")).with_for_update()
_SPANS = select(run_span.c.first, run_span.c.last).where(run_span.c.run == bindparam("of_run"))


def open_run(connection: Connection, of: Run) -> OpenRun:
    """Make the run's row, or find it, and keep other writers from it."""
    values = {
        "project": of.project, "service": of.service, "instance": of.instance, "recorder": of.recorder,
        "key_id": of.key_id,
    }  # fmt: skip
    texts = {name: None if value is None else searchable(value) for name, value in values.items()}
    run_id = bytes.fromhex(of.run_id)
    insert_new(connection, run, ("run_id", "started_at", *texts), [(run_id, of.started_at, *texts.values())])
    found = connection.execute(_LOCKED, {"run_id": run_id}).scalar_one()
    spans = connection.execute(_SPANS, {"of_run": found})
    return OpenRun(found, [(first, last) for first, last in spans])


def open_imports(connection: Connection) -> OpenRun:
    """The run that imported exchanges count as."""
    return open_run(
        connection,
        Run(run_id=IMPORTS.hex(), project="", service="", instance="", recorder="", started_at=0),
    )


def add(connection: Connection, to: int, account: Account) -> None:
    """Write down what a transaction brought."""
    values = {f"more_{name}": getattr(account, name) for name in _COUNTS}
    values |= {"of_run": to, "latest": account.stored_at}
    timed = account.first_at is not None and account.last_at is not None
    if timed:
        values |= {"earliest_at": account.first_at, "latest_at": account.last_at}
    connection.execute(_adding(timed=timed), values)


_COUNTS = ("exchanges", "duplicates", "refused", "gaps", "bodies_refused", "bytes")


@cache  # to put it together takes longer than to execute it
def _adding(*, timed: bool) -> Update:
    values: dict[str, ColumnElement[Any]]
    values = {name: run.c[name] + bindparam(f"more_{name}", type_=BigInteger) for name in _COUNTS}
    values["stored_at"] = bindparam("latest", type_=BigInteger)
    if timed:
        values["first_at"] = lesser(run.c.first_at, bindparam("earliest_at", type_=BigInteger))
        values["last_at"] = greater(run.c.last_at, bindparam("latest_at", type_=BigInteger))
    return update(run).where(run.c.id == bindparam("of_run")).values(values)


def keep_spans(connection: Connection, of: OpenRun, spans: Iterable[Span]) -> None:
    """Replace the ranges of a run by these."""
    before, after = set(of.spans), set(spans)
    for first, _ in before - after:
        connection.execute(delete(run_span).where(run_span.c.run == of.id, run_span.c.first == first))
    rows = [{"run": of.id, "first": first, "last": last} for first, last in after - before]
    if rows:
        connection.execute(insert(run_span), rows)


def erased(connection: Connection, by_run: Mapping[int, int]) -> None:
    """Count exchanges that were pruned or forgotten."""
    for number, count in by_run.items():
        connection.execute(update(run).where(run.c.id == number).values(erased=run.c.erased + count))
