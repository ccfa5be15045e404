"""No text makes the reader of queries fail otherwise than by saying where, and globs mean what they say."""

import re

from hypothesis import given
from hypothesis import strategies as st

from mesh_core.errors import QueryInvalid
from mesh_core.query import And, Node, Not, Number, Or, Text, matches, parse_query
from mesh_core.query.glob import fits
from mesh_core.query.terms import KNOWN
from support.recorded import an_exchange

PIECES = st.sampled_from(
    [
        *(f"{name}:" for name in KNOWN),
        *'()-*~,:="\\<>',
        "OR",
        "AND",
        " ",
        "5xx",
        "2h",
        "2026-11-24",
        "9" * 30,
        "é",
        "a",
    ]
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join))


@given(TEXTS)
def test_any_text_is_read_or_refused_with_a_position_inside_it(text: str) -> None:
    try:
        query = parse_query(text, now=10**18)
    except QueryInvalid as error:
        refused: QueryInvalid | None = error
    else:
        refused = None
        assert isinstance(matches(query, an_exchange(), {}), bool)
        assert all(database_takes(node) for node in leaves(query.node))

    assert refused is None or (1 <= refused.position <= len(text) + 1 and str(refused).isprintable())


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_a_glob_fits_as_its_definition_says(pattern: str, text: str) -> None:
    defined = re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text, re.DOTALL)

    assert fits(pattern, text) == bool(defined)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_whatever_is_quoted_is_looked_for_as_it_is(text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    assert matches(parse_query(f"error~{quoted}", now=0), an_exchange(error=f"<{text}>"), {})
    assert matches(parse_query(f"error:{quoted}", now=0), an_exchange(error=text), {})
    assert not matches(parse_query(f"error:{quoted}", now=0), an_exchange(error=f"<{text}>"), {})


def leaves(node: Node | None) -> list[Text | Number]:
    match node:
        case None:
            return []
        case And(nodes) | Or(nodes):
            return [leaf for each in nodes for leaf in leaves(each)]
        case Not(inner):
            return leaves(inner)
        case leaf:
            return [leaf]


def database_takes(leaf: Text | Number) -> bool:
    if isinstance(leaf, Number):
        return all(bound is None or abs(bound) < 2**63 for bound in (leaf.low, leaf.high))
    return bool(leaf.values) and all(
        "\0" not in value and value.encode() is not None for value in leaf.values
    )
