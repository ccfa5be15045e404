"""Exchange ids."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from mesh_core.ids import started_ms, uuid7

TIMES = st.integers(0, 2**48 * 1_000_000 - 10_000)


@given(TIMES, st.binary(min_size=8, max_size=8))
def test_an_id_is_a_uuid_of_version_7_and_carries_its_millisecond(now: int, random: bytes) -> None:
    made = uuid7(now, random)

    assert uuid.UUID(made).version == 7
    assert uuid.UUID(made).variant == uuid.RFC_4122
    assert started_ms(made) == now // 1_000_000


@given(TIMES, TIMES)
def test_ids_sort_by_time_to_a_microsecond(first: int, second: int) -> None:
    if abs(first - second) < 1_000:
        second = first + 1_000  # closer than the id tells apart
    earlier, later = sorted((first, second))

    assert uuid7(earlier, b"\xff" * 8) < uuid7(later, bytes(8))


def test_ids_of_one_instant_differ_by_their_random_part() -> None:
    assert uuid7(1, b"a" * 8) != uuid7(1, b"b" * 8)
