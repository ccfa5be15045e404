"""What every command line of ours does the same way."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mesh_core.errors import ConfigInvalid, ExitCode, NotRecorded
from mesh_core.project import Project
from mesh_store.command import friendly, project_options, version_option
from mesh_store.disk import read_file, write_private


@click.command()
@version_option("mesh-test")
@click.argument("word", default="")
@project_options
@friendly("mesh-test")
def options_outside(word: str, project: Project) -> None:
    run(word, project)


@click.command()
@friendly("mesh-test")
@project_options
@click.argument("word", default="")
def options_inside(word: str, project: Project) -> None:
    run(word, project)


def run(word: str, project: Project) -> None:
    if word == "missing":
        raise NotRecorded("no trace a\x1b[31m\nb is recorded", hint="list them")
    if word == "stop":
        raise KeyboardInterrupt
    click.echo(f"{project.store} {project.config.project}")


@pytest.fixture(autouse=True)
def _away_from_the_users_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MESH_STORE", "MESH_CONFIG", "MESH_TRUST_CONFIG"):
        monkeypatch.delenv(name, raising=False)


both_orders = pytest.mark.parametrize("command", [options_outside, options_inside])


@both_orders
def test_an_error_is_one_line_without_control_characters(command: click.Command) -> None:
    result = CliRunner().invoke(command, ["missing"])

    assert result.exit_code == ExitCode.NOTHING
    assert result.stderr == "mesh-test: no trace a [31m b is recorded; list them\n"
    assert result.stdout == ""


@both_orders
def test_settings_come_from_option_then_environment_then_file(command: click.Command, tmp_path: Path) -> None:
    (tmp_path / "mesh.toml").write_text('project = "shop"\nstore = "sqlite:///of-file.db"\n')
    run = CliRunner().invoke

    assert run(command, []).stdout == f"sqlite:///{tmp_path}/of-file.db shop\n"
    assert run(command, [], env={"MESH_STORE": "sqlite:////env.db"}).stdout == "sqlite:////env.db shop\n"
    given = run(command, ["--store", "postgresql://h/d"], env={"MESH_STORE": "sqlite:////env.db"})
    assert given.stdout == "postgresql://h/d shop\n"


@both_orders
def test_a_broken_or_untrusted_file_is_one_line_too(command: click.Command, tmp_path: Path) -> None:
    (tmp_path / "mesh.toml").write_text("store = 7\n")
    broken = CliRunner().invoke(command, [])
    (tmp_path / "mesh.toml").write_text('allow_targets = ["prod:80"]\n')
    untrusted = CliRunner().invoke(command, [])
    trusted = CliRunner().invoke(command, ["--trust-config"])

    assert broken.exit_code == ExitCode.USAGE
    assert broken.stderr.startswith("mesh-test: ")
    assert broken.stderr.count("\n") == 1
    assert untrusted.exit_code == ExitCode.REFUSED
    assert trusted.exit_code == ExitCode.OK


@both_orders
def test_ctrl_c_exits_by_130_without_a_word(command: click.Command) -> None:
    result = CliRunner().invoke(command, ["stop"])

    assert (result.exit_code, result.stderr) == (ExitCode.INTERRUPTED, "")


def test_the_version_names_the_program() -> None:
    assert CliRunner().invoke(options_outside, ["--version"]).stdout.startswith("mesh-test, version ")


def test_a_closed_pipe_is_quiet() -> None:
    code = (
        "import click, sys; from mesh_store.command import friendly\n"
        "@friendly('x')\ndef f():\n  sys.stdin.read()\n  click.echo('late')\nf()"
    )
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run([sys.executable, "-c", code], input=b"", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)

    assert (ended.returncode, ended.stderr) == (141, b"")


def test_a_private_file_is_for_its_user_alone_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "state" / "keys" / "shop"
    write_private(path, b"one")
    write_private(path, b"two")

    assert read_file(path) == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(p.stat().st_mode) for p in (path.parent, path.parent.parent)] == [0o700, 0o700]
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert read_file(tmp_path / "nothing") is None
    assert read_file(tmp_path) is None
    assert read_file(tmp_path / "file" / "below") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_somebody_else_is_an_error_not_silence(tmp_path: Path) -> None:
    path = tmp_path / "mesh.toml"
    path.write_text("")
    path.chmod(0)

    with pytest.raises(ConfigInvalid):
        read_file(path)
