"""Where two responses are not the same."""

import gzip
import json
import random
from typing import Any

import brotli  # type: ignore[import-untyped]  # has none
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mesh_replayer.diff import Difference, Kind, Where, compare
from mesh_replayer.diff.documents import differences
from mesh_replayer.diff.jsonpath import json_path
from support.bodies import answered, found


def in_json(then: Any, now: Any) -> list[tuple[str | None, str]]:
    return [(each.path, each.kind.value) for each in differences(then, now)]


def test_equal_answers_have_no_difference() -> None:
    assert found(answered(b'{"a": 1}'), answered(b'{"a":1.0}')) == []


def test_the_status_counts_and_so_does_that_of_grpc() -> None:
    assert found(answered(status=200), answered(status=404)) == [("status", None, "value")]
    assert found(answered(grpc_status=0), answered(grpc_status=5)) == [("grpc_status", None, "value")]


def test_headers_count_by_name_and_what_is_left_out_is_said() -> None:
    then = answered(headers=((b"ETag", b"1"), (b"Date", b"Mon"), (b"X-Gone", b"y"), (b"Via", b"p")))
    now = answered(headers=((b"etag", b"2"), (b"date", b"Tue"), (b"x-new", b"z"), (b"Via", b"p")))

    comparison = compare(then[0], now[0], {})

    assert [(each.path, each.kind) for each in comparison.differences] == [
        ("etag", Kind.VALUE),
        ("x-gone", Kind.MISSING),
        ("x-new", Kind.ADDED),
    ]
    assert [(each.what, each.why) for each in comparison.left_out] == [("date", "is the time of the answer")]


def test_header_order_case_and_joining_mean_nothing_but_values_do() -> None:
    then = answered(headers=((b"Vary", b"a"), (b"X", b"1"), (b"Vary", b"b")))
    now = answered(headers=((b"x", b"1"), (b"vary", b"a,  b")))

    assert found(then, now) == []
    assert found(then, answered(headers=((b"x", b"1"), (b"vary", b"b, a")))) == [("header", "vary", "value")]


def test_headers_that_connection_names_belong_to_the_connection() -> None:
    then = answered(headers=((b"Connection", b"X-Hop"), (b"X-Hop", b"1")))

    assert found(then, answered()) == []


def test_cookies_are_compared_by_name() -> None:
    then = answered(headers=((b"Set-Cookie", b"a=1; Path=/"), (b"Set-Cookie", b"b=2")))
    now = answered(
        headers=((b"Set-Cookie", b"b=2"), (b"Set-Cookie", b"a=1; Path=/x"), (b"Set-Cookie", b"c=3"))
    )

    comparison = compare(then[0], now[0], {})

    assert [(each.recorded, each.replayed) for each in comparison.differences] == [
        ("a=1; Path=/", "a=1; Path=/x"),
        (None, "c=3"),
    ]


def test_the_length_counts_where_there_is_no_body_to_compare() -> None:
    then, now = (answered(headers=((b"Content-Length", n),), method="HEAD") for n in (b"5", b"6"))

    assert found(then, now) == [("header", "content-length", "value")]


def test_trailers_are_compared() -> None:
    then, now = (answered(response_trailers=((b"X-Sum", value),)) for value in (b"1", b"2"))

    assert found(then, now) == [("trailer", "x-sum", "value")]


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ({"a": 1}, {"a": 2}, [("$.a", "value")]),
        ({"a": 1}, {"a": "1"}, [("$.a", "type")]),
        ({"a": 1}, {"a": True}, [("$.a", "type")]),
        ({"a": 0}, {"a": False}, [("$.a", "type")]),
        ({"a": "x"}, {"a": None}, [("$.a", "type")]),
        ({"a": {}}, {"a": []}, [("$.a", "type")]),
        ({"a": 1, "b": 2}, {"b": 2, "c": 3}, [("$.a", "missing"), ("$.c", "added")]),
        ({"a": None}, {}, [("$.a", "missing")]),
        (0.1 + 0.2, 0.3, []),
        (1, 1.0, []),
        (10**400, 1.5, [("$", "value")]),
        ([1, [True]], [1, [1]], [("$[1][0]", "type")]),
        ({"a b": {"'": 1}}, {"a b": {"'": 2}}, [("$['a b']['\\'']", "value")]),
        ([1, 2, 3], [1, 5, 3], [("$[1]", "value")]),
        ([1, 2], [2, 1], [("$", "order")]),
        ([1, 2], [1, 2, 3], [("$[2]", "item_added")]),
        ([1, 1, 2], [1, 2], [("$[1]", "item_missing")]),
        ([], [1], [("$[0]", "item_added")]),
        ({"l": [{"id": 1, "n": 1}, {"id": 2, "n": 2}]}, {"l": [{"id": 2, "n": 2}, {"id": 1, "n": 9}]},
         [("$.l[0].n", "value"), ("$.l", "order")]),
        ([{"id": 1, "n": 1}], [{"id": 7, "n": 1}], [("$[0].id", "value")]),
        ([{"n": 1, "m": 2, "o": 3}, {"x": 1}], [{"x": 1}, {"n": 1, "m": 2, "o": 4}, {"z": 0}],
         [("$[0].o", "value"), ("$[2]", "item_added")]),
    ],
)  # fmt: skip
def test_json_is_compared_by_structure(then: Any, now: Any, expected: list[tuple[str, str]]) -> None:
    assert in_json(then, now) == expected


def rows(count: int) -> list[dict[str, Any]]:
    return [{"sku": f"s{n}", "price": n, "tags": [n]} for n in range(count)]


def test_an_insert_at_the_front_is_one_difference() -> None:
    """Case P9."""
    assert in_json(rows(50), [{"sku": "new", "price": 0, "tags": []}, *rows(50)]) == [("$[0]", "item_added")]
    assert in_json(list(range(50)), [99, *range(50)]) == [("$[0]", "item_added")]


def test_a_shuffle_is_one_order() -> None:
    """Case P9."""
    shuffled = rows(50)
    random.Random(1).shuffle(shuffled)

    [order] = differences(rows(50), shuffled)

    assert order.kind is Kind.ORDER
    assert order.recorded == [f"s{n}" for n in range(50)]
    assert order.replayed == [row["sku"] for row in shuffled]


@given(st.lists(st.integers() | st.text(max_size=2), max_size=12), st.randoms())
def test_a_shuffle_of_anything_is_at_most_one_order(items: list[Any], source: random.Random) -> None:
    """Case P9."""
    shuffled = list(items)
    source.shuffle(shuffled)

    assert [each.kind for each in differences(items, shuffled)] in ([], [Kind.ORDER])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_a_document_is_never_different_from_itself(document: Any) -> None:
    assert in_json(document, json.loads(json.dumps(document))) == []


@given(JSON, JSON)
def test_documents_without_a_difference_are_equal(one: Any, other: Any) -> None:
    """Nothing is lost silently, but what floats may differ by."""
    if not in_json(one, other):
        texts = [json.dumps(each, sort_keys=True) for each in (one, other)]
        assert texts[0] == texts[1] or one == pytest.approx(other)


@given(JSON, JSON)
def test_every_difference_names_a_place_of_its_own(one: Any, other: Any) -> None:
    places = [(each.path, each.kind) for each in differences(one, other)]

    assert len(places) == len(set(places))


def test_paths_are_those_of_rfc_9535() -> None:
    assert json_path(("store", "book", 0, "ti tle", "ü", "1a", "\n\\'", "")) == (
        "$.store.book[0]['ti tle'].ü['1a']['\\n\\\\\\'']['']"
    )


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("br", brotli.compress),
    ],
)
def test_bodies_are_compared_decoded(encoding: str, encode: Any) -> None:
    """Case P2."""
    then = answered(encode(b'{"a": 1, "b": 2}'), encoding=encoding)

    assert found(then, answered(b'{"b":2,"a":1}')) == []
    assert found(then, answered(encode(b'{"a": 3, "b": 2}'), encoding=encoding)) == [("body", "$.a", "value")]


def test_what_cannot_be_decoded_is_compared_as_bytes() -> None:
    then, now = answered(b"abc", encoding="compress"), answered(b"abd", encoding="compress")

    assert found(then, now) == [("body", "offset 2", "bytes")]


def test_text_is_compared_by_line() -> None:
    then = answered(b"one\ntwo\nthree\nfour\n", "text/plain")
    now = answered(b"one\n2\nthree\nfour\nfive\n", "text/plain")

    assert found(then, now) == [("body", "line 2", "text"), ("body", "line 5", "added")]


def test_very_long_texts_are_compared_quickly_and_as_a_whole() -> None:
    then = answered(b"same\n" * 3_000 + b"a\n" * 3_000, "text/plain")
    now = answered(b"same\n" * 3_000 + b"b\na\n" * 3_000, "text/plain")

    assert len(found(then, now)) == 1


def test_bytes_say_where_they_first_differ() -> None:
    then, now = answered(b"\x89PNG\x00\x01", "image/png"), answered(b"\x89PNG\x00\x02\x03", "image/png")

    comparison = compare(then[0], now[0], {**then[1], **now[1]})

    assert comparison.differences == (
        Difference(where=Where.BODY, kind=Kind.BYTES, path="offset 5", recorded="\x01", replayed="\x02\x03"),
    )


def test_a_body_that_is_gone_or_new_is_said_once() -> None:
    assert found(answered(b"{}"), answered()) == [("body", None, "missing")]
    assert found(answered(), answered(b"[]")) == [("body", None, "added")]


@pytest.mark.parametrize(
    "broken", [b'{"a": ', b'{"a": NaN}', b"[" * 100_000, b'{"a":' * 200 + b"1" + b"}" * 200]
)
def test_what_is_no_json_that_can_be_compared_is_text(broken: bytes) -> None:
    assert found(answered(broken), answered(broken + b" x")) == [("body", "line 1", "text")]


def test_of_a_body_that_was_cut_off_what_was_kept_is_compared() -> None:
    whole = b"0123456789" * 10

    assert found(answered(whole, "text/plain", kept=20), answered(whole, "text/plain")) == []
    assert found(answered(whole, "text/plain", kept=20), answered(b"01234x", "text/plain")) == [
        ("body", "offset 5", "bytes")
    ]
    assert found(answered(whole, "text/plain", kept=20), answered(whole[:50], "text/plain")) == [
        ("body", "after offset 20", "bytes")
    ]


def test_a_body_that_was_not_kept_is_not_compared_and_that_is_said() -> None:
    then, now = answered(b"x" * 10, kept=0), answered(b"y" * 10)

    comparison = compare(then[0], now[0], now[1])

    assert comparison.differences == ()
    assert [each.what for each in comparison.left_out] == ["body"]


def test_an_insert_is_one_difference_and_another_order_is_one_although_ids_and_times_vary() -> None:
    """Case P9."""

    def rows(numbers: range | list[int], chance: random.Random) -> list[dict[str, Any]]:
        return [
            {
                "id": f"{chance.getrandbits(128):032x}",
                "at": f"2026-11-25T07:00:{number:02d}Z",
                "n": number,
                "m": number,
            }
            for number in numbers
        ]

    then = rows(range(1, 51), random.Random(1))
    inserted = rows([0, *range(1, 51)], random.Random(2))
    shuffled = rows(random.Random(3).sample(range(1, 51), 50), random.Random(4))

    assert [kind for _, kind in in_json(then, inserted) if kind != "value"] == ["item_added"]
    assert [kind for _, kind in in_json(then, shuffled) if kind != "value"] == ["order"]


def test_a_place_that_varies_is_no_key() -> None:
    then = [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}, {"id": 3, "a": "y"}]
    now = [{"id": 2, "a": "x"}, {"id": 3, "a": "y"}, {"id": 4, "a": "y"}]

    assert {kind.value for kind in (each.kind for each in differences(then, now))} == {
        "value",
        "item_missing",
        "item_added",
    }
    assert [(each.template, each.kind.value) for each in differences(then, now, {"$[*].id"})] == [
        ("$[*].id", "value")
    ] * 3


def test_a_body_that_was_not_kept_still_has_a_size() -> None:
    then, now = answered(b"ok", ""), answered(b"x" * 5_000, "")

    comparison = compare(then[0], now[0], then[1])

    assert [(each.path, each.recorded, each.replayed) for each in comparison.differences] == [
        ("size", 2, 5_000)
    ]
