"""Two JSON documents, walked in lock-step. Pure.

1. Numbers compare by value, floats within a billionth; `true` is no number.
2. Arrays are joined (`arrays`), so that one inserted row is one difference.
3. The walk gives every difference; what of them is noise is decided by others.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

from mesh_replayer.diff.arrays import join
from mesh_replayer.diff.difference import Difference, Kind, Where
from mesh_replayer.diff.jsonpath import Segments, json_path

MOST_DEPTH = 100
"""Levels; deeper documents are compared as text."""


def parse(content: bytes) -> Any:
    """The document.

    Raises:
        ValueError: it is no JSON of a depth that can be compared.
    """
    try:
        document = json.loads(content, parse_constant=_refuse)
    except RecursionError as cause:
        raise ValueError("nested too deeply") from cause
    _check_depth(document)
    return document


def differences(recorded: Any, replayed: Any) -> Iterator[Difference]:
    """Every difference between two documents, in the order of the recorded one."""
    yield from _walk(recorded, replayed, ())


def _walk(recorded: Any, replayed: Any, at: Segments) -> Iterator[Difference]:
    if _type(recorded) != _type(replayed):
        yield found(Kind.TYPE, at, recorded, replayed)
    elif isinstance(recorded, dict):
        yield from _objects(recorded, replayed, at)
    elif isinstance(recorded, list):
        yield from _arrays(recorded, replayed, at)
    elif not _equal(recorded, replayed):
        yield found(Kind.VALUE, at, recorded, replayed)


def _objects(recorded: dict[str, Any], replayed: dict[str, Any], at: Segments) -> Iterator[Difference]:
    for name, value in recorded.items():
        if name in replayed:
            yield from _walk(value, replayed[name], (*at, name))
        else:
            yield found(Kind.MISSING, (*at, name), value, None)
    for name, value in replayed.items():
        if name not in recorded:
            yield found(Kind.ADDED, (*at, name), None, value)


def _arrays(recorded: list[Any], replayed: list[Any], at: Segments) -> Iterator[Difference]:
    joined = join(recorded, replayed)
    for old, new in joined.pairs:
        yield from _walk(recorded[old], replayed[new], (*at, old))
    for old in joined.missing:
        yield found(Kind.ITEM_MISSING, (*at, old), recorded[old], None)
    for new in joined.added:
        yield found(Kind.ITEM_ADDED, (*at, new), None, replayed[new])
    if joined.order is not None:
        yield found(Kind.ORDER, at, *joined.order)


def found(kind: Kind, at: Segments, recorded: Any, replayed: Any) -> Difference:
    """A difference in a JSON body."""
    return Difference(
        where=Where.BODY, kind=kind, path=json_path(at), recorded=recorded, replayed=replayed, segments=at
    )


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _equal(recorded: Any, replayed: Any) -> bool:
    if isinstance(recorded, float) or isinstance(replayed, float):
        try:
            return math.isclose(recorded, replayed, rel_tol=1e-9)
        except OverflowError:
            return False
    return bool(recorded == replayed)


def _check_depth(document: Any) -> None:
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
