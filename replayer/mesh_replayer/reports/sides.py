"""Two texts side by side, as reviewers read them: what changed, with a little around it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

CONTEXT = 3
"""Lines around a change."""
MOST_ROWS = 400
_MOST_LINE = 2_000
"""Characters of a line."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of each side; None where a side has none there."""

    then: str | None
    now: str | None
    kind: str
    """`same`, `changed` or `gap`: lines that are alike were left out, and `then` says how many."""


def side_by_side(then: Sequence[str], now: Sequence[str]) -> list[Row]:
    """Both sides with what is alike folded, at most `MOST_ROWS` rows."""
    old, new = [_cut(line) for line in then], [_cut(line) for line in now]
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    rows: list[Row] = []
    reached = 0
    for group in matcher.get_grouped_opcodes(CONTEXT):
        start = group[0][1]
        if start > reached:
            rows.append(_gap(start - reached))
        for tag, old_from, old_to, new_from, new_to in group:
            rows.extend(_rows(tag, old[old_from:old_to], new[new_from:new_to]))
        reached = group[-1][2]
    if rows and reached < len(old):
        rows.append(_gap(len(old) - reached))
    if len(rows) > MOST_ROWS:
        return [*rows[:MOST_ROWS], Row(f"… {len(rows) - MOST_ROWS} more rows", None, "gap")]
    return rows


def _rows(tag: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Row]:
    kind = "same" if tag == "equal" else "changed"
    for at in range(max(len(old), len(new))):
        yield Row(old[at] if at < len(old) else None, new[at] if at < len(new) else None, kind)


def _gap(count: int) -> Row:
    return Row(f"… {count} line{'' if count == 1 else 's'} alike", None, "gap")


def _cut(line: str) -> str:
    return line if len(line) <= _MOST_LINE else line[:_MOST_LINE] + "…"
