"""The bounded twin of `tests/fuzz/fuzz_wire.py`."""

from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_wire import check
from support.wire_bytes import TROUBLE, requests, responses

PARTS = st.one_of(
    st.binary(max_size=30),
    TROUBLE,
    requests().map(lambda pair: pair[0]),
    responses().map(lambda pair: pair[0]),
)


@given(st.lists(st.tuples(st.booleans(), PARTS), max_size=12), st.integers(0, 255))
def test_any_bytes_reach_the_other_side(parts: list[tuple[bool, bytes]], size: int) -> None:
    """Case R35."""
    width = size % 50 + 1
    data = bytes([size])
    for by_client, part in parts:
        for at in range(0, len(part), width):
            piece = part[at : at + width]
            data += bytes([not by_client]) + piece.ljust(width, b" ")
    check(data)
