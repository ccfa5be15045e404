"""A value and what is inside it: `Bearer x`, `cart:123`, `name.pdf`, URLs, percent and base64. Pure.

A piece knows its label, which finds the same piece in another value of that form, and how the
whole looks with another piece in its place.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

MOST_LENGTH = 4_096
"""Characters of a value that is looked into."""
_MOST_WORDS = 3
"""Blanks in a value from which on it is prose, and only looked at whole."""
_DEEPEST = 4
_MOST_PARTS = 24
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,15} +)(\S.*)", re.DOTALL)
_QUOTED = re.compile(r'((?:W/)?")([^"]+)(")')
_SEPARATORS = re.compile(r"([/?&=:;,|\s#@]+)")
_PREFIX = re.compile(r"([A-Za-z]{1,16}[-_.])([^\s]{1,})")
_SUFFIX = re.compile(r"([^\s]+?)(\.[a-z][a-z0-9]{1,4})")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")

type Label = tuple[str, ...]
type Rebuild = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a value."""

    label: Label
    """How one gets there; empty for the whole."""
    value: str
    rebuild: Rebuild
    """The whole, with another text in this part's place."""
    near: str = ""
    """What stands before it, and may name it."""


def pieces(value: str) -> Iterator[Piece]:
    """The value and all that is in it, the whole first, each before what is in it."""
    yield from _inside(Piece((), value, _same), 0)


def piece(value: str, label: Label) -> Piece | None:
    """The piece with this label; None where the value has another form."""
    found = Piece((), value, _same)
    for depth, step in enumerate(label):
        below = {inner.label[-1]: inner for inner in parts(found, depth)}
        if step not in below:
            return None
        found = below[step]
    return found


def parts(outer: Piece, depth: int) -> Iterator[Piece]:
    """What is directly inside a piece, from the surest form to the least sure one."""
    value = outer.value
    if depth >= _DEEPEST or not 3 <= len(value) <= MOST_LENGTH:
        return
    if value[0] in "{[":
        yield from _of_json(outer)
        return
    if match := _QUOTED.fullmatch(value):
        yield _framed(outer, "quoted", match)
        return
    if match := _SCHEME.fullmatch(value):
        yield _framed(outer, "scheme", match, last=False)
        return
    if len(value.split()) <= _MOST_WORDS:
        yield from _encoded(outer)
        yield from _split(outer)


def _inside(outer: Piece, depth: int) -> Iterator[Piece]:
    yield outer
    for inner in parts(outer, depth):
        yield from _inside(inner, depth + 1)


def _same(text: str) -> str:
    return text


def _framed(outer: Piece, name: str, match: re.Match[str], *, last: bool = True) -> Piece:
    before, after = match[1], match[3] if last else ""
    return Piece((*outer.label, name), match[2], lambda new: outer.rebuild(before + new + after))


def _encoded(outer: Piece) -> Iterator[Piece]:
    value = outer.value
    plain = unquote(value, errors="replace") if "%" in value else value
    if plain != value:
        yield Piece((*outer.label, "percent"), plain, lambda new: outer.rebuild(quote(new, safe="")))
    if len(value) >= 12 and _BASE64.fullmatch(value):
        inner = _unbase64(value)
        if inner is not None:
            yield Piece(
                (*outer.label, "base64"), inner, lambda new: outer.rebuild(_base64(new.encode(), like=value))
            )


def _split(outer: Piece) -> Iterator[Piece]:
    value = outer.value
    found = _SEPARATORS.split(value)
    if len(found) > 2:
        texts = found[::2][:_MOST_PARTS]
        for at, text in enumerate(texts):
            if text:
                before = texts[at - 1] if at else ""
                yield Piece(
                    (*outer.label, f"part {at}"), text, partial(_joined, outer, found, 2 * at), before
                )
        return
    if match := _SUFFIX.fullmatch(value):
        before, after = "", match[2]
        yield Piece((*outer.label, "suffix"), match[1], lambda new: outer.rebuild(before + new + after))
    elif match := _PREFIX.fullmatch(value):
        start = match[1]
        yield Piece((*outer.label, "prefix"), match[2], lambda new: outer.rebuild(start + new), start)


def _joined(outer: Piece, found: list[str], at: int, new: str) -> str:
    return outer.rebuild("".join([*found[:at], new, *found[at + 1 :]]))


def _of_json(outer: Piece) -> Iterator[Piece]:
    """The texts and whole numbers of a small document inside a value."""
    try:
        document = json.loads(outer.value)
    except (ValueError, RecursionError):
        return
    compact = ", " not in outer.value and '": ' not in outer.value
    members = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(members)[:_MOST_PARTS]:
        if isinstance(value, str) or type(value) is int:
            yield Piece(
                (*outer.label, f"json {key}"),
                str(value),
                partial(_dumped, outer, document, key, compact),
                str(key),
            )


def _dumped(outer: Piece, document: Any, key: Any, compact: bool, new: str) -> str:
    changed = dict(document) if isinstance(document, dict) else list(document)
    number = type(document[key]) is int and re.fullmatch(r"-?[0-9]{1,18}", new)
    changed[key] = int(new) if number else new
    return outer.rebuild(json.dumps(changed, separators=(",", ":") if compact else None))


def _unbase64(value: str) -> str | None:
    """The printable text inside; None where there is none."""
    standard = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        text = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return text if len(text) >= 4 and text.isprintable() else None


def _base64(content: bytes, *, like: str) -> str:
    encoded = base64.b64encode(content).decode()
    if "-" in like or "_" in like:
        encoded = encoded.replace("+", "-").replace("/", "_")
    return encoded if like.endswith("=") or len(like) % 4 == 0 else encoded.rstrip("=")
