"""`list`, `failures`, `show`, `diff`: look at what was recorded."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from mesh_core.project import Project
from mesh_store.command import friendly, project_options

if TYPE_CHECKING:
    from mesh_replayer.commands.showing import Lines

PROGRAM = "mesh-replay"
json_option = click.option("--json", "as_json", is_flag=True, help="JSON on stdout, and nothing else.")
limit_option = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many."
)


@click.command("list")
@click.argument("query", nargs=-1)
@limit_option
@click.option("--cursor", metavar="TEXT", help="Go on where a list before this one ended.")
@json_option
@project_options
@friendly(PROGRAM)
def list_command(
    query: tuple[str, ...], limit: int, cursor: str | None, as_json: bool, project: Project
) -> None:
    """List recorded exchanges, newest first.

    \b
    Examples:
      mesh-replay list
      mesh-replay list service:cart status:5xx since:2h
      mesh-replay list 'path:/checkout* duration:>500ms' --json
    """
    from mesh_core.shapes import exchange_json
    from mesh_replayer.commands.naming import query_of
    from mesh_store.store import open_store

    with open_store(project.store) as store:
        page = store.search(query_of(query), limit=limit, cursor=cursor)
    if as_json:
        echo_lines(exchange_json(exchange) for exchange in page.exchanges)
    else:
        from mesh_replayer.look.lists import exchange_lines

        _print(lambda width: exchange_lines(page.exchanges, width))
    if not page.exchanges:
        click.echo(f"nothing recorded in {project.store} fits", err=True)
    if page.cursor is not None:
        click.echo(f"there are more: --cursor {page.cursor}", err=True)


@click.command("failures")
@click.argument("query", nargs=-1)
@limit_option
@json_option
@project_options
@friendly(PROGRAM)
def failures_command(query: tuple[str, ...], limit: int, as_json: bool, project: Project) -> None:
    """List failures, grouped, the last seen first.

    \b
    Examples:
      mesh-replay failures
      mesh-replay failures service:payment since:1d
    """
    from mesh_core.shapes import group_json
    from mesh_replayer.commands.naming import query_of
    from mesh_store.store import open_store

    with open_store(project.store) as store:
        groups = store.failures(query_of(query), limit=limit)
    if as_json:
        echo_lines(group_json(group) for group in groups)
    else:
        from mesh_replayer.look.lists import group_lines

        _print(lambda width: group_lines(groups, width))
    if not groups:
        click.echo(f"no failure recorded in {project.store} fits", err=True)


@click.command("show")
@click.argument("id")
@json_option
@project_options
@friendly(PROGRAM)
def show_command(id: str, as_json: bool, project: Project) -> None:
    """Show a trace, an exchange, or a group of failures.

    ID is what you have in hand: a trace id in any form, an exchange id, a group's fingerprint, a unique
    beginning of one, a request id, a whole traceparent, an address in a tracing UI, or `last`.

    \b
    Examples:
      mesh-replay show last
      mesh-replay show 4bf92f3577b34da6a3ce929d0e0e4736
      mesh-replay show 0193a5c2 --json
    """
    from mesh_replayer.commands.showing import shown
    from mesh_store.store import open_store

    with open_store(project.store) as store:
        document, lines = shown(store, id)
    if as_json:
        echo_json(document())
    else:
        _print(lines)


@click.command("diff")
@click.argument("one")
@click.argument("other")
@json_option
@project_options
@friendly(PROGRAM)
def diff_command(one: str, other: str, as_json: bool, project: Project) -> None:
    """Lay two exchanges, or two traces, side by side.

    \b
    Examples:
      mesh-replay diff 0193a5c27b1e 0193a5c9d04f
      mesh-replay diff last 4bf92f3577b34da6
    """
    from mesh_replayer.commands.comparing import compared
    from mesh_store.store import open_store

    with open_store(project.store) as store:
        document, lines = compared(store, one, other)
    if as_json:
        echo_json(document())
    else:
        _print(lines)


def echo_json(document: Any) -> None:
    """One document."""
    click.echo(json.dumps(document, ensure_ascii=True, indent=2))


def echo_lines(documents: Iterable[Any]) -> None:
    """A line each."""
    for document in documents:
        click.echo(json.dumps(document, ensure_ascii=True, separators=(",", ":")))


def _print(lines: Lines) -> None:
    from mesh_replayer.look.console import console, print_lines

    to = console(sys.stdout)
    print_lines(to, lines(to.width))
