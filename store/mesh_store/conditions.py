"""A search as SQL: what it means is `mesh_core.query.matches`, which this follows in both dialects.

1. Values are bound parameters, always.
2. Every node is true or false, never NULL, so that NOT means what it says.
3. What SQL cannot decide (headers, bodies) is taken for true, within NOT for false: what is found
   is then too much, never too little, and has to be looked through with `matches`.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, false, not_, or_, true

from mesh_core.outcome import FAILURES
from mesh_core.query import And, Field, Node, Not, Number, Op, Or, Query, Text
from mesh_core.query.terms import ascii_lower
from mesh_store import dialect
from mesh_store.reading import bytes_of
from mesh_store.rows import request_key
from mesh_store.tables import FAILED, confusable, exchange, searchable

type Condition = ColumnElement[bool]

_BY_HAND = frozenset({Field.HEADER, Field.BODY})
"""What SQL cannot look into."""
_IDS = {Field.TRACE: exchange.c.trace_id, Field.EXCHANGE: exchange.c.id}
_TEXTS = {
    Field.SERVICE: exchange.c.service,
    Field.INSTANCE: exchange.c.instance,
    Field.PEER: exchange.c.peer,
    Field.DIRECTION: exchange.c.direction,
    Field.OUTCOME: exchange.c.outcome,
    Field.METHOD: exchange.c.method,
    Field.PATH: exchange.c.path,
    Field.AUTHORITY: exchange.c.authority,
    Field.SCHEME: exchange.c.scheme,
    Field.REQUEST_ID: exchange.c.request_id,
    Field.ERROR: exchange.c.error,
    Field.LANE: exchange.c.lane,
}
_NUMBERS: dict[Field, tuple[ColumnElement[Any], ...]] = {
    Field.STATUS: (exchange.c.status,),
    Field.GRPC_STATUS: (exchange.c.grpc_status,),
    Field.STARTED: (exchange.c.started_at,),
    Field.DURATION: (exchange.c.ended_at - exchange.c.started_at,),
    Field.SIZE: (exchange.c.request_size, exchange.c.response_size),
}
_FAILING = frozenset(outcome.value for outcome in FAILURES)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A search in SQL."""

    where: Condition
    exact: bool
    """Whether it finds no more than is looked for."""
    bodies: bool
    """Whether looking through what it finds needs the bodies."""


def compiled(query: Query, name: str) -> Compiled:
    """The search in the dialect that is called `name`."""
    if query.node is None:
        return Compiled(true(), exact=True, bodies=False)
    fields = set(_fields_by_hand(query.node))
    return Compiled(_Dialect(name).of(query.node, upper=True), exact=not fields, bodies=Field.BODY in fields)


def _fields_by_hand(node: Node) -> list[Field]:
    """The fields of the terms that SQL cannot decide."""
    match node:
        case And(nodes) | Or(nodes):
            return [field for each in nodes for field in _fields_by_hand(each)]
        case Not(inner):
            return _fields_by_hand(inner)
        case Text():
            return [node.field] if _undecided(node) else []
    return []


def _undecided(node: Text) -> bool:
    return node.field in _BY_HAND or any(confusable(value) for value in node.values)


@dataclass(frozen=True, slots=True)
class _Dialect:
    """Translates nodes."""

    name: str

    def of(self, node: Node, *, upper: bool) -> Condition:
        """A condition that holds wherever the node does, and maybe elsewhere.

        Args:
            node: to translate.
            upper: where it is not, the condition holds nowhere else, and maybe not everywhere.
        """
        match node:
            case And(nodes):
                return and_(true(), *(self.of(each, upper=upper) for each in nodes))
            case Or(nodes):
                return or_(false(), *(self.of(each, upper=upper) for each in nodes))
            case Not(inner):
                return not_(self.of(inner, upper=not upper))
            case Text():
                if _undecided(node):
                    return true() if upper else false()
                return self.text(node)
            case Number():
                return or_(*(_between(column, node) for column in _NUMBERS[node.field]))

    def text(self, node: Text) -> Condition:
        if node.field in _IDS:
            return self.id(_IDS[node.field], node)
        column = _TEXTS[node.field]
        values = node.values
        if node.field in (Field.SERVICE, Field.METHOD):
            values = tuple(ascii_lower(value) for value in values)
        if node.op is not Op.EQUALS:
            compare = dialect.contains if node.op is Op.CONTAINS else dialect.glob
            return _where_set(column, or_(*(compare(self.name, column, value) for value in values)))
        if node.field is Field.REQUEST_ID:
            return _where_set(column, or_(*(same_request(value) for value in values)))
        equal = column == values[0] if len(values) == 1 else column.in_(values)
        if node.field is Field.OUTCOME and _FAILING.issuperset(values):
            # So that the indexes of failures can be used.
            return FAILED if set(values) == _FAILING else and_(FAILED, equal)
        return _where_set(column, equal)

    def id(self, column: ColumnElement[Any], node: Text) -> Condition:
        if node.op is Op.EQUALS:
            keys = [key for value in node.values if len(value) == 32 and (key := bytes_of(value)) is not None]
            return or_(false(), *(column == key for key in keys))
        digits = dialect.hex_of(self.name, column)
        compare = dialect.contains if node.op is Op.CONTAINS else dialect.glob
        return or_(*(compare(self.name, digits, value) for value in node.values))


def same_request(request_id: str) -> Condition:
    """Exchanges that carried this request id, by its index."""
    return and_(
        exchange.c.request_key == request_key(request_id), exchange.c.request_id == searchable(request_id)
    )


def _where_set(column: ColumnElement[Any], condition: Condition) -> Condition:
    """False, not NULL, where the exchange lacks the field."""
    return and_(column.is_not(None), condition) if getattr(column, "nullable", True) else condition


def _between(column: ColumnElement[Any], node: Number) -> Condition:
    bounds = [] if node.low is None else [column >= node.low]
    if node.high is not None:
        bounds.append(column <= node.high)
    return _where_set(column, and_(true(), *bounds))
