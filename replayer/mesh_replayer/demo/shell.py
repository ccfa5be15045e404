"""Real commands, typed for the reader: shown as typed, with their real output."""

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from mesh_replayer.demo.cast import program
from mesh_replayer.demo.processes import DemoFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Runs commands in the demo's folder and environment."""

    folder: Path
    environ: Mapping[str, str]
    aside: bool
    """Whether the story goes to stderr, since stdout is for a JSON document."""

    def say(self, text: str = "") -> None:
        """A line of the story."""
        click.echo(text, err=self.aside)

    def show(self, *arguments: str) -> int:
        """Run `mesh-replay ARGUMENTS` before the reader's eyes and give its exit code."""
        return self.type(shlex.join(["mesh-replay", *arguments]), [*program("mesh-replay"), *arguments])

    def type(self, typed: str, command: list[str]) -> int:
        """Show `typed` as a prompt line, run `command`, let its output through."""
        self.say()
        self.say(click.style(f"$ {typed}", bold=True))
        stdout = sys.stderr.fileno() if self.aside else None
        return subprocess.run(
            command, cwd=self.folder, env=self.environ, stdout=stdout, check=False
        ).returncode

    def ask(self, *arguments: str) -> tuple[int, list[Any]]:
        """Exit code and JSON documents of `mesh-replay ARGUMENTS --json`, unseen.

        Raises:
            DemoFailed: it printed none, and says why.
        """
        command = [*program("mesh-replay"), *arguments, "--json"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        try:
            return done.returncode, _documents(done.stdout)
        except ValueError as cause:
            said = (done.stderr.strip() or "nothing").splitlines()[-1]
            raise DemoFailed(
                f"mesh-replay {arguments[0]} gave no JSON: {said}", hint=str(self.folder)
            ) from cause


def _documents(text: str) -> list[Any]:
    """One document, or a line for each."""
    try:
        return [json.loads(text)] if text.strip() else []
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]
