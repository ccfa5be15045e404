"""Globs over words, matched in time linear in the text: for patterns that come from outside. Pure.

`*` is any run of characters, `?` one character, `#` one digit; all else is itself.
A regular expression from a file, on text from the network, could be made to run for ever; this cannot.
"""

import re
from dataclasses import dataclass

_WILD = {"?": ".", "#": "[0-9]"}
_LITERAL = re.compile(r"[^*?#]+")
LEAST_LITERAL = 3
"""Characters of a glob that must stand for themselves, in one run: `*` alone would hide everything."""
_LONGEST = 128


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern, ready to be matched against whole words."""

    text: str
    literal: bytes
    """Its longest run of plain characters: no word without it fits."""
    pattern: re.Pattern[bytes]

    def matches(self, word: bytes) -> bool:
        """Whether the whole of `word` fits."""
        return self.literal in word and self.pattern.fullmatch(word) is not None


def parse_glob(text: str) -> Glob:
    """Read a glob.

    Raises:
        ValueError: in words, where it has blanks, is too long, or has too little that is literal.
    """
    if not text or len(text) > _LONGEST or any(char.isspace() for char in text):
        raise ValueError(f"a pattern is one word of at most {_LONGEST} characters")
    literal = max(_LITERAL.findall(text), key=len, default="")
    if len(literal) < LEAST_LITERAL:
        raise ValueError(f"a pattern needs {LEAST_LITERAL} plain characters in a row")
    return Glob(text, literal.encode(), re.compile(_translated(text).encode(), re.DOTALL))


def _translated(text: str) -> str:
    """Each `*` takes the first place where the piece after it fits, for good: no second try."""
    first, *rest = [_piece(piece) for piece in re.split(r"\*+", text)]
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>.*?{piece})" for piece in middle) + f".*{last}"


def _piece(text: str) -> str:
    return "".join(_WILD.get(char) or re.escape(char) for char in text)
