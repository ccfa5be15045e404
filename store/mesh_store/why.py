"""Why something is not in the store, where that can be known."""

import re
from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from mesh_core.errors import NotRecorded
from mesh_core.identify import Candidate, Lookup
from mesh_core.times import rfc3339
from mesh_store.bookkeeping import PRUNED_BEFORE, recall
from mesh_store.tables import IMPORTS, exchange, recorder_gap, run

_EARLIEST, _LATEST = 1_400_000_000, 4_000_000_000
"""Seconds since the epoch between which a number in an id can be a time."""
_XRAY = re.compile(r"\b1-([0-9a-f]{8})-[0-9a-f]{24}\b")
_SECOND = 1_000_000_000


def why_not(connection: Connection, text: str, meant: Sequence[Candidate]) -> NotRecorded:
    """The error that says why nothing goes by this name."""
    name = text.strip()[:80]
    if connection.execute(select(exchange.c.id).limit(1)).first() is None:
        return NotRecorded(
            "nothing is recorded yet" if name in ("", "last") else f"{name} is not recorded: nothing is yet",
            hint="start a sidecar: `mesh-record --service NAME --app HOST:PORT`",
        )
    moment = _moment(text, meant)
    reason = None if moment is None else _reason(connection, moment)
    problem = f"no trace or exchange {name} is recorded" if name else "no id was given"
    if reason is not None:
        problem = f"{problem}: {reason}"
    return NotRecorded(problem, hint="`mesh-replay list` shows what is recorded")


def _moment(text: str, meant: Sequence[Candidate]) -> int | None:
    """When the thing was, in nanoseconds since the epoch, where its id says so."""
    xray = _XRAY.search(text.lower())
    if xray is not None:
        return int(xray[1], 16) * _SECOND
    for candidate in meant:
        value = candidate.value
        if candidate.lookup is Lookup.EXCHANGE and value[12] == "7" and value[16] in "89ab":
            milliseconds = int(value[:12], 16)
            if _EARLIEST <= milliseconds // 1000 <= _LATEST:  # else it is not an id of ours
                return milliseconds * 1_000_000
    return None


def _reason(connection: Connection, moment: int) -> str | None:
    at = f"at {rfc3339(moment)[:19]}Z"
    pruned_before = recall(connection, PRUNED_BEFORE)
    if pruned_before is not None and moment < pruned_before:
        return f"what was recorded {at} has been pruned"
    # An id is made, and its second begins, a little before the exchange's own first moment.
    until = moment + _SECOND
    gap = connection.execute(
        select(run.c.service, recorder_gap.c.reason, recorder_gap.c.count)
        .join(run, run.c.id == recorder_gap.c.run)
        .where(recorder_gap.c.ended_at >= moment, recorder_gap.c.started_at <= until)
        .limit(1)
    ).first()
    if gap is not None:
        return f"the sidecar of {gap.service} dropped {gap.count} exchanges {at} ({gap.reason})"
    there = select(func.count()).where(
        run.c.run_id != IMPORTS, run.c.first_at <= until, run.c.last_at >= moment - _SECOND
    )
    if not connection.execute(there).scalar_one():
        return f"no sidecar recorded {at}"
    return None
