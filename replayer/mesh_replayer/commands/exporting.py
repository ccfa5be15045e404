"""What `export` takes out of a store, and `import` puts in."""

from mesh_core.errors import NotRecorded
from mesh_core.model import Bodies, Exchange, Lane
from mesh_core.redact import Redactor
from mesh_replayer.commands.naming import find_trace, query_of
from mesh_store.store import Store

_PAGE = 500


def selected(store: Store, words: tuple[str, ...], limit: int) -> tuple[list[tuple[Exchange, Bodies]], bool]:
    """What an id names or a query finds, oldest first, and whether there is more.

    Raises:
        NotRecorded: nothing is named and nothing fits.
        QueryInvalid: it is no query either.
    """
    exchanges, more = _named(store, " ".join(words)), False
    if exchanges is None:
        exchanges, more = _found(store, words, limit)
    if not exchanges:
        raise NotRecorded(f"nothing recorded fits {' '.join(words)!r}", hint="list with `mesh-replay list`")
    ordered = sorted(exchanges, key=lambda e: (e.started_at, e.id))
    bodies = store.bodies(ordered)
    return [(exchange, own_bodies(exchange, bodies)) for exchange in ordered], more


def _named(store: Store, text: str) -> list[Exchange] | None:
    try:
        found = store.find(text)
    except NotRecorded:
        return None
    if found.kind == "exchange":
        return store.exchanges([found.id])
    return list(find_trace(store, found.id).exchanges)


def _found(store: Store, words: tuple[str, ...], limit: int) -> tuple[list[Exchange], bool]:
    query, found, cursor = query_of(words), list[Exchange](), None
    while len(found) < limit:
        page = store.search(query, limit=min(_PAGE, limit - len(found)), cursor=cursor)
        found.extend(page.exchanges)
        cursor = page.cursor
        if cursor is None:
            return found, False
    return found, True


def own_bodies(exchange: Exchange, bodies: Bodies) -> Bodies:
    """Of all bodies, those of this exchange."""
    refs = [ref for ref in (exchange.request_body, exchange.response_body) if ref is not None]
    return {ref.hash: bodies[ref.hash] for ref in refs if ref.hash in bodies}


def redacted(recorded: tuple[Exchange, Bodies], redactor: Redactor | None) -> tuple[Exchange, Bodies]:
    """What another tool recorded, without its secrets; ours went through a sidecar's redaction."""
    exchange, bodies = recorded
    if redactor is None or exchange.lane is not Lane.IMPORTED:
        return recorded
    return redactor.apply(exchange, bodies)
