"""`traffic` and `run`: replay what a query finds, or what capture files hold."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from pathlib import Path

import click

from mesh_core.project import Project
from mesh_replayer.commands.given import Given, WithCommand, replay_options
from mesh_replayer.commands.look import PROGRAM
from mesh_store.command import friendly, project_options

_seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help="Choose the same requests again."
)
_fail_on_option = click.option(
    "--fail-on", type=click.Choice(["reproduced"]), help="An old failure that fails as before is one."
)


@click.command("traffic", cls=WithCommand)
@click.argument("query", nargs=-1)
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, metavar="N",
    help="Send at most so many, spread over route and outcome.",
)  # fmt: skip
@_seed_option
@_fail_on_option
@project_options
@friendly(PROGRAM)
@replay_options
def traffic_command(
    query: tuple[str, ...], limit: int, seed: int | None, fail_on: str | None, given: Given, project: Project
) -> None:
    """Replay requests that a query finds.

    Of what it finds, requests to the service that the target stands for are sent: at most --limit, every
    kind of route and outcome among them. An old failure that fails as before is counted, and fails nothing
    without --fail-on reproduced.

    \b
    Examples:
      mesh-replay traffic since:1h --target localhost:8080
      mesh-replay traffic service:cart method:GET since:1d --target localhost:7002 --limit 1000
      mesh-replay traffic service:cart status:5xx --target localhost:7002 --fail-on reproduced
    """
    from mesh_replayer.commands.around import recorded_in
    from mesh_replayer.commands.replaying import carry_out, targets_of
    from mesh_replayer.commands.selecting import traffic_plan, with_links
    from mesh_replayer.stored import StoredBodies
    from mesh_store.store import open_store

    targets = targets_of(given, project)
    with open_store(project.store) as store:
        plan = traffic_plan(
            store,
            query,
            targets,
            service=given.service,
            config=project.config,
            limit=limit,
            seed=secrets.randbits(32) if seed is None else seed,
        )
        plan = replace(plan, old_failures=fail_on is None)
        bodies = StoredBodies(store, (step.exchange for step in plan.steps))
        recorded = recorded_in(store, (step.exchange for step in plan.sent), given, project)
        code = carry_out(with_links(plan, bodies, given), bodies, given, project, recorded)
    raise SystemExit(code)


@click.command("run", cls=WithCommand)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), metavar="N",
    help="Send at most so many, spread over route and outcome. [default: all]",
)  # fmt: skip
@_seed_option
@_fail_on_option
@click.option(
    "--max-age", metavar="TIME", help="Send nothing that was recorded longer ago than this: 30d, 12h."
)
@project_options
@friendly(PROGRAM)
@replay_options
def run_command(
    files: tuple[Path, ...],
    limit: int | None,
    seed: int | None,
    fail_on: str | None,
    max_age: str | None,
    given: Given,
    project: Project,
) -> None:
    """Replay capture files, ours or HAR of others.

    Of a file with one trace, the target stands for the service that `trace` would choose. Of others, all
    requests to the service are sent, and an old failure that fails as before is counted and fails nothing
    without --fail-on reproduced.

    \b
    Examples:
      mesh-replay run traces/checkout.har --target localhost:8080
      mesh-replay run failures.har.zst --target cart=localhost:7002 --json
    """
    from mesh_replayer.commands.around import recorded_in_files
    from mesh_replayer.commands.replaying import carry_out, targets_of
    from mesh_replayer.commands.selecting import check_age, files_plan, with_links

    targets = targets_of(given, project)
    plan, bodies = files_plan(
        files,
        targets,
        service=given.service,
        config=project.config,
        limit=limit,
        seed=secrets.randbits(32) if seed is None else seed,
    )
    if max_age is not None:
        check_age(plan, max_age, time.time_ns())
    old = plan.trace_id is None and fail_on is None
    plan = with_links(replace(plan, old_failures=old), bodies, given)
    recorded = recorded_in_files(files, given, project)
    raise SystemExit(carry_out(plan, bodies, given, project, recorded))
