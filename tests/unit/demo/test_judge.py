"""The demo believes nothing: a trace with a hole, or a replay with another verdict, is told."""

from typing import Any

import pytest

from mesh_replayer.demo.judge import missing_of_replay, missing_of_trace

HOPS = [("gateway", "cart"), ("cart", "payment")]


def side(exchange_id: str, service: str, direction: str, parent: str | None = None) -> dict[str, Any]:
    link = {"exchange_id": parent, "kind": "cause", "confidence": 1.0} if parent else None
    return {"id": exchange_id, "service": service, "direction": direction, "parent": link}


def whole() -> list[dict[str, Any]]:
    return [
        side("1", "gateway", "inbound"),
        side("2", "gateway", "outbound", "1"),
        side("3", "cart", "inbound", "2"),
        side("4", "cart", "outbound", "3"),
        side("5", "payment", "inbound", "4"),
    ]


def missing(exchanges: list[dict[str, Any]], culprit: str = "5", complete: str = "complete") -> list[str]:
    trace = {"exchanges": exchanges, "culprit": culprit, "complete": complete}
    return list(missing_of_trace(trace, HOPS))


def test_a_whole_trace_lacks_nothing() -> None:
    assert missing(whole()) == []


@pytest.mark.parametrize(
    ("absent", "told"),
    [
        ("1", "the request to gateway"),
        ("2", "gateway's side of gateway -> cart"),
        ("3", "cart's side of gateway -> cart"),
        ("4", "cart's side of cart -> payment"),
        ("5", "payment's side of cart -> payment"),
    ],
)
def test_a_side_that_is_not_there_is_told(absent: str, told: str) -> None:
    assert told in missing([exchange for exchange in whole() if exchange["id"] != absent])


def test_a_side_that_hangs_from_the_wrong_one_is_told() -> None:
    exchanges = whole()
    exchanges[4] = side("5", "payment", "inbound", "2")

    assert missing(exchanges) == ["cart's side of cart -> payment"]


def test_another_culprit_and_a_lossy_trace_are_told() -> None:
    assert missing(whole(), culprit="3") == ["the culprit payment (found: cart)"]
    assert missing(whole(), complete="lossy") == ["a complete trace (it is lossy)"]


@pytest.mark.parametrize(
    ("variant", "verdict", "exit_code", "fine"),
    [
        ("unfixed", "reproduced", 1, True),
        ("fixed", "not_reproduced", 0, True),
        ("broken", "fails_differently", 1, True),
        ("fixed", "reproduced", 1, False),
        ("unfixed", "reproduced", 0, False),
        ("broken", "reproduced", 1, False),
    ],
)
def test_only_the_expected_verdict_with_its_exit_code_will_do(
    variant: str, verdict: str, exit_code: int, fine: bool
) -> None:
    report = {"exchanges": [{"verdict": verdict}]}

    assert (list(missing_of_replay(variant, report, exit_code)) == []) is fine


def test_a_replay_of_nothing_is_told() -> None:
    assert list(missing_of_replay("fixed", {"exchanges": []}, 0))
