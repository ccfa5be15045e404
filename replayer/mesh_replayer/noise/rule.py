"""A piece of noise: which values, at one place of one route, mean nothing when they differ. Pure.

A rule is firm when a person says so, or from five observations on; what a thin one allows is unsure.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

from mesh_core.jsonpath import ANY, parse_jsonpath
from mesh_core.masks import path_template
from mesh_core.model import Exchange
from mesh_replayer.diff import Difference, Where
from mesh_replayer.noise.predicates import Constant, Optional, Predicate, Unlinked

LEAST_OBSERVATIONS = 5
"""Responses beyond the first one of each request, from which on a rule is believed."""
LEARNED = "learned"
ANYWHERE = "*"
"""Any route."""
_NOT_VALUES = ("order", "optional", "items", "types", "constant", "unlinked")

type Route = tuple[str, str]
"""A service, and a method with a path template: `GET /carts/{id}`."""


def route_of(exchange: Exchange) -> Route:
    """The route of an exchange; noise on one says nothing of another."""
    return exchange.service, f"{exchange.method.upper()} {path_template(exchange.path)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One predicate at one place."""

    service: str | None
    """None for any."""
    route: str
    """`GET /carts/{id}`, or `*` for any."""
    where: Where
    path: str
    """A JSONPath (RFC 9535) of the body, `lines` of a text, or a header's name (`set-cookie:NAME`)."""
    predicate: Predicate
    observations: int = 0
    """Responses beyond the first one of each request that it rests on."""
    requests: int = 0
    """Different requests that it rests on."""
    first_seen: int = 0
    """Nanoseconds since the Unix epoch."""
    last_seen: int = 0
    author: str = LEARNED
    """Who says so: `learned`, or a person."""

    @property
    def id(self) -> str:
        """Eight hex digits that name it, by where and what it is."""
        parts = (self.service or "", self.route, self.where.value, self.path, self.predicate.name)
        return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:8]

    @property
    def firm(self) -> bool:
        """Whether it is believed."""
        return self.author != LEARNED or self.observations >= LEAST_OBSERVATIONS

    @property
    def evidence(self) -> str:
        """What it rests on, for people."""
        if self.author != LEARNED:
            return f"by {self.author}"
        return f"seen in {self.observations} repeated answers to {self.requests} requests"


@dataclass(slots=True)
class NoiseRules:
    """All that is known, by place."""

    rules: tuple[Rule, ...] = ()
    _exact: dict[tuple[str, str, Where, str], list[Rule]] = field(default_factory=dict)
    _loose: list[Rule] = field(default_factory=list)
    _noisy: dict[Route, frozenset[str]] = field(default_factory=dict)
    _rare: dict[tuple[Route, Where], tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        exact: defaultdict[tuple[str, str, Where, str], list[Rule]] = defaultdict(list)
        for rule in self.rules:
            if rule.service is None or rule.route == ANYWHERE or _is_loose(rule.path):
                self._loose.append(rule)
            else:
                exact[rule.service, rule.route, rule.where, rule.path].append(rule)
        self._exact = dict(exact)

    def at(self, route: Route, where: Where, template: str | None) -> list[Rule]:
        """The rules for a place."""
        if template is None:
            return []
        found = self._exact.get((*route, where, template), [])
        if not self._loose:
            return found
        return [
            *found,
            *(rule for rule in self._loose if _fits_place(rule, route, where, template)),
        ]

    def noisy(self, route: Route) -> frozenset[str]:
        """Templates of places in bodies whose values vary."""
        known = self._noisy.get(route)
        if known is None:
            known = self._noisy[route] = frozenset(
                rule.path
                for rule in self.rules
                if (rule.service, rule.route) == route
                and rule.where is Where.BODY
                and rule.predicate.name not in _NOT_VALUES
            )
        return known

    def rarely_there(self, route: Route, where: Where, template: str) -> bool:
        """Whether a place is in a part of the body that comes and goes, and was hardly seen."""
        key = route, where
        parts = self._rare.get(key)
        if parts is None:
            parts = self._rare[key] = tuple(
                rule.path
                for rule in self.rules
                if (rule.service, rule.route, rule.where) == (*route, where)
                and isinstance(rule.predicate, Optional)
                and rule.author == LEARNED
                and rule.predicate.present < LEAST_OBSERVATIONS
            )
        return any(template.startswith((f"{part}.", f"{part}[")) for part in parts)

    def of(self, difference: Difference, route: Route) -> list[Rule]:
        """The rules for the place of a difference."""
        return self.at(route, difference.where, difference.template)

    def stays(self, route: Route, where: Where, template: str | None) -> bool:
        """Whether a value is known to stay as it is, or to stand for itself."""
        return any(
            isinstance(rule.predicate, Constant | Unlinked) for rule in self.at(route, where, template)
        )

    def with_rules(self, more: Iterable[Rule]) -> "NoiseRules":
        """These and others; of two at one place with one predicate, what both saw."""
        merged = {rule.id: rule for rule in self.rules}
        for rule in more:
            old = merged.get(rule.id)
            merged[rule.id] = rule if old is None else merged_rule(old, rule)
        return NoiseRules(tuple(merged.values()))


def merged_rule(old: Rule, new: Rule) -> Rule:
    """Two rules with one id as one: a person's word stands, what was learned adds up."""
    if old.author != LEARNED:
        return old
    if new.author != LEARNED:
        return new
    return dataclasses.replace(
        new,
        predicate=joined(old.predicate, new.predicate),
        observations=old.observations + new.observations,
        requests=old.requests + new.requests,
        first_seen=min(old.first_seen, new.first_seen),
        last_seen=max(old.last_seen, new.last_seen),
    )


def joined(old: Predicate, new: Predicate) -> Predicate:
    """A predicate that allows what either of two of one kind allows."""
    changes: dict[str, object] = {}
    for each in dataclasses.fields(new):  # type: ignore[arg-type]  # all predicates are
        then, now = getattr(old, each.name), getattr(new, each.name)
        if isinstance(then, tuple):
            changes[each.name] = tuple(dict.fromkeys([*then, *now]))
        elif isinstance(then, bool):
            changes[each.name] = then and now
        elif isinstance(then, str):
            changes[each.name] = "".join(sorted({*then, *now}))
        else:
            changes[each.name] = min(then, now) if each.name in ("low", "unseen") else max(then, now)
    return type(new)(**changes)


def _is_loose(path: str) -> bool:
    return ".." in path or ".*" in path


def _fits_place(rule: Rule, route: Route, where: Where, template: str) -> bool:
    if rule.where is not where or rule.service not in (None, route[0]):
        return False
    if rule.route not in (ANYWHERE, route[1]):
        return False
    return rule.path == template or (where is Where.BODY and _path_matches(rule.path, template))


@lru_cache(maxsize=4096)
def _path_matches(path: str, template: str) -> bool:
    """Whether a JSONPath of a person names what is at a template."""
    try:
        steps = tuple(0 if wanted is ANY else wanted for _, wanted in parse_jsonpath(template).segments)
        return parse_jsonpath(path).matches(steps)  # type: ignore[arg-type]  # a template has names and [*]
    except ValueError:
        return False
