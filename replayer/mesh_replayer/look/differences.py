"""Differences as lines. Pure."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from mesh_replayer.diff import Difference, Kind, LeftOut
from mesh_replayer.look.safe import safe, shortened

MOST_SHOWN = 30
"""Differences of one exchange."""
_WORDS = {
    Kind.MISSING: "is missing",
    Kind.ADDED: "is new",
    Kind.ITEM_MISSING: "item is missing",
    Kind.ITEM_ADDED: "item is new",
    Kind.ORDER: "is in another order",
}


def difference_lines(differences: Sequence[Difference], width: int, indent: str = "") -> Iterator[Text]:
    """One line each; what was there in red, what is there in green."""
    for difference in differences[:MOST_SHOWN]:
        yield _line(difference, width, indent)
    if len(differences) > MOST_SHOWN:
        yield Text(f"{indent}… {len(differences) - MOST_SHOWN} more differences with --json", "dim")


def left_out_lines(left_out: Sequence[LeftOut], indent: str = "") -> Iterator[Text]:
    """What also differs, and why it does not count."""
    by_why: dict[str, list[str]] = {}
    for each in left_out:
        by_why.setdefault(each.why, []).append(safe(each.what))
    for why, names in by_why.items():
        yield Text(f"{indent}not compared: {', '.join(names)} ({why})", "dim")


def place(difference: Difference) -> str:
    """Where it is, in words."""
    if difference.path is None:
        return difference.where.value.replace("_", " ")
    return f"{difference.where.value.replace('_', ' ')} {difference.path}"


def _line(difference: Difference, width: int, indent: str) -> Text:
    line = Text(indent)
    line.append(safe(place(difference)), "bold")
    if difference.kind in _WORDS:
        line.append(f" {_WORDS[difference.kind]}")
    room = max(16, (width - len(line.plain) - 8) // 2)
    if difference.kind not in (Kind.ADDED, Kind.ITEM_ADDED):
        line.append("  ")
        line.append(value_text(difference.recorded, room), "red")
    if difference.kind not in (Kind.MISSING, Kind.ITEM_MISSING):
        line.append(" → " if difference.kind not in _WORDS or difference.kind is Kind.ORDER else "  ")
        line.append(value_text(difference.replayed, room), "green")
    if difference.noise is not None:
        line.append(f"  noise: {safe(difference.noise)}", "dim")
    return line


def value_text(value: Any, most: int) -> str:
    """A value as JSON, harmless, in at most `most` characters, whatever its size."""
    if isinstance(value, str) and len(value) > most:
        value = value[:most]  # a body of megabytes is not escaped to show a line of it
        return shortened(safe(json.dumps(value, ensure_ascii=False)[:-1]) + "…", most)
    return shortened(safe(json.dumps(value, ensure_ascii=False)), most)
