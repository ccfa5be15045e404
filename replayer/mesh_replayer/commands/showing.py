"""`show`: whatever an id names, as a document and as lines."""

from collections.abc import Callable, Iterable
from typing import Any

from rich.text import Text

from mesh_core.errors import NotRecorded
from mesh_core.fingerprint import FailureGroup
from mesh_core.shapes import exchange_document, group_json, trace_json
from mesh_replayer.commands.naming import find_group
from mesh_replayer.look.exchange import exchange_lines
from mesh_replayer.look.lists import group_lines
from mesh_replayer.look.tree import trace_lines
from mesh_store.store import Store

type Document = Callable[[], Any]
type Lines = Callable[[int], Iterable[Text]]
"""Lines for so many columns."""


def shown(store: Store, text: str) -> tuple[Document, Lines]:
    """What `text` names, as JSON and for the terminal.

    Raises:
        NotRecorded: it names nothing; why, where that can be known.
        IdAmbiguous: it may name several things.
    """
    found = store.find(text)
    if found.kind == "trace":
        trace = store.trace(found.id)
        if trace is not None:
            return lambda: trace_json(trace), lambda width: trace_lines(trace, width)
    elif found.kind == "exchange":
        exchange = store.exchange(found.id)
        if exchange is not None:
            bodies = store.bodies([exchange])
            whole = store.trace(exchange.trace_id)
            parent = None if whole is None else whole.parents.get(exchange.id)
            return (
                lambda: exchange_document(exchange, bodies, parent=parent),
                lambda _: exchange_lines(exchange, bodies, parent),
            )
    else:
        group = find_group(store, found.id)
        if group is not None:
            return lambda: group_json(group), lambda width: _group_lines(group, width)
    raise NotRecorded(f"{found.kind} {found.id} is gone", hint="list what is there: `mesh-replay list`")


def _group_lines(group: FailureGroup, width: int) -> Iterable[Text]:
    yield from group_lines([group], width)
    for trace in group.traces:
        yield Text(f"         trace {trace}", "cyan")
