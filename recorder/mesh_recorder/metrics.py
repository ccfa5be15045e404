"""A report as Prometheus reads it: text format 0.0.4, written here as it is a few lines. Pure.

Prometheus' own client would keep the numbers a second time, and add those of several workers up through
files; here they are in the report already.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate

from mesh_recorder.report import Report
from mesh_recorder.tally import BOUNDS, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "mesh_record_"

type Sample = tuple[Mapping[str, str], float]


def exposition(report: Report, info: Mapping[str, str]) -> str:
    """All metrics; `info` names service, instance, lane and version."""
    lines: list[str] = []
    for name, kind, what, samples in (*_account(report), *_state(report, info)):
        lines += [f"# HELP {PREFIX}{name} {what}", f"# TYPE {PREFIX}{name} {kind}"]
        lines += [f"{PREFIX}{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join([*lines, *_durations(report.tally)]) + "\n"


def _account(report: Report) -> Iterable[tuple[str, str, str, list[Sample]]]:
    counters = report.counters
    outcomes: list[Sample] = [
        ({"direction": direction, "outcome": outcome}, count)
        for direction, found in sorted(report.tally.outcomes.items())
        for outcome, count in sorted(found.items())
    ]
    seen: list[Sample] = [
        ({"direction": "inbound"}, report.requests),
        ({"direction": "outbound"}, report.calls),
    ]
    yield "requests_total", "counter", "Exchanges that were read, health probes too.", outcomes
    yield "seen_total", "counter", "Requests that ended, whatever became of their recording.", seen
    yield (
        "offered_total",
        "counter",
        "Exchanges that ended.",
        _one(counters.offered),
    )
    yield "stored_total", "counter", "Exchanges that the store has committed.", _one(counters.stored)
    yield "failures_total", "counter", "Exchanges in spool or store that failed.", _one(counters.failures)
    yield "dropped_total", "counter", "Exchanges that were not recorded.", _by_reason(counters.dropped)
    yield "not_kept_total", "counter", "Exchanges let go by choice.", _by_reason(counters.not_kept)
    yield "damaged_total", "counter", "Exchanges that were damaged in the spool.", _one(counters.gap)
    yield "waiting", "gauge", "Exchanges between traffic and spool.", _one(counters.waiting)
    yield "held", "gauge", "Exchanges held back in the spool.", _one(counters.held)
    yield "spooled", "gauge", "Exchanges in the spool, not yet in the store.", _one(counters.spooled)


def _state(report: Report, info: Mapping[str, str]) -> Iterable[tuple[str, str, str, list[Sample]]]:
    yield "info", "gauge", "What this is.", [(info, 1)]
    yield "in_flight", "gauge", "Requests that are open.", _one(report.in_flight)
    yield "queue_bytes", "gauge", "Memory between traffic and spool.", _one(report.queue_bytes)
    yield "spool_bytes", "gauge", "What the spool takes on the disk.", _one(report.spool_bytes)
    yield "store_up", "gauge", "Whether the store takes what it is given.", _one(report.store_away is None)
    yield "bypassed", "gauge", "Whether recording is switched off.", _one(report.bypassed)
    yield "lane_failures_total", "counter", "Connections that the lane failed over.", _one(report.crashes)
    yield "workers", "gauge", "Processes that carry traffic.", _one(report.workers)
    yield "worker_restarts_total", "counter", "Workers that died and were replaced.", _one(report.restarts)
    what = "Whether a busy service made no call that was seen; mesh-record doctor says why."
    yield "calls_not_seen", "gauge", what, _one(report.blind)


def _durations(tally: Tally) -> list[str]:
    name = f"{PREFIX}request_duration_seconds"
    lines = [f"# HELP {name} From the first byte of a request to its end.", f"# TYPE {name} histogram"]
    bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    for direction, buckets in sorted(tally.buckets.items()):
        for bound, count in zip(bounds, accumulate(buckets), strict=True):
            lines.append(f"{name}_bucket{_labels({'direction': direction, 'le': bound})} {count}")
        labels = _labels({"direction": direction})
        lines.append(f"{name}_sum{labels} {_number(tally.seconds.get(direction, 0.0))}")
        lines.append(f"{name}_count{labels} {sum(buckets)}")
    return lines


def _one(value: float) -> list[Sample]:
    return [({}, value)]


def _by_reason(counts: Mapping[str, int]) -> list[Sample]:
    return [({"reason": reason}, count) for reason, count in sorted(counts.items())]


def _labels(labels: Mapping[str, str]) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
