"""Places in a JSON document, written as JSONPath. Pure. Source: RFC 9535, sections 2.3 and 2.7."""

import re
from collections.abc import Iterable
from functools import lru_cache

_SHORTHAND = re.compile(r"[A-Za-z_\u0080-\ud7ff\ue000-\U0010ffff][0-9A-Za-z_\u0080-\ud7ff\ue000-\U0010ffff]*")
_ESCAPES = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", "'": r"\'", "\\": r"\\"}


def json_path(segments: Iterable[str | int]) -> str:
    """`$.items[3]['unit price']`: short where the grammar allows it."""
    return "$" + "".join(
        f"[{segment}]" if isinstance(segment, int) else name_segment(segment) for segment in segments
    )


@lru_cache(maxsize=4096)
def name_segment(name: str) -> str:
    """One member's name as a segment."""
    if _SHORTHAND.fullmatch(name):
        return f".{name}"
    return f"['{''.join(_escaped(character) for character in name)}']"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character < " " or "\ud800" <= character <= "\udfff":
        return f"\\u{ord(character):04x}"
    return character
