"""Rules that a person makes of differences in a report. Pure."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mesh_core.errors import MeshError
from mesh_core.masks import path_template
from mesh_replayer.diff import Kind, Where
from mesh_replayer.noise.predicates import (
    Items,
    Number,
    Optional,
    Order,
    Predicate,
    Shape,
    Skeleton,
    Types,
    Unlinked,
    Values,
    number_of,
    type_name,
)
from mesh_replayer.noise.rule import Rule, joined
from mesh_replayer.noise.shapes import alike, digits_skeleton, shape_of


def accepted(exchange: Mapping[str, Any], difference: Mapping[str, Any], *, author: str, now: int) -> Rule:
    """The narrowest rule that makes a difference noise.

    Args:
        exchange: of a report.
        difference: one of its differences.
        author: who accepts it.
        now: nanoseconds since the Unix epoch.

    Raises:
        MeshError: it is a status, or bytes, that are never noise.
    """
    kind, where = Kind(difference["kind"]), Where(difference["where"])
    predicate = _predicate(kind, difference)
    template = difference.get("template")
    if predicate is None or template is None or where not in (Where.BODY, Where.HEADER, Where.TRAILER):
        what = difference["path"] or where.value
        raise MeshError(f"{what} ({kind.value}) is never noise", hint="accept other differences by --path")
    return Rule(
        service=exchange["service"],
        route=f"{exchange['method'].upper()} {path_template(exchange['path'])}",
        where=where,
        path=template,
        predicate=predicate,
        first_seen=now,
        last_seen=now,
        author=author,
    )


def widened(old: Rule, new: Rule) -> Rule:
    """A person's rule that also allows what the same person's other one does."""
    return dataclasses.replace(new, predicate=joined(old.predicate, new.predicate), first_seen=old.first_seen)


def _predicate(kind: Kind, difference: Mapping[str, Any]) -> Predicate | None:
    then, now = difference["recorded"], difference["replayed"]
    lengths = difference.get("lengths")
    if kind is Kind.VALUE:
        return _of_values(then, now)
    if kind in (Kind.MISSING, Kind.ADDED):
        return Optional((type_name(then if kind is Kind.MISSING else now),))
    if kind in (Kind.ITEM_MISSING, Kind.ITEM_ADDED) and lengths:
        return Items(min(lengths), max(lengths))
    if kind is Kind.ORDER:
        return Order()
    if kind is Kind.TYPE:
        return Types(tuple(sorted({type_name(then), type_name(now)})))
    if kind is Kind.TEXT:
        lines = {digits_skeleton(line) for side in (then, now) for line in str(side).split("\n")}
        return Skeleton(tuple(sorted(lines)))
    if kind in (Kind.ID_MISMATCH, Kind.STALE_ID):
        return Unlinked()
    return None


def _of_values(then: Any, now: Any) -> Predicate:
    if alike(then, now):
        return Shape(tuple(sorted({shape for side in (then, now) if (shape := shape_of(side)) is not None})))
    old, new = number_of(then), number_of(now)
    if old is not None and new is not None and type(then) is not bool:
        jitter = abs(old - new) / (max(abs(old), abs(new)) or 1)
        whole = old == int(old) and new == int(new)
        return Number(min(old, new), max(old, new), jitter, whole)
    if isinstance(then, str) and isinstance(now, str) and digits_skeleton(then) == digits_skeleton(now):
        return Skeleton((digits_skeleton(then),))
    return Values((then, now))
