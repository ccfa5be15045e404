"""Paths of a project that can be told by a key alone: `$.name` and `$..name`. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mesh_core.jsonpath import JsonPath


@dataclass(frozen=True, slots=True)
class PathKeys:
    """The keys that some paths end in."""

    pattern: re.Pattern[bytes]
    """Finds them with their colon, in a document without escapes."""
    deep: frozenset[bytes]
    """Those that count at any depth; the others only in the outermost object."""

    def values(self, raw: bytes) -> list[int]:
        """Where the values begin that the paths lead to.

        Args:
            raw: a valid document without escapes, so that each quote opens or closes a string.
        """
        return [
            match.end()
            for match in self.pattern.finditer(raw)
            if match[1] in self.deep or _is_outermost(raw, match.start())
        ]


def keys_of(paths: Iterable[JsonPath]) -> PathKeys | None:
    """The keys of paths that are all of this kind; None where one is not, or there is none."""
    names: dict[bytes, bool] = {}
    for path in paths:
        (deep, name), *more = path.segments
        if more or not isinstance(name, str):
            return None
        names[name.encode()] = deep or names.get(name.encode(), False)
    if not names:
        return None
    pattern = b'"(' + b"|".join(re.escape(name) for name in names) + rb')"\s*:'
    return PathKeys(re.compile(pattern), frozenset(name for name, deep in names.items() if deep))


def _is_outermost(raw: bytes, at: int) -> bool:
    """Whether only one object, and no array, is open before `at`."""
    gaps = b"".join(raw[:at].split(b'"')[::2])
    opened = gaps.count(b"{") - gaps.count(b"}")
    return opened == 1 and gaps.count(b"[") == gaps.count(b"]")
