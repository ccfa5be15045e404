"""`mesh-replay`: look at what was recorded, and replay it."""

import click

from mesh_replayer.commands.files import export_command, import_command, trust_command
from mesh_replayer.commands.look import (
    PROGRAM,
    diff_command,
    failures_command,
    json_option,
    list_command,
    show_command,
)
from mesh_replayer.commands.noise import noise_group
from mesh_replayer.commands.replay import exchange_command, trace_command
from mesh_replayer.commands.saving import accept_command, save_command
from mesh_replayer.commands.traffic import run_command, traffic_command
from mesh_store.command import configure_logging, friendly, version_option


class _InOrder(click.Group):
    """Lists commands as they were added: looking first, then replaying."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(ctx.command.commands) if isinstance(ctx.command, click.Group) else []


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@version_option(PROGRAM)
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr.")
def main(verbose: bool) -> None:
    """Find failed traces in what sidecars recorded, and send them again.

    \b
    Examples:
      mesh-replay failures
      mesh-replay show last
      mesh-replay trace last --target localhost:8080
      mesh-replay demo --once
    """
    configure_logging(verbose)


@main.command("demo")
@click.option("--once", is_flag=True, help="End when the story is told, also on a terminal.")
@click.option(
    "--without-sidecar", multiple=True, metavar="SERVICE", help="Leave this sidecar for you to start."
)
@json_option
@friendly(PROGRAM)
def demo_command(once: bool, without_sidecar: tuple[str, ...], as_json: bool) -> None:
    """See it all happen in a small shop.

    Five services are recorded; one order fails, is found, and replayed.

    \b
    Examples:
      mesh-replay demo
      mesh-replay demo --once
      mesh-replay demo --without-sidecar cart
    """
    from mesh_replayer.demo import run_demo

    raise SystemExit(run_demo(once=once, without_sidecar=without_sidecar, json_output=as_json))


for _command in (
    list_command,
    failures_command,
    show_command,
    diff_command,
    trace_command,
    exchange_command,
    traffic_command,
    run_command,
    save_command,
    accept_command,
    noise_group,
    export_command,
    import_command,
    trust_command,
):
    main.add_command(_command)
main.commands["demo"] = main.commands.pop("demo")  # last in the help
