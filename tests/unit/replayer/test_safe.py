"""Captured text on a terminal."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_replayer.look.safe import safe, safe_lines, shortened
from mesh_replayer.look.words import duration, moment


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    """Case W7."""
    shown = safe(text)

    assert all(
        unicodedata.category(character)[0] != "C" or unicodedata.category(character) == "Cn"
        for character in shown
    )
    assert "\u2028" not in shown
    assert "\n" not in shown


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs"])))
def test_letters_of_every_language_stay(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\r\tc", "a\\x0ab\\x0d\\x09c"),
        ("\u202eevil\u2069", "\\u202eevil\\u2069"),
        ("\x9b", "\\x9b"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_is_hidden_is_spelled_out(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_a_text_of_several_lines_keeps_them_and_is_bounded() -> None:
    assert safe_lines("a\r\n\tb\x07\nc\nd", most=3) == ["a", "    b\\x07", "c"]


@given(st.text(max_size=30), st.integers(1, 20))
def test_shortened_text_is_never_longer(text: str, width: int) -> None:
    assert len(shortened(text, width)) <= width
    assert re.sub("…$", "", shortened(text, width)) in text


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1 µs"),
        (950_400, "950 µs"),
        (1_500_000, "1.5 ms"),
        (12_000_000, "12 ms"),
        (1_500_000_000, "1.5 s"),
        (119_000_000_000, "119 s"),
        (180_000_000_000, "3 min"),
    ],
)
def test_durations_are_read_at_a_glance(ns: int, shown: str) -> None:
    assert duration(ns) == shown


def test_a_moment_is_told_to_the_millisecond() -> None:
    from datetime import UTC

    assert moment(1_770_000_000_123_999_999, UTC) == "2026-02-02 02:40:00.123"
