"""Rules and explanations for people."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.text import Text

from mesh_replayer.look.console import console, print_lines
from mesh_replayer.look.differences import value_text
from mesh_replayer.look.safe import safe, shortened
from mesh_replayer.noise.rule import Rule

_STYLES = {"noise": "dim", "unsure": "yellow", "counts": "red"}
_MOST = 60
"""Characters of a value."""


def print_rules(rules: Iterable[Rule]) -> None:
    """Rules, under their routes."""
    print_lines(console(sys.stdout), rule_lines(rules))


def print_explanations(documents: Sequence[dict[str, Any]]) -> None:
    """Differences with why they are what they are."""
    print_lines(console(sys.stdout), _explanation_lines(documents))


def rule_lines(rules: Iterable[Rule]) -> Iterator[Text]:
    """A line for each rule."""
    above = None
    for rule in rules:
        route = f"{rule.service or 'any service'} {rule.route}"
        if route != above:
            yield Text(safe(route), "bold")
            above = route
        line = Text(f"  {rule.id} ", "cyan")
        line.append("" if rule.where.value == "body" else f"{rule.where.value} ")
        line.append(safe(rule.path), "bold")
        line.append(f"  {shortened(safe(rule.predicate.words()), 200)}")
        line.append(f"  {safe(rule.evidence)}", "dim")
        if not rule.firm:
            line.append("  too little to be sure", "yellow")
        yield line


def _explanation_lines(documents: Sequence[dict[str, Any]]) -> Iterator[Text]:
    above = None
    for document in documents:
        exchange = f"{document['service']} {document['method']} {document['path']}"
        if exchange != above:
            yield Text(safe(exchange), "bold")
            above = exchange
        difference = document["difference"]
        line = Text("  ")
        line.append(f"{document['is']:<7}", _STYLES[document["is"]])
        place = difference["path"] or ""
        line.append(f"{difference['where'].replace('_', ' ')} {safe(place)}", "bold")
        line.append(f" {difference['kind'].replace('_', ' ')}")
        line.append(f"  {value_text(difference['recorded'], _MOST)}", "red")
        line.append(f" → {value_text(difference['replayed'], _MOST)}", "green")
        yield line
        yield Text(f"          {safe(document['why'])}")
        for rule in document["rules"]:
            words = f"{shortened(safe(rule['words']), 200)}, by {safe(rule['author'])}"
            yield Text(f"          rule {rule['id']}: {words}", "dim")
    if not documents:
        yield Text("no difference there", "green")
