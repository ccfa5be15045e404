"""A run as JSON. Pure: DESIGN's shape, made of plain values."""

import json
from collections.abc import Sequence
from typing import Any

from mesh_replayer.correlate import Link
from mesh_replayer.diff import Difference, LeftOut
from mesh_replayer.events import Judged, RunFinished, RunStarted
from mesh_replayer.plan import Plan, Selection
from mesh_replayer.schedule import Lateness
from mesh_replayer.stubs.told import stubs_json

MOST_DIFFERENCES = 1_000
"""Of one exchange."""
MOST_LINKS = 1_000
"""Of one plan."""
MOST_VALUE = 10_000
"""Characters of one value."""


def run_json(started: RunStarted, judged: Sequence[Judged], finished: RunFinished) -> dict[str, Any]:
    """A whole run."""
    return {
        "run_id": started.run_id,
        **plan_json(started.plan),
        "exit_code": int(finished.exit_code),
        "interrupted": finished.interrupted,
        "counts": dict(finished.counts),
        "lateness": None if finished.lateness is None else _lateness(finished.lateness),
        "notes": list(started.notes),
        "dependencies": "live" if started.stubs is None else "stubs",
        "stubs": None if finished.stubs is None else stubs_json(finished.stubs),
        "exchanges": [_judged(each) for each in judged],
    }


def json_text(started: RunStarted, judged: Sequence[Judged], finished: RunFinished) -> str:
    """A whole run as one JSON document, in ASCII."""
    return json.dumps(run_json(started, judged, finished), ensure_ascii=True, indent=2) + "\n"


def plan_json(plan: Plan) -> dict[str, Any]:
    """Where a plan goes, and whom that stands for."""
    first = plan.choices[0]
    return {
        "trace_id": plan.trace_id,
        "target": first.target.text,
        "service": first.service,
        "service_reason": first.reason,
        "targets": [
            {"target": choice.target.text, "service": choice.service, "service_reason": choice.reason}
            for choice in plan.choices
        ],
        "links": [_link(plan, link) for link in plan.links[:MOST_LINKS]],
        "links_left": max(0, len(plan.links) - MOST_LINKS),
        "selection": None if plan.selection is None else _selection(plan.selection),
    }


def _link(plan: Plan, link: Link) -> dict[str, Any]:
    source = link.sources[0]
    return {
        "name": link.name,
        "exchange_id": plan.steps[link.step].exchange.id,
        "from_exchange_id": plan.steps[source.step].exchange.id,
        "from": source.place.text,
        "inside": list(link.label),
        "evidence": link.evidence,
    }


def _selection(selection: Selection) -> dict[str, int]:
    return {
        "found": selection.found,
        "looked_at": selection.looked_at,
        "chosen": selection.chosen,
        "kinds": selection.kinds,
        "seed": selection.seed,
    }


def difference_json(difference: Difference) -> dict[str, Any]:
    """One difference."""
    return {
        "where": difference.where.value,
        "path": difference.path,
        "template": difference.template,
        "kind": difference.kind.value,
        "recorded": _bounded(difference.recorded),
        "replayed": _bounded(difference.replayed),
        "noise": difference.noise,
        "unsure": difference.unsure,
        "detail": difference.detail,
        "lengths": None if difference.lengths is None else list(difference.lengths),
    }


def left_out_json(left_out: Sequence[LeftOut]) -> list[dict[str, str]]:
    """What was not compared."""
    return [{"what": each.what, "why": each.why} for each in left_out]


def _judged(each: Judged) -> dict[str, Any]:
    recorded, replayed = each.exchange, each.replayed
    return {
        "exchange_id": recorded.id,
        "replayed_id": None if replayed is None else replayed.id,
        "replayed_trace_id": None if replayed is None else replayed.trace_id,
        "service": recorded.service,
        "method": recorded.method,
        "path": recorded.path,
        "verdict": each.verdict.value,
        "reason": each.reason,
        "recorded_status": recorded.status,
        "replayed_status": None if replayed is None else replayed.status,
        "recorded_outcome": recorded.outcome.value,
        "replayed_outcome": None if replayed is None else replayed.outcome.value,
        "recorded_duration": recorded.duration,
        "replayed_duration": None if replayed is None else replayed.duration,
        "differences": [difference_json(each) for each in each.differences[:MOST_DIFFERENCES]],
        "differences_left": max(0, len(each.differences) - MOST_DIFFERENCES),
        "not_compared": left_out_json(each.left_out),
        "request_changes": list(each.changes),
        "runs": dict(each.runs),
    }


def _lateness(lateness: Lateness) -> dict[str, Any]:
    return {
        "p50": lateness.p50,
        "p99": lateness.p99,
        "late": lateness.late,
        "count": lateness.count,
        "kept": lateness.kept,
    }


def _bounded(value: Any) -> Any:
    """A value, or of one that is too long the beginning of its text."""
    if isinstance(value, bool | int | float | None):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= MOST_VALUE:
        return value
    return f"{text[:MOST_VALUE]}… ({len(text) - MOST_VALUE} more characters)"
