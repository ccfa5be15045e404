"""Two texts compared by line, two byte strings by offset. Pure."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from mesh_replayer.diff.difference import Difference, Kind, Where

_MOST_LINES = 500
"""Between the first and the last change; more are told as one."""
_MOST_BYTES = 32
"""Of each side, shown from the first difference on."""


def text_differences(recorded: str, replayed: str) -> Iterator[Difference]:
    """Every run of lines that is not the same."""
    old, new = recorded.splitlines(), replayed.splitlines()
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    old_middle, new_middle = old[start : len(old) - end], new[start : len(new) - end]
    if not old_middle and not new_middle:
        if recorded != replayed:  # the ends of lines alone
            yield from bytes_difference(recorded.encode(), replayed.encode())
        return
    if max(len(old_middle), len(new_middle)) > _MOST_LINES:
        yield _hunk(start, old_middle, new_middle)
        return
    matcher = SequenceMatcher(a=old_middle, b=new_middle, autojunk=False)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag != "equal":
            yield _hunk(start + old_from, old_middle[old_from:old_to], new_middle[new_from:new_to])


def bytes_difference(recorded: bytes, replayed: bytes) -> Iterator[Difference]:
    """The first offset at which two byte strings are not the same."""
    if recorded == replayed:
        return
    at = first_difference(recorded, replayed)
    yield Difference(
        where=Where.BODY,
        kind=Kind.BYTES,
        path=f"offset {at}",
        recorded=recorded[at : at + _MOST_BYTES].decode("latin-1"),
        replayed=replayed[at : at + _MOST_BYTES].decode("latin-1"),
    )


def first_difference(one: bytes, other: bytes) -> int:
    """The offset of the first byte that differs, or where the shorter one ends."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines are the same at the start."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _hunk(at: int, old: Sequence[str], new: Sequence[str]) -> Difference:
    kind = Kind.TEXT if old and new else Kind.MISSING if old else Kind.ADDED
    return Difference(
        where=Where.BODY,
        kind=kind,
        path=f"line {at + 1}",
        template="lines",
        recorded="\n".join(old) if old else None,
        replayed="\n".join(new) if new else None,
    )
