"""One term as a node: its field, how it compares, its values. Pure."""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from mesh_core.model import Direction, Lane
from mesh_core.outcome import FAILURES, Outcome
from mesh_core.query.glob import fits
from mesh_core.query.lexer import Character, refuse
from mesh_core.query.numbers import NUMBERS, number
from mesh_core.query.value import Field, Node, Op, Or, Text

_FIELD = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
"""Source: RFC 9110, section 5.6.2."""
_ENUMS: dict[Field, type[StrEnum]] = {
    Field.OUTCOME: Outcome,
    Field.DIRECTION: Direction,
    Field.LANE: Lane,
}
_WIRE = frozenset({Field.PATH, Field.AUTHORITY, Field.REQUEST_ID, Field.HEADER})
"""Texts that are latin-1 decoded bytes."""
_FLAGS = {
    ("is", "failure"): True,
    ("failed", "true"): True,
    ("failed", "false"): False,
}
KNOWN = tuple(sorted({field.value for field in Field} - {"started"} | {"since", "until", "is", "failed"}))
"""The names that a term can begin with."""


class Value(NamedTuple):
    """One of the values between commas."""

    text: str
    glob: bool
    """Whether a `*` in it is a glob."""
    at: int


def term(characters: Sequence[Character], at: int, now: int) -> tuple[Node, int]:
    """The node of one term, and for how many terms it counts."""
    for place, character in enumerate(characters):
        if character.text in ":~" and not character.quoted:
            before, rest = characters[:place], characters[place + 1 :]
            name = "".join(c.text for c in before)
            if not _FIELD.fullmatch(name) or any(c.quoted for c in before):
                break
            return _with_field(name, character.text, rest, at, now)
    value = _value(characters, at)
    if value.glob:
        hint = "say where, as in path:/check*"
        raise refuse("a word alone is looked for as it is, without *", at, hint=hint)
    if not value.text:
        raise refuse("an empty text is found everywhere", at, hint="write something between the quotes")
    places = [_texts(field, Op.CONTAINS, [value.text]) for field in (Field.PATH, Field.ERROR, Field.BODY)]
    return Or(tuple(places)), 1


def _with_field(name: str, operator: str, rest: Sequence[Character], at: int, now: int) -> tuple[Node, int]:
    key = name.lower().replace("-", "_")
    if key not in KNOWN:
        raise refuse(
            f"unknown field {name}",
            at,
            hint=f"known are {', '.join(KNOWN)}; a text that has a : or ~ needs quotes",
        )
    if not rest:
        raise refuse(f"{name}{operator} has no value", at, hint=f'write one after it, or {name}{operator}""')
    if key == "header" and operator == ":":
        return _header(rest)
    values = _values(rest, at)
    if key in ("is", "failed"):
        return _flag(key, operator, values), 1
    if key in NUMBERS:
        if operator == "~":
            raise refuse(f"{key} is no text for ~", at, hint=f"use {NUMBERS[key].example}")
        nodes = [number(key, value.text, value.at, now) for value in values]
        return _any(nodes), len(nodes)
    field = Field(key)
    if operator == "~":
        return _contains(field, values), len(values)
    if field is Field.BODY:
        raise refuse("a body is looked through with ~", values[0].at, hint='use body~"…"')
    if field in _ENUMS:
        return _listed(field, values), len(values)
    return _compare(field, values), len(values)


def _header(rest: Sequence[Character]) -> tuple[Node, int]:
    """`NAME`, `NAME=VALUES` or `NAME~VALUES`."""
    at = rest[0].at
    split = next((i for i, c in enumerate(rest) if c.text in "=~" and not c.quoted), len(rest))
    name = "".join(c.text for c in rest[:split]).lower()
    if not _HEADER_NAME.fullmatch(name):
        raise refuse("no header has such a name", at, hint="use header:x-tenant or header:x-tenant=42")
    if split == len(rest):
        return Text(Field.HEADER, Op.GLOB, ("*",), name), 1
    values = _values(rest[split + 1 :], at)
    if rest[split].text == "~":
        return _contains(Field.HEADER, values, name), len(values)
    return _compare(Field.HEADER, values, name), len(values)


def _flag(key: str, operator: str, values: list[Value]) -> Node:
    failed = _FLAGS.get((key, values[0].text.lower()))
    if failed is None or operator != ":" or len(values) > 1:
        hint = "use is:failure" if key == "is" else "use failed:true or failed:false"
        raise refuse(f"{key} does not know {values[0].text[:40]!r}", values[0].at, hint=hint)
    return Text(Field.OUTCOME, Op.EQUALS, tuple(o.value for o in Outcome if (o in FAILURES) is failed))


def _contains(field: Field, values: list[Value], name: str = "") -> Node:
    if field in _ENUMS or (field is Field.HEADER and not name):
        raise refuse(f"{field} cannot be looked through", values[0].at, hint=f"use {field}: instead of ~")
    for value in values:
        if value.glob:
            hint = 'quote it ("*"), or use : where the field has it'
            raise refuse("after ~ a * would stand for itself", value.at, hint=hint)
        if not value.text:
            raise refuse("an empty text is found everywhere", value.at, hint="write something after ~")
    return _texts(field, Op.CONTAINS, [value.text for value in values], name)


def _listed(field: Field, values: list[Value]) -> Node:
    """Values out of a fixed list; a glob stands for those that it fits."""
    known = [member.value for member in _ENUMS[field]]
    found: list[str] = []
    for value in values:
        fitting = (
            [word for word in known if fits(value.text.lower(), word)] if value.glob else [value.text.lower()]
        )
        if not fitting or fitting[0] not in known:
            raise refuse(
                f"no {field} is called {value.text[:40]!r}", value.at, hint=f"known are {', '.join(known)}"
            )
        found += fitting
    return Text(field, Op.EQUALS, tuple(dict.fromkeys(found)))


def _compare(field: Field, values: list[Value], name: str = "") -> Node:
    plain = [value.text for value in values if not value.glob]
    globs = [value.text for value in values if value.glob]
    if field is Field.PATH:
        # The query of a request is part of its path; who does not name it means any.
        globs += [f"{text}?*" for text in plain if "?" not in text and "*" not in text]
        globs += [
            f"{value.text}?*" for value in values if value.glob and not re.search(r"\?|\*$", value.text)
        ]
    nodes = [_texts(field, Op.EQUALS, plain, name)] if plain else []
    if globs:
        nodes.append(_texts(field, Op.GLOB, globs, name))
    return _any(nodes)


def _texts(field: Field, op: Op, values: Sequence[str], name: str = "") -> Node:
    known = [form for value in values for form in _forms(field, value)]
    return Text(field, op, tuple(dict.fromkeys(known)), name)


def _forms(field: Field, value: str) -> tuple[str, ...]:
    """A value as the field's text may have it; wire bytes may be UTF-8 or latin-1."""
    if field in _WIRE and not value.isascii():
        return value.encode().decode("latin-1"), value
    return (_NORMAL[field](value),) if field in _NORMAL else (value,)


def ascii_lower(text: str) -> str:
    """Lower case of ASCII letters alone, as databases have it."""
    return text.translate(_LOWER)


def _ascii_upper(text: str) -> str:
    return text.translate(_UPPER)


def _id(text: str) -> str:
    return ascii_lower(text).replace("-", "")


_LOWER = {ord(letter): ord(letter.lower()) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_UPPER = {small: capital for capital, small in _LOWER.items()}
_NORMAL: dict[Field, Callable[[str], str]] = {
    Field.SERVICE: ascii_lower,
    Field.METHOD: _ascii_upper,
    Field.TRACE: _id,
    Field.EXCHANGE: _id,
}


def _values(rest: Sequence[Character], at: int) -> list[Value]:
    """The values between unquoted commas."""
    found: list[Value] = []
    begin = 0
    for place in range(len(rest) + 1):
        if place == len(rest) or (rest[place].text == "," and not rest[place].quoted):
            found.append(_value(rest[begin:place], rest[begin - 1].at if begin else at))
            begin = place + 1
    return found


def _value(characters: Sequence[Character], at: int) -> Value:
    at = characters[0].at if characters else at
    stars = {c.quoted for c in characters if c.text == "*"}
    if len(stars) == 2:
        raise refuse("one value cannot have a * in quotes and one as a glob", at, hint="use * for both")
    return Value("".join(c.text for c in characters), stars == {False}, at)


def _any(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))
