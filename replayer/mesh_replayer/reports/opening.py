"""`--report KIND[:FILE]`: each kind, opened where it writes to. A new report is a file and a line here."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from mesh_core.errors import ConfigInvalid
from mesh_replayer.events import Emit, Judged, RunFinished, RunStarted
from mesh_replayer.look.console import console
from mesh_replayer.reports.collected import Collected
from mesh_replayer.reports.github import annotations
from mesh_replayer.reports.html import HtmlReport
from mesh_replayer.reports.junit import JUnitReport
from mesh_replayer.reports.markdown import markdown
from mesh_replayer.reports.shapes import json_text
from mesh_replayer.reports.terminal import TerminalReport
from mesh_store.disk import write_private

_KINDS = "there are terminal and github, and json, junit, html and markdown, which take a :FILE"
_SUMMARY = "GITHUB_STEP_SUMMARY"


def open_reports(asked: Sequence[str], *, as_json: bool) -> list[Emit]:
    """Every report that was asked for; people's goes to stderr where stdout is for a program.

    Args:
        asked: of `--report`; none is `terminal`.
        as_json: `--json`.

    Raises:
        ConfigInvalid: a kind that there is not, or one without its file; nothing was sent yet.
    """
    kinds = [*asked, *(["json"] if as_json else [])] or ["terminal"]
    taken = [kind for kind in kinds if kind in ("json", "junit", "html", "markdown")]
    if len(taken) > 1:
        raise ConfigInvalid(
            f"{' and '.join(taken)} cannot share stdout", hint=f"give a file, such as {taken[-1]}:FILE"
        )
    return [_open(text, stdout_taken=bool(taken)) for text in kinds]


def _open(text: str, *, stdout_taken: bool) -> Emit:
    kind, colon, file = text.partition(":")
    write = _to_file(Path(file)) if file else _to_stdout
    if kind == "json":
        return Collected(lambda *run: write(json_text(*run))).handle
    if kind == "junit":
        return JUnitReport(write).handle
    if kind == "html":
        return HtmlReport(write).handle
    if kind == "markdown":
        return Collected(lambda *run: write(markdown(*run))).handle
    if kind == "terminal" and not colon:
        return TerminalReport(console(sys.stderr if stdout_taken else sys.stdout)).handle
    if kind == "github" and not colon:
        return _github(os.environ, stdout_taken=stdout_taken)
    raise ConfigInvalid(f"there is no report {text!r}", hint=_KINDS)


def _github(environ: Mapping[str, str], *, stdout_taken: bool) -> Emit:
    """Annotations go to the log, where the runner reads them; the summary to the file that it names."""
    if environ.get("GITHUB_ACTIONS") != "true" or not environ.get(_SUMMARY):
        raise ConfigInvalid(
            "--report github works inside GitHub Actions only", hint="take --report markdown:FILE elsewhere"
        )
    append = _appending(Path(environ[_SUMMARY]))

    def finish(started: RunStarted, judged: Sequence[Judged], finished: RunFinished) -> None:
        click.echo(annotations(judged, finished), nl=False, err=stdout_taken)
        append(markdown(started, judged, finished))

    return Collected(finish).handle


def _to_stdout(content: str | bytes) -> None:
    click.echo(content, nl=False)


def _to_file(path: Path) -> Callable[[str | bytes], None]:
    def write(content: str | bytes) -> None:
        try:
            write_private(path, content.encode() if isinstance(content, str) else content)
        except OSError as cause:
            raise _unwritable(path, cause) from cause

    return write


def _appending(path: Path) -> Callable[[str], None]:
    def write(content: str) -> None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(content)
        except OSError as cause:
            raise _unwritable(path, cause) from cause

    return write


def _unwritable(path: Path, cause: OSError) -> ConfigInvalid:
    return ConfigInvalid(f"{path} cannot be written: {cause.strerror}", hint="check the folder")
