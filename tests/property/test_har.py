"""A capture file gives back what was recorded, and no file makes the reader fail otherwise than in words."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_core.errors import CaptureInvalid
from mesh_core.har import dump_har, load_har
from mesh_core.model import Bodies, Exchange
from support.strategies import recorded

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"
CHROME = (CAPTURES / "chrome.har").read_bytes()
FIREFOX = (CAPTURES / "firefox.har").read_bytes()
ODD: list[Any] = [
    [], {}, [{}], -1, 2**64, 10**400, "\ud800", "\udcff", "\0", "a\r\nb", "9999-01-01T00:00:00Z", "http://[/",
]  # fmt: skip
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), FLOATS, st.text(max_size=9), st.sampled_from(ODD))


@given(st.lists(recorded(), max_size=3))
def test_exporting_and_importing_loses_nothing(given_: list[tuple[Exchange, Bodies]]) -> None:
    assert load_har(dump_har(given_), where="a.har") == [
        (exchange, {key: bodies[key] for key in bodies if key in hashes(exchange)})
        for exchange, bodies in given_
    ]


@given(recorded())
def test_what_was_imported_is_exported_to_the_same_file(given_: tuple[Exchange, Bodies]) -> None:
    har = dump_har([given_])

    assert dump_har(load_har(har, where="a.har")) == har
    json.loads(har.decode("utf-8"))


@given(st.sampled_from([CHROME, FIREFOX]) | recorded().map(lambda one: dump_har([one])), st.data())
def test_a_value_of_any_other_kind_anywhere_is_read_or_refused_in_words(
    har: bytes, data: st.DataObject
) -> None:
    document = json.loads(har)
    *way, last = data.draw(st.sampled_from(list(places(document))))
    at = document
    for step in way:
        at = at[step]
    at[last] = data.draw(VALUES)

    refused_or_read(json.dumps(document).encode())


@given(st.sampled_from([CHROME, FIREFOX]), st.integers(0, 6000), st.binary(max_size=3), st.integers(0, 3))
def test_a_damaged_file_is_read_or_refused_in_words(har: bytes, at: int, put: bytes, cut: int) -> None:
    refused_or_read(har[:at] + put + har[at + cut :])
    refused_or_read(har[:at])


@given(st.binary(max_size=100))
def test_anything_else_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(CaptureInvalid, match=r"a\.har"):
        load_har(content, where="a.har")


def refused_or_read(har: bytes) -> None:
    try:
        found = load_har(har, where="a.har")
    except CaptureInvalid as error:
        text = str(error)
    else:
        text = "a.har"
        assert load_har(dump_har(found), where="b.har") == found
    assert text.startswith("a.har")
    assert text.isprintable()
    assert len(text) < 600


def hashes(exchange: Exchange) -> set[str]:
    return {ref.hash for ref in (exchange.request_body, exchange.response_body) if ref is not None}


def places(value: Any, *way: Any) -> Any:
    """Every place inside a document, as the steps that lead there."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield [*way, key]
        if isinstance(inner, dict | list):
            yield from places(inner, *way, key)
