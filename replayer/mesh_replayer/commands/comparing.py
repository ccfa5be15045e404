"""`diff`: two exchanges, or two traces, side by side."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from mesh_core.errors import MeshError
from mesh_core.masks import path_template
from mesh_core.model import Bodies, Exchange
from mesh_core.trace import Trace
from mesh_replayer.commands.naming import find_exchange, find_trace
from mesh_replayer.commands.showing import Document, Lines
from mesh_replayer.diff import Difference, LeftOut, compare
from mesh_replayer.diff.requests import compare_requests
from mesh_replayer.look.differences import difference_lines, left_out_lines
from mesh_replayer.look.safe import safe
from mesh_replayer.look.words import who
from mesh_replayer.reports.shapes import difference_json, left_out_json
from mesh_replayer.verdict import what
from mesh_store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Two exchanges; one of them None where the other trace has nothing like it."""

    left: Exchange | None
    right: Exchange | None
    differences: tuple[Difference, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def present(self) -> Exchange:
        """The one that is there."""
        exchange = self.left or self.right
        assert exchange is not None, "a pair has at least one"  # noqa: S101 (how pairs are made)
        return exchange


def compared(store: Store, one: str, other: str) -> tuple[Document, Lines]:
    """The differences, as JSON and for the terminal.

    Raises:
        NotRecorded, IdAmbiguous: see `find`.
        MeshError: one names an exchange, the other a trace.
    """
    kinds = {store.find(one).kind, store.find(other).kind}
    if kinds == {"exchange"}:
        left, right = find_exchange(store, one), find_exchange(store, other)
        pair = _compared(left, right, store.bodies([left, right]))
        return lambda: _pair_json(pair), lambda width: _exchange_lines(pair, width)
    if "exchange" in kinds:
        raise MeshError(f"{one} and {other} are an exchange and a trace", hint="give two of either")
    traces = find_trace(store, one), find_trace(store, other)
    bodies = store.bodies([*traces[0].exchanges, *traces[1].exchanges])
    pairs = list(_paired(*traces, bodies))
    return (
        lambda: {
            "left": traces[0].trace_id,
            "right": traces[1].trace_id,
            "exchanges": [_pair_json(pair) for pair in pairs],
        },
        lambda width: _trace_lines(traces, pairs, width),
    )


def _compared(left: Exchange, right: Exchange, bodies: Bodies) -> _Pair:
    comparison = compare(left, right, bodies)
    asked = compare_requests(left, right, bodies)
    return _Pair(
        left=left, right=right, differences=(*asked, *comparison.differences), left_out=comparison.left_out
    )


def _paired(one: Trace, other: Trace, bodies: Bodies) -> Iterator[_Pair]:
    """The n-th call of a kind in one trace goes with the n-th in the other."""
    waiting: defaultdict[tuple[str, ...], list[Exchange]] = defaultdict(list)
    for exchange in reversed(other.exchanges):
        waiting[_kind(exchange)].append(exchange)
    for exchange in one.exchanges:
        like = waiting[_kind(exchange)]
        yield _compared(exchange, like.pop(), bodies) if like else _Pair(left=exchange, right=None)
    for exchange in sorted((e for left in waiting.values() for e in left), key=lambda e: e.started_at):
        yield _Pair(left=None, right=exchange)


def _kind(exchange: Exchange) -> tuple[str, ...]:
    peer = exchange.peer or "" if exchange.direction.value == "outbound" else ""
    return exchange.service, exchange.direction.value, peer, exchange.method, path_template(exchange.path)


def _pair_json(pair: _Pair) -> dict[str, Any]:
    return {
        "left": None if pair.left is None else pair.left.id,
        "right": None if pair.right is None else pair.right.id,
        "service": pair.present.service,
        "direction": pair.present.direction.value,
        "method": pair.present.method,
        "path": pair.present.path,
        "differences": [difference_json(each) for each in pair.differences],
        "not_compared": left_out_json(pair.left_out),
    }


def _exchange_lines(pair: _Pair, width: int) -> Iterable[Text]:
    yield _title(pair)
    if not pair.differences:
        yield Text("  no difference", "green")
    yield from difference_lines(pair.differences, width, "  ")
    yield from left_out_lines(pair.left_out, "  ")


def _trace_lines(traces: tuple[Trace, Trace], pairs: list[_Pair], width: int) -> Iterable[Text]:
    yield Text(f"{traces[0].trace_id} → {traces[1].trace_id}", "cyan")
    same = 0
    for pair in pairs:
        if pair.left is None or pair.right is None:
            line = _title(pair)
            line.append(" only in the " + ("second" if pair.left is None else "first"), "yellow")
            yield line
        elif pair.differences:
            yield _title(pair)
            yield from difference_lines(pair.differences, width, "  ")
        else:
            same += 1
    yield Text(f"{same} of {len(pairs)} exchanges are the same", "dim")


def _title(pair: _Pair) -> Text:
    exchange = pair.present
    line = Text(f"{safe(who(exchange))} {safe(exchange.method)} {safe(exchange.path)}", "bold")
    if pair.left is not None and pair.right is not None and what(pair.left) != what(pair.right):
        line.append(f"  {what(pair.left)} → {what(pair.right)}", "yellow")
    return line
