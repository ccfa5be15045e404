"""The command line as it is typed: help, mistakes, and that the documentation tells of all of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mesh_recorder.cli import doctor, main
from mesh_recorder.doctor_means import MEANS
from mesh_recorder.lines import redaction_note
from mesh_recorder.runtimes import CA_BUNDLE_VARIABLES

DOCS = Path(__file__).parents[3] / "docs" / "reference"
HEAVY = ("mitmproxy", "sqlalchemy", "alembic", "httpx", "pandas", "fastapi", "cryptography", "zstandard")


@pytest.fixture(autouse=True)
def nothing_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in [name for name in os.environ if name.startswith("MESH_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["doctor", "--help"], ["doctor", "--version"]]
)
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, mesh_recorder.cli\n"
        "try: mesh_recorder.cli.main(sys.argv[1:])\n"
        f"finally: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)

    assert done.returncode == 0
    assert done.stderr == "[]\n"


def test_help_has_examples_and_names_the_doctor() -> None:
    help_text = CliRunner().invoke(main, ["--help"]).stdout

    assert "Usage: mesh-record [OPTIONS] [-- COMMAND...]" in help_text
    assert "mesh-record --service cart --inbound 3000 -- node server.js" in help_text
    assert re.search(r"  doctor +Say whether a runtime's calls are seen", help_text)
    assert "mesh-record doctor -- node server.js" in CliRunner().invoke(main, ["doctor", "--help"]).stdout


def test_version_is_said() -> None:
    assert re.fullmatch(r"mesh-record, version \d\S*\n", CliRunner().invoke(main, ["--version"]).stdout)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "mesh-record: no service is named; give --service NAME, as you call it"),
        (["--service", "cart", "--ap", "1"], "mesh-record: No such option"),
        (["--service"], "mesh-record: Option '--service' requires an argument"),
        (["cart"], "mesh-record: Got unexpected extra argument (cart): a command to run goes behind --"),
        (["--service", "cart", "--"], "mesh-record: no command follows --"),
        (["--service", "cart", "--lane", "wired"], "mesh-record: Invalid value for '--lane': 'wired'"),
        (["--service", "cart", "--trace-headers", "x"], "mesh-record: Invalid value for '--trace-headers'"),
        (["--service", "cart", "--app", "x"], "mesh-record: --app 'x' is no address"),
        (["--service", "cart", "--inbound", "80"], "mesh-record: cart has no app address"),
        (["--service", "cart", "--max-body", "x"], "mesh-record: --max-body: 'x' is not a size"),
        (["--service", "cart", "--response-timeout", "x"], "mesh-record: --response-timeout: 'x'"),
        (["--service", "cart", "--cert", "x"], "mesh-record: a certificate needs its key"),
        (["--service", "cart", "--config", "no.toml"], "mesh-record: there is no "),
        (["--service", "cart", "--", "no-such-command"], "mesh-record: there is no command no-such-command"),
        (["doctor", "cart"], "mesh-record doctor: Got unexpected extra argument (cart)"),
        (["doctor", "--", "no-such-command"], "mesh-record doctor: there is no command no-such-command"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 2
    assert result.stderr.startswith(says)
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(("command", "part"), [(main, "## Options"), (doctor, "## mesh-record doctor")])
def test_the_documentation_has_every_option_and_no_other(command: click.Command, part: str) -> None:
    text = (DOCS / "mesh-record.md").read_text().partition(part)[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `--")]
    documented = {name for row in rows for name in re.findall(r"(--[a-z-]+)", row)}
    taken = {name for parameter in command.params for name in parameter.opts} | {"--help"}

    assert documented == taken


def test_the_documented_defaults_are_those_of_the_command() -> None:
    text = (DOCS / "mesh-record.md").read_text()
    defaults = {
        parameter.opts[0]: parameter.default
        for parameter in main.params
        if isinstance(parameter, click.Option) and parameter.show_default
    }

    assert set(defaults) == {
        "--trace-headers", "--lane", "--max-body", "--response-timeout", "--durability", "--workers",
    }  # fmt: skip
    for option, default in defaults.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{option} "))
        assert f"`{default}`" in row


def test_the_table_of_runtimes_is_the_programs() -> None:
    text = (DOCS / "runtimes.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    table = [row for row in rows if row[-1] in ("measured", "read")]

    def names(cell: str) -> tuple[str, ...]:
        return tuple(re.findall(r"`([^`]+)`", cell))

    assert [(row[0], row[1], names(row[2]), names(row[3]), row[5]) for row in table] == [
        (means.runtime, means.client, means.proxy, means.trust, means.known) for means in MEANS
    ]
    for row, means in zip(table, MEANS, strict=True):
        assert row[4].startswith("yes") == (bool(means.proxy) and means.runtime != "Go")


def test_every_variable_that_is_set_is_documented() -> None:
    text = (DOCS / "runtimes.md").read_text().partition("## What the variables hold")[2]

    for name in ("HTTP_PROXY", "no_proxy", "NODE_EXTRA_CA_CERTS", "JAVA_TOOL_OPTIONS", *CA_BUNDLE_VARIABLES):
        assert f"`{name}`" in text
    assert "redaction is off" in redaction_note()
