"""Find what people mean: every form of id, each an indexed look-up, and why where there is nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, LargeBinary, literal, select

from mesh_core.errors import IdAmbiguous
from mesh_core.identify import Candidate, Lookup, candidates
from mesh_store.conditions import same_request
from mesh_store.reading import bytes_of
from mesh_store.tables import exchange, failure_group, trace
from mesh_store.why import why_not

MOST_SHOWN = 5
"""Of the things that a prefix may mean."""
HOUR = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """What a text names."""

    kind: Literal["exchange", "trace", "fingerprint"]
    id: str
    """32 hex digits, of a fingerprint 16."""


def find(connection: Connection, text: str) -> Found:
    """The one thing that a text names.

    Raises:
        IdAmbiguous: it may mean several; they are listed.
        NotRecorded: it names nothing; why, where that can be known.
    """
    meant = candidates(text)
    for candidate in meant:
        if candidate.lookup not in _PREFIXES:
            found = list(dict.fromkeys(_WHOLE[candidate.lookup](connection, candidate.value)))
            if found:
                return _only(found, text)
    found = [each for candidate in meant for each in _with_prefix(connection, candidate)]
    if found:
        return _only(list(dict.fromkeys(found)), text)
    raise why_not(connection, text, meant)


def _only(found: list[Found], text: str) -> Found:
    if len(found) == 1:
        return found[0]
    shown = ", ".join(f"{each.kind} {each.id}" for each in found[:MOST_SHOWN])
    more = "" if len(found) <= MOST_SHOWN else ", …"
    raise IdAmbiguous(f"{text.strip()[:80]} may be {shown}{more}", hint="give more of it")


def _last(connection: Connection, _: str) -> Iterable[Found]:
    order = (exchange.c.started_at.desc(), exchange.c.id.desc())
    found = connection.execute(select(exchange.c.trace_id).order_by(*order).limit(1)).scalar()
    return [] if found is None else [Found("trace", found.hex())]


def _exchange(connection: Connection, value: str) -> Iterable[Found]:
    found = connection.execute(select(exchange.c.id).where(exchange.c.id == bytes.fromhex(value)))
    return [Found("exchange", key.hex()) for (key,) in found]


def _trace(connection: Connection, value: str) -> Iterable[Found]:
    found = connection.execute(select(trace.c.trace_id).where(trace.c.trace_id == bytes.fromhex(value)))
    return [Found("trace", key.hex()) for (key,) in found]


def _trace_low(connection: Connection, value: str) -> Iterable[Found]:
    query = select(trace.c.trace_id).where(trace.c.low == bytes.fromhex(value)).limit(MOST_SHOWN + 1)
    return [Found("trace", key.hex()) for (key,) in connection.execute(query)]


def _fingerprint(connection: Connection, value: str) -> Iterable[Found]:
    query = select(exchange.c.fingerprint).where(exchange.c.fingerprint == bytes.fromhex(value)).limit(1)
    return [Found("fingerprint", key.hex()) for (key,) in connection.execute(query)]


def _span(connection: Connection, value: str) -> Iterable[Found]:
    """The exchange that carried a span id; its trace where both ends of a request did."""
    query = select(exchange.c.id, exchange.c.trace_id).where(exchange.c.span_id == bytes.fromhex(value))
    rows = connection.execute(query.limit(MOST_SHOWN + 1)).all()
    if len(rows) == 1:
        return [Found("exchange", rows[0].id.hex())]
    return [Found("trace", row.trace_id.hex()) for row in rows]


def _request_id(connection: Connection, value: str) -> Iterable[Found]:
    """The trace that used a request id last; its first exchange where services began traces of their own."""
    forms = dict.fromkeys([value, value.encode("utf-8", "replace").decode("latin-1")])
    for form in forms:
        carried = same_request(form)
        newest = connection.execute(
            select(exchange.c.started_at).where(carried).order_by(exchange.c.started_at.desc()).limit(1)
        ).scalar()
        if newest is not None:
            query = (
                select(exchange.c.trace_id)
                .where(carried, exchange.c.started_at >= newest - HOUR)
                .order_by(exchange.c.started_at, exchange.c.id)
                .limit(1)
            )
            return [Found("trace", key.hex()) for (key,) in connection.execute(query)]
    return []


_WHOLE: dict[Lookup, Callable[[Connection, str], Iterable[Found]]] = {
    Lookup.LAST: _last,
    Lookup.EXCHANGE: _exchange,
    Lookup.TRACE: _trace,
    Lookup.TRACE_LOW: _trace_low,
    Lookup.FINGERPRINT: _fingerprint,
    Lookup.SPAN: _span,
    Lookup.REQUEST_ID: _request_id,
}
_PREFIXES: dict[Lookup, tuple[Literal["exchange", "trace", "fingerprint"], ColumnElement[Any], int]] = {
    Lookup.EXCHANGE_PREFIX: ("exchange", exchange.c.id, 32),
    Lookup.TRACE_PREFIX: ("trace", trace.c.trace_id, 32),
    Lookup.FINGERPRINT_PREFIX: ("fingerprint", failure_group.c.fingerprint, 16),
}


def _with_prefix(connection: Connection, candidate: Candidate) -> Iterable[Found]:
    if candidate.lookup not in _PREFIXES:
        return []
    kind, column, length = _PREFIXES[candidate.lookup]
    if len(candidate.value) >= length:
        return []
    low, high = (bytes_of(candidate.value.ljust(length, digit)) for digit in "0f")
    query = (
        select(column)
        .where(column.between(literal(low, LargeBinary), literal(high, LargeBinary)))
        .order_by(column)
        .limit(MOST_SHOWN + 1)
    )
    return [Found(kind, key.hex()) for (key,) in connection.execute(query)]
