"""Which sequence numbers of a run have come: ranges that never touch. Pure."""

from collections.abc import Iterable

type Span = tuple[int, int]
"""First and last, both included."""


def missing_from(spans: Iterable[Span], numbers: Iterable[int]) -> set[int]:
    """Those of `numbers` that no span has."""
    ordered = sorted(spans)
    found: set[int] = set()
    at = 0
    for number in sorted(set(numbers)):
        while at < len(ordered) and ordered[at][1] < number:
            at += 1
        if at == len(ordered) or number < ordered[at][0]:
            found.add(number)
    return found


def with_numbers(spans: Iterable[Span], numbers: Iterable[int]) -> list[Span]:
    """The spans once `numbers` have come too."""
    merged: list[Span] = []
    for first, last in sorted([*spans, *((number, number) for number in numbers)]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged
