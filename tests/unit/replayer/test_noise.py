"""Noise learned from repeated answers, and told from regressions in answers that were not learned from."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_replayer.diff import Difference, Kind, Response, Where, read_response
from mesh_replayer.noise.accepting import accepted
from mesh_replayer.noise.deciding import Noise
from mesh_replayer.noise.learning import Group, learn
from mesh_replayer.noise.predicates import Items, Number, Optional, Order, Predicate, Shape, Values
from mesh_replayer.noise.rule import NoiseRules, Rule
from mesh_replayer.noise.rulefile import parse_rules, rules_text
from mesh_replayer.noise.shapes import fits, shape_of
from mesh_replayer.reports.shapes import difference_json
from support.noise_corpus import Corpus, lower_bound, ours, score
from support.noisy_shop import REGRESSIONS
from support.recorded import an_exchange
from support.replays import body_of

SECOND, HOUR = 10**9, 3_600 * 10**9
JSON = ((b"Content-Type", b"application/json"),)
NOW = 1_770_000_000 * SECOND


def answer(document: Any, at: int = NOW, **changes: object) -> Response:
    ref, bodies = body_of(json.dumps(document).encode(), JSON)
    fields = {"path": "/things/7", "started_at": at, "response_headers": JSON, "response_body": ref}
    return read_response(an_exchange(**(fields | changes)), bodies)


def rule(path: str, predicate: Predicate, observations: int = 20, **changes: Any) -> Rule:
    made = Rule(
        service="cart", route="GET /things/{id}", where=Where.BODY, path=path, predicate=predicate,
        observations=observations, requests=5,
    )  # fmt: skip
    return replace(made, **changes)


def told(then: Any, now: Any, *rules: Rule, shift: int = 0, **options: Any) -> dict[str, str]:
    """What is said of each place: `noise`, `unsure` or the kind of a difference that counts."""
    comparison = Noise(NoiseRules(rules)).compare(answer(then), answer(now, NOW + shift), **options)
    return {
        each.path or "": "noise" if each.noise else "unsure" if each.unsure else each.kind.value
        for each in comparison.differences
    }


def test_five_services_are_clean_after_five_by_five_and_every_regression_is_found() -> None:
    """Cases P5, P6, P7, P8: 200 unseen answers of each service, fixed seed."""
    result = score(Corpus(1), ours, clean=200, each=4)

    assert (result.false, result.alarms) == (0, {})
    assert (result.missed, result.misplaced, result.misses) == (0, 0, {})
    assert result.clean == 1_000
    assert len(REGRESSIONS) >= 20


def test_one_broken_answer_among_twenty_is_found() -> None:
    """Case P6: each answer is judged by itself, so the others say nothing of it."""
    corpus = Corpus(2)
    judge = ours(corpus)
    for regression in REGRESSIONS:
        wrong = []
        for number in range(7_000, 7_020):
            pair = (
                corpus.broken(regression, number)
                if number == 7_013
                else (
                    corpus.recorded(regression.service, number)[0],
                    corpus.replayed(regression.service, number)[0],
                )
            )
            if any(difference.counts for difference in judge(*pair)):
                wrong.append(number)
        assert wrong == [7_013], regression.name


def test_less_evidence_is_more_unsure_and_hardly_more_wrong() -> None:
    """Case P10."""
    none = score(Corpus(3, requests=0), ours, clean=20, each=1)
    little = score(Corpus(3, requests=1, runs=2), ours, clean=20, each=1)
    much = score(Corpus(3), ours, clean=20, each=1)

    assert none.false + none.unsure == none.clean
    assert little.unsure + little.false > much.unsure + much.false
    assert much.false == 0


@pytest.mark.parametrize(
    ("then", "now", "says"),
    [
        ("2026-02-02T02:40:00.123Z", "2026-02-02T02:40:01.456Z", "noise"),
        ("2026-02-02T02:40:00.123Z", None, "type"),
        ("2026-02-02T02:40:00.123Z", 1_770_000_001, "type"),
        ("2026-02-02T02:40:00.123Z", "2026-02-02T02:40:01.456", "value"),
        ("2026-02-02T02:40:00.123Z", "2026-02-02T03:40:01.456Z", "value"),
        ("2026-02-02T02:40:00.123Z", "", "value"),
    ],
)
def test_a_noisy_time_that_is_not_one_any_more_counts(then: Any, now: Any, says: str) -> None:
    """Case P7."""
    clock = rule("$.at", Shape(("ts:3:Z",), clock=True))

    assert told({"at": then}, {"at": now}, clock) == {"$.at": says}


def test_a_time_goes_with_the_clock_however_long_ago_it_was_recorded() -> None:
    three_days = 3 * 24 * HOUR
    clock = rule("$.at", Shape(("ts:0:Z",), clock=True))
    then = {"at": "2026-02-02T02:40:00Z"}

    assert told(then, {"at": "2026-02-05T02:41:00Z"}, clock, shift=three_days) == {"$.at": "noise"}
    assert told(then, {"at": "2026-02-05T03:41:00Z"}, clock, shift=three_days) == {"$.at": "value"}
    assert told(then, {"at": "2026-02-05T02:41:00Z"}, shift=three_days) == {"$.at": "noise"}
    assert told(then, {"at": "2026-02-04T02:41:00Z"}, shift=three_days) == {"$.at": "unsure"}


@pytest.mark.parametrize(
    ("number", "then", "now", "says"),
    [
        (Number(10, 40, 0.7, True), 20, 35, "noise"),
        (Number(10, 40, 0.7, True), 20, 200, "value"),
        (Number(10, 40, 0.7, True), 20, 0, "value"),
        (Number(10, 40, 0.7, True), 20, -20, "value"),
        (Number(10, 40, 0.7, True), 20, 20.5, "value"),
        (Number(10, 40, 0.7, True), 20, "20", "type"),
        (Number(5, 900, 0.001), 100.0, 100.9, "noise"),
        (Number(5, 900, 0.001), 100.0, 200.0, "value"),
        (Number(5, 900, 0.1), 100.0, 115.0, "noise"),
        (Number(5, 900, 0.1), 100.0, 150.0, "value"),
    ],
)
def test_a_noisy_number_stays_within_what_was_seen(number: Number, then: Any, now: Any, says: str) -> None:
    """Case P7."""
    assert told({"n": then}, {"n": now}, rule("$.n", number)) == {"$.n": says}


def test_ids_that_were_equal_must_be_equal_still() -> None:
    """Case P8: both fields are named."""
    uuids = rule("$.order.id", Shape(("uuid",))), rule("$.payment.order_ref", Shape(("uuid",)))
    one, two, three = (f"{digit * 8}-0000-4000-8000-{digit * 12}" for digit in "123")

    def document(order: str, ref: str) -> Any:
        return {"order": {"id": order}, "payment": {"order_ref": ref}}

    noise = Noise(NoiseRules(uuids))
    [*_, mismatch] = noise.compare(answer(document(one, one)), answer(document(two, three))).differences

    assert (mismatch.kind, mismatch.path, mismatch.counts) == (Kind.ID_MISMATCH, "$.payment.order_ref", True)
    assert "$.order.id of cart GET /things/{id}" in (mismatch.detail or "")
    assert told(document(one, one), document(two, two), *uuids) == {
        "$.order.id": "noise", "$.payment.order_ref": "noise",
    }  # fmt: skip
    assert told(document(one, three), document(two, two), *uuids)["$.payment.order_ref"] == "id_mismatch"


def test_ids_are_followed_through_all_answers_of_a_trace_and_no_further() -> None:
    """Case P8."""
    rules = NoiseRules((rule("$.id", Shape(("uuid",))),))
    one, two, three = (f"{digit * 8}-0000-4000-8000-{digit * 12}" for digit in "123")
    noise = Noise(rules)

    first = noise.compare(answer({"id": one}), answer({"id": two}), trace_id="a")
    same_trace = noise.compare(answer({"id": one}), answer({"id": three}), trace_id="a")
    other_trace = noise.compare(answer({"id": one}), answer({"id": three}), trace_id="b")

    assert [each.kind for each in first.differences] == [Kind.VALUE]
    assert [each.kind for each in same_trace.differences] == [Kind.VALUE, Kind.ID_MISMATCH]
    assert [each.kind for each in other_trace.differences] == [Kind.VALUE]


def test_a_recorded_id_that_comes_back_is_stale_unless_the_request_carried_it() -> None:
    one, two = (f"{digit * 8}-0000-4000-8000-{digit * 12}" for digit in "12")
    uuids = rule("$.id", Shape(("uuid",))), rule("$.ref", Shape(("uuid",)))
    then, now = {"id": one, "ref": one}, {"id": two, "ref": one}

    assert told(then, now, *uuids)["$.ref"] == "stale_id"
    assert "$.ref" not in told(then, now, *uuids, sent=f"GET /?id={one}".encode())


def test_noise_of_one_kind_covers_no_other() -> None:
    shape, some = rule("$.id", Shape(("uuid",))), rule("$.rows[*]", Items(2, 4))
    uuid = "11111111-0000-4000-8000-111111111111"

    assert told({"id": uuid}, {}, shape) == {"$.id": "missing"}
    assert told({}, {"id": uuid}, shape) == {"$.id": "added"}
    assert told({}, {"id": uuid}, rule("$.id", Optional(("string",)))) == {"$.id": "noise"}
    assert told({}, {"id": 1}, rule("$.id", Optional(("string",)))) == {"$.id": "added"}
    assert told({"rows": [1, 2, 3]}, {"rows": [1, 2]}, some) == {"$.rows[2]": "noise"}
    assert told({"rows": [1, 2]}, {"rows": []}, some) == {
        "$.rows[0]": "item_missing",
        "$.rows[1]": "item_missing",
    }
    assert told({"rows": [1, 2]}, {"rows": [2, 1]}, rule("$.rows", Order())) == {"$.rows": "noise"}
    assert told({"rows": [1, 2]}, {"rows": [2, 1]}) == {"$.rows": "order"}


def test_a_status_is_never_noise() -> None:
    then, now = answer({}), answer({}, status=404)

    [difference] = Noise().compare(then, now).differences

    assert (difference.where, difference.counts) == (Where.STATUS, True)


def test_a_rule_of_few_observations_is_unsure_both_ways() -> None:
    """Case P10."""
    thin = rule("$.n", Number(10, 40, 0.7, True), observations=4)

    assert told({"n": 20}, {"n": 30}, thin) == {"$.n": "unsure"}
    assert told({"n": 20}, {"n": 300}, thin) == {"$.n": "unsure"}
    assert told({"n": 20}, {"n": None}, thin) == {"$.n": "type"}


def test_a_value_that_was_not_seen_is_unsure_where_new_ones_come_up_all_the_time() -> None:
    assert told({"v": "a"}, {"v": "c"}, rule("$.v", Values(("a", "b")))) == {"$.v": "value"}
    assert told({"v": "a"}, {"v": "c"}, rule("$.v", Values(("a", "b"), 0.2))) == {"$.v": "unsure"}


def test_what_differs_from_the_recorded_answer_but_never_varies_is_no_noise() -> None:
    recorded = answer({"total": 20, "took": 3}, NOW - HOUR)
    answers = [answer({"total": 25, "took": took}, NOW + took * SECOND) for took in (4, 5, 6, 5, 7, 4)]

    rules = learn([Group(answers, recorded)], now=NOW)

    assert {rule.path for rule in rules} == {"$.took"}


def test_the_order_of_rules_and_groups_changes_nothing() -> None:
    corpus = Corpus(4)
    shuffled = list(corpus.groups)
    random.Random(1).shuffle(shuffled)

    again = learn(shuffled, now=int(corpus.rules.rules[0].first_seen))

    assert {rule.id for rule in again} == {rule.id for rule in corpus.rules.rules}
    assert rules_text(corpus.rules.rules) == rules_text(reversed(corpus.rules.rules))


def test_a_file_of_rules_gives_the_same_rules_back() -> None:
    rules = Corpus(5).rules.rules
    text = rules_text(rules)

    again = parse_rules(text, where="mesh-noise.toml")

    assert sorted(again, key=lambda each: each.id) == sorted(rules, key=lambda each: each.id)
    assert rules_text(again) == text


def test_learning_again_adds_up_and_never_changes_what_a_person_said() -> None:
    first, second = rule("$.n", Number(10, 40, 0.7, True)), rule("$.n", Number(5, 30, 0.8, True))
    mine = rule("$.m", Values(("a",)), author="Ann")

    merged = NoiseRules((first, mine)).with_rules([second, rule("$.m", Values(("b",)))]).rules

    assert merged[0].predicate == Number(5, 40, 0.8, True)
    assert (merged[0].observations, merged[0].requests) == (40, 10)
    assert merged[1] == mine


@pytest.mark.parametrize(
    ("kind", "then", "now"),
    [
        (Kind.VALUE, "a", "b"),
        (Kind.VALUE, 1, 3),
        (Kind.VALUE, "11111111-0000-4000-8000-111111111111", "21111111-0000-4000-8000-111111111111"),
        (Kind.VALUE, "node-1", "node-2"),
        (Kind.TYPE, "a", None),
        (Kind.MISSING, {"a": 1}, None),
        (Kind.ORDER, ["a", "b"], ["b", "a"]),
    ],
)
def test_what_a_person_accepts_is_noise_then(kind: Kind, then: Any, now: Any) -> None:
    difference = Difference(
        where=Where.BODY, kind=kind, path="$.a", template="$.a", recorded=then, replayed=now
    )
    exchange = {"service": "cart", "method": "GET", "path": "/things/1"}

    made = accepted(exchange, json.loads(json.dumps(difference_json(difference))), author="Ann", now=NOW)
    noise = Noise(NoiseRules((made,)))

    if kind is Kind.MISSING:
        comparison = noise.compare(answer({"a": then}), answer({}))
    else:
        comparison = noise.compare(answer({"a": then}), answer({"a": now}))
    assert [each.noise is not None for each in comparison.differences] == [True]


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("2026-11-25T07:32:11Z", "ts:0:Z"),
        ("2026-11-25 07:32:11.5+02:00", "ts:1:offset:blank"),
        ("2026-11-25", "date"),
        ("Wed, 25 Nov 2026 07:32:11 GMT", "http"),
        ("deadbeef01", "hex10"),
        (1_770_000_000, "epoch_s"),
        (1_770_000_000_123, "epoch_ms"),
        ('W/"0123456789abcdef"', '~W/"<hex16>"'),
        ("eyJhbGciOi.eyJzdWIiOiIx.c2ln", "jwt"),
        ("mr1_password_abcdefghijklmnopqrst", "redacted"),
        ("PaymentServiceV2", None),
        ("a plain text", None),
        ("12345678", None),
        (3.5, None),
        (True, None),
        (None, None),
    ],
)
def test_shapes(value: Any, shape: str | None) -> None:
    assert shape_of(value) == shape


def test_hex_that_happens_to_be_decimal_fits_hex() -> None:
    assert fits("hex8", "12345678")
    assert not fits("hex8", "123456789")
    assert fits("~/a/<hex8>", "/a/12345678")


@given(st.one_of(st.text(max_size=300), st.integers(), st.floats(), st.booleans(), st.none()))
def test_any_value_fits_its_own_shape(value: Any) -> None:
    shape = shape_of(value)

    assert shape is None or fits(shape, value)


@given(st.sampled_from(["a-", "1a", "aA1", "<uuid>", "2026-", "/0", "eyJ."]), st.integers(1, 999))
def test_hostile_text_has_a_shape_or_none(piece: str, times: int) -> None:
    value = (piece * times)[:2_000]
    shape = shape_of(value)

    assert shape is None or fits(shape, value)


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert lower_bound(0, 0) == 0
    assert round(lower_bound(98, 100), 3) == 0.930
    assert lower_bound(200, 200) > 0.98


def page(chance: random.Random, total: int = 5) -> bytes:
    token = f"{chance.getrandbits(128):032x}"
    return (
        f'<html><head><script nonce="{token[:16]}">1</script></head><body><p>Total {total}</p><form>'
        f'<input name="csrf" value="{token}"></form><i>node-{chance.randint(1, 90)}</i></body></html>'
    ).encode()


def test_a_page_with_a_csrf_value_is_clean_and_a_total_in_it_counts() -> None:
    chance = random.Random(1)

    def response(total: int = 5) -> Response:
        fields = (
            (b"Content-Type", b"text/html"),
            (b"ETag", b'"%016x"' % (chance.getrandbits(63) | 0xA << 60)),
        )
        ref, bodies = body_of(page(chance, total), fields)
        return read_response(
            an_exchange(path="/page", started_at=NOW, response_headers=fields, response_body=ref), bodies
        )

    rules = NoiseRules(tuple(learn([Group([response() for _ in range(6)])], now=NOW)))

    clean = Noise(rules).compare(response(), response())
    broken = Noise(rules).compare(response(), response(6))
    assert [each for each in clean.differences if each.counts] == []
    assert [(each.path, each.kind) for each in broken.differences if each.counts] == [
        ("$['body>p'][0].text", Kind.VALUE)
    ]


def test_lines_of_a_text_vary_by_their_numbers_alone() -> None:
    chance = random.Random(2)

    def response(state: str = "up") -> Response:
        text = f"host node-{chance.randint(1, 99)}\nload 0.{chance.randint(10, 99)}\nstate {state}\n".encode()
        ref, bodies = body_of(text, ((b"Content-Type", b"text/plain"),))
        return read_response(an_exchange(path="/health", started_at=NOW, response_body=ref), bodies)

    rules = NoiseRules(tuple(learn([Group([response() for _ in range(6)])], now=NOW)))

    assert not Noise(rules).compare(response(), response()).matters
    assert Noise(rules).compare(response(), response("down")).matters
