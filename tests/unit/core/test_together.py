"""What all sidecars decide alike."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from mesh_core.together import keys_of, sampled
from support.recorded import an_exchange

IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)


@given(IDS, st.floats(0, 1), st.floats(0, 1))
def test_a_smaller_share_is_part_of_a_larger_one(trace_id: str, one: float, other: float) -> None:
    small, large = sorted((one, other))

    assert sampled(trace_id, large) or not sampled(trace_id, small)
    assert sampled(trace_id, 1)
    assert not sampled(trace_id, 0)


def test_the_share_holds_whatever_the_ids_look_like() -> None:
    counting = [f"{n:032x}" for n in range(5000)]
    low_only = ["0" * 16 + hashlib.sha256(str(n).encode()).hexdigest()[:16] for n in range(5000)]

    for ids in (counting, low_only):
        assert 400 < sum(sampled(each, 0.1) for each in ids) < 600


def test_exchanges_know_each_other_by_trace_or_by_request_id() -> None:
    one = keys_of(an_exchange(trace_id="a" * 32, request_id="r"))
    same_request = keys_of(an_exchange(trace_id="b" * 32, request_id="r"))
    same_trace = keys_of(an_exchange(trace_id="a" * 32))
    looks_alike = keys_of(an_exchange(trace_id="c" * 32, request_id="a" * 32))

    assert set(one) & set(same_request)
    assert set(one) & set(same_trace)
    assert not set(looks_alike) & {*one, *same_request}
    assert all(-(2**63) <= key < 2**63 for key in (*one, *same_request))
