"""Whether two places have to do with each other by their names, and what a value is worth by itself. Pure."""

import re
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LETTERS = re.compile(r"[A-Za-z][A-Za-z _.+/-]*")
_DIGITS = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+\.[0-9]+")
_SAY_NOTHING = frozenset(
    {
        "id",
        "uuid",
        "key",
        "value",
        "data",
        "x",
        "the",
        "result",
        "response",
        "api",
        "v",
        "href",
        "url",
        "name",
    }
)
"""Words that names of anything have."""
_ALIKE = {
    "authorization": "token", "bearer": "token", "access": "token", "jwt": "token", "auth": "token",
    "session": "token", "sid": "token", "xsrf": "csrf", "authenticity": "csrf", "etag": "version",
    "match": "version", "none": "version", "revision": "version", "rev": "version", "next": "cursor",
    "after": "cursor", "continuation": "cursor", "page": "cursor", "offset": "cursor", "basket": "cart",
}  # fmt: skip
"""Words that mean the same where one thing is handed on."""


class Worth(IntEnum):
    """What it says that a value comes up twice."""

    NOTHING = 0
    """A word, or a number that is everywhere."""
    LITTLE = 1
    """Short, or digits alone."""
    MUCH = 2
    """No coincidence."""


@lru_cache(maxsize=65_536)
def worth(value: str) -> Worth:
    """What it says that this value comes up twice."""
    if len(value) < 2 and not value.isdigit():
        return Worth.NOTHING
    if value in ("0", "1") or _NUMBER.fullmatch(value):
        return Worth.NOTHING
    if _LETTERS.fullmatch(value):
        mixed = len(value) >= 16 and " " not in value and value.lower() != value != value.upper()
        return Worth.MUCH if mixed and not _is_name(value) else Worth.NOTHING
    if _DIGITS.fullmatch(value):
        return Worth.MUCH if len(value) >= 10 else Worth.LITTLE
    return Worth.MUCH if len(value) >= 8 else Worth.LITTLE


def _is_name(value: str) -> bool:
    """`PaymentServiceName`, `en_US.UTF`: words of a few letters each."""
    words = _WORD.findall(value)
    return len(value) / max(1, len(words)) > 3.5


@lru_cache(maxsize=65_536)
def words_of(name: str) -> frozenset[str]:
    """The words of a name that say something, in the singular."""
    found = set()
    for match in _WORD.finditer(name):
        word = match[0].lower()
        if word.isdigit():
            continue
        word = _singular(word)
        found.add(_ALIKE.get(word, word))
    return frozenset(found - _SAY_NOTHING)


def affine(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two lists of names have a word in common that says something."""
    first = {word for name in one for word in words_of(name)}
    return any(word in first for name in other for word in words_of(name))


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
