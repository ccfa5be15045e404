"""Exchanges and failure groups, a line each. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from mesh_core.fingerprint import FailureGroup
from mesh_core.model import Exchange
from mesh_replayer.look.safe import safe, shortened
from mesh_replayer.look.words import duration, moment, style_of, who
from mesh_replayer.verdict import what

_TRACE = 12
"""Hex digits of a trace id that are shown: enough to name it."""
_NARROW = 100


def exchange_lines(exchanges: Sequence[Exchange], width: int) -> Iterator[Text]:
    """When, who, what, how it ended, and the trace."""
    requests = [f"{safe(exchange.method)} {safe(exchange.path)}" for exchange in exchanges]
    longest = max(map(len, requests), default=0)
    names = [safe(who(exchange)) for exchange in exchanges]
    column = min(max(map(len, names), default=0), width // 4)
    ending = max((len(what(exchange)) for exchange in exchanges), default=0)
    for exchange, name, request in zip(exchanges, names, requests, strict=True):
        at = moment(exchange.started_at)
        fixed = 23 + 2 + column + 2 + 2 + ending + 10 + 2 + _TRACE
        line = Text()
        if width < _NARROW:
            at, fixed = at[11:19], fixed - 15
        line.append(at, "dim")
        line.append(f"  {shortened(name, column):<{column}}  ")
        room = min(longest, max(12, width - fixed))
        line.append(f"{shortened(request, room):<{room}}  ")
        line.append(f"{what(exchange):<{ending}}", style_of(exchange))
        line.append(f"{duration(exchange.duration):>10}  ")
        line.append(exchange.trace_id[:_TRACE], "cyan")
        yield line


def group_lines(groups: Iterable[FailureGroup], width: int) -> Iterator[Text]:
    """How often, what, and where to look."""
    for group in groups:
        head = Text()
        head.append(f"{group.count:>6}x ", "bold")
        head.append(safe(group.title), "bold red")
        yield head
        when = moment(group.last_seen)
        if group.count > 1:
            when = f"{moment(group.first_seen)} to {when}"
        yield Text(f"         {when}", "dim")
        trace = group.traces[0] if group.traces else None
        where = f"         group {group.fingerprint}"
        if trace is not None:
            shown = trace if width >= _NARROW else trace[:_TRACE]
            where += f"   mesh-replay show {shown}"
        yield Text(where, "dim")
