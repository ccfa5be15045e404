"""What a search means, exchange by exchange: every store's search must agree. Pure."""

from collections.abc import Iterable

from mesh_core.bodytext import searchable_text
from mesh_core.model import Bodies, Exchange
from mesh_core.query.glob import fits
from mesh_core.query.terms import ascii_lower
from mesh_core.query.value import And, Field, Node, Not, Number, Op, Or, Query, Text


def matches(query: Query, exchange: Exchange, bodies: Bodies) -> bool:
    """Whether the exchange is one that the query looks for.

    Args:
        query: as parsed.
        exchange: any.
        bodies: by hash; a body that is not given holds no text.
    """
    return query.node is None or _fits(query.node, exchange, bodies)


def _fits(node: Node, exchange: Exchange, bodies: Bodies) -> bool:
    match node:
        case And(nodes):
            return all(_fits(each, exchange, bodies) for each in nodes)
        case Or(nodes):
            return any(_fits(each, exchange, bodies) for each in nodes)
        case Not(inner):
            return not _fits(inner, exchange, bodies)
        case Text():
            return any(_compares(node, text) for text in _texts(node, exchange, bodies))
        case Number(field, low, high):
            return any(
                (low is None or number >= low) and (high is None or number <= high)
                for number in _numbers(field, exchange)
            )


def _compares(node: Text, text: str) -> bool:
    if node.field in (Field.SERVICE, Field.METHOD):
        text, values = ascii_lower(text), tuple(ascii_lower(value) for value in node.values)
    else:
        values = node.values
    if node.op is Op.EQUALS:
        return text in values
    if node.op is Op.CONTAINS:
        return any(value in text for value in values)
    return any(fits(value, text) for value in values)


def _texts(node: Text, exchange: Exchange, bodies: Bodies) -> Iterable[str]:
    """The texts of the field that the exchange has."""
    if node.field is Field.BODY:
        return [
            searchable_text(ref, bodies) for ref in (exchange.request_body, exchange.response_body) if ref
        ]
    if node.field is Field.HEADER:
        name = node.name.encode("latin-1", "replace")
        fields = exchange.request_headers + exchange.response_headers
        return [value.decode("latin-1") for key, value in fields if key.lower() == name]
    text: str | None = getattr(exchange, _ATTRIBUTES.get(node.field, node.field.value))
    return [] if text is None else [text]


_ATTRIBUTES = {Field.TRACE: "trace_id", Field.EXCHANGE: "id"}
"""Where an exchange calls a field otherwise."""


def _numbers(field: Field, exchange: Exchange) -> Iterable[int]:
    found: dict[Field, list[int | None]] = {
        Field.STATUS: [exchange.status],
        Field.GRPC_STATUS: [exchange.grpc_status],
        Field.STARTED: [exchange.started_at],
        Field.DURATION: [exchange.duration],
        Field.SIZE: [ref.size for ref in (exchange.request_body, exchange.response_body) if ref],
    }
    return [number for number in found.get(field, []) if number is not None]
