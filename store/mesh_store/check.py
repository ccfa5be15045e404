"""Whether a store is sound: everything is read once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, exists, func, select

from mesh_core.model import Exchange
from mesh_store import bodies as body_store
from mesh_store import document
from mesh_store.dialect import is_sqlite
from mesh_store.erase import needed
from mesh_store.tables import IMPORTS, body, exchange, run, run_span

_BATCH = 1_000
_MOST_PROBLEMS = 100
"""Named one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Whether a store is sound."""

    exchanges: int
    bodies: int
    offered: int
    """Sequence numbers that recorders have used, as far as is known here."""
    stored: int
    """Of these, exchanges that were stored."""
    gaps: int
    """Of these, gaps that recorders wrote down, and exchanges that could not be stored."""
    missing: int
    """Of these, not here: damaged, or still on their way."""
    problems: tuple[str, ...]
    """What is wrong, a line each; empty where nothing is."""


def check(connection: Connection) -> Check:
    """Read everything once: documents, bodies, references, and the account of every run."""
    problems: list[str] = []
    if is_sqlite(connection):
        said = connection.exec_driver_sql("PRAGMA quick_check(10)").scalars()
        problems += [f"SQLite: {line}" for line in said if line != "ok"]
    by_run = _check_exchanges(connection, problems)
    bodies = _check_bodies(connection, problems)
    offered, stored, gaps, missing = _check_runs(connection, by_run, problems)
    return Check(
        exchanges=by_run.total(),
        bodies=bodies,
        offered=offered,
        stored=stored,
        gaps=gaps,
        missing=missing,
        problems=tuple(problems[:_MOST_PROBLEMS]),
    )


def _check_exchanges(connection: Connection, problems: list[str]) -> Counter[int]:
    """Every document reads as the exchange of its row, and its bodies are there."""
    by_run: Counter[int] = Counter()
    after = b""
    columns = (
        exchange.c.id, exchange.c.run, exchange.c.document, exchange.c.request_body, exchange.c.response_body,
    )  # fmt: skip
    while rows := connection.execute(
        select(*columns).where(exchange.c.id > after).order_by(exchange.c.id).limit(_BATCH)
    ).all():
        after = rows[-1].id
        for row in rows:
            by_run[row.run] += 1
            try:
                found = document.decode(row.document)
            except ValueError as error:
                problems.append(f"exchange {row.id.hex()}: {error}")
                continue
            if found.id != row.id.hex():
                problems.append(f"exchange {row.id.hex()} reads as {found.id}")
            problems += _without_body(found, row.request_body, row.response_body)
    return by_run


def _without_body(found: Exchange, request: int | None, response: int | None) -> Iterator[str]:
    for what, ref, row in (
        ("request", found.request_body, request),
        ("response", found.response_body, response),
    ):
        if ref is not None and ref.stored and row is None:
            yield f"exchange {found.id}: its {what} body was never stored"


def _check_bodies(connection: Connection, problems: list[str]) -> int:
    count, after = 0, 0
    while rows := connection.execute(
        select(body).where(body.c.id > after).order_by(body.c.id).limit(_BATCH // 20)
    ).all():
        after = rows[-1].id
        count += len(rows)
        for row in rows:
            plain = body_store.unpack(row.content)
            if plain is None or sha256(plain).digest() != row.hash or len(plain) != row.size:
                problems.append(f"body {row.hash.hex()} is damaged")
    for column in (exchange.c.request_body, exchange.c.response_body):
        gone = select(func.count()).where(column.is_not(None), ~exists().where(body.c.id == column))
        lost = connection.execute(gone).scalar_one()
        if lost:
            problems.append(f"{lost} exchanges refer to a {column.name.replace('_', ' ')} that is gone")
    unneeded = connection.execute(
        select(func.count()).select_from(body).where(~needed(body.c.id))
    ).scalar_one()
    if unneeded:
        problems.append(f"{unneeded} bodies belong to no exchange")
    return count


def _check_runs(
    connection: Connection, by_run: Counter[int], problems: list[str]
) -> tuple[int, int, int, int]:
    """Offered, stored, gaps, missing; every number of a run is one of the last three."""
    present: Counter[int] = Counter()
    highest: Counter[int] = Counter()
    for number, first, last in connection.execute(select(run_span)):
        present[number] += last - first + 1
        highest[number] = max(highest[number], last)
    stored = gaps = 0
    for row in connection.execute(select(run)):
        name = "the imports" if row.run_id == IMPORTS else f"run {row.run_id.hex()}"
        if row.run_id != IMPORTS:
            stored, gaps = stored + row.exchanges, gaps + row.gaps + row.refused
            accounted = row.exchanges + row.gaps + row.refused
            if present[row.id] != accounted:
                problems.append(f"{name}: {present[row.id]} numbers came, {accounted} are accounted for")
        expected = row.exchanges - row.duplicates - row.erased
        if by_run[row.id] != expected:
            problems.append(f"{name}: {by_run[row.id]} exchanges are there, {expected} should be")
    return highest.total(), stored, gaps, highest.total() - present.total()
