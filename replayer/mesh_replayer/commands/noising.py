"""What `noise` does: learn from a target, explain and accept what a report says, take rules out."""

from __future__ import annotations

import getpass
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mesh_core.errors import CaptureInvalid, ConfigInvalid, ExitCode, NotRecorded
from mesh_core.model import Bodies, Exchange
from mesh_core.project import Project
from mesh_replayer.commands.given import given_of
from mesh_replayer.commands.known import all_rules, keep_rules, kept_rules
from mesh_replayer.commands.look import echo_json
from mesh_replayer.commands.replaying import carry_out, targets_of
from mesh_replayer.commands.selecting import traffic_plan
from mesh_replayer.diff import Where
from mesh_replayer.events import Emit, RunFinished
from mesh_replayer.evidence import Pass, groups_of
from mesh_replayer.noise.accepting import accepted, widened
from mesh_replayer.noise.learning import learn
from mesh_replayer.noise.rule import LEARNED, NoiseRules, Rule, route_of
from mesh_replayer.noise.rulefile import rule_json
from mesh_replayer.plan import Plan
from mesh_replayer.run import RunOptions, gathered
from mesh_replayer.send import Sends
from mesh_replayer.stored import StoredBodies
from mesh_replayer.verdict import EVIDENCE_HINT
from mesh_store.store import open_store

_FULL, _QUICK = (5, 5), (3, 3)
"""Requests of each route, and how often each is sent."""
_MOST_ROUTES = 200
_MOST_REPORT = 256 * 1024 * 1024
_HINT = "write one with `mesh-replay trace … --report json:FILE`"


def learn_noise(
    query: tuple[str, ...],
    project: Project,
    *,
    target: str,
    service: str | None,
    requests: int | None,
    runs: int | None,
    quick: bool,
    as_json: bool,
    **options: Any,
) -> ExitCode:
    """Learn from a good target what varies, and write it down.

    Raises:
        MeshError: refused, wrongly used, or nothing could be tried.
    """
    usual = _QUICK if quick else _FULL
    given = replace(given_of(["--target", target]), service=service, as_json=as_json, **options)
    targets = targets_of(given, project)
    with open_store(project.store) as store:
        found = traffic_plan(
            store, query, targets, service=service, config=project.config, limit=_MOST_ROUTES * 20, seed=0
        )
        plan = _some(found, requests or usual[0])
        bodies = StoredBodies(store)
        work = _Learning(project, runs or usual[1], as_json)
        return carry_out(plan, bodies, given, project, run=work.run)


def _some(plan: Plan, most: int) -> Plan:
    """So many requests of each route that were answered well, no two of them the same."""
    chosen: defaultdict[tuple[str, str], dict[tuple[str, str], Any]] = defaultdict(dict)
    for step in plan.sent:
        asked = step.exchange.path, _body_hash(step.exchange)
        of_route = chosen[route_of(step.exchange)]
        if not step.exchange.failed and len(of_route) < most:
            of_route.setdefault(asked, step)
    steps = [step for of_route in chosen.values() for step in of_route.values()]
    if not steps:
        raise NotRecorded("no request that was answered well is found", hint="look with `mesh-replay list`")
    steps.sort(key=lambda step: (step.exchange.started_at, step.exchange.id))
    return replace(plan, steps=tuple(steps), selection=None)


def _body_hash(exchange: Exchange) -> str:
    return "" if exchange.request_body is None else exchange.request_body.hash


class _Learning:
    """Carries a plan out several times, and keeps what varied."""

    def __init__(self, project: Project, runs: int, as_json: bool) -> None:
        self.project, self.runs, self.as_json = project, runs, as_json

    async def run(
        self,
        plan: Plan,
        bodies: Bodies,
        sender: Sends,
        options: RunOptions,
        emit: Emit,
        notes: tuple[str, ...],
    ) -> RunFinished:
        """As `run_plan`, without verdicts."""
        del emit, notes
        passes: list[Pass] = []
        try:
            for _ in range(self.runs):
                kept, interrupted, _ = await gathered(plan, bodies, sender, options)
                passes.append(kept)
                if interrupted:
                    return RunFinished(exit_code=ExitCode.INTERRUPTED, counts={}, interrupted=True)
        finally:
            await sender.aclose()
        return RunFinished(exit_code=self._keep(plan, passes, options), counts={})

    def _keep(self, plan: Plan, passes: Sequence[Pass], options: RunOptions) -> ExitCode:
        groups = groups_of(options.judge, passes, with_recorded=True)
        rules = learn(groups, now=options.clock())
        alike = sum(len(group.answers) > 1 for group in groups)
        if not rules and not alike:
            click.echo("no request was answered twice alike, so nothing was learned", err=True)
            return ExitCode.ENVIRONMENT
        merged = NoiseRules(tuple(kept_rules(self.project))).with_rules(rules)
        file = keep_rules(self.project, merged.rules)
        routes = len({route_of(step.exchange) for step in plan.steps})
        if self.as_json:
            told = {"file": str(file), "routes": routes, "requests": len(plan.steps), "runs": self.runs}
            echo_json({**told, "rules": [rule_json(rule) for rule in rules]})
        else:
            click.echo(
                f"{len(rules)} rules from {len(plan.steps)} requests to {routes} routes,"
                f" each sent {self.runs} times, in {file}"
            )
        return ExitCode.OK


def explained(report: Path, paths: Sequence[str], project: Project) -> list[dict[str, Any]]:
    """Each difference of a report, and why it is noise or is not.

    Raises:
        CaptureInvalid: the file is no report.
    """
    rules = all_rules(project)
    return [
        {
            "exchange_id": exchange["exchange_id"],
            "service": exchange["service"],
            "method": exchange["method"],
            "path": exchange["path"],
            "difference": difference,
            "is": "noise" if difference["noise"] else "unsure" if difference["unsure"] else "counts",
            "why": _why(difference),
            "rules": [rule_json(rule) for rule in _rules_there(exchange, difference, rules)],
        }
        for exchange, difference in _differences(report, paths)
    ]


def _rules_there(exchange: dict[str, Any], difference: dict[str, Any], rules: NoiseRules) -> list[Rule]:
    from mesh_core.masks import path_template

    route = exchange["service"], f"{exchange['method'].upper()} {path_template(exchange['path'])}"
    return rules.at(route, Where(difference["where"]), difference.get("template"))


def _why(difference: dict[str, Any]) -> str:
    for name in ("noise", "unsure", "detail"):
        if difference[name]:
            more = f"; {EVIDENCE_HINT}" if name == "unsure" else ""
            return f"{difference[name]}{more}"
    if difference["where"] in ("status", "grpc_status"):
        return "a status is never noise"
    if difference["kind"] == "bytes":
        return "bytes are never noise"
    if difference["kind"] != "value":
        return "no rule is known for this place, and this kind is noise only where it was seen to vary so"
    return "no rule is known for this place, and it does not look as if it were made anew each time"


def accept(report: Path, paths: Sequence[str], by: str | None, project: Project) -> tuple[list[Rule], Path]:
    """Rules for what a report says differs; and the file that they are in now.

    Raises:
        MeshError: the file is no report, nothing in it fits, or what fits is never noise.
    """
    author = by or getpass.getuser()
    if author == LEARNED:
        raise ConfigInvalid(f"nobody is called {LEARNED!r}", hint="give your name with --by")
    known = {rule.id: rule for rule in kept_rules(project)}
    new: dict[str, Rule] = {}
    for exchange, difference in _differences(report, paths):
        if difference["noise"]:
            continue
        rule = accepted(exchange, difference, author=author, now=time.time_ns())
        old = new.get(rule.id, known.get(rule.id))
        new[rule.id] = rule if old is None else widened(old, rule)
    if not new:
        raise NotRecorded(
            f"{report} has no difference there that is not noise", hint="look with `noise explain`"
        )
    return list(new.values()), keep_rules(project, (known | new).values())


def remove(ids: Sequence[str], project: Project) -> tuple[list[str], Path]:
    """Take rules out; gives their ids, and the file.

    Raises:
        NotRecorded: an id names none, or several.
    """
    known = {rule.id: rule for rule in kept_rules(project)}
    gone: list[str] = []
    for text in ids:
        found = [each for each in known if each.startswith(text)]
        if len(found) != 1:
            which = "no rule" if not found else f"{len(found)} rules"
            raise NotRecorded(
                f"{text} names {which} of mesh-noise.toml", hint="list them: `mesh-replay noise list`"
            )
        gone += found
    return gone, keep_rules(project, (rule for rule in known.values() if rule.id not in gone))


def _differences(report: Path, paths: Sequence[str]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Exchanges and differences of a report that are at one of the paths; all where none is given."""
    document = _document(report)
    try:
        return [
            (exchange, difference)
            for exchange in document["exchanges"]
            for difference in exchange["differences"]
            if not paths or {difference["path"], difference["template"]} & set(paths)
        ]
    except (KeyError, TypeError) as cause:
        raise CaptureInvalid(f"{report} is no report of a replay", hint=_HINT) from cause


def _document(report: Path) -> Any:
    try:
        with report.open("rb") as file:
            content = file.read(_MOST_REPORT + 1)
        if len(content) > _MOST_REPORT:
            raise CaptureInvalid(f"{report} is too large", hint="replay fewer exchanges")
        return json.loads(content)
    except OSError as cause:
        raise CaptureInvalid(f"{report} cannot be read: {cause.strerror}", hint="check the path") from cause
    except (ValueError, RecursionError) as cause:
        raise CaptureInvalid(f"{report} is no JSON", hint=_HINT) from cause
