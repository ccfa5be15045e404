r"""What proves, in one pass over the bytes, that no secret is in them. Pure.

1. A screen finds at least as much as the patterns that it is made of: each is *widened*, never written anew.
2. Where a screen finds nothing, nothing is to be found; where it finds something, that tells nothing.
3. RE2 keeps it linear, whatever the bytes; where there is no wheel of it, everything is looked at closely.
"""

import contextlib
import re
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from mesh_core.redact import forms, urls
from mesh_core.redact.names import TELLING_ENDS, TELLING_NAMES

_RE2: Any = None  # it ships no hints
with contextlib.suppress(ImportError):  # without a wheel for this platform: slower, and nothing else
    _RE2 = import_module("re2")

_MOST_MEMORY = 64 * 1024 * 1024
"""Bytes that the automaton of a screen may take; ordinary traffic makes it take a fiftieth of it."""
_LEAST = 8
"""Counts in patterns become at most this."""
_COUNT = re.compile(rb"(?<!\\)\{(\d+)(?:,(\d*))?\}")
_NOT_BEFORE = re.compile(rb"\(\?<!\[([^\]]*)\]\)")
_NOT_AFTER = re.compile(rb"\(\?!(?:\[[^\]]*\]|[^()\[\]])*\)")
_SAME_AGAIN = re.compile(rb"\\[12]")


_ALWAYS = b""
_ONLY_ALWAYS = [1]
"""What a set of patterns says that found nothing; one whose automaton ran out of memory says less."""


class Screen:
    """Several patterns as one automaton: what it excludes holds none of them."""

    __slots__ = ("_match",)

    def __init__(self, patterns: Iterable[bytes]) -> None:
        """Make one of patterns as RE2 reads them."""
        self._match: Callable[[bytes], list[int] | None] | None = None
        if _RE2 is None:
            return
        options = _RE2.Options()
        options.encoding = _RE2.Options.Encoding.LATIN1
        options.max_mem = _MOST_MEMORY
        both = _RE2.Set.SearchSet(options)
        both.Add(b"|".join(b"(?:" + each + b")" for each in patterns))
        both.Add(_ALWAYS)
        both.Compile()
        self._match = both.Match

    def excludes(self, raw: bytes) -> bool:
        """Whether none of the patterns can be found in `raw`; False tells nothing."""
        return self._match is not None and self._match(raw) == _ONLY_ALWAYS


def widened(pattern: re.Pattern[bytes]) -> bytes:
    """A pattern for RE2 that finds something wherever `pattern` does.

    Counts become smaller and open, what may not follow is left out, and what has to come again is any
    separator.
    """
    text = _NOT_BEFORE.sub(rb"(?:^|[^\1])", _NOT_AFTER.sub(b"", pattern.pattern))
    text = text.replace(b"(?<=", b"(?:").replace(b"(?=", b"(?:")
    text = _COUNT.sub(_lower_count, text)
    text = _SAME_AGAIN.sub(rb"[ -]", text).replace(b"*+", b"*").replace(rb"\Z", rb"\z")
    flags = b"(?is:" if pattern.flags & re.IGNORECASE else b"(?s:"
    return flags + text.replace(b"(?i)", b"") + b")"


def _lower_count(match: re.Match[bytes]) -> bytes:
    most = int(match[2] or match[1])
    return match[0] if most <= _LEAST else b"{%d,}" % min(int(match[1]), _LEAST)


_GAP = rb"[^0-9A-Za-z\"]*"
"""What does not count in a name, and is no end of a string."""
_ANY_GAP = rb"[^0-9A-Za-z]*"


def _spelled(names: Iterable[bytes], gap: bytes) -> bytes:
    """Names in any case, with whatever does not count between their letters."""
    return b"|".join(gap.join(bytes([byte]) for byte in name) for name in sorted(names))


def _keys(gap: bytes, end: bytes) -> bytes:
    """Telling names before what ends a name, as JSON, forms and queries have them."""
    whole = rb"(?:^|[\n\"?&;#])" + gap + b"(?:" + _spelled(TELLING_NAMES, gap) + b")"
    return b"(?i:(?:" + whole + b"|" + _spelled(TELLING_ENDS, gap) + b")" + gap + end + b")"


_CODE = rb"(?i:(?:^|[\n?&;#])code=)"
"""A secret where `state` is beside it."""
_ESCAPED_KEY = rb"\x01[^\"]*\"\s*:"
"""Where escapes are masked, a key that may say anything."""
_ENCODED_KEY = rb"%[0-9A-Fa-f]{2}[^=&;#?/\s\"'<>]*="
_OTHERS = (rb"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){8}", rb"-----BEGIN", rb"\\u", rb"&#|&commat", rb"eyJ")

PAIRS = Screen(map(widened, (urls.TEXT_PAIR, urls.CREDENTIALS)))
"""Excludes `password=…` and `Bearer …` in text."""
SECRETS = Screen(
    (
        *map(
            widened,
            (
                urls.TEXT_PAIR, urls.CREDENTIALS, urls.USERINFO, forms.DOMAIN, forms.CARD,
                forms.PHONE, forms.NATIONAL, forms.SSN, forms.PROVIDER,
                *(pattern for _, pattern in forms.DOTTED),
            ),
        ),
        _keys(_GAP, rb"\"\s*:"), _keys(_ANY_GAP, b"="), _CODE, _ENCODED_KEY, _ESCAPED_KEY, *_OTHERS,
    )
)  # fmt: skip
"""Excludes all that is told by its name or its form, but not what is encoded."""
