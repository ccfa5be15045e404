"""A replay from its options to its exit code."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from mesh_core.config import RedactMode
from mesh_core.errors import ConfigInvalid, ExitCode
from mesh_core.ids import uuid7
from mesh_core.model import Bodies
from mesh_core.project import Project
from mesh_core.redact import Redactor
from mesh_core.units import parse_seconds
from mesh_replayer.commands.replay import Given
from mesh_replayer.events import Emit, Event
from mesh_replayer.judging import Judge
from mesh_replayer.look.console import console
from mesh_replayer.plan import Plan
from mesh_replayer.prepare import Wishes, given_headers
from mesh_replayer.project_key import project_key
from mesh_replayer.reports.dry import dry_run
from mesh_replayer.reports.opening import open_reports
from mesh_replayer.reports.progress import ProgressReport
from mesh_replayer.resolve import authority_of, resolve_all
from mesh_replayer.run import RunOptions, run_plan
from mesh_replayer.schedule import parse_pace
from mesh_replayer.send import Sender
from mesh_replayer.target import Target, check_methods, check_written, parse_target
from mesh_replayer.verdict import Rules

BY_CLASS = "hidden values are equal by their kind alone: this machine does not have the project's key"


def targets_of(given: Given, project: Project) -> list[Target]:
    """The targets, allowed as written.

    Raises:
        TargetNotAllowed: one is not, and nothing was resolved or sent.
    """
    targets = [parse_target(text) for text in given.targets]
    for target in targets:
        check_written(target, project.config.allow_targets)
    return targets


def carry_out(
    plan: Plan, bodies: Bodies, given: Given, project: Project, *, also: Sequence[Emit] = ()
) -> ExitCode:
    """Check, send, report; `also` get every event, after the reports.

    Raises:
        MeshError: refused, wrongly used, or nothing could be tried.
    """
    if given.dry_run:
        wishes = _wishes(plan, given)
        return dry_run(plan, bodies, wishes, allow_unsafe=given.allow_unsafe, as_json=given.as_json)
    # The bar goes before anything else is printed.
    with ProgressReport(console(sys.stderr)) as progress:
        handlers = [progress.handle, *open_reports(given.report, as_json=given.as_json), *also]
        return replay(plan, bodies, given, project, handlers)


def replay(plan: Plan, bodies: Bodies, given: Given, project: Project, handlers: Sequence[Emit]) -> ExitCode:
    """Check and send; `handlers` get every event.

    Raises:
        MeshError: refused, wrongly used, or nothing could be tried.
    """
    wishes = _wishes(plan, given)
    if not given.allow_unsafe:
        for choice in plan.choices:
            sent = [step.exchange.method for step in plan.sent if step.target is choice.target]
            check_methods(choice.target, sent)
    options, notes = _options(wishes, given, project)

    def emit(event: Event) -> None:
        for handle in handlers:
            handle(event)

    folder = project.config_path.parent if project.config_path is not None else Path.cwd()
    authorities = {
        choice.target.text: ca
        for choice in plan.choices
        if (ca := authority_of(project.config.services.get(choice.service), folder)) is not None
    }

    async def send_all() -> ExitCode:
        routes = await resolve_all([choice.target for choice in plan.choices], authorities)
        sender = Sender(routes, _timeout(given.timeout))
        return (await run_plan(plan, bodies, sender, options, emit, notes)).exit_code

    return asyncio.run(send_all())


def _wishes(plan: Plan, given: Given) -> Wishes:
    try:
        headers = given_headers(given.header)
    except ValueError as cause:
        raise ConfigInvalid(f"-H {cause}", hint="such as -H 'Authorization: Bearer …'") from cause
    host = {"recorded": None, "target": plan.choices[0].target.authority}.get(given.host, given.host)
    return Wishes(run_id=uuid7(time.time_ns(), os.urandom(8)), mark=given.mark, host=host, headers=headers)


def _options(wishes: Wishes, given: Given, project: Project) -> tuple[RunOptions, tuple[str, ...]]:
    mode = project.config.redact.mode
    key = project_key(project, os.environ)
    options = RunOptions(
        wishes=wishes,
        judge=Judge(
            fixed_status=frozenset(given.fixed_status),
            redactor=None if mode is RedactMode.OFF else Redactor(key, mode, project.config.redact),
            keyed=key is not None,
        ),
        pace=parse_pace(given.pace),
        concurrency=given.concurrency,
        repeat=given.repeat,
        rules=Rules(expect_reproduced=given.expect == "reproduced", strict=given.strict),
        exit_zero=given.exit_zero,
        version=version("mesh-replay"),
    )
    return options, () if key is not None or mode is RedactMode.OFF else (BY_CLASS,)


def _timeout(text: str) -> float:
    try:
        seconds = parse_seconds(text)
    except ValueError as cause:
        raise ConfigInvalid(f"--timeout {cause}", hint="such as --timeout 30s") from cause
    if not seconds > 0:
        raise ConfigInvalid(f"--timeout {text} leaves no time", hint="such as --timeout 30s")
    return seconds
