"""A trace as a tree with its waterfall. Pure.

1. A certain link is a full line, an inferred one dashed, and said.
2. The culprit is marked, and named with its id.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from mesh_core.culprit import culprit
from mesh_core.model import Exchange
from mesh_core.trace import Completeness, Trace
from mesh_replayer.look.safe import safe, shortened
from mesh_replayer.look.words import duration, moment, style_of, who
from mesh_replayer.verdict import what

_BAR_FROM = 90
"""Columns from which on there is room for a waterfall."""
_ID_FROM = 140
_COMPLETE = {
    Completeness.COMPLETE: "complete",
    Completeness.TRUNCATED: "truncated: every exchange is there, but not every whole body",
    Completeness.LOSSY: "lossy: exchanges may be missing, as a sidecar dropped some at that time",
}


@dataclass(frozen=True, slots=True)
class _Row:
    exchange: Exchange
    rails: str
    """The lines of the tree in front of it."""
    inferred: float | None
    """The confidence of an inferred link."""


def trace_lines(trace: Trace, width: int) -> Iterator[Text]:
    """The head of a trace, then a line for each exchange."""
    guilty = culprit(trace)
    yield from _head(trace, guilty)
    rows = list(_rows(trace))
    labels = [
        f"{row.rails}{safe(who(row.exchange))}  {_request(row.exchange)}{_inferred(row)}" for row in rows
    ]
    bar = max(20, width // 4) if width >= _BAR_FROM else 0
    with_ids = width >= _ID_FROM
    ending = max(len(what(row.exchange)) for row in rows)
    room = width - 2 - 2 - ending - 9 - (bar + 2 if bar else 0) - (34 if with_ids else 0)
    column = max(20, min(room, max(map(len, labels), default=0)))
    for row, label in zip(rows, labels, strict=True):
        exchange = row.exchange
        line = Text("▶ " if exchange is guilty else "  ", "bold red")
        line.append(f"{shortened(label, column):<{column}}", "bold" if exchange is guilty else "")
        line.append(f"  {what(exchange):<{ending}}", style_of(exchange))
        if bar:
            line.append(f"  {_bar(exchange, trace, bar)}", style_of(exchange))
        line.append(f" {duration(exchange.duration):>8}")
        if with_ids:
            line.append(f"  {exchange.id}", "dim")
        yield line


def _head(trace: Trace, guilty: Exchange | None) -> Iterator[Text]:
    services = len(trace.services)
    took = duration(trace.ended_at - trace.started_at)
    line = Text("trace ")
    line.append(trace.trace_id, "cyan")
    line.append(
        f"  {moment(trace.started_at)}  {len(trace.exchanges)} exchanges"
        f" in {services} service{'s' if services > 1 else ''}, {took}"
    )
    yield line
    lossy = trace.completeness is not Completeness.COMPLETE
    yield Text(_COMPLETE[trace.completeness], "yellow" if lossy else "dim")
    if trace.used_again:
        yield Text(f"id used again: {trace.used_again} later parts are not shown", "yellow")
    if guilty is not None:
        line = Text("culprit: ")
        line.append(f"{safe(who(guilty))} {_request(guilty)} {what(guilty)}", "bold red")
        line.append(f"  exchange {guilty.id}", "dim")
        yield line
        if guilty.error:
            yield Text(f"         {safe(guilty.error)}", "dim")
    yield Text()


def _rows(trace: Trace) -> Iterator[_Row]:
    waiting: list[tuple[Exchange, str, bool, bool]] = [
        (root, "", True, True) for root in reversed(trace.roots)
    ]
    while waiting:
        exchange, above, last, root = waiting.pop()
        parent = trace.parents.get(exchange.id)
        inferred = parent is not None and not parent.certain
        rails = "" if root else above + ("└" if last else "├") + ("╌ " if inferred else "─ ")
        yield _Row(exchange, rails, parent.confidence if parent is not None and inferred else None)
        below = "" if root else above + ("   " if last else "│  ")
        children = trace.children(exchange.id)
        waiting += [(child, below, child is children[-1], False) for child in reversed(children)]


def _request(exchange: Exchange) -> str:
    return f"{safe(exchange.method)} {safe(exchange.path)}"


def _inferred(row: _Row) -> str:
    return "" if row.inferred is None else f"  (inferred, {row.inferred:.0%})"


def _bar(exchange: Exchange, trace: Trace, width: int) -> str:
    """Where in the trace's time the exchange lies."""
    whole = max(1, trace.ended_at - trace.started_at)
    start = (exchange.started_at - trace.started_at) * (width - 1) // whole
    end = (exchange.ended_at - trace.started_at) * (width - 1) // whole
    length = max(1, end - start + 1)
    return (" " * start + "━" * length)[:width].ljust(width)
