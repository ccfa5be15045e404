"""The command line's promises: quick help with examples, and documentation that is true."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mesh_replayer.cli import main

REFERENCE = (Path(__file__).parents[3] / "docs" / "reference" / "mesh-replay.md").read_text()
HEAVY = ("pandas", "sqlalchemy", "mitmproxy", "fastapi", "httpx", "alembic", "rich")
COMMANDS = list(main.commands.items())


def test_help_imports_nothing_heavy() -> None:
    code = f"import mesh_replayer.cli, sys; print(sorted(set({HEAVY!r}) & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_the_help_of_every_command_has_examples(name: str, command: click.Command) -> None:
    result = CliRunner().invoke(main, [name, "--help"])

    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"mesh-replay {name}" in result.stdout
    assert "..." not in command.get_short_help_str(limit=60)


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_the_reference_names_every_command_and_option(name: str, command: click.Command) -> None:
    documented = set(re.findall(r"`(?:mesh-replay )?([a-z]+|--?[A-Za-z-]+)", REFERENCE))

    assert f"`mesh-replay {name}" in REFERENCE
    for parameter in command.params:
        for option in (
            parameter.opts + parameter.secondary_opts if isinstance(parameter, click.Option) else []
        ):
            assert option in documented, f"{name} {option}"


def test_the_reference_names_no_option_that_there_is_not() -> None:
    known = {"--help", "-h", "--version", "-v", "--verbose"}
    for _, command in COMMANDS:
        below = command.commands.values() if isinstance(command, click.Group) else ()
        known |= {
            option for each in (command, *below) for parameter in each.params for option in parameter.opts
        }

    assert (
        set(re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", re.sub(r"```.*?```", "", REFERENCE, flags=re.DOTALL)))
        <= known
    )


def test_every_verdict_and_kind_is_documented() -> None:
    from mesh_replayer.diff import Kind, Where
    from mesh_replayer.verdict import Verdict

    for word in (*Verdict, *Kind, *Where):
        assert f"`{word.value}`" in REFERENCE


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == "mesh-replay, version 0.1.0\n"


def test_a_word_that_is_no_command_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["teleport"]).exit_code == 2
