"""What recorders say of themselves: added up, after a death, and as Prometheus reads it."""

import json
from dataclasses import replace

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from mesh_core.model import Direction
from mesh_core.outcome import Outcome
from mesh_recorder.counters import Counters
from mesh_recorder.metrics import exposition
from mesh_recorder.report import Report, after_death, from_document, inherited, to_document, total
from mesh_recorder.resources import Resources
from mesh_recorder.tally import BOUNDS, Tally
from mesh_recorder.workers.backoff import LONGEST, Backoff
from support.recorded import an_exchange


def a_report(count: int, **more: object) -> Report:
    tally = Tally()
    for _ in range(count):
        tally.add(an_exchange(direction=Direction.INBOUND, outcome=Outcome.OK))
    counters = Counters(offered=count, stored=count - 1, dropped={"queue_full": 1})
    return Report(counters=counters, tally=tally, requests=count, **more)  # type: ignore[arg-type]  # as given


def test_reports_of_workers_add_up() -> None:
    both = total([a_report(2, in_flight=1), a_report(3, store_away="it is locked", bypassed=True)])

    assert both.counters == Counters(offered=5, stored=3, dropped={"queue_full": 2})
    assert both.tally.outcomes == {"inbound": {"ok": 5}}
    assert sum(both.tally.buckets["inbound"]) == 5
    assert (both.requests, both.in_flight, both.workers) == (5, 1, 2)
    assert (both.store_away, both.bypassed) == ("it is locked", True)
    assert total([]) == Report()


def test_a_report_goes_through_json_unchanged() -> None:
    report = a_report(2, store_away="x")

    assert from_document(json.loads(json.dumps(to_document(report)))) == report


def test_what_a_dead_worker_took_with_it_is_counted_by_its_successor() -> None:
    counters = Counters(offered=10, waiting=3, spooled=5, stored=2)

    rest, lost = after_death(Report(counters=counters, in_flight=2, queue_bytes=9, spool_bytes=9))

    assert lost == 5
    assert rest.counters == Counters(offered=7, spooled=5, stored=2)
    assert rest.counters.balanced
    assert (rest.in_flight, rest.queue_bytes, rest.spool_bytes, rest.workers) == (0, 0, 0, 0)


INFO = {"service": 'a "cart"\n\\', "lane": "wire"}


def parsed(report: Report, info: dict[str, str] = INFO) -> dict[str, Metric]:
    text = exposition(report, info, started_at=1.5)
    found = list(text_string_to_metric_families(text))
    names = [metric.name for metric in found]
    assert len(set(names)) == len(names)
    assert text.count("# HELP ") == text.count("# TYPE ") == len(names)
    return {metric.name: metric for metric in found}


def test_prometheus_own_parser_reads_all_of_it() -> None:
    """Each metric once, with its help, its kind, and nothing that Prometheus would refuse."""
    used = Resources(cpu_seconds=0.25, memory_bytes=1, virtual_bytes=2, open_files=3, most_files=4)
    counters = Counters(dropped={"bypass": 1}, not_kept={"probe": 2})
    report = a_report(3, resources=used)
    found = parsed(replace(report, counters=counters))

    for metric in found.values():
        assert metric.documentation
        assert metric.type in ("counter", "gauge", "histogram"), metric
        assert metric.samples, metric
    assert found["mesh_record_info"].samples[0].labels == INFO
    assert {
        name: metric.samples[0].value for name, metric in found.items() if name.startswith("process_")
    } == {
        "process_cpu_seconds": 0.25,
        "process_start_time_seconds": 1.5,
        "process_resident_memory_bytes": 1,
        "process_virtual_memory_bytes": 2,
        "process_open_fds": 3,
        "process_max_fds": 4,
    }


def test_the_histogram_is_cumulative_and_ends_in_its_count() -> None:
    samples = parsed(a_report(3))["mesh_record_request_duration_seconds"].samples
    buckets = [sample.value for sample in samples if sample.name.endswith("_bucket")]
    whole = [sample.value for sample in samples if sample.name.endswith("_count")]

    assert len(buckets) == len(BOUNDS) + 1
    assert buckets == sorted(buckets)
    assert whole == [buckets[-1]] == [3]


def test_what_is_on_the_wire_never_becomes_a_label() -> None:
    """Bounded: directions, outcomes and reasons of ours, and what the operator named."""
    counters = Counters(dropped={"queue_full": 1}, not_kept={"probe": 2})
    for metric in parsed(replace(a_report(2), counters=counters), {"service": "cart"}).values():
        for sample in metric.samples:
            assert set(sample.labels) <= {"direction", "outcome", "reason", "le", "service"}


def test_what_the_dead_left_in_the_spool_is_stored_once_their_successors_have_caught_up() -> None:
    past = Report(workers=0, counters=Counters(offered=10, stored=4, spooled=4, held=2))
    busy = Report(counters=Counters(offered=2, stored=2), adopted=1, caught_up=False)
    done = replace(busy, adopted=2, caught_up=True, counters=Counters(offered=2, held=2, resumed_damaged=1))

    at_first, in_the_end = (total([now, inherited(now, past)]) for now in (busy, done))

    assert at_first.counters == Counters(offered=11, stored=6, spooled=4, held=1)
    assert in_the_end.counters == Counters(offered=10, stored=7, gap=1, held=2, resumed_damaged=1)
    assert at_first.counters.balanced
    assert in_the_end.counters.balanced


def test_a_duration_counts_where_it_belongs() -> None:
    tally = Tally()
    for nanoseconds in (0, 5_000_000, 5_000_001, 60_000_000_000):
        tally.add(an_exchange(started_at=10, ended_at=10 + nanoseconds))

    (buckets,) = tally.buckets.values()

    assert (buckets[0], buckets[1], buckets[len(BOUNDS)]) == (2, 1, 1)


def test_a_busy_service_that_calls_nobody_is_blind() -> None:
    assert not Report(requests=99).blind
    assert Report(requests=100).blind
    assert not Report(requests=100, calls=1).blind


def test_a_worker_is_replaced_at_once_and_one_that_dies_young_ever_later() -> None:
    backoff = Backoff()

    pauses = [backoff.pause(lived=1.0) for _ in range(20)]

    assert pauses[:4] == [0.0, 0.1, 0.2, 0.4]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST
    assert backoff.pause(lived=3600.0) == 0.0
