"""Sizes and durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_core.units import format_size, parse_seconds, parse_share, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        (str(2**63 - 1), 2**63 - 1), ("0", 0), ("64KiB", 65_536), ("64kib", 65_536), ("1MB", 1_000_000),
        ("1.5 MiB", 1_572_864), ("2g", 2_000_000_000), ("1Gi", 2**30), ("10B", 10), (" 1 k ", 1000),
    ],
)  # fmt: skip
def test_sizes_are_read_in_tens_and_in_twos(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("30s", 30), ("30", 30), ("5m", 300), ("2h", 7200), ("7d", 604_800), (" 1.5 s ", 1.5)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "big", "-1", "1e3", "1,5", "1TB", "1 2", "1.MB", "9" * 400, "nan", "inf"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size|digits"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1e3", "1S", "1 hour", "9" * 400 + "d", "nan", "inf"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|digits"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (64 * 2**20, "64 MiB"),
        (2**30, "1 GiB"), (2**40, "1024 GiB"),
    ],
)  # fmt: skip
def test_sizes_are_written_short(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(0, 2**50))
def test_a_size_that_was_written_reads_as_about_the_same(size: int) -> None:
    assert abs(parse_size(format_size(size)) - size) <= size * 0.05 + 1


def test_shares_are_read_and_nothing_else_is_one() -> None:
    assert [parse_share(text) for text in ("0%", "10%", " 0.5 %", "100%")] == [0, 0.1, 0.005, 1]
    for text in ("10", "101%", "-1%", "ten%", "%", "1e1%"):
        with pytest.raises(ValueError, match="is not a share like 10%"):
            parse_share(text)
