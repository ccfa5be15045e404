"""What recorders say of themselves: added up, after a death, and as Prometheus reads it."""

import json
import re

from mesh_core.model import Direction
from mesh_core.outcome import Outcome
from mesh_recorder.counters import Counters
from mesh_recorder.metrics import exposition
from mesh_recorder.report import Report, after_death, from_document, to_document, total
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


def test_the_metrics_are_prometheus_text() -> None:
    text = exposition(a_report(3), {"service": 'a "cart"\n\\', "lane": "wire"})

    for line in text.splitlines():
        assert re.fullmatch(
            r'# (HELP|TYPE) mesh_record_\w+ .+|mesh_record_\w+(\{(\w+="([^"\\]|\\.)*",?)+\})? [0-9.e+-]+',
            line,
        ), line
    assert text.endswith("\n")
    assert r'mesh_record_info{service="a \"cart\"\n\\",lane="wire"} 1' in text
    assert 'mesh_record_requests_total{direction="inbound",outcome="ok"} 3\n' in text
    assert 'mesh_record_dropped_total{reason="queue_full"} 1\n' in text
    assert 'mesh_record_request_duration_seconds_bucket{direction="inbound",le="+Inf"} 3\n' in text
    assert 'mesh_record_request_duration_seconds_count{direction="inbound"} 3\n' in text


def test_each_metric_is_named_once_and_its_samples_follow() -> None:
    lines = exposition(a_report(1), {"service": "cart"}).splitlines()
    named = [line.split(" ")[2] for line in lines if line.startswith("# TYPE ")]

    assert len(set(named)) == len(named)
    current = ""
    for line in lines:
        if line.startswith("# TYPE "):
            current = line.split(" ")[2]
        elif not line.startswith("#"):
            assert re.split(r"[{ ]", line)[0].startswith(current)


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
