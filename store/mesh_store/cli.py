"""`mesh-store`: make, measure, prune, pin, erase and check the store."""

import json
import sys
import time
from typing import Any

import click

from mesh_core.errors import ConfigInvalid, ExitCode, NotRecorded, QueryInvalid
from mesh_core.project import Project
from mesh_core.query import parse_query
from mesh_core.retention import KEYS, Retention, with_text
from mesh_core.times import rfc3339
from mesh_core.units import format_size
from mesh_store.command import configure_logging, friendly, project_options, version_option

PROGRAM = "mesh-store"

_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@version_option(PROGRAM)
def main() -> None:
    """The store of recorded exchanges: an SQLite file, or a Postgres database.

    \b
    Examples:
      mesh-store stats
      mesh-store --help
      mesh-store upgrade --store postgresql://mesh@db/mesh
      mesh-store prune --older-than 2d --max-size 500MiB
      mesh-store pin last
      mesh-store forget 'header:x-tenant=42' --yes
    """
    configure_logging(False)


@main.command()
@_as_json
@friendly(PROGRAM)
@project_options
def upgrade(project: Project, as_json: bool) -> None:
    """Make the tables, or bring them to this program's version.

    An SQLite store is made and upgraded by whoever uses it first; a Postgres database by this command.

    \b
    Examples:
      mesh-store upgrade
      mesh-store upgrade --store postgresql://mesh@db/mesh
    """
    from mesh_store import door  # heavy: keep --help fast

    before, now = door.upgrade(project.store)
    said = "is there already" if before == now else "made" if before is None else f"upgraded from {before}"
    _show(as_json, {"before": before, "version": now}, f"schema {now}: {said}")


@main.command()
@_as_json
@friendly(PROGRAM)
@project_options
def stats(project: Project, as_json: bool) -> None:
    """Say what is in the store.

    \b
    Examples:
      mesh-store stats
      mesh-store stats --json
    """
    from mesh_store.store import open_store

    with open_store(project.store) as store:
        found, name = store.stats(), store.name
    document = {
        "store": name,
        "bytes": found.bytes,
        "exchanges": found.exchanges,
        "failures": found.failures,
        "traces": found.traces,
        "failure_groups": found.failure_groups,
        "bodies": found.bodies,
        "recorder_runs": found.runs,
        "services": list(found.services),
        "first": None if found.first_at is None else rfc3339(found.first_at),
        "last": None if found.last_at is None else rfc3339(found.last_at),
        "dropped": dict(found.dropped),
        "pinned": list(found.pinned),
    }
    texts = document | {
        "bytes": format_size(found.bytes),
        "services": ", ".join(found.services),
        "dropped": ", ".join(f"{count} {reason}" for reason, count in found.dropped),
        "pinned": ", ".join(found.pinned),
    }
    _show(as_json, document, "\n".join(f"{key.replace('_', ' '):15} {_text(texts[key])}" for key in texts))


@main.command()
@click.option("--older-than", metavar="TIME", help="Stored longer ago.  [default: retention.age, 7d]")
@click.option(
    "--failures-older-than",
    metavar="TIME",
    help="The same for traces that have a failure; never shorter than the other.  "
    "[default: retention.failures, 30d]",
)
@click.option("--max-size", metavar="SIZE", help="Of the whole store.  [default: retention.size, 2GiB]")
@_as_json
@friendly(PROGRAM)
@project_options
def prune(
    project: Project,
    older_than: str | None,
    failures_older_than: str | None,
    max_size: str | None,
    as_json: bool,
) -> None:
    """Erase what is too old or too much, oldest first.

    Sidecars do so by themselves, by what [retention] in mesh.toml says. Pinned traces stay. A clock that
    is more than a day from when something was stored last is not believed, but where a time is given here.

    \b
    Examples:
      mesh-store prune
      mesh-store prune --older-than 12h --failures-older-than 3d --max-size 500MiB
    """
    from mesh_store.store import open_store

    kept = project.retention
    for key, option, text in (
        ("age", "--older-than", older_than),
        ("failures", "--failures-older-than", failures_older_than),
        ("size", "--max-size", max_size),
    ):
        kept = _kept(kept, key, option, text)
    sure = older_than is not None or failures_older_than is not None
    with open_store(project.store) as store:
        if not sure and store.clock_in_doubt:
            click.echo(f"{PROGRAM}: {_DOUBT}", err=True)
        gone = store.prune(kept, now=time.time_ns() if sure else None)
    _show(as_json, {"erased": gone}, f"{gone} exchanges erased")


_DOUBT = (
    "nothing was stored for more than a day, or this machine's clock is wrong: nothing goes for its age; "
    "where the clock is right, say --older-than"
)


@main.command()
@click.argument("traces", metavar="TRACE...", nargs=-1, required=True)
@_as_json
@friendly(PROGRAM)
@project_options
def pin(project: Project, traces: tuple[str, ...], as_json: bool) -> None:
    """Keep traces whatever their age and the store's size, until they are unpinned.

    A trace is named by its id or the beginning of it, by an exchange of it, by a request id, a traceparent,
    an address of your tracing tool, or `last`. `mesh-store stats` lists what is pinned.

    \b
    Examples:
      mesh-store pin last
      mesh-store pin 4bf92f35 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
    """
    _pin(project, traces, pinned=True, as_json=as_json)


@main.command()
@click.argument("traces", metavar="TRACE...", nargs=-1, required=True)
@_as_json
@friendly(PROGRAM)
@project_options
def unpin(project: Project, traces: tuple[str, ...], as_json: bool) -> None:
    """Let pinned traces go when their time comes, as all others.

    \b
    Examples:
      mesh-store unpin 4bf92f35
    """
    _pin(project, traces, pinned=False, as_json=as_json)


def _pin(project: Project, traces: tuple[str, ...], *, pinned: bool, as_json: bool) -> None:
    from mesh_store.store import open_store

    with open_store(project.store) as store:
        # All are looked up before any is changed: a slip in the last one changes nothing.
        ids = dict.fromkeys(store.trace_named(text) for text in traces)
        done = [store.pin(trace_id, pinned=pinned) for trace_id in ids]
    word = "pinned" if pinned else "unpinned"
    for each in done:
        document = {
            "trace_id": each.trace_id,
            "pinned": pinned,
            "changed": each.changed,
            "exchanges": each.exchanges,
        }
        before = "" if each.changed else ", as before"
        _show(as_json, document, f"{each.trace_id} {word}{before} ({each.exchanges} exchanges)")


@main.command()
@click.argument("query")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say how many would go.")
@_as_json
@friendly(PROGRAM)
@project_options
def forget(project: Project, query: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Erase the exchanges that QUERY finds, with their bodies, for good.

    \b
    Examples:
      mesh-store forget 'service:cart until:7d' --dry-run
      mesh-store forget 'body~"jane@example.org"' --yes
    """
    from mesh_store.store import open_store

    asked = parse_query(query, now=time.time_ns())
    if asked.node is None:
        raise QueryInvalid(
            "an empty query finds everything", hint="to erase it all, delete the store itself", position=1
        )
    with open_store(project.store) as store:
        count = store.count(asked)
        if not count:
            raise NotRecorded("the query finds nothing", hint="try it with `mesh-replay list`")
        if dry_run:
            _show(as_json, {"erased": 0, "found": count}, f"{count} exchanges would be erased")
            return
        if not yes:
            _ask(count)
        gone = store.forget(asked)
    _show(as_json, {"erased": gone, "found": count}, f"{gone} exchanges erased")


@main.command()
@click.option("--secrets", is_flag=True, help="Look for secrets instead: exit code 1 where one is found.")
@_as_json
@friendly(PROGRAM)
@project_options
def check(project: Project, secrets: bool, as_json: bool) -> None:
    """Read everything once, and say whether it is sound: exit code 3 where it is not.

    Every exchange can be read and every body hashes to its name, all that is referred to is there, and
    what each recorder offered is stored or accounted for as a gap.

    With --secrets, every exchange and body is looked through for what redaction, by the project's rules,
    would have hidden: a line for each place, with the rule, never with the value.

    \b
    Examples:
      mesh-store check
      mesh-store check --json
      mesh-store check --secrets
    """
    if secrets:
        _check_secrets(project, as_json)
        return
    from mesh_store.store import open_store

    with open_store(project.store) as store:
        found = store.check()
    counts = {
        "exchanges": found.exchanges,
        "bodies": found.bodies,
        "offered": found.offered,
        "stored": found.stored,
        "gaps": found.gaps,
        "missing": found.missing,
    }
    lines = [*found.problems, ", ".join(f"{count} {name}" for name, count in counts.items())]
    lines.append(f"{len(found.problems)} problems" if found.problems else "sound")
    _show(as_json, counts | {"problems": list(found.problems)}, "\n".join(lines))
    if found.problems:
        raise SystemExit(ExitCode.ENVIRONMENT)


def _check_secrets(project: Project, as_json: bool) -> None:
    """A line for each finding as soon as it is found; JSON lines with --json."""
    from rich.console import Console

    from mesh_store.looking import looking_through
    from mesh_store.store import open_store

    exchanges = found = unread = 0
    with (
        open_store(project.store) as store,
        looking_through(Console(stderr=True), store.stats().exchanges) as advance,
    ):
        for page in store.secrets(project.config.redact):
            for leak in page.leaks:
                told = {
                    "exchange_id": leak.exchange_id,
                    "place": leak.place,
                    "rule": leak.rule,
                    "count": leak.count,
                }
                click.echo(json.dumps(told) if as_json else " ".join(map(str, told.values())))
            exchanges += page.exchanges
            found += len(page.leaks)
            unread += page.unread
            advance(page.exchanges)
    click.echo(f"{exchanges} exchanges looked through, {found} places with secrets", err=True)
    if unread:
        click.echo(f"{unread} exchanges could not be read whole: see `mesh-store check`", err=True)
    if found:
        raise SystemExit(ExitCode.DIFFERENT)
    if unread:
        raise SystemExit(ExitCode.ENVIRONMENT)


def _show(as_json: bool, document: dict[str, Any], text: str) -> None:
    click.echo(json.dumps(document) if as_json else text)


def _text(value: Any) -> str:
    return "-" if value in (None, "") else str(value)


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise ConfigInvalid(f"{count} exchanges would be erased for good", hint="add --yes to do it")
    click.confirm(f"Erase {count} exchanges for good?", abort=True, err=True)


def _kept(retention: Retention, key: str, option: str, text: str | None) -> Retention:
    try:
        return with_text(retention, key, text)
    except ValueError as cause:
        raise ConfigInvalid(f"{option}: {cause}", hint=f"write {KEYS[key][2]}") from cause
