"""Points in time as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_core.times import parse_rfc3339, rfc3339


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_time_survives_being_written_and_read(ns: int) -> None:
    assert parse_rfc3339(rfc3339(ns)) == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00z", 0),
        ("1970-01-01", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T20:30:00-0330", 0),
        ("1970-01-01T00:00:00.1Z", 100_000_000),
        ("1970-01-01T00:00:00.1234567891Z", 123_456_789),
    ],
)
def test_forms_in_use_are_read(text: str, ns: int) -> None:
    assert parse_rfc3339(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "1970-01-01T00:00:00", "1970-13-01", "1970-02-30T00:00:00Z", "1970-01-01T25:00:00Z",
        "1970-01-01T00:00:00+25:00", "0001-01-01", "9999-12-31T23:59:59Z", "0000-01-01",
        "0001-01-01T00:00:00+23:00",
        "1970-01-01T00:00:00.Z", "\uff11970-01-01", " 1970-01-01", "1970-01-01T00:00:00Z\n",
    ],
)  # fmt: skip
def test_what_is_no_time_or_out_of_reach_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_rfc3339(text)
