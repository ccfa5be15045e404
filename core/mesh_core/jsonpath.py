"""The part of JSONPath that names places: `$.a.b`, `$['a']`, `[*]`, `[2]`, `..name`. Pure.

No filters, slices or functions: a path from a configuration is matched while a document is read,
in one pass over it.

Source: RFC 9535, sections 2.3 and 2.5.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

type Step = str | int
"""A member's name or an array's index."""

type Reached = frozenset[int]
"""The segments that the way down may have come to."""

START: Reached = frozenset({0})
ANY = object()
_LONGEST = 512
_SEGMENT = re.compile(
    r"(?:(?P<deep>\.\.)|\.)?(?:"
    r"(?P<name>[A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff-]*)|(?P<star>\*)"
    r"|\[\s*(?:'(?P<single>[^'\\]*)'|\"(?P<double>[^\"\\]*)\"|(?P<index>\d+)|(?P<all>\*))\s*\])"
)


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A parsed path: for each segment, whether it may lie deeper, and what it names."""

    text: str
    segments: tuple[tuple[bool, object], ...]

    @property
    def names(self) -> tuple[bytes, ...]:
        """The members that a document must have for this to lead anywhere."""
        return tuple(wanted.encode() for _, wanted in self.segments if isinstance(wanted, str))

    def matches(self, path: tuple[Step, ...]) -> bool:
        """Whether the value at `path` is one that this names."""
        reached = START
        for step in path:
            reached = self.advance(reached, step)
        return self.ends(reached)

    def advance(self, reached: Reached, step: Step) -> Reached:
        """How far along this path one is after one more step down."""
        return frozenset(following for at in reached for following in self._after(at, step))

    def ends(self, reached: Reached) -> bool:
        """Whether one is at a value that this names."""
        return len(self.segments) in reached

    def _after(self, at: int, step: Step) -> set[int]:
        if at == len(self.segments):
            return set()
        deep, wanted = self.segments[at]
        after = {at} if deep else set()
        if wanted is ANY or wanted == step:
            after.add(at + 1)
        return after


@lru_cache(maxsize=256)
def parse_jsonpath(text: str) -> JsonPath:
    """Read a path.

    Raises:
        ValueError: in words, with the character where it cannot be read on.
    """
    if not text.startswith("$") or len(text) > _LONGEST:
        raise ValueError("a JSONPath starts with $")
    segments: list[tuple[bool, object]] = []
    at = 1
    while at < len(text):
        match = _SEGMENT.match(text, at)
        if match is None or not _well_joined(match):
            raise ValueError(
                f"not understood from character {at + 1}; known are .name ['name'] [2] [*] ..name"
            )
        segments.append((match["deep"] is not None, _wanted(match)))
        at = match.end()
    if not segments:
        raise ValueError("a JSONPath names a place below $")
    return JsonPath(text, tuple(segments))


def _well_joined(match: re.Match[str]) -> bool:
    """`.name`, `[…]`, `..name` or `..[…]`; neither `name` alone nor `.[…]`."""
    dotted = match[0].startswith(".")
    named = match["name"] is not None or match["star"] is not None
    return match["deep"] is not None or dotted == named


def _wanted(match: re.Match[str]) -> object:
    if match["star"] or match["all"]:
        return ANY
    if match["index"] is not None:
        return int(match["index"])
    return next(match[group] for group in ("name", "single", "double") if match[group] is not None)
