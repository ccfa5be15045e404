"""`noise`: what differs and means nothing, and how that is known."""

from __future__ import annotations

from pathlib import Path

import click

from mesh_core.project import Project
from mesh_replayer.commands.look import PROGRAM, echo_json, echo_lines, json_option
from mesh_store.command import friendly, project_options

_report = click.argument("report", type=click.Path(path_type=Path), metavar="REPORT")
_path_option = click.option(
    "--path", "paths", multiple=True, metavar="PATH",
    help="Only differences at this place: a JSONPath such as '$.items[*].id', a header's name; repeatable.",
)  # fmt: skip


@click.group("noise")
def noise_group() -> None:
    """See and change which differences mean nothing.

    The rules are in mesh-noise.toml beside mesh.toml: read it, commit it.

    \b
    Examples:
      mesh-replay noise learn service:cart since:1d --target localhost:7002
      mesh-replay noise list
    """


@noise_group.command("list")
@json_option
@project_options
@friendly(PROGRAM)
def list_rules(as_json: bool, project: Project) -> None:
    """List the rules, those of mesh.toml too.

    \b
    Examples:
      mesh-replay noise list
      mesh-replay noise list --json
    """
    from mesh_replayer.commands.known import all_rules, noise_file
    from mesh_replayer.noise.rulefile import rule_json

    rules = sorted(all_rules(project).rules, key=lambda rule: (rule.service or "", rule.route, rule.path))
    if as_json:
        echo_lines(rule_json(rule) for rule in rules)
    else:
        from mesh_replayer.look.noise import print_rules

        print_rules(rules)
    if not rules:
        click.echo(
            f"no noise is known in {noise_file(project)}; `mesh-replay noise learn` finds it", err=True
        )


@noise_group.command("learn")
@click.argument("query", nargs=-1)
@click.option("--target", required=True, metavar="[SERVICE=]HOST:PORT", help="A good version of the service.")
@click.option("--service", metavar="NAME", help="The service that the target stands for.")
@click.option(
    "--requests", type=click.IntRange(1, 100), metavar="N", help="Of each route. [default: 5; --quick: 3]"
)
@click.option(
    "--runs",
    type=click.IntRange(2, 100),
    metavar="N",
    help="How often each is sent. [default: 5; --quick: 3]",
)
@click.option("--quick", is_flag=True, help="3 requests, 3 times: less is known, more will be unsure.")
@click.option("-H", "--header", multiple=True, metavar="'NAME: VALUE'", help="As in a replay.")
@click.option(
    "--allow-unsafe", is_flag=True, help="Send POST, PUT and the like to a target that is not this machine."
)
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@click.option("--timeout", default="30s", show_default=True, metavar="TIME", help="For each request.")
@json_option
@project_options
@friendly(PROGRAM)
def learn_rules(query: tuple[str, ...], as_json: bool, project: Project, **options: object) -> None:
    """Send recorded requests again and again, and remember what varies.

    Of each route that the query finds, some requests are sent several times to a version of the service that
    is known to be good. What varies among the answers to one request is noise; how it varies is written to
    mesh-noise.toml, with what was known before.

    \b
    Examples:
      mesh-replay noise learn --target localhost:7002
      mesh-replay noise learn service:cart since:1d --target localhost:7002 --quick
    """
    from mesh_replayer.commands.noising import learn_noise

    raise SystemExit(learn_noise(query, project, as_json=as_json, **options))  # type: ignore[arg-type]


@noise_group.command("explain")
@_report
@_path_option
@json_option
@project_options
@friendly(PROGRAM)
def explain_differences(report: Path, paths: tuple[str, ...], as_json: bool, project: Project) -> None:
    """Say of the differences in a report why they are noise, or are not.

    REPORT is what a replay wrote with --json or --report json:FILE.

    \b
    Examples:
      mesh-replay noise explain run.json
      mesh-replay noise explain run.json --path '$.order.id'
    """
    from mesh_replayer.commands.noising import explained

    documents = explained(report, paths, project)
    if as_json:
        echo_lines(documents)
    else:
        from mesh_replayer.look.noise import print_explanations

        print_explanations(documents)


@noise_group.command("accept")
@_report
@_path_option
@click.option("--by", metavar="NAME", help="Who accepts it. [default: your login]")
@json_option
@project_options
@friendly(PROGRAM)
def accept_differences(
    report: Path, paths: tuple[str, ...], by: str | None, as_json: bool, project: Project
) -> None:
    """Say that differences in a report mean nothing.

    Each gets the narrowest rule that allows it: a shape, a range, the values that were seen.

    \b
    Examples:
      mesh-replay noise accept run.json --path '$.order.id'
      mesh-replay noise accept run.json --path etag --by "Ann, release 42"
    """
    from mesh_replayer.commands.noising import accept

    rules, file = accept(report, paths, by, project)
    if as_json:
        from mesh_replayer.noise.rulefile import rule_json

        echo_json({"file": str(file), "rules": [rule_json(rule) for rule in rules]})
    else:
        from mesh_replayer.look.noise import print_rules

        print_rules(rules)
        click.echo(f"{len(rules)} rule{'' if len(rules) == 1 else 's'} in {file}")


@noise_group.command("rm")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@json_option
@project_options
@friendly(PROGRAM)
def remove_rules(ids: tuple[str, ...], as_json: bool, project: Project) -> None:
    """Take rules out of mesh-noise.toml.

    \b
    Examples:
      mesh-replay noise rm 1f6a09c2
    """
    from mesh_replayer.commands.noising import remove

    gone, file = remove(ids, project)
    if as_json:
        echo_json({"file": str(file), "removed": gone})
    else:
        click.echo(f"{len(gone)} rule{'' if len(gone) == 1 else 's'} taken out of {file}")
