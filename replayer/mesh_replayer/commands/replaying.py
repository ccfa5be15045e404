"""A replay from its options to its exit code."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from mesh_core.errors import ConfigInvalid, ExitCode
from mesh_core.ids import uuid7
from mesh_core.model import Bodies
from mesh_core.project import Project
from mesh_replayer.auth.choosing import check_targets, chosen
from mesh_replayer.auth.choosing import told as told_of
from mesh_replayer.auth.secrets import Secrets, gather
from mesh_replayer.auth.sender import AuthorizedSender
from mesh_replayer.commands.around import ended_by_signals, output_shown, show_output, wanted_of
from mesh_replayer.commands.given import Given
from mesh_replayer.commands.known import baseline_note, baseline_of, known_noise
from mesh_replayer.events import Emit, Event, RunFinished
from mesh_replayer.evidence import Baseline
from mesh_replayer.journal import Journal
from mesh_replayer.judging import Judge
from mesh_replayer.look.console import console
from mesh_replayer.plan import Choice, Plan
from mesh_replayer.prepare import Wishes, given_headers
from mesh_replayer.project_key import project_key, redactor_of
from mesh_replayer.reports.dry import dry_run
from mesh_replayer.reports.opening import open_reports
from mesh_replayer.reports.progress import ProgressReport
from mesh_replayer.resolve import Route, authority_of, resolve_all
from mesh_replayer.run import RunOptions, run_plan
from mesh_replayer.schedule import parse_pace
from mesh_replayer.send import Sender, Sends
from mesh_replayer.stubs.sender import StubbedSender
from mesh_replayer.surroundings import NOTHING_AROUND, Recorded, Surroundings, Wanted, stubbed, surrounded
from mesh_replayer.target import Target, check_methods, check_production, check_written, parse_target
from mesh_replayer.verdict import Rules
from mesh_store.ports import claim_any

type RunPlan = Callable[
    [Plan, Bodies, Sends, RunOptions, Emit, tuple[str, ...]], Coroutine[None, None, RunFinished]
]

BY_CLASS = "hidden values are equal by their kind alone: this machine does not have the project's key"


def targets_of(given: Given, project: Project) -> list[Target]:
    """The targets, allowed as written.

    Raises:
        TargetNotAllowed: one is not, and nothing was resolved or sent.
    """
    texts = given.targets or ([f"localhost:{claim_any(1)[0]}"] if given.command else [])
    if not texts:
        raise ConfigInvalid(
            "there is no --target", hint="give --target localhost:8080, or start the service: … -- COMMAND"
        )
    targets = [parse_target(text) for text in texts]
    for target in targets:
        check_written(target, project.config.allow_targets)
        check_production(target, project.config.replay.production)
    check_targets(chosen(given.auth, given.auth_env, project.config.auth), targets)
    return targets


def carry_out(
    plan: Plan,
    bodies: Bodies,
    given: Given,
    project: Project,
    recorded: Recorded = NOTHING_AROUND,
    *,
    also: Sequence[Emit] = (),
    run: RunPlan = run_plan,
) -> ExitCode:
    """Check, send, report.

    Args:
        plan: what is sent.
        bodies: of its exchanges, by hash.
        given: the options.
        project: the settings.
        recorded: what was recorded around the plan's exchanges: stubs and `[replay]` commands need it.
        also: get every event, after the reports.
        run: carries the plan out.

    Raises:
        MeshError: refused, wrongly used, or nothing could be tried.
    """
    if given.dry_run:
        wishes = _wishes(plan, given)
        return dry_run(
            plan,
            bodies,
            wishes,
            allow_unsafe=given.allow_unsafe,
            as_json=given.as_json,
            stubs=stubbed(plan, wanted_of(given, project), recorded),
            notes=[told_of(auth) for auth in chosen(given.auth, given.auth_env, project.config.auth)],
        )
    # The bar goes before anything else is printed.
    with ProgressReport(console(sys.stderr)) as progress:
        handlers = [progress.handle, *open_reports(given.report, as_json=given.as_json), *also]
        return replay(plan, bodies, given, project, handlers, recorded, run=run)


def replay(
    plan: Plan,
    bodies: Bodies,
    given: Given,
    project: Project,
    handlers: Sequence[Emit],
    recorded: Recorded = NOTHING_AROUND,
    *,
    run: RunPlan = run_plan,
) -> ExitCode:
    """Check and send; `handlers` get every event, the rest is as for `carry_out`.

    Raises:
        MeshError: refused, wrongly used, or nothing could be tried.
    """
    wishes = _wishes(plan, given)
    baseline = baseline_of(plan, given, project)
    for each in (plan, *([baseline.plan] if baseline and baseline.plan else [])):
        _check_plan(each, given)
    wanted = wanted_of(given, project)
    options, notes = _options(plan, wishes, given, project, baseline)
    journal = _journal(plan, wishes, given, project)
    auths = chosen(given.auth, given.auth_env, project.config.auth)

    async def send_all() -> ExitCode:
        secrets = [await gather(auth, os.environ, wanted.folder) for auth in auths]
        hiding = (options.judge.redactor, options.judge.keyed)
        async with ended_by_signals(), surrounded(plan, wanted, project.config, recorded, *hiding) as here:
            choices = here.plan.choices + (baseline.plan.choices if baseline and baseline.plan else ())
            targets = [choice.target for choice in choices]
            routes = await resolve_all(targets, _authorities(choices, project, wanted.folder))
            check_targets(auths, targets)
            sender = _sender(routes, wanted, here, secrets)
            to = _to(targets[0], options.wishes, given)
            here_options = replace(options, stubs=here.dependencies, wishes=to, journal=journal)
            told = (*notes, *(told_of(auth) for auth in auths), *here.notes)
            finished = await run(here.plan, bodies, sender, here_options, _to_all(handlers), told)
            if finished.exit_code is ExitCode.DIFFERENT:
                show_output(here.output())
            return finished.exit_code

    with output_shown():
        return asyncio.run(send_all())


def _to_all(handlers: Sequence[Emit]) -> Emit:
    def emit(event: Event) -> None:
        for handle in handlers:
            handle(event)

    return emit


def _journal(plan: Plan, wishes: Wishes, given: Given, project: Project) -> Journal:
    return Journal.opened(
        project.state_dir / "replays",
        wishes.run_id,
        (f"{choice.service} at {choice.target.host}" for choice in plan.choices),
        allow_repeat=given.allow_repeat,
    )


def _sender(
    routes: Mapping[str, Route], wanted: Wanted, here: Surroundings, secrets: Sequence[Secrets]
) -> Sends:
    """What carries the requests: credentials go in before the stubs hear of a request, as it goes out."""
    sender: Sends = Sender(routes, wanted.timeout)
    if here.dependencies is not None:
        sender = StubbedSender(sender, here.dependencies)
    return AuthorizedSender(sender, {choice.target.text: secrets for choice in here.plan.choices})


def _check_plan(plan: Plan, given: Given) -> None:
    if not given.allow_recorded_host:
        _check_hosts(plan)
    if not given.allow_unsafe:
        _check_methods(plan)


def _check_hosts(plan: Plan) -> None:
    for choice in plan.choices:
        at = (step.exchange.authority for step in plan.sent if step.target is choice.target)
        check_production(choice.target, (), at)


def _check_methods(plan: Plan) -> None:
    for choice in plan.choices:
        sent = [step.exchange.method for step in plan.sent if step.target is choice.target]
        check_methods(choice.target, sent)


def _authorities(choices: Sequence[Choice], project: Project, folder: Path) -> dict[str, Path]:
    """CA files by a target's text."""
    known = project.config.services
    found = {choice.target.text: authority_of(known.get(choice.service), folder) for choice in choices}
    return {text: file for text, file in found.items() if file is not None}


def _wishes(plan: Plan, given: Given) -> Wishes:
    try:
        headers = given_headers(given.header)
    except ValueError as cause:
        raise ConfigInvalid(f"-H {cause}", hint="such as -H 'Authorization: Bearer …'") from cause
    wishes = Wishes(run_id=uuid7(time.time_ns(), os.urandom(8)), mark=given.mark, headers=headers)
    return _to(plan.choices[0].target, wishes, given)


def _to(target: Target, wishes: Wishes, given: Given) -> Wishes:
    """With the Host that is wanted for this target."""
    host = {"recorded": None, "target": target.authority}.get(given.host, given.host)
    return replace(wishes, host=host)


def _options(
    plan: Plan, wishes: Wishes, given: Given, project: Project, baseline: Baseline | None
) -> tuple[RunOptions, tuple[str, ...]]:
    redactor = redactor_of(project, os.environ)
    keyed = project_key(project, os.environ) is not None
    judge = Judge(fixed_status=frozenset(given.fixed_status), redactor=redactor, keyed=keyed)
    options = RunOptions(
        wishes=wishes,
        judge=judge.anew(known_noise(plan, judge, project)),
        pace=parse_pace(given.pace),
        concurrency=given.concurrency,
        repeat=given.repeat,
        baseline=baseline,
        rules=Rules(expect_reproduced=given.expect == "reproduced", strict=given.strict),
        exit_zero=given.exit_zero,
        version=version("mesh-replay"),
    )
    notes = () if keyed or redactor is None else (BY_CLASS,)
    return options, (*notes, *baseline_note(baseline))
