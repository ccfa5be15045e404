"""The how-tos tell of every option and no other, and their commands are as the program takes them."""

import re
import shlex
from pathlib import Path

import click
import pytest

from mesh_recorder.cli import main
from mesh_recorder.deploy.commands import compose, kube
from mesh_recorder.deploy.promise import FOLDER, UID

HOW_TO = Path(__file__).parents[4] / "docs" / "how-to"


def lines_of(name: str) -> list[str]:
    return (HOW_TO / name).read_text().replace("\\\n", " ").splitlines()


@pytest.mark.parametrize(("command", "name"), [(compose, "compose.md"), (kube, "kubernetes.md")])
def test_every_option_is_told_and_no_other(command: click.Command, name: str) -> None:
    rows = [line.split("|")[1] for line in lines_of(name) if line.startswith("| `--")]
    documented = {option for row in rows for option in re.findall(r"--[a-z-]+", row)}
    taken = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}

    assert documented == taken | {"--help"}


@pytest.mark.parametrize(("command", "name"), [(compose, "compose.md"), (kube, "kubernetes.md")])
def test_its_commands_are_taken(command: click.Command, name: str) -> None:
    word = str(command.name).split()[1]
    calls = [
        shlex.split(found)
        for line in lines_of(name)
        if line.startswith("$ ")
        for found in re.findall(rf"mesh-record {word} ([^<>|&]*)", line)
    ]

    assert calls
    for words in calls:
        command.make_context(str(command.name), words)


def test_the_container_that_is_started_by_hand_is_told_what_the_program_takes() -> None:
    (line,) = [line for line in lines_of("docker.md") if "mesh-replay:0.1.0 " in line and "--service" in line]
    words = shlex.split(line.partition("mesh-replay:0.1.0 ")[2])

    assert main.make_context("mesh-record", words).params["service"] == "cart"
    assert f":{FOLDER} " in line


def test_what_the_image_promises_is_told() -> None:
    text = (HOW_TO / "docker.md").read_text()

    assert f"{UID}:{UID}" in text
    assert f"`{FOLDER}` alone" in text
