"""A search's text as tokens, each with its place. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from mesh_core.errors import QueryInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_TEXT = 4096
"""Characters."""


class Kind(StrEnum):
    """What a token is; operators are their own text."""

    OPEN = "("
    CLOSE = ")"
    NOT = "-"
    OR = "OR"
    AND = "AND"
    WORD = "word"
    END = "the end"


class Character(NamedTuple):
    """One character of a word."""

    text: str
    quoted: bool
    """Whether it stands for itself alone."""
    at: int


@dataclass(frozen=True, slots=True)
class Token:
    """One token."""

    kind: Kind
    at: int
    """Index of its first character in the text."""
    characters: tuple[Character, ...] = ()


def refuse(problem: str, at: int, *, hint: str) -> QueryInvalid:
    """The error for the character at index `at`; people count from 1, and so does `position`."""
    return QueryInvalid(f"{problem} (character {at + 1} of the query)", hint=hint, position=at + 1)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a search; the last one is `END`.

    Raises:
        QueryInvalid: too long, a quote that never ends, or a character that no search can hold.
    """
    if len(text) > MOST_TEXT:
        raise refuse(f"the query is longer than {MOST_TEXT:,} characters", MOST_TEXT, hint="shorten it")
    for at, character in enumerate(text):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            raise refuse(f"{character!a} cannot be searched for", at, hint="leave it out, or use * for it")
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] in "()-":
            yield Token(Kind(text[at]), at)
            at += 1
        else:
            token, at = _word(text, at)
            yield token
    yield Token(Kind.END, len(text))


def _word(text: str, start: int) -> tuple[Token, int]:
    """The word that begins at `start`, and the index after it."""
    found: list[Character] = []
    at, quote = start, -1
    while at < len(text) and (quote >= 0 or not (text[at].isspace() or text[at] in "()")):
        if text[at] == '"':
            quote = at if quote < 0 else -1
            found.append(Character("", True, at))  # so that "" is a value too
        elif quote >= 0 and text[at] == "\\" and text[at + 1 : at + 2] in ('"', "\\"):
            at += 1
            found.append(Character(text[at], True, at))
        else:
            found.append(Character(text[at], quote >= 0, at))
        at += 1
    if quote >= 0:
        raise refuse('a quote " never ends', quote, hint='close it with another "')
    if text[at : at + 1] == "(":
        raise refuse("a bracket directly after a word", at, hint="leave a blank before it, or quote the word")
    plain = text[start:at]
    kinds = {"OR": Kind.OR, "AND": Kind.AND, "NOT": Kind.NOT}
    return Token(kinds.get(plain, Kind.WORD), start, tuple(found)), at
