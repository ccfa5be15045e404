"""What a project knows of noise, and what a replay sends besides to learn more."""

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mesh_core.errors import ConfigInvalid, QueryInvalid, StoreUnreachable
from mesh_core.masks import path_template
from mesh_core.model import Exchange
from mesh_core.project import Project
from mesh_replayer.commands.given import Given
from mesh_replayer.commands.naming import query_of
from mesh_replayer.evidence import Baseline
from mesh_replayer.judging import Judge
from mesh_replayer.noise.learning import Group, learn
from mesh_replayer.noise.predicates import Shape
from mesh_replayer.noise.rule import NoiseRules, Rule, route_of
from mesh_replayer.noise.rulefile import FILE_NAME, parse_rules, read_rules, rules_text
from mesh_replayer.plan import Plan, Step
from mesh_replayer.target import Target, check_written, parse_target
from mesh_store.disk import read_file
from mesh_store.store import Store, open_store

DEFAULT_RUNS = 5
"""Answers of a baseline to each request: what makes five requests of a route safe."""
_MOST_ROUTES = 20
_MOST_ALIKE = 50
"""Recorded exchanges of a route that are looked at, the newest."""


def noise_file(project: Project) -> Path:
    """Where the project's rules are kept: beside `mesh.toml`, else in the working directory."""
    folder = project.config_path.parent if project.config_path is not None else Path.cwd()
    return folder / FILE_NAME


def kept_rules(project: Project) -> list[Rule]:
    """The rules of the file; none where there is no file.

    Raises:
        ConfigInvalid: it cannot be read.
    """
    path = noise_file(project)
    content = read_file(path)
    if content is None:
        return []
    try:
        return parse_rules(content.decode(), where=str(path))
    except UnicodeDecodeError as cause:
        raise ConfigInvalid(f"{path} is not UTF-8 (byte {cause.start})", hint="save it as UTF-8") from cause


def written_rules(project: Project) -> list[Rule]:
    """The rules of `mesh.toml`.

    Raises:
        ConfigInvalid: one cannot be read.
    """
    return read_rules(list(project.config.noise), where=str(project.config_path), author="mesh.toml")


def all_rules(project: Project) -> NoiseRules:
    """The rules of both files: a person's in `mesh.toml` first."""
    return NoiseRules(tuple(written_rules(project))).with_rules(kept_rules(project))


def known_noise(plan: Plan, judge: Judge, project: Project) -> NoiseRules:
    """All that is known before a plan is carried out: rules, and what recorded answers tell."""
    rules = all_rules(project)
    known = {rule.id for rule in rules.rules}
    found = recorded_alike(plan, judge, project)
    return rules.with_rules(rule for rule in found if rule.id not in known)


def keep_rules(project: Project, rules: Iterable[Rule]) -> Path:
    """Write the file, the whole of it or nothing; gives where.

    Raises:
        ConfigInvalid: it cannot be written.
    """
    path = noise_file(project)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(rules_text(rules))
        draft.replace(path)
    except OSError as cause:
        draft.unlink(missing_ok=True)
        raise ConfigInvalid(f"{path} cannot be written: {cause.strerror}", hint="check the folder") from cause
    return path


def baseline_of(plan: Plan, given: Given, project: Project) -> Baseline | None:
    """What is sent besides, allowed as written.

    Raises:
        TargetNotAllowed: the baseline's target is not.
        ConfigInvalid: there are several services, and one baseline cannot stand for all.
    """
    runs = given.baseline_runs
    if given.baseline is None:
        return Baseline(runs=runs) if runs else None
    if len(plan.choices) > 1:
        raise ConfigInvalid("--baseline stands for one service", hint="give one --target, and --service")
    target = parse_target(given.baseline)
    check_written(target, project.config.allow_targets)
    return Baseline(runs=DEFAULT_RUNS if runs is None else max(runs, 1), plan=_elsewhere(plan, target))


def _elsewhere(plan: Plan, target: Target) -> Plan:
    steps = tuple(replace(step, target=target) for step in plan.steps)
    choices = tuple(replace(choice, target=target) for choice in plan.choices)
    return replace(plan, steps=steps, choices=choices)


def baseline_note(baseline: Baseline | None) -> tuple[str, ...]:
    """What the user should know of it."""
    if baseline is None:
        return ()
    times = f"{baseline.runs} time{'' if baseline.runs == 1 else 's'}"
    if baseline.plan is None:
        return (f"everything is sent {times} more, to learn what varies",)
    where = baseline.plan.choices[0].target.text
    return (f"compared with what {where} answers now, which is asked {times}",)


def recorded_alike(plan: Plan, judge: Judge, project: Project) -> list[Rule]:
    """Shapes of values that varied among the recorded answers to one request, of the plan's routes.

    Shapes alone: what else differs between two recorded answers may be what happened in between.
    """
    file = Path(project.store.removeprefix("sqlite:///"))
    if project.store.startswith("sqlite:///") and not file.exists():
        return []  # looking makes no store
    routes = {route_of(step.exchange): step for step in reversed(plan.sent)}
    groups: list[Group] = []
    try:
        with open_store(project.store) as store:
            for step in list(routes.values())[:_MOST_ROUTES]:
                groups += _answered_alike(step, judge, store)
    except StoreUnreachable:
        return []  # files are replayed without one
    return [rule for rule in learn(groups, now=time.time_ns()) if isinstance(rule.predicate, Shape)]


def _answered_alike(step: Step, judge: Judge, store: Store) -> list[Group]:
    """Recorded answers to requests of a step's route, together by what was asked, oldest first."""
    asked = step.exchange
    try:
        page = store.search(query_of((_query(asked),)), limit=_MOST_ALIKE)
    except QueryInvalid:  # a path that no query can name
        return []
    alike: defaultdict[tuple[str, str | None], list[Exchange]] = defaultdict(list)
    for exchange in reversed(page.exchanges):
        if route_of(exchange) == route_of(asked) and not exchange.failed:
            body = exchange.request_body
            alike[exchange.path, None if body is None else body.hash].append(exchange)
    return [
        Group(
            [
                judge.response(replace(step, exchange=exchange), exchange, store.bodies([exchange]))
                for exchange in exchanges
            ]
        )
        for exchanges in alike.values()
        if len(exchanges) > 1
    ]


def _query(asked: Exchange) -> str:
    beginning = path_template(asked.path).partition("{id}")[0]
    quoted = beginning.replace("\\", "\\\\").replace('"', '\\"')
    return f'service:"{asked.service}" direction:inbound method:"{asked.method}" path:"{quoted}"*'
