"""`save` and `accept`: traces as files that live beside the code that they test."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mesh_core.errors import ConfigInvalid, ExitCode
from mesh_core.project import Project
from mesh_replayer.commands.given import Given, WithCommand, replay_options
from mesh_replayer.commands.look import PROGRAM, echo_json, json_option
from mesh_store.command import friendly, project_options

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SUFFIXES = (".har", ".har.gz", ".har.zst")

_folder_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Where saved traces are. [default: traces, beside mesh.toml]",
)  # fmt: skip


@click.command("save")
@click.argument("id")
@click.option("--as", "name", required=True, metavar="NAME", help="The file is DIR/NAME.har.")
@_folder_option
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@json_option
@project_options
@friendly(PROGRAM)
def save_command(
    id: str, name: str, folder: Path | None, force: bool, as_json: bool, project: Project
) -> None:
    """Save a trace as a file for git and CI.

    All its exchanges are in the file, oldest first, redacted as they were recorded.

    \b
    Examples:
      mesh-replay save last --as checkout-500
      mesh-replay save 4bf92f3577b34da6 --as empty-cart --dir tests/traces
    """
    from mesh_replayer.captures import write_capture
    from mesh_replayer.commands.exporting import own_bodies
    from mesh_replayer.commands.naming import find_trace
    from mesh_store.store import open_store

    file = saved_file(name, folder, project)
    if file.exists() and not force:
        raise ConfigInvalid(f"{file} is there already", hint="give another name, or --force")
    with open_store(project.store) as store:
        exchanges = sorted(find_trace(store, id).exchanges, key=lambda each: (each.started_at, each.id))
        bodies = store.bodies(exchanges)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        problem = f"{file.parent} cannot be made: {cause.strerror}"
        raise ConfigInvalid(problem, hint="name another --dir") from cause
    write_capture(file, [(exchange, own_bodies(exchange, bodies)) for exchange in exchanges])
    if as_json:
        echo_json({"file": str(file), "exchanges": len(exchanges)})
    else:
        click.echo(f"{len(exchanges)} exchange{'' if len(exchanges) == 1 else 's'} in {file}")
        click.echo(f"replay it with: mesh-replay run {file} --target HOST:PORT", err=True)


@click.command("accept", cls=WithCommand)
@click.argument("name")
@_folder_option
@click.option("--breaking", is_flag=True, help="Also what breaks callers: status, type, something gone.")
@project_options
@friendly(PROGRAM)
@replay_options
def accept_command(name: str, folder: Path | None, breaking: bool, given: Given, project: Project) -> None:
    """Take what a saved trace gets now as what it should get.

    NAME is that of `save`, or a file. It is replayed, and answers that are different take the place of the
    recorded ones; the file's change is yours to review. Another status, another type or something gone is
    refused without --breaking, and then nothing is written: exit code 1.

    \b
    Examples:
      mesh-replay accept checkout --target localhost:8080
      mesh-replay accept tests/traces/checkout.har --target localhost:8080 --breaking
    """
    from mesh_replayer.acceptance import Acceptance
    from mesh_replayer.captures import read_capture, write_capture
    from mesh_replayer.commands.around import recorded_in_files
    from mesh_replayer.commands.replaying import carry_out, targets_of
    from mesh_replayer.commands.selecting import files_plan

    file = saved_file(name, folder, project)
    targets = targets_of(given, project)
    plan, bodies = files_plan(
        [file], targets, service=given.service, config=project.config, limit=None, seed=0
    )
    acceptance = Acceptance(breaking)
    recorded = recorded_in_files([file], given, project)
    code = carry_out(plan, bodies, given, project, recorded, also=[acceptance.handle])
    if given.dry_run or code in (ExitCode.REFUSED, ExitCode.INTERRUPTED):
        raise SystemExit(code)
    for refused in acceptance.refused:
        click.echo(f"not accepted: {refused}", err=True)
    if acceptance.refused:
        click.echo(f"{file} stays as it was", err=True)
        raise SystemExit(code or ExitCode.DIFFERENT)
    if acceptance.count:
        write_capture(file, acceptance.applied(read_capture(file)))
    count = acceptance.count
    click.echo(f"{count} answer{'' if count == 1 else 's'} accepted in {file}", err=True)


def saved_file(name: str, folder: Path | None, project: Project) -> Path:
    """The file that a name stands for; a path to a capture file stands for itself.

    Raises:
        ConfigInvalid: it is neither.
    """
    if name.endswith(_SUFFIXES):
        return Path(name) if folder is None else folder / name
    if not _NAME.fullmatch(name):
        raise ConfigInvalid(
            f"{name!r} is no name for a file", hint="take letters, digits, dots, hyphens and underscores"
        )
    beside = project.config_path.parent if project.config_path is not None else Path()
    return (beside / "traces" if folder is None else folder) / f"{name}.har"
