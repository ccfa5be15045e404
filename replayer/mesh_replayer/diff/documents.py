"""Two JSON documents, walked in lock-step. Pure.

1. Numbers compare by value, floats within a billionth; `true` is no number.
2. Arrays are joined (`arrays`), so that one inserted row is one difference.
3. The walk gives every difference; what of them is noise is decided by others.
4. What is known to be noisy only helps to tell which item is which.
"""

import json
import math
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from mesh_replayer.diff.arrays import Joining, join
from mesh_replayer.diff.difference import Difference, Kind, Where
from mesh_replayer.diff.jsonpath import name_segment
from mesh_replayer.diff.masking import Masking

_ABSENT = object()
_CONTAINERS = (dict, list)
MOST_DEPTH = 100
"""Levels; deeper documents are compared as text."""

type At = tuple["At", str | int] | None
"""A place on the way down: the one above, and the name or index; None at the root."""


def parse(content: bytes | str) -> Any:
    """The document.

    Raises:
        ValueError: it is no JSON of a depth that can be compared.
    """
    try:
        document = json.loads(content, parse_constant=_refuse)
    except RecursionError as cause:
        raise ValueError("nested too deeply") from cause
    check_depth(document)
    return document


def differences(recorded: Any, replayed: Any, noisy: Collection[str] = ()) -> Iterator[Difference]:
    """Every difference between two documents, in the order of the recorded one.

    Args:
        recorded: then.
        replayed: now.
        noisy: templates of places that vary: no array is joined by what stands there.
    """
    walk = _Walk(noisy)
    walk.values(recorded, replayed, None)
    yield from walk.found


class _Walk:
    """The state of one walk: what was found, and which containers are known to be the same."""

    def __init__(self, noisy: Collection[str]) -> None:
        self.found: list[Difference] = []
        self._masking = Masking(noisy)
        self._known: dict[tuple[int, int], bool] = {}
        """By identity: both documents outlive the walk."""
        self._texts: dict[int, tuple[At, str, str]] = {}
        """Path and template of places where something was found, by identity."""

    def values(self, recorded: Any, replayed: Any, at: At) -> None:
        if isinstance(recorded, dict) and isinstance(replayed, dict):
            self._objects(recorded, replayed, at)
        elif isinstance(recorded, list) and isinstance(replayed, list):
            self._arrays(recorded, replayed, at)
        elif _type(recorded) != _type(replayed):
            self._add(Kind.TYPE, at, recorded, replayed)
        elif not _equal(recorded, replayed):
            self._add(Kind.VALUE, at, recorded, replayed)

    def same(self, recorded: Any, replayed: Any) -> bool:
        """Whether `values` would find nothing, but for another order."""
        kind = type(recorded)
        if kind not in _CONTAINERS:
            return _type(recorded) == _type(replayed) and _equal(recorded, replayed)
        if type(replayed) is not kind or len(recorded) != len(replayed):
            return False
        key = (id(recorded), id(replayed))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = all(
                (type(then) is type(now) and type(then) not in _CONTAINERS and then == now)
                or self.same(then, now)
                for then, now in _pairs(recorded, replayed)
            )
        return known

    def _objects(self, recorded: dict[str, Any], replayed: dict[str, Any], at: At) -> None:
        for name, value in recorded.items():
            other = replayed.get(name, _ABSENT)
            if other is _ABSENT:
                self._add(Kind.MISSING, (at, name), value, None)
            elif type(value) is not type(other) or value != other or type(value) in _CONTAINERS:
                self.values(value, other, (at, name))
        for name, value in replayed.items():
            if name not in recorded:
                self._add(Kind.ADDED, (at, name), None, value)

    def _arrays(self, recorded: list[Any], replayed: list[Any], at: At) -> None:
        if self.same(recorded, replayed):
            return
        template = f"{self._text(at)[1]}[*]" if self._masking.noisy else ""
        joined = join(Joining(recorded, replayed, self.same, self._masking, template))
        for old, new in joined.pairs:
            self.values(recorded[old], replayed[new], (at, old))
        lengths = len(recorded), len(replayed)
        for old in joined.missing:
            self._add(Kind.ITEM_MISSING, (at, old), recorded[old], None, lengths)
        for new in joined.added:
            self._add(Kind.ITEM_ADDED, (at, new), None, replayed[new], lengths)
        if joined.order is not None:
            self._add(Kind.ORDER, at, *joined.order)

    def _add(
        self, kind: Kind, at: At, recorded: Any, replayed: Any, lengths: tuple[int, int] | None = None
    ) -> None:
        path, template = self._text(at, keep=type(recorded) in _CONTAINERS)
        self.found.append(
            Difference(
                where=Where.BODY,
                kind=kind,
                path=path,
                recorded=recorded,
                replayed=replayed,
                template=template,
                lengths=lengths,
            )
        )

    def _text(self, at: At, *, keep: bool = True) -> tuple[str, str]:
        """Path and template of a place, put together once for all that is below it."""
        if at is None:
            return "$", "$"
        known = self._texts.get(id(at))
        if known is not None:
            return known[1], known[2]
        above, segment = at
        path, template = self._text(above)
        if isinstance(segment, int):
            path, template = f"{path}[{segment}]", f"{template}[*]"
        else:
            name = name_segment(segment)
            path, template = path + name, template + name
        if keep:
            self._texts[id(at)] = at, path, template
        return path, template


def _pairs(recorded: Any, replayed: Any) -> Iterable[tuple[Any, Any]]:
    """Members or items of two containers of one type and length, beside each other."""
    if isinstance(recorded, list):
        return zip(recorded, replayed, strict=True)
    return ((value, replayed.get(name, _ABSENT)) for name, value in recorded.items())


def _type(value: Any) -> type:
    """The JSON type: integers and floats are one, `true` is no number."""
    kind = type(value)
    return int if kind is float else kind


def _equal(recorded: Any, replayed: Any) -> bool:
    if recorded == replayed:
        return True
    if isinstance(recorded, float) or isinstance(replayed, float):
        try:
            return math.isclose(recorded, replayed, rel_tol=1e-9)
        except OverflowError:
            return False
    return False


def check_depth(document: Any) -> None:
    """Refuse a document that is nested too deeply.

    Raises:
        ValueError: it is.
    """
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            raise ValueError("nested too deeply")
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        level = below


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
