"""Traces that stay until they are let go: neither age nor size takes them."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from mesh_core.errors import IdAmbiguous, NotRecorded
from mesh_store import erase
from mesh_store.dialect import chunks
from mesh_store.gather import read_trace
from mesh_store.lookup import find
from mesh_store.tables import exchange, trace

MOST_SHOWN = 1_000
"""Pinned traces that are listed."""
MOST_NAMED = 5
"""Traces of a group of failures that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """What came of a wish."""

    trace_id: str
    exchanges: int
    changed: bool
    """Whether it was not so before."""


def trace_named(connection: Connection, text: str) -> str:
    """The id of the trace that a text names, itself or by an exchange of it.

    Raises:
        IdAmbiguous: it may mean several; they are listed.
        NotRecorded: it names nothing.
    """
    found = find(connection, text)
    if found.kind == "trace":
        return found.id
    key = bytes.fromhex(found.id)
    if found.kind == "exchange":
        return str(
            connection.execute(select(exchange.c.trace_id).where(exchange.c.id == key)).scalar_one().hex()
        )
    query = select(exchange.c.trace_id).where(exchange.c.fingerprint == key).distinct().limit(MOST_NAMED)
    named = ", ".join(sorted(each.hex() for each in connection.execute(query).scalars()))
    raise IdAmbiguous(f"{found.id} is a group of failures; its traces: {named}", hint="name one of them")


def pin(connection: Connection, trace_id: str, *, pinned: bool) -> Pinned:
    """Pin a trace with all that is joined to it, under whatever ids, or let it go.

    Raises:
        NotRecorded: there is no such trace.
    """
    erase.share_lock(connection)
    found = read_trace(connection, trace_id)
    if found is None:
        raise NotRecorded(
            f"no trace {trace_id} is recorded", hint="`mesh-replay list` shows what is recorded"
        )
    ids = {bytes.fromhex(trace_id), *(bytes.fromhex(each.trace_id) for each in found.exchanges)}
    changed = 0
    for names in chunks(sorted(ids)):
        other = (trace.c.trace_id.in_(names), trace.c.pinned != int(pinned))
        changed += connection.execute(update(trace).where(*other).values(pinned=int(pinned))).rowcount
    return Pinned(trace_id=trace_id, exchanges=len(found.exchanges), changed=changed > 0)


def pinned_traces(connection: Connection) -> tuple[str, ...]:
    """The ids of pinned traces, newest first, at most `MOST_SHOWN`."""
    query = select(trace.c.trace_id).where(trace.c.pinned == 1)
    newest = query.order_by(trace.c.started_at.desc(), trace.c.trace_id).limit(MOST_SHOWN)
    return tuple(key.hex() for key in connection.execute(newest).scalars())


def unpinned(connection: Connection, ids: Collection[bytes]) -> list[bytes]:
    """Those of these exchanges whose trace is not pinned by now."""
    kept: set[bytes] = set()
    for names in chunks(ids):
        query = select(exchange.c.id).join_from(exchange, trace, trace.c.trace_id == exchange.c.trace_id)
        kept |= set(connection.execute(query.where(exchange.c.id.in_(names), trace.c.pinned == 1)).scalars())
    return [key for key in ids if key not in kept]
