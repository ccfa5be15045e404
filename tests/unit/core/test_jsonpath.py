"""JSONPaths and globs of a configuration: what they name, and what is refused."""

import pytest

from mesh_core.config import Places, parse_config, trust_reasons
from mesh_core.errors import ConfigInvalid
from mesh_core.globs import parse_glob
from mesh_core.jsonpath import Step, parse_jsonpath


@pytest.mark.parametrize(
    ("text", "path", "named"),
    [
        ("$.a.b", ("a", "b"), True),
        ("$.a.b", ("a",), False),
        ("$.a.b", ("a", "b", "c"), False),
        ("$['a b'].c-d", ("a b", "c-d"), True),
        ("$.a[*].b", ("a", 3, "b"), True),
        ("$.a[1]", ("a", 1), True),
        ("$.a[1]", ("a", 2), False),
        ("$.a[1]", ("a", "1"), False),
        ("$..id", ("id",), True),
        ("$..id", ("a", 0, "id"), True),
        ("$..a..b", ("x", "a", "y", "b"), True),
        ("$..a..b", ("b", "a"), False),
        ("$.*", ("a",), True),
        ('$["\u00e9"]', ("\u00e9",), True),
    ],
)
def test_a_path_names_places(text: str, path: tuple[Step, ...], named: bool) -> None:
    assert parse_jsonpath(text).matches(path) is named


@pytest.mark.parametrize(
    "text", ["", "$", "a.b", "$a", "$.", "$...a", "$.['a']", "$.a[?(@.b)]", "$.a[1:2]", "$.a b", "$.a[-1]"]
)
def test_what_is_no_plain_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSONPath|understood"):
        parse_jsonpath(text)


@pytest.mark.parametrize(
    ("glob", "word", "fits"),
    [
        ("ACME-####", b"ACME-1234", True),
        ("ACME-####", b"ACME-123x", False),
        ("ACME-*-z", b"ACME--z", True),
        ("ACME-*-z", b"ACME-a-z-b-z", True),
        ("ACME-*-z", b"xACME-1-z", False),
        ("*@shop.org", b"bob@shop.org", True),
        ("a.c?d", b"abcxd", False),
        ("abc*def*ghi", b"abcdefdefghighi", True),
        ("abc*def*ghi", b"abcghi", False),
    ],
)
def test_a_glob_fits_whole_words(glob: str, word: bytes, fits: bool) -> None:
    assert parse_glob(glob).matches(word) is fits


@pytest.mark.parametrize("glob", ["", "*", "a*", "ab?cd", "two words", "x" * 129])
def test_a_glob_that_would_fit_too_much_is_refused(glob: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        parse_glob(glob)


RULES = """
[redact]
mode = "allowlist"
header = ["x-tenant"]
json = ["$.a", "$..b"]
pattern = ["ACME-####"]
keep_types = ["Application/PDF"]
[redact.allow]
query = ["page"]
"""


def test_rules_are_read() -> None:
    redact = parse_config(RULES).redact

    assert redact.hide == Places(header=("x-tenant",), json=("$.a", "$..b"), pattern=("ACME-####",))
    assert redact.allow == Places(query=("page",))
    assert redact.keep_types == ("application/pdf",)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            '[redact]\njson = ["a"]',
            "mesh.toml:2: redact.json is wrong; expected a JSONPath starts with $, and found 'a'",
        ),
        ('[redact]\npattern = ["*"]', "redact.pattern is wrong"),
        ('[redact.allow]\njson = ["$"]', "redact.allow.json is wrong"),
        ('[redact]\nheaders = ["a"]', "unknown key redact.headers"),
        ('[redact]\nheader = "a"', "redact.header is wrong"),
    ],
)
def test_a_wrong_rule_is_named_with_its_line(text: str, names: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        parse_config(text)

    assert names in str(caught.value)


def test_weaker_redaction_needs_trust_and_stricter_does_not() -> None:
    assert trust_reasons(parse_config('[redact.allow]\nheader = ["x-api-key"]')) == ["redact.allow"]
    assert trust_reasons(parse_config('[redact]\nkeep_types = ["application/pdf"]')) == ["redact.keep_types"]
    assert (
        trust_reasons(
            parse_config('[redact]\nmode = "allowlist"\nheader = ["a"]\n[redact.allow]\nform = ["b"]')
        )
        == []
    )
