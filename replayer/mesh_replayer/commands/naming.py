"""What the user's words name in the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mesh_core.errors import MeshError, NotRecorded
from mesh_core.query import Query, parse_query

if TYPE_CHECKING:
    from mesh_core.fingerprint import FailureGroup
    from mesh_core.model import Exchange
    from mesh_core.trace import Trace
    from mesh_store.store import Found, Store

_LIST = "list them with `mesh-replay list`"


def query_of(words: tuple[str, ...]) -> Query:
    """The query that the rest of a command line is."""
    return parse_query(" ".join(words), now=time.time_ns())


def find_trace(store: Store, text: str) -> Trace:
    """The trace that a text names, itself, by one of its exchanges, or by what failed in it.

    Raises:
        NotRecorded: there is none; why, where that can be known.
        IdAmbiguous: there may be several.
    """
    found = _find(store, text, "trace")
    if found.kind == "trace":
        trace_id = found.id
    elif found.kind == "exchange":
        trace_id = _exchange(store, found.id).trace_id
    else:
        group = find_group(store, found.id)
        if group is None or not group.traces:
            raise NotRecorded(f"no trace of failure group {found.id} is recorded", hint=_LIST)
        trace_id = group.traces[0]
    trace = store.trace(trace_id)
    if trace is None:
        raise NotRecorded(f"no trace {text} is recorded", hint=_LIST)
    return trace


def find_exchange(store: Store, text: str) -> Exchange:
    """The exchange that a text names.

    Raises:
        NotRecorded: there is none; why, where that can be known.
        IdAmbiguous: there may be several.
        MeshError: it names something else.
    """
    found = _find(store, text, "exchange")
    if found.kind != "exchange":
        what = "trace" if found.kind == "trace" else "failure group"
        raise MeshError(
            f"{text} names a {what}, not an exchange", hint=f"`mesh-replay show {text}` lists its exchanges"
        )
    return _exchange(store, found.id)


def find_group(store: Store, fingerprint: str) -> FailureGroup | None:
    """The failure group of a fingerprint, 16 hex digits."""
    groups = store.failures(query_of(()), limit=10_000)
    return next((group for group in groups if group.fingerprint == fingerprint), None)


def _exchange(store: Store, exchange_id: str) -> Exchange:
    exchange = store.exchange(exchange_id)
    if exchange is None:
        raise NotRecorded(f"no exchange {exchange_id} is recorded", hint=_LIST)
    return exchange


def _find(store: Store, text: str, what: str) -> Found:
    try:
        return store.find(text)
    except NotRecorded as cause:
        _, _, why = cause.problem.rpartition(": ")
        because = f": {why}" if why != cause.problem else ""
        hint = _LIST if "mesh-replay list" in cause.hint else cause.hint
        raise NotRecorded(f"no {what} {text[:80]} is recorded{because}", hint=hint) from cause
