"""A report as Prometheus reads it: text format 0.0.4, written here as it is a few lines. Pure.

Prometheus' own client would keep the numbers a second time, and add those of several workers up through
files; here they are in the report already. Labels take few values: directions, outcomes, reasons of ours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from mesh_recorder.report import Report
from mesh_recorder.resources import Resources
from mesh_recorder.tally import BOUNDS, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "mesh_record_"

type Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric with all its samples."""

    name: str
    kind: str
    help: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)
    """Each with what its name has beyond the metric's."""


def exposition(report: Report, info: Labels, *, started_at: float) -> str:
    """All metrics.

    Args:
        report: what there is to say.
        info: service, instance, lane and version.
        started_at: seconds since the epoch, of the process that was started.
    """
    lines: list[str] = []
    metrics = (*_traffic(report), *_account(report), *_pipeline(report), *_state(report, info))
    for metric in (*metrics, *_process(report.resources, started_at)):
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [
            f"{metric.name}{more}{_labels(labels)} {_number(value)}" for more, labels, value in metric.samples
        ]
    return "\n".join(lines) + "\n"


def _traffic(report: Report) -> Iterable[Metric]:
    outcomes = [
        ((direction, outcome), count)
        for direction, found in sorted(report.tally.outcomes.items())
        for outcome, count in sorted(found.items())
    ]
    yield _by(
        "requests_total",
        "Requests that ended and were read, by what came of them; health probes too.",
        ("direction", "outcome"),
        outcomes,
    )
    yield _by(
        "seen_total",
        "Requests that ended, whatever became of their recording.",
        ("direction",),
        [(("inbound",), report.requests), (("outbound",), report.calls)],
    )
    yield _durations(report.tally)
    yield _gauge("in_flight", "Requests that are open.", report.in_flight)
    yield _counter("lane_failures_total", "Connections that the lane failed over.", report.crashes)
    what = "Whether a busy service made no call that was seen; mesh-record doctor says why."
    yield _gauge("calls_not_seen", what, report.blind)


def _account(report: Report) -> Iterable[Metric]:
    """offered = waiting + held + spooled + stored + not kept + dropped + damaged."""
    counters = report.counters
    yield _counter("offered_total", "Exchanges that ended and were to be recorded.", counters.offered)
    yield _counter("stored_total", "Exchanges that the store has committed.", counters.stored)
    dropped = [((reason,), count) for reason, count in sorted(counters.dropped.items())]
    what = "Exchanges that could not be recorded, or fell into a bypass: each a gap in the store."
    yield _by("dropped_total", what, ("reason",), dropped)
    not_kept = [((reason,), count) for reason, count in sorted(counters.not_kept.items())]
    what = "Exchanges let go by choice: health probes, outside the sample, not wanted by --keep."
    yield _by("not_kept_total", what, ("reason",), not_kept)
    what = "Of those not kept, how many belong to failures that became known too late."
    yield _counter("let_go_too_early_total", what, counters.late)
    yield _counter("damaged_total", "Exchanges that were damaged in the spool.", counters.gap)
    yield _gauge("waiting", "Exchanges between traffic and spool.", counters.waiting)
    yield _gauge("held", "Exchanges held back in case a failure asks for them.", counters.held)
    yield _gauge("spooled", "Exchanges in the spool that the store has not acknowledged.", counters.spooled)
    yield _counter("failures_total", "Exchanges in spool or store that failed.", counters.failures)
    yield _counter(
        "resumed_segments_total", "Spool files of earlier runs that were shipped.", counters.resumed
    )


def _pipeline(report: Report) -> Iterable[Metric]:
    yield _gauge("queue_bytes", "Memory between traffic and spool.", report.queue_bytes)
    yield _gauge("spool_bytes", "What waits for the store takes on the disk.", report.spool_bytes)
    yield _gauge("spool_segments", "Spool files that wait for the store.", report.spool_segments)
    what = "How long the oldest spool file has waited for the store."
    yield _gauge("spool_oldest_seconds", what, report.spool_age)
    yield _gauge("held_bytes", "What is held back takes on the disk.", report.held_bytes)
    what = "Whether the store takes what it is given."
    yield _gauge("store_up", what, report.store_away is None)


def _state(report: Report, info: Labels) -> Iterable[Metric]:
    yield Metric(f"{PREFIX}info", "gauge", "What this is.", [("", info, 1)])
    yield _gauge("bypassed", "Whether recording is switched off.", report.bypassed)
    yield _gauge("workers", "Processes that carry traffic.", report.workers)
    yield _counter("worker_restarts_total", "Workers that died and were replaced.", report.restarts)
    what = "Places in which workers die again and again."
    yield _gauge("worker_crash_loops", what, report.crash_loops)


def _process(resources: Resources, started_at: float) -> Iterable[Metric]:
    """As Prometheus' own clients name them; of all processes together."""
    what = "Processor time, user and system."
    yield Metric("process_cpu_seconds_total", "counter", what, _plain(resources.cpu_seconds))
    what = "When this was started, in seconds since the epoch."
    yield Metric("process_start_time_seconds", "gauge", what, _plain(started_at))
    if resources.memory_bytes:
        what = "Resident memory; what processes share counts for each."
        yield Metric("process_resident_memory_bytes", "gauge", what, _plain(resources.memory_bytes))
        what = "Virtual memory."
        yield Metric("process_virtual_memory_bytes", "gauge", what, _plain(resources.virtual_bytes))
        yield Metric("process_open_fds", "gauge", "Open files.", _plain(resources.open_files))
    if resources.most_files:
        what = "Files that may be open."
        yield Metric("process_max_fds", "gauge", what, _plain(resources.most_files))


def _durations(tally: Tally) -> Metric:
    what = "From the first byte of a request to its end."
    metric = Metric(f"{PREFIX}request_duration_seconds", "histogram", what)
    bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    for direction, buckets in sorted(tally.buckets.items()):
        labels = {"direction": direction}
        for bound, count in zip(bounds, accumulate(buckets), strict=True):
            metric.samples.append(("_bucket", {**labels, "le": bound}, count))
        metric.samples.append(("_sum", labels, tally.seconds.get(direction, 0.0)))
        metric.samples.append(("_count", labels, sum(buckets)))
    return metric


def _counter(name: str, what: str, value: float) -> Metric:
    return Metric(PREFIX + name, "counter", what, _plain(value))


def _gauge(name: str, what: str, value: float) -> Metric:
    return Metric(PREFIX + name, "gauge", what, _plain(value))


def _by(
    name: str, what: str, labels: tuple[str, ...], counts: Iterable[tuple[tuple[str, ...], int]]
) -> Metric:
    """A counter for each combination of labels."""
    samples: list[tuple[str, Labels, float]] = [
        ("", dict(zip(labels, values, strict=True)), count) for values, count in counts
    ]
    return Metric(PREFIX + name, "counter", what, samples)


def _plain(value: float) -> list[tuple[str, Labels, float]]:
    return [("", {}, value)]


def _labels(labels: Labels) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
