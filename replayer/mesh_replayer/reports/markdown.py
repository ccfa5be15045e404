"""The report for pull requests and chats: GitHub's Markdown, bounded. Pure.

1. What was captured stands in code spans, where neither Markdown nor HTML is read.
2. What is wrong comes first, and what finds no room is counted.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from mesh_replayer.diff import Difference
from mesh_replayer.events import Judged, RunFinished, RunStarted
from mesh_replayer.look.differences import place, value_text
from mesh_replayer.look.safe import safe
from mesh_replayer.reports.grouping import grouped
from mesh_replayer.reports.standing import Standing, standing, summary, title
from mesh_replayer.reports.terminal import closing_lines, started_lines

MOST_BYTES = 900_000
"""GitHub drops a step's summary whole above 1 MiB."""
_MOST_DIFFERENCES = 10
"""Of one group."""
_MOST_VALUE = 120
"""Characters of one value."""
_RUNS = re.compile("`+")
_HEADS = {
    Standing.FAILED: "What is wrong",
    Standing.ERROR: "What the environment refused",
    Standing.SKIPPED: "What was not judged",
}


def markdown(
    started: RunStarted, judged: Sequence[Judged], finished: RunFinished, most: int = MOST_BYTES
) -> str:
    """A whole run in at most `most` bytes of UTF-8."""
    parts, room, left = list(_head(started, finished)), most, 0
    room -= sum(len(part.encode()) for part in parts)
    for standing_, head in _HEADS.items():
        groups = grouped(each for each in judged if standing(each) is standing_)
        for at, alike in enumerate(groups):
            part = (f"## {head}\n\n" if at == 0 else "") + "\n".join(_group(alike)) + "\n\n"
            size = len(part.encode())
            if size > room - 100:
                left += len(alike)
                continue
            parts.append(part)
            room -= size
    if left:
        parts.append(f"… and {left:,} more, which the JSON report has.\n")
    return "".join(parts)


def _head(started: RunStarted, finished: RunFinished) -> Iterator[str]:
    sign = "✅" if finished.exit_code == 0 else "❌"
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in finished.counts.items())
    stopped = "interrupted: " if finished.interrupted else ""
    yield f"# {sign} mesh-replay: {stopped}{counts or 'nothing was sent'}\n\n"
    for line in (*started_lines(started), *closing_lines(finished)):
        yield f"- {code(line.plain.strip())}\n"
    yield "\n"


def _group(alike: Sequence[Judged]) -> Iterator[str]:
    first = alike[0]
    more = f" and {len(alike) - 1:,} like it" if len(alike) > 1 else ""
    yield f"### {first.verdict.replace('_', ' ')}: {code(first.exchange.service)} {code(title(first))}{more}"
    yield ""
    told = summary(first)
    if told:
        yield code(told)
    if first.differences:
        yield from ("", "| where | recorded | replayed | |", "|---|---|---|---|")
        yield from (_row(each) for each in first.differences[:_MOST_DIFFERENCES])
    if len(first.differences) > _MOST_DIFFERENCES:
        yield f"\n… and {len(first.differences) - _MOST_DIFFERENCES:,} more differences."
    if standing(first) is not Standing.SKIPPED:
        yield f"\nRecorded as exchange {code(first.exchange.id)}."


def _row(difference: Difference) -> str:
    cells = [code(place(difference)), _value(difference.recorded), _value(difference.replayed)]
    cells.append(
        f"noise: {code(difference.noise)}" if difference.noise else difference.kind.replace("_", " ")
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _value(value: Any) -> str:
    return "" if value is None else code(value_text(value, _MOST_VALUE))


def code(text: str) -> str:
    """A code span that ends nowhere but at its end. Source: CommonMark 0.31, section 6.1."""
    shown = safe(text)
    fence = "`" * (max((len(run) for run in _RUNS.findall(shown)), default=0) + 1)
    pad = " " if shown.startswith(("`", " ")) or shown.endswith(("`", " ")) or not shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
