"""NoiseRules as TOML that a person reviews: sorted, one table for each, and back. Pure.

The same tables stand in `mesh-noise.toml`, which commands write, and in `mesh.toml`, which people write.
"""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import tomli_w

from mesh_core.errors import ConfigInvalid
from mesh_core.jsonpath import parse_jsonpath
from mesh_core.times import parse_rfc3339, rfc3339
from mesh_replayer.diff import Where
from mesh_replayer.noise.predicates import PREDICATES, Predicate
from mesh_replayer.noise.rule import ANYWHERE, LEARNED, Rule

FILE_NAME = "mesh-noise.toml"
"""Beside `mesh.toml`."""
VERSION = 1
_HEAD = """\
# Differences that mean nothing, and how that is known. Written by `mesh-replay noise learn` and `accept`;
# read it, change it, commit it. `mesh-replay noise list` tells what it says.
"""
_PLACES = (Where.BODY, Where.HEADER, Where.TRAILER)
_KNOWN = {
    "service", "route", "where", "path", "is",
    "observations", "requests", "first_seen", "last_seen", "author",
}  # fmt: skip
_HINT = "see docs/reference/noise.md for what a rule has"


def rules_text(rules: Iterable[Rule]) -> str:
    """The file, the same for the same rules whatever their order."""
    ordered = sorted(rules, key=_sort_key)
    return _HEAD + tomli_w.dumps({"version": VERSION, "noise": [_table(rule) for rule in ordered]})


def rule_json(rule: Rule) -> dict[str, Any]:
    """A rule for programs."""
    return {"id": rule.id, **_table(rule), "firm": rule.firm, "words": rule.predicate.words()}


def parse_rules(text: str, *, where: str) -> list[Rule]:
    """The rules in a file.

    Raises:
        ConfigInvalid: naming the rule that cannot be read.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise ConfigInvalid(f"{where} is not valid TOML: {cause}", hint="correct that line") from cause
    if document.get("version", VERSION) != VERSION:
        raise ConfigInvalid(f"{where} is of version {document['version']!r}", hint="update mesh-replay")
    return read_rules(document.get("noise", []), where=where, author=LEARNED)


def read_rules(tables: object, *, where: str, author: str) -> list[Rule]:
    """NoiseRules out of tables.

    Args:
        tables: of a file.
        where: its name.
        author: of rules that name none.

    Raises:
        ConfigInvalid: naming the rule that cannot be read.
    """
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigInvalid(f"{where}: noise is no array of tables", hint="write [[noise]] above each rule")
    rules: list[Rule] = []
    for number, table in enumerate(tables, 1):
        try:
            rules.append(_rule(table, author))
        except (KeyError, TypeError, ValueError, AttributeError) as cause:
            what = f"{cause} is missing" if isinstance(cause, KeyError) else str(cause)
            problem = f"{where}: rule {number} of noise cannot be read: {what}"
            raise ConfigInvalid(problem, hint=_HINT) from cause
    return rules


def _sort_key(rule: Rule) -> tuple[str, ...]:
    return rule.service or "", rule.route, rule.where.value, rule.path, rule.predicate.name


def _table(rule: Rule) -> dict[str, Any]:
    table: dict[str, Any] = {} if rule.service is None else {"service": rule.service}
    table |= {"route": rule.route, "where": rule.where.value, "path": rule.path, "is": rule.predicate.name}
    table |= rule.predicate.fields()
    if rule.observations:
        table |= {"observations": rule.observations, "requests": rule.requests}
    if rule.first_seen:
        table |= {"first_seen": rfc3339(rule.first_seen), "last_seen": rfc3339(rule.last_seen)}
    return {**table, "author": rule.author}


def _rule(table: Mapping[str, Any], author: str) -> Rule:
    where = Where(table.get("where", Where.BODY.value))
    if where not in _PLACES:
        raise ValueError(f"a {where.value} is never noise")
    path = _text(table["path"], "path")
    if where is Where.BODY and path != "$" and path != "lines":
        parse_jsonpath(path)
    kind = table["is"]
    if kind not in PREDICATES:
        raise ValueError(f"there is no {kind!r}; there are {', '.join(PREDICATES)}")
    service = table.get("service")
    return Rule(
        service=None if service is None else _text(service, "service"),
        route=_text(table.get("route", ANYWHERE), "route"),
        where=where,
        path=path if where is Where.BODY else path.lower() if ":" not in path else path,
        predicate=_predicate(PREDICATES[kind], table),
        observations=_whole(table.get("observations", 0), "observations"),
        requests=_whole(table.get("requests", 0), "requests"),
        first_seen=_moment(table.get("first_seen")),
        last_seen=_moment(table.get("last_seen")),
        author=_text(table.get("author", author), "author"),
    )


def _predicate(kind: type[Any], table: Mapping[str, Any]) -> Predicate:
    fields = {each.name: each for each in dataclasses.fields(kind)}
    unknown = set(table) - _KNOWN - set(fields)
    if unknown:
        raise ValueError(f"unknown key {min(unknown)}")
    values: dict[str, Any] = {}
    for name, each in fields.items():
        if name in table:
            values[name] = _checked(table[name], name, str(each.type))
    predicate: Predicate = kind(**values)
    return predicate


def _checked(value: Any, name: str, kind: str) -> Any:
    """A value of the type that a predicate's field says."""
    if kind.startswith("tuple"):
        if not isinstance(value, list) or ("str" in kind and not all(isinstance(v, str) for v in value)):
            raise ValueError(f"{name} is no list of texts" if "str" in kind else f"{name} is no list")
        return tuple(value)
    wanted = {"bool": (bool,), "int": (int,), "float": (int, float), "str": (str,)}
    right = next((types for start, types in wanted.items() if start in kind), (object,))
    if not isinstance(value, right) or (isinstance(value, bool) and bool not in right):
        raise ValueError(f"{name} = {value!r} is of the wrong type")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is no text")
    return value


def _whole(value: object, name: str) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is no count")
    return value


def _moment(value: object) -> int:
    if value is None:
        return 0
    text = value.isoformat() if isinstance(value, datetime) else value
    return parse_rfc3339(_text(text, "a time"))
