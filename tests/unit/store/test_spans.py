"""Ranges of sequence numbers say exactly which have come."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mesh_store.spans import missing_from, with_numbers


@given(st.lists(st.sets(st.integers(1, 30)), max_size=6), st.sets(st.integers(1, 30)))
def test_spans_are_as_a_set_of_all_numbers(came: list[set[int]], asked: set[int]) -> None:
    spans: list[tuple[int, int]] = []
    for numbers in came:
        spans = with_numbers(spans, numbers)
    everything = set().union(*came)

    assert {n for first, last in spans for n in range(first, last + 1)} == everything
    assert missing_from(spans, asked) == asked - everything
    assert all(a[1] + 1 < b[0] for a, b in pairwise(spans))
