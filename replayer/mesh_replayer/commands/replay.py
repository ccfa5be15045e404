"""`trace` and `exchange`: send what was recorded again, and judge what comes back."""

from __future__ import annotations

import dataclasses

import click

from mesh_core.project import Project
from mesh_replayer.commands.given import Given, WithCommand, replay_options
from mesh_replayer.commands.look import PROGRAM
from mesh_store.command import friendly, project_options


@click.command("trace", cls=WithCommand)
@click.argument("id")
@project_options
@friendly(PROGRAM)
@replay_options
def trace_command(id: str, given: Given, project: Project) -> None:
    """Replay a trace: send its requests to one service again.

    The answers are compared with the recorded ones. The target stands for --service; else for the service
    whose app it is in mesh.toml; else for the culprit of a failed trace; else for the service where the
    trace began. Exit code 0: all as it was, or failures are gone; 1: the service is wrong; 3: target
    unreachable or credentials refused; 4: refused for safety; 5: nothing was judged.

    \b
    Examples:
      mesh-replay trace last --target localhost:8080
      mesh-replay trace 4bf92f3577b34da6 --target cart=localhost:7002 --json
      mesh-replay trace last --target localhost:8080 --expect reproduced
      mesh-replay trace last --service cart --stub rest -- python shop/cart.py
    """
    from mesh_replayer.commands.around import recorded_in
    from mesh_replayer.commands.naming import find_trace
    from mesh_replayer.commands.replaying import carry_out, targets_of
    from mesh_replayer.commands.selecting import with_links
    from mesh_replayer.plan import plan_trace
    from mesh_store.store import open_store

    targets = targets_of(given, project)
    with open_store(project.store) as store:
        trace = find_trace(store, id)
        plan = plan_trace(trace, targets, service=given.service, services=project.config.services)
        bodies = store.bodies(step.exchange for step in plan.steps)
        plan = with_links(plan, bodies, given, store)
        recorded = recorded_in(store, trace.exchanges[:1], given, project)
    raise SystemExit(carry_out(plan, bodies, given, project, recorded))


@click.command("exchange", cls=WithCommand)
@click.argument("id")
@project_options
@friendly(PROGRAM)
@replay_options
def exchange_command(id: str, given: Given, project: Project) -> None:
    """Replay one exchange: send its request again.

    \b
    Examples:
      mesh-replay exchange 0193a5c27b1e7d3f --target localhost:8080
      mesh-replay exchange 0193a5c27b1e7d3f --target https://staging.internal --allow-unsafe --dry-run
    """
    from mesh_core.errors import ConfigInvalid
    from mesh_replayer.commands.around import recorded_in
    from mesh_replayer.commands.naming import find_exchange
    from mesh_replayer.commands.replaying import carry_out, targets_of
    from mesh_replayer.plan import plan_exchange
    from mesh_store.store import open_store

    targets = targets_of(given, project)
    if len(targets) > 1:
        raise ConfigInvalid("one exchange has one target", hint="give --target once")
    target = targets[0] if given.service is None else dataclasses.replace(targets[0], service=given.service)
    with open_store(project.store) as store:
        exchange = find_exchange(store, id)
        plan = plan_exchange(exchange, target)
        bodies = store.bodies([exchange])
        recorded = recorded_in(store, [exchange], given, project)
    raise SystemExit(carry_out(plan, bodies, given, project, recorded))
