"""The bounded twin of `tests/fuzz/fuzz_wire.py`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_wire import TURN, check, seeds
from support.wire_bytes import TROUBLE, damaged, requests, responses

PARTS = st.one_of(
    st.binary(max_size=30),
    TROUBLE,
    requests().map(lambda pair: pair[0]),
    responses().map(lambda pair: pair[0]),
)
TURNS = st.lists(PARTS, max_size=3).map(b"".join)


@given(st.lists(TURNS, max_size=6), st.integers(0, 255))
def test_any_bytes_reach_the_other_side(turns: list[bytes], first: int) -> None:
    """Case R35."""
    check(bytes([first]) + TURN.join(turns))


@given(st.sampled_from(seeds()).flatmap(damaged), st.integers(0, 255))
def test_a_damaged_conversation_reaches_the_other_side(talk: bytes, first: int) -> None:
    """Case R35: WebSockets, server-sent events and HTTP/2 among them."""
    check(bytes([first]) + talk[1:])


@pytest.mark.parametrize("seed", seeds())
def test_what_fuzzing_begins_with_passes(seed: bytes) -> None:
    check(seed)
