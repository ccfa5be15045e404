"""The reference of the query language is true."""

import re
from pathlib import Path

import pytest

from mesh_core.errors import QueryInvalid
from mesh_core.outcome import Outcome
from mesh_core.query import parse_query
from mesh_core.query.terms import KNOWN

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "query-language.md").read_text()
NOW = 1_795_500_000_000_000_000
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| `")
]
ERRORS = [(row[0].strip("`"), row[1]) for row in ROWS if len(row) == 2]
FIELDS = [row for row in ROWS if len(row) >= 3]
BLOCKS = [line for block in re.findall(r"```query\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
INLINE = [
    code
    for code in re.findall(r"`([^`\n]+)`", PAGE.partition("## Errors")[0])
    if re.match(rf"-?({'|'.join(KNOWN)})[:~].", code)
]


@pytest.mark.parametrize("text", [*BLOCKS, *INLINE, *(row[1].strip("`") for row in FIELDS)])
def test_every_example_can_be_read(text: str) -> None:
    assert parse_query(text, now=NOW).node is not None


@pytest.mark.parametrize(("text", "error"), ERRORS)
def test_every_error_is_as_shown(text: str, error: str) -> None:
    with pytest.raises(QueryInvalid) as raised:
        parse_query(text, now=NOW)

    assert raised.value.problem == error


def test_every_field_and_outcome_is_in_the_reference() -> None:
    assert len(ERRORS) == 5
    assert {row[0].strip("`") for row in FIELDS} == set(KNOWN)
    assert all(f"`{outcome}`" in PAGE for outcome in Outcome)
