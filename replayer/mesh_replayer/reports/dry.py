"""`--dry-run`: what would be sent, and whether it would be."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.text import Text

from mesh_core.errors import ExitCode
from mesh_core.model import Bodies
from mesh_replayer.look.console import console, print_lines
from mesh_replayer.look.safe import safe
from mesh_replayer.plan import Plan, Step
from mesh_replayer.prepare import Prepared, Wishes, prepare
from mesh_replayer.reports.shapes import plan_json
from mesh_replayer.reports.terminal import link_lines, target_line
from mesh_replayer.retrace import FreshIds
from mesh_replayer.target import unsafe_methods


def dry_run(
    plan: Plan,
    bodies: Bodies,
    wishes: Wishes,
    *,
    allow_unsafe: bool,
    as_json: bool,
    stubs: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> ExitCode:
    """Print the plan; nothing is resolved, started or sent.

    Args:
        plan: what would be sent.
        bodies: of its exchanges, by hash.
        wishes: what would be changed.
        allow_unsafe: whether the user agrees to methods that change something.
        as_json: for programs.
        stubs: the dependencies that would be stubs; None where all are live.
        notes: what else people should know.

    Returns:
        REFUSED where the plan would be, for its methods; NOTHING where nothing would be sent.
    """
    ids = FreshIds(os.urandom)
    rows = [(step, _why_not(step, allow_unsafe), _prepared(step, bodies, wishes, ids)) for step in plan.steps]
    if as_json:
        about = {"dependencies": "live" if stubs is None else "stubs", "notes": list(notes)}
        click.echo(json.dumps(_document(plan, rows) | about, indent=2))
    else:
        print_lines(console(sys.stdout), _lines(plan, rows, stubs, notes))
    if any(refused for _, refused, _ in rows):
        return ExitCode.REFUSED
    return ExitCode.OK if any(isinstance(ready, Prepared) for _, _, ready in rows) else ExitCode.NOTHING


type _Row = tuple[Step, str, Prepared | str]


def _prepared(step: Step, bodies: Bodies, wishes: Wishes, ids: FreshIds) -> Prepared | str:
    return step.skip if step.skip is not None else prepare(step.exchange, bodies, wishes, ids)


def _why_not(step: Step, allow_unsafe: bool) -> str:
    if allow_unsafe or step.skip is not None or not unsafe_methods(step.target, [step.exchange.method]):
        return ""
    return "refused: needs --allow-unsafe"


def _document(plan: Plan, rows: list[_Row]) -> dict[str, Any]:
    return {
        "dry_run": True,
        **plan_json(plan),
        "exchanges": [
            {
                "exchange_id": step.exchange.id,
                "service": step.exchange.service,
                "method": step.exchange.method,
                "path": step.exchange.path,
                "target": step.target.text,
                "session": step.session,
                "after": [plan.steps[at].exchange.id for at in step.after],
                "refused": refused or None,
                "skipped": ready if isinstance(ready, str) else None,
                "request_changes": list(ready.changes) if isinstance(ready, Prepared) else [],
            }
            for step, refused, ready in rows
        ],
    }


def _lines(plan: Plan, rows: list[_Row], stubs: Sequence[str] | None, notes: Sequence[str]) -> Iterator[Text]:
    for choice in plan.choices:
        yield target_line(choice, stubs)
    yield from (Text(safe(note), "yellow") for note in notes)
    yield from link_lines(plan, len(plan.links))
    for number, (step, refused, ready) in enumerate(rows, 1):
        line = Text(f"{number:>4}  ", "dim")
        line.append(f"{safe(step.exchange.method)} {safe(step.exchange.path)}", "not dim")
        line.append(f"  to {safe(step.target.text)}")
        if step.after:
            line.append(f" once {', '.join(f'{at + 1}' for at in step.after)} was answered")
        if isinstance(ready, str):
            line.append(f"  skipped: {safe(ready)}", "yellow")
        elif refused:
            line.append(f"  {refused}", "bold red")
        elif ready.changes:
            line.append(f"  with {safe(', '.join(ready.changes))}", "dim")
        yield line
    yield Text("nothing was sent (--dry-run)", "bold")
