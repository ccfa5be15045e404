"""Replays from tests: what the pytest plugin works with."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from os import environ
from pathlib import Path

from rich.console import Console

from mesh_core.errors import ConfigInvalid, ExitCode
from mesh_core.project import load_project
from mesh_replayer.acceptance import Acceptance
from mesh_replayer.captures import read_capture, write_capture
from mesh_replayer.commands.around import recorded_in_files
from mesh_replayer.commands.given import given_of
from mesh_replayer.commands.replaying import replay, targets_of
from mesh_replayer.commands.selecting import files_plan
from mesh_replayer.events import Event, Judged
from mesh_replayer.reports.terminal import TerminalReport
from mesh_store.disk import read_file

_WIDTH = 120
"""Columns of an explanation."""


class ReplayFailed(AssertionError):
    """A replay did not pass; the message says what was different."""


@dataclass(slots=True)
class Run:
    """A replay that is over."""

    exit_code: ExitCode
    exchanges: tuple[Judged, ...]
    """What became of each request, in the order of the plan."""
    accepted: int = 0
    """Answers that were taken as what is expected from now on."""
    looked_at: bool = False
    """Whether the test asked how it went."""
    _told: str = ""

    @property
    def ok(self) -> bool:
        """Whether `mesh-replay run` would exit by 0."""
        self.looked_at = True
        return self.exit_code == ExitCode.OK

    def explain(self) -> str:
        """The report of the terminal, as text."""
        self.looked_at = True
        return self._told


@dataclass(slots=True)
class Replayer:
    """Replays one capture file against one target or another."""

    file: Path
    targets: Sequence[str]
    """Where to, where `run` does not say."""
    folder: Path
    """Where `mesh.toml` is looked for, there and above."""
    options: Sequence[str] = ()
    """Of `mesh-replay run`, for every run."""
    runs: list[Run] = field(default_factory=list)

    def run(self, *options: str, target: str | None = None, accept: bool = False) -> Run:
        """Replay the file.

        Args:
            options: of `mesh-replay run`, such as `"--timeout", "5s"`.
            target: `[SERVICE=]HOST:PORT`, `http://` before it or not.
            accept: take answers that are different, but for those that break callers.

        Raises:
            MeshError: refused, wrongly used, or the target was not reached.
        """
        with ThreadPoolExecutor(1) as apart:  # the test may have an event loop of its own
            run = apart.submit(self._run, options, target, accept).result()
        self.runs.append(run)
        return run

    def _run(self, options: Sequence[str], target: str | None, accept: bool) -> Run:
        targets = [target] if target is not None else list(self.targets)
        if not targets:
            raise ConfigInvalid("no target is given", hint="run(target=…), or pytest --mesh-target HOST:PORT")
        words = [word for each in targets for word in ("--target", each)]
        given = given_of([*words, *self.options, *options])
        project = load_project(cwd=self.folder, environ=environ, read=read_file)
        plan, bodies = files_plan(
            [self.file],
            targets_of(given, project),
            service=given.service,
            config=project.config,
            limit=None,
            seed=0,
        )
        told, judged, acceptance = io.StringIO(), list[Judged](), Acceptance()
        report = TerminalReport(Console(file=told, width=_WIDTH, markup=False, emoji=False, highlight=False))

        def collect(event: Event) -> None:
            if isinstance(event, Judged):
                judged.append(event)

        handlers = [report.handle, collect, acceptance.handle] if accept else [report.handle, collect]
        recorded = recorded_in_files([self.file], given, project)
        code = replay(plan, bodies, given, project, handlers, recorded)
        if accept and acceptance.count and not acceptance.refused:
            write_capture(self.file, acceptance.applied(read_capture(self.file)))
            code = ExitCode.OK
        return Run(code, tuple(judged), accepted=acceptance.count, _told=told.getvalue().rstrip())
