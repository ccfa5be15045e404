"""The reference of `mesh.toml` is as the program reads it."""

import re
from pathlib import Path

import pytest

from mesh_core.config import parse_config
from mesh_core.errors import ConfigInvalid
from mesh_core.retention import KEYS

TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "configuration.md").read_text()
TABLES = {
    "": "",
    "services.NAME.": "[services.NAME]\n",
    "redact.": "[redact]\n",
    "retention.": "[retention]\n",
}


def known(table: str) -> set[str]:
    """The keys that a table takes, as the error for a wrong one lists them."""
    with pytest.raises(ConfigInvalid) as caught:
        parse_config(f"{TABLES[table]}no_such_key = 1")
    return set(caught.value.hint.removeprefix("known here: ").split(", "))


def documented() -> set[str]:
    """The keys of the tables of keys, whole, and those that have a part of the text to themselves."""
    keys = set(re.findall(r"^#+ `\[+([\w.]+)", TEXT, re.MULTILINE))
    for line in TEXT.splitlines():
        cells = line.split("|")
        if len(cells) < 4 or not cells[1].strip().startswith("`"):
            continue
        first = ""
        for name in re.findall(r"`([\w.]+…?)`", cells[1]):
            whole = first.rpartition(".")[0] + name if name.startswith(".") else name
            first = first or name
            keys.add(whole)
    return keys


def test_the_example_is_read() -> None:
    example = TEXT.partition("```toml\n")[2].partition("```")[0]

    assert parse_config(example).project == "shop"


@pytest.mark.parametrize("table", TABLES)
def test_every_key_is_documented(table: str) -> None:
    told = documented()
    missing = {key for key in known(table) if not any(name.startswith(f"{table}{key}") for name in told)}

    assert missing == set()


def test_each_key_of_retention_has_its_variable() -> None:
    for key in KEYS:
        assert f"`MESH_RETENTION_{key.upper()}`" in TEXT
