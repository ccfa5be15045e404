"""Values that are new in every run, and how two of them may still be the same one. Pure.

1. UUIDs, long hexadecimal ids, JWTs and timestamps of one form are; a number never is.
2. A new value stands for one recorded value, and that for no other, within a trace.
"""

import re
from dataclasses import dataclass, field

_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}")
_HEX = re.compile(r"(?=[0-9]*[a-fA-F])(?=[a-fA-F]*[0-9])(?:[0-9a-f]{16,}|[0-9A-F]{16,})")
_JWT = re.compile(r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?|"
    r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
)
_LEAST = 4
"""Characters of a value that may stand for another because the replay sent it so."""
_LEAST_SWAPPED = 16
"""Characters of a value that is looked for inside an answer."""


def shape_of(value: str) -> str | None:
    """The form of a value that is new in every run; None for one that means what it says."""
    text = value[1:-1] if len(value) > 2 and value[0] == value[-1] == '"' else value
    if match := _UUID.fullmatch(text):
        return f"uuid{match[1]}"
    if _HEX.fullmatch(text):
        return f"hex{len(text)}"
    if match := _TIME.fullmatch(text):
        digits = len(match[2] or "")
        return f"time{match[1] or ''}{min(digits, 1)}{'z' if match[3] else ''}"
    return "jwt" if _JWT.fullmatch(text) and text.startswith("eyJ") else None


@dataclass(slots=True)
class Aliases:
    """Which live value stands for which recorded one, in one trace."""

    _recorded: dict[str, str] = field(default_factory=dict)
    """By the live value, both without quotes."""
    _live: dict[str, str] = field(default_factory=dict)

    def same(self, recorded: str, live: str) -> bool:
        """Whether the live value is, or may be, the recorded one of this run."""
        if recorded == live:
            return True
        one, other = _bare(recorded), _bare(live)
        if other in self._recorded or one in self._live:
            return self._recorded.get(other) == one
        shape = shape_of(recorded)
        return shape is not None and shape == shape_of(live)

    def learn(self, recorded: str, live: str) -> None:
        """Remember that the live value stands for the recorded one."""
        one, other = _bare(recorded), _bare(live)
        if one != other and len(one) >= _LEAST and len(other) >= _LEAST:
            self._recorded[other], self._live[one] = one, other

    def in_answer(self, content: bytes) -> bytes:
        """An answer with live values in place of the recorded ones that they stand for."""
        for recorded, live in self._live.items():
            if len(recorded) >= _LEAST_SWAPPED:
                content = content.replace(recorded.encode(), live.encode())
        return content


def _bare(value: str) -> str:
    return value[1:-1] if len(value) > 2 and value[0] == value[-1] == '"' else value
