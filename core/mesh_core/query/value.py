"""A search as a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Field(StrEnum):
    """What of an exchange a term looks at."""

    SERVICE = "service"
    """Compared without regard to the case of ASCII letters; values come in lower case."""
    INSTANCE = "instance"
    PEER = "peer"
    DIRECTION = "direction"
    OUTCOME = "outcome"
    METHOD = "method"
    """Compared without regard to the case of ASCII letters; values come in upper case."""
    PATH = "path"
    """The raw request target with its query."""
    AUTHORITY = "authority"
    SCHEME = "scheme"
    TRACE = "trace"
    EXCHANGE = "exchange"
    REQUEST_ID = "request_id"
    ERROR = "error"
    LANE = "lane"
    HEADER = "header"
    """A request's or a response's, either fits; latin-1 decoded, names in lower case."""
    BODY = "body"
    """`mesh_core.bodytext.searchable_text` of the request's or the response's, either fits."""
    STATUS = "status"
    GRPC_STATUS = "grpc_status"
    STARTED = "started"
    """Nanoseconds since the Unix epoch."""
    DURATION = "duration"
    """Nanoseconds."""
    SIZE = "size"
    """Bytes on the wire of the request's or the response's body, either fits."""


class Op(StrEnum):
    """How a text is compared; the case of letters counts but where `Field` says otherwise."""

    EQUALS = "equals"
    GLOB = "glob"
    """`*` stands for any characters, also none, and nothing else is special; the whole text must fit."""
    CONTAINS = "contains"


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Whatever the node does not fit, also what lacks the field that it looks at."""

    node: Node


@dataclass(frozen=True, slots=True)
class Text:
    """Any of the values fits; never where the exchange lacks the field."""

    field: Field
    op: Op
    values: tuple[str, ...]
    """At least one; no NUL and no lone surrogate in them."""
    name: str = ""
    """Of the header, in lower case."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `low` to `high`, both included, None where open; never where there is none."""

    field: Field
    low: int | None
    high: int | None
    """Both within 64 bits."""


type Node = And | Or | Not | Text | Number


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for."""

    text: str
    """As it was typed."""
    node: Node | None
    """None finds everything."""
