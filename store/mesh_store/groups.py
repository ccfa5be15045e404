"""Failures that are the same failure, as groups."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from mesh_core.fingerprint import FailureGroup
from mesh_core.outcome import Outcome
from mesh_core.query import Query
from mesh_store.conditions import Compiled, compiled
from mesh_store.search import looked_through
from mesh_store.tables import FAILED, exchange, failure_group

MOST_TRACES = 10
"""Trace ids shown of one group."""
_LOOKED_AT = 200
"""Failures of one group in which its newest traces are looked for."""


@dataclass(slots=True)
class _Tally:
    """What is counted of one group."""

    count: int
    first_seen: int
    last_seen: int
    traces: dict[str, None] = field(default_factory=dict)


def failures(connection: Connection, query: Query, *, limit: int) -> list[FailureGroup]:
    """The groups of the failures that a query finds, the one last seen first."""
    meaning = compiled(query, connection.dialect.name)
    where = and_(FAILED, exchange.c.fingerprint.is_not(None), meaning.where)
    if meaning.exact:
        tallies = _counted(connection, where, limit)
    else:
        tallies = _tallied(connection, query, meaning, where, limit)
    return _with_titles(connection, tallies)


def _counted(connection: Connection, where: ColumnElement[bool], limit: int) -> dict[bytes, _Tally]:
    last = func.max(exchange.c.started_at)
    statement = (
        select(exchange.c.fingerprint, func.count(), func.min(exchange.c.started_at), last)
        .where(where)
        .group_by(exchange.c.fingerprint)
        .order_by(last.desc(), exchange.c.fingerprint)
        .limit(limit)
    )
    tallies = {name: _Tally(count, first, last) for name, count, first, last in connection.execute(statement)}
    for name, tally in tallies.items():
        newest = (
            select(exchange.c.trace_id)
            .where(exchange.c.fingerprint == name, where)
            .order_by(exchange.c.started_at.desc(), exchange.c.id.desc())
            .limit(_LOOKED_AT)
        )
        found = dict.fromkeys(trace_id.hex() for (trace_id,) in connection.execute(newest))
        tally.traces = dict.fromkeys(list(found)[:MOST_TRACES])
    return tallies


def _tallied(
    connection: Connection, query: Query, meaning: Compiled, where: ColumnElement[bool], limit: int
) -> dict[bytes, _Tally]:
    """Where SQL cannot decide: one failure after the other, newest first."""
    tallies: dict[bytes, _Tally] = {}
    for hit in looked_through(connection, query, replace(meaning, where=where)):
        if not hit.fits or hit.fingerprint is None:
            continue
        each = hit.exchange
        tally = tallies.setdefault(hit.fingerprint, _Tally(0, each.started_at, each.started_at))
        tally.count += 1
        tally.first_seen = each.started_at
        if len(tally.traces) < MOST_TRACES:
            tally.traces[each.trace_id] = None
    ordered = sorted(tallies, key=lambda name: (-tallies[name].last_seen, name))
    return {name: tallies[name] for name in ordered[:limit]}


def _with_titles(connection: Connection, tallies: dict[bytes, _Tally]) -> list[FailureGroup]:
    rows: Sequence[Any] = connection.execute(
        select(failure_group).where(failure_group.c.fingerprint.in_(list(tallies)))
    ).all()
    named = {row.fingerprint: row for row in rows}
    return [
        FailureGroup(
            fingerprint=name.hex(),
            title=named[name].title,
            service=named[name].service,
            outcome=Outcome(named[name].outcome),
            status=named[name].status,
            count=tally.count,
            first_seen=tally.first_seen,
            last_seen=tally.last_seen,
            traces=tuple(tally.traces),
        )
        for name, tally in tallies.items()
        if name in named
    ]
