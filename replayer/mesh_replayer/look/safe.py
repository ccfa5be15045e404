"""Captured text made harmless for a terminal: it shows, and does nothing. Pure."""

import re
import unicodedata

_SUSPECT = re.compile(r"[^\x20-\x7e]")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Control, format (bidi and zero-width among them), surrogate, private use, line and paragraph ends."""


def safe(text: str) -> str:
    """One line of `text` in which every character that a terminal might obey is spelled out.

    Escapes look like `\\x1b` and `\\u202e`; letters of every language stay.
    """
    return _SUSPECT.sub(_shown, text)


def safe_lines(text: str, *, most: int) -> list[str]:
    """The first lines of a text of several, harmless; tabs become blanks."""
    lines = text.replace("\r\n", "\n").replace("\t", "    ").split("\n")
    return [safe(line) for line in lines[:most]]


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` characters, with `…` where something was cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def _shown(match: re.Match[str]) -> str:
    character = match[0]
    if unicodedata.category(character) not in _HIDDEN:
        return character
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
