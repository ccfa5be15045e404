"""`export`, `import`, `trust`: files in and out."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mesh_core.project import Project
from mesh_replayer.commands.look import PROGRAM, echo_json, echo_lines, json_option
from mesh_store.command import friendly, project_options


@click.command("export")
@click.argument("query", nargs=-1, required=True)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    metavar="FILE", help="Where to; for HAR: .har, .har.gz or .har.zst.",
)  # fmt: skip
@click.option(
    "--as", "kind", type=click.Choice(["har", "curl", "pytest", "wiremock"]), default="har",
    show_default=True, help="What is written: HAR, or what other tools run.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=10_000, show_default=True, help="At most so many."
)
@json_option
@project_options
@friendly(PROGRAM)
def export_command(
    query: tuple[str, ...], output: Path, kind: str, limit: int, as_json: bool, project: Project
) -> None:
    """Write what a query finds or an id names to a file.

    Any HAR viewer opens a HAR, and `import` reads it without loss. The others are a bash script for curl, a
    pytest file, and stub mappings of the calls that services made for WireMock.

    \b
    Examples:
      mesh-replay export last -o checkout.har
      mesh-replay export service:payment status:5xx since:1d -o failures.har.zst
      mesh-replay export last --as curl -o checkout.sh
    """
    from mesh_replayer.captures import write_capture, write_text
    from mesh_replayer.commands.exporting import selected
    from mesh_replayer.exports import KINDS
    from mesh_store.store import open_store

    with open_store(project.store) as store:
        recorded, more = selected(store, query, limit)
    if kind == "har":
        write_capture(output, recorded)
    else:
        write_text(output, KINDS[kind](recorded))
    if as_json:
        echo_json({"file": str(output), "exchanges": len(recorded), "more": more})
    else:
        click.echo(f"{len(recorded)} exchange{'' if len(recorded) == 1 else 's'} in {output}")
    if more:
        click.echo(f"there are more than --limit {limit}: the newest were taken", err=True)


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@json_option
@project_options
@friendly(PROGRAM)
def import_command(files: tuple[Path, ...], as_json: bool, project: Project) -> None:
    """Put recordings into the store.

    They may be our own exports, HAR of browsers and proxies, mitmproxy's flow files, or GoReplay's. Secrets
    in them are redacted first, as a sidecar would.

    \b
    Examples:
      mesh-replay import checkout.har
      mesh-replay import *.har.gz --store sqlite:///elsewhere.db
      mesh-replay import flows.mitm requests.gor
    """
    from mesh_replayer.captures import read_capture
    from mesh_replayer.commands.exporting import redacted
    from mesh_replayer.project_key import redactor_of
    from mesh_store.store import open_store

    redactor = redactor_of(project, os.environ)
    captures = [(file, [redacted(pair, redactor) for pair in read_capture(file)]) for file in files]
    with open_store(project.store) as store:
        for file, recorded in captures:
            new = store.add(recorded)
            if as_json:
                echo_lines([{"file": str(file), "exchanges": len(recorded), "new": new}])
            else:
                click.echo(f"{new} of {len(recorded)} exchanges in {file} are new")


@click.command("trust")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@friendly(PROGRAM)
def trust_command(file: Path | None, as_json: bool) -> None:
    """Say that a mesh.toml is yours.

    Its path and content are remembered; a change to it asks again.

    \b
    Examples:
      mesh-replay trust
      mesh-replay trust ../mesh.toml
    """
    from mesh_core.config import parse_config, trust_reasons
    from mesh_core.errors import ConfigInvalid
    from mesh_core.project import find_config, state_dir, trust_file, trusted_with
    from mesh_store.disk import read_file, write_private

    path = file if file is not None else find_config(Path.cwd(), read_file)
    content = None if path is None else read_file(path)
    if path is None or content is None:
        raise ConfigInvalid(f"there is no {file or 'mesh.toml here or above'}", hint="name the file")
    try:
        config = parse_config(content.decode(), where=str(path))
    except UnicodeDecodeError as cause:
        raise ConfigInvalid(f"{path} is not UTF-8 (byte {cause.start})", hint="save it as UTF-8") from cause
    remembered = trust_file(state_dir(os.environ))
    try:
        write_private(remembered, trusted_with(path, content, read_file(remembered)))
    except OSError as cause:
        problem = f"{remembered} cannot be written: {cause.strerror}"
        raise ConfigInvalid(problem, hint="check its folder") from cause
    reasons = trust_reasons(config)
    if as_json:
        echo_json({"file": str(path.absolute()), "asks_for": reasons})
    else:
        asking = f": {'; '.join(reasons)}" if reasons else ""
        click.echo(f"{path.absolute()} is trusted as it stands{asking}")
