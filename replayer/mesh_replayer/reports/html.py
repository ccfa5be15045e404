"""The report to look at: one page that needs nothing else. Pure.

1. What was captured is text: the template escapes it, and the page's policy runs no script and loads nothing.
2. What is wrong is open and comes first; what passed is a line in a table.
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from mesh_replayer.diff import Difference
from mesh_replayer.events import Answered, Event, Judged, RunFinished, RunStarted
from mesh_replayer.look.differences import place, value_text
from mesh_replayer.look.exchange import response_lines
from mesh_replayer.look.safe import safe
from mesh_replayer.look.words import duration, moment
from mesh_replayer.reports.grouping import grouped
from mesh_replayer.reports.sides import Row, side_by_side
from mesh_replayer.reports.standing import Standing, standing, summary, title
from mesh_replayer.reports.terminal import closing_lines, started_lines

_MOST_DIFFERENCES = 50
"""Of one exchange."""
_MOST_VALUE = 400
"""Characters of one value."""
_MOST_SHOWN = 300
"""Exchanges with both sides; of the rest, their verdicts."""


@dataclass(slots=True)
class HtmlReport:
    """Collects a run and writes it once."""

    write: Callable[[str], None]
    _started: RunStarted | None = None
    _judged: list[Judged] = field(default_factory=list)
    _sides: dict[str, list[Row]] = field(default_factory=dict)

    def handle(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, Answered):
            if len(self._sides) < _MOST_SHOWN:
                self._sides[event.recorded.id] = _both(event)
        elif isinstance(event, Judged):
            self._judged.append(event)
            if standing(event) is Standing.PASSED:
                self._sides.pop(event.exchange.id, None)
        elif self._started is not None:
            self.write(self._page(self._started, event))

    def _page(self, started: RunStarted, finished: RunFinished) -> str:
        groups = grouped(each for each in self._judged if standing(each) is not Standing.PASSED)
        order = {Standing.FAILED: 0, Standing.ERROR: 1, Standing.SKIPPED: 2}
        groups.sort(key=lambda alike: order[standing(alike[0])])
        style = _packaged("report.css")
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        return _template().render(
            style=Markup(style),  # noqa: S704  our own file
            style_hash=digest,
            started=started,
            finished=finished,
            counts=finished.counts,
            about=[line.plain.strip() for line in (*started_lines(started), *closing_lines(finished))],
            groups=[self._group(alike) for alike in groups],
            passed=[_line(each) for each in self._judged if standing(each) is Standing.PASSED],
        )

    def _group(self, alike: list[Judged]) -> dict[str, Any]:
        first = alike[0]
        return {
            **_line(first),
            "standing": standing(first).value,
            "others": [_line(each) for each in alike[1:]],
            "differences": [_difference(each) for each in first.differences[:_MOST_DIFFERENCES]],
            "differences_left": max(0, len(first.differences) - _MOST_DIFFERENCES),
            "left_out": [f"{safe(each.what)}: {safe(each.why)}" for each in first.left_out],
            "changes": [safe(change) for change in first.changes],
            "rows": self._sides.get(first.exchange.id, []),
        }


def _both(event: Answered) -> list[Row]:
    then, now = (
        [line.plain for line in response_lines(exchange, event.bodies)]
        for exchange in (event.recorded, event.replayed)
    )
    return side_by_side(then, now)


def _line(judged: Judged) -> dict[str, Any]:
    return {
        "id": judged.exchange.id,
        "trace_id": judged.exchange.trace_id,
        "service": safe(judged.exchange.service),
        "title": title(judged),
        "verdict": judged.verdict.replace("_", " "),
        "summary": summary(judged),
        "recorded_at": moment(judged.exchange.started_at),
        "duration": "" if judged.replayed is None else duration(judged.replayed.duration),
    }


def _difference(difference: Difference) -> dict[str, str]:
    return {
        "place": safe(place(difference)),
        "kind": difference.kind.replace("_", " "),
        "then": _value(difference.recorded),
        "now": _value(difference.replayed),
        "noise": safe(difference.noise or ""),
    }


def _value(value: Any) -> str:
    return "" if value is None else value_text(value, _MOST_VALUE)


def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_packaged("report.html.j2"))


def _packaged(name: str) -> str:
    return (files("mesh_replayer.reports") / name).read_text(encoding="utf-8")
