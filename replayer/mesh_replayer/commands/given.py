"""The options of a replay, and what they say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click


class WithCommand(click.Command):
    """A command that may be followed by `-- COMMAND…`, which it gets as `command`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read options up to `--`; what follows is the command to run."""
        options, command = args, []
        if "--" in args:
            at = args.index("--")
            options, command = args[:at], args[at + 1 :]
            if not command:
                raise click.UsageError("no command follows --", ctx)
        rest = super().parse_args(ctx, options)
        ctx.params["command"] = tuple(command)
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Options and arguments, then the command."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the options of a replay say."""

    targets: tuple[str, ...]
    command: tuple[str, ...]
    env: tuple[str, ...]
    start_timeout: str
    stub: str
    stub_port: tuple[str, ...]
    on_miss: str
    service: str | None
    header: tuple[str, ...]
    auth: tuple[str, ...]
    auth_env: tuple[str, ...]
    host: str
    allow_unsafe: bool
    allow_recorded_host: bool
    mark: bool
    dry_run: bool
    timeout: str
    pace: str
    concurrency: int
    repeat: int
    allow_repeat: bool
    correlated: bool
    no_link: tuple[str, ...]
    baseline_runs: int | None
    baseline: str | None
    fixed_status: tuple[int, ...]
    expect: str | None
    strict: bool
    exit_zero: bool
    report: tuple[str, ...]
    as_json: bool


_AROUND_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "--stub", type=click.Choice(["none", "rest", "all"]), default="none", show_default=True,
        help="Serve recorded answers in place of the target's dependencies: of those that no target stands "
        "for (rest), or of all.",
    ),
    click.option(
        "--on-miss", type=click.Choice(["fail", "passthrough"]), default="fail", show_default=True,
        help="What was never recorded: 502 and exit code 1, or the real dependency, where it is allowed.",
    ),
    click.option(
        "--stub-port", multiple=True, metavar="NAME=PORT", help="Where a stub listens; of proxy their proxy."
    ),
    click.option(
        "--env", multiple=True, metavar="KEY=VALUE",
        help="A variable for the command; dep:NAME is the address of a dependency's stub.",
    ),
    click.option(
        "--start-timeout", default="60s", show_default=True, metavar="TIME",
        help="How long the command may take until it listens.",
    ),
)  # fmt: skip


_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "--target", "targets", multiple=True, metavar="[SERVICE=]HOST:PORT",
        help="Where to send it; https://HOST:PORT for TLS. Again for another service. Of a command: where it "
        "listens. [default with a command: a free port]",
    ),
    click.option("--service", metavar="NAME", help="The service that the target stands for."),
    click.option(
        "-H", "--header", multiple=True, metavar="'NAME: VALUE'",
        help="Set a request header in place of the recorded one; an empty value takes it out.",
    ),
    click.option(
        "--auth", multiple=True, metavar="NAME",
        help="Fresh credentials of [auth.NAME] in mesh.toml, for the targets that it names.",
    ),
    click.option(
        "--auth-env", multiple=True, metavar="VARIABLE",
        help="The Authorization header is what this variable holds, a bearer token where it is one word.",
    ),
    click.option(
        "--host", default="recorded", show_default=True, metavar="recorded|target|NAME",
        help="The Host that is sent.",
    ),
    click.option(
        "--allow-unsafe", is_flag=True,
        help="Send POST, PUT and the like to a target that is not this machine.",
    ),
    click.option(
        "--allow-recorded-host", is_flag=True,
        help="Send to the very host where the requests were recorded, which may be production.",
    ),
    click.option(
        "--no-mark", "mark", is_flag=True, flag_value=False, default=True,
        help="Leave out the mesh-replay header and tracestate member.",
    ),
    click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing."),
    click.option(
        "--timeout", default="30s", show_default=True, metavar="TIME", help="For each request: 500ms, 5m."
    ),
    click.option(
        "--pace", default="fast", show_default=True, metavar="fast|recorded|xN",
        help="As fast as the order allows, or N times the recorded speed.",
    ),
    click.option(
        "--concurrency", type=click.IntRange(1, 4096), default=32, show_default=True, metavar="N",
        help="Requests that may be on their way at once.",
    ),
    click.option(
        "--repeat", type=click.IntRange(1, 1000), default=1, metavar="N",
        help="Send all of it N times, and tell what differs in some runs only.",
    ),
    click.option(
        "--allow-repeat", is_flag=True,
        help="Send again what a run that was stopped had sent, although it may have changed something.",
    ),
    click.option(
        "--no-correlate", "correlated", is_flag=True, flag_value=False, default=True,
        help="Send values as recorded, also those that earlier answers gave.",
    ),
    click.option(
        "--no-link", multiple=True, metavar="NAME",
        help="Leave out a link that --dry-run lists, such as cookie:sid; repeatable.",
    ),
    click.option(
        "--baseline-runs", type=click.IntRange(0, 100), metavar="N",
        help="Send all of it N times more, to learn what varies.",
    ),
    click.option(
        "--baseline", metavar="HOST:PORT",
        help="Compare with what a good version answers now, which is asked --baseline-runs times (5).",
    ),
    click.option(
        "--fixed-status", multiple=True, type=click.IntRange(400, 499), metavar="STATUS",
        help="An answer, such as 422, that is the cure of a failure.",
    ),
    click.option(
        "--expect", type=click.Choice(["reproduced"]), help="Succeed if every failure fails as it did."
    ),
    click.option("--strict", is_flag=True, help="What is unsure counts as different."),
    click.option("--exit-zero", is_flag=True, help="Exit 0 whatever the verdicts are."),
    click.option(
        "--report", multiple=True, metavar="KIND[:FILE]",
        help="terminal (default), json, junit, html, markdown or github; repeatable.",
    ),
    click.option("--json", "as_json", is_flag=True, help="As --report json, and nothing else on stdout."),
    *_AROUND_OPTIONS,
)  # fmt: skip


def replay_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every replay; the command gets them as `given`."""

    def run(**arguments: Any) -> None:
        arguments.setdefault("command", ())
        names = {field.name for field in dataclasses.fields(Given)}
        given = Given(**{name: arguments.pop(name) for name in names})
        command(given=given, **arguments)

    run.__doc__, run.__name__ = command.__doc__, command.__name__
    wrapped: Callable[..., None] = run
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def given_of(arguments: Sequence[str]) -> Given:
    """What options say that nobody typed, with the defaults of all others.

    Raises:
        click.UsageError: there is no such option, or its value is wrong.
    """
    found: list[Given] = []
    command = click.command()(replay_options(lambda *, given: found.append(given)))
    command.main(list(arguments), standalone_mode=False)
    return found[0]
