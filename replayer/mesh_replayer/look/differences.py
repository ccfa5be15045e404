"""Differences as lines. Pure."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from mesh_replayer.diff import Difference, Kind, LeftOut
from mesh_replayer.look.safe import safe, shortened

MOST_SHOWN = 30
"""Differences of one exchange."""
MOST_NAMED = 8
"""Places of noise."""
_WORDS = {
    Kind.MISSING: "is missing",
    Kind.ADDED: "is new",
    Kind.ITEM_MISSING: "item is missing",
    Kind.ITEM_ADDED: "item is new",
    Kind.ORDER: "is in another order",
    Kind.ID_MISMATCH: "is another id",
    Kind.STALE_ID: "is the recorded id",
}
_BOTH = frozenset({Kind.ORDER, Kind.ID_MISMATCH})
"""What has words, and both sides too."""


def difference_lines(differences: Sequence[Difference], width: int, indent: str = "") -> Iterator[Text]:
    """One line each, what is certain first; what was there in red, what is there in green; noise as one."""
    telling = sorted(
        (each for each in differences if each.noise is None), key=lambda each: each.unsure is not None
    )
    for difference in telling[:MOST_SHOWN]:
        yield _line(difference, width, indent)
    if len(telling) > MOST_SHOWN:
        yield Text(f"{indent}… {len(telling) - MOST_SHOWN} more differences with --json", "dim")
    yield from noise_lines(differences, indent)


def noise_lines(differences: Sequence[Difference], indent: str = "") -> Iterator[Text]:
    """What differs and means nothing, folded: its places with how often each came up."""
    counts = Counter(safe(each.template or place(each)) for each in differences if each.noise is not None)
    if not counts:
        return
    names = [f"{name} ({count})" if count > 1 else name for name, count in counts.items()]
    more = f", and {len(names) - MOST_NAMED} more places" if len(names) > MOST_NAMED else ""
    shown = shortened(", ".join(names[:MOST_NAMED]), 1_000)
    yield Text(f"{indent}noise, {counts.total()}: {shown}{more}", "dim")


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
        line.append(" → " if difference.kind not in _WORDS or difference.kind in _BOTH else "  ")
        line.append(value_text(difference.replayed, room), "green")
    if difference.unsure is not None:
        line.append(f"  unsure: {safe(difference.unsure)}", "yellow")
    if difference.detail is not None:
        line.append(f"  {safe(difference.detail)}", "dim")
    return line


def value_text(value: Any, most: int) -> str:
    """A value as JSON, harmless, in at most `most` characters, whatever its size."""
    if isinstance(value, str) and len(value) > most:
        value = value[:most]  # a body of megabytes is not escaped to show a line of it
        return shortened(safe(json.dumps(value, ensure_ascii=False)[:-1]) + "…", most)
    return shortened(safe(json.dumps(value, ensure_ascii=False)), most)
