"""Which recorded call answers a live one."""

import json
from dataclasses import replace as replaced
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

from mesh_core.model import Bodies, Direction, Exchange
from mesh_replayer.stubs.calls import RecordedCall, callee_of, recorded_calls
from mesh_replayer.stubs.fields import fields_of
from mesh_replayer.stubs.shelf import Missed, Served, Shelf
from mesh_replayer.stubs.volatile import shape_of
from support.replays import recorded

JSON = (b"Content-Type", b"application/json")


def request(
    path: str = "/stock",
    document: object = None,
    *,
    method: str = "POST",
    number: int = 1,
    answer: bytes = b"ok",
) -> tuple[Exchange, Bodies]:
    body = b"" if document is None else json.dumps(document).encode()
    return recorded(
        number, headers=(JSON,), body=body, answer_body=answer, method=method, path=path, peer="stock",
        direction=Direction.OUTBOUND,
    )  # fmt: skip


def shelf_of(
    *calls: tuple[Exchange, Bodies], parents: int = 1, sent: Any = None
) -> tuple[Shelf, list[Exchange]]:
    """A shelf with these calls under each of so many open requests."""
    entries = [recorded(100 + number, trace_id=f"{number + 1:032x}")[0] for number in range(parents)]
    shelf = Shelf(
        [
            RecordedCall(
                exchange=replace(call, id=f"{at:016x}{number:016x}"),
                parent=entry,
                callee=callee_of(call),
                fields=fields_of(call, bodies),
            )
            for number, entry in enumerate(entries)
            for at, (call, bodies) in enumerate(calls)
        ]
    )
    for entry in entries:
        shelf.begin(entry, {}, sent or entry, {})
    return shelf, entries


def ask(shelf: Shelf, call: tuple[Exchange, Bodies], *parents: Exchange) -> Served | Missed:
    return shelf.ask("stock", *call, [parent.id for parent in parents])


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1.0}),
        ({}, {}),
        ([{"sku": "a"}], [{"sku": "a"}]),
        ("text", "text"),
    ],
)
def test_a_call_that_says_the_same_is_answered(then: Any, now: Any) -> None:
    shelf, _ = shelf_of(request(document=then))

    assert isinstance(ask(shelf, request(document=now)), Served)


@pytest.mark.parametrize(
    ("then", "now", "differs"),
    [
        ({"amount": 2118}, {"amount": 2119}, ("body.amount 2118 → 2119",)),
        ({"ok": True}, {"ok": 1}, ("body.ok true → 1",)),
        ({"n": 1}, {"n": "1"}, ('body.n 1 → "1"',)),
        ({"a": 1}, {"a": 1, "b": 2}, ("body.b (none) → 2",)),
        ({"a": 1, "b": 2}, {"a": 1}, ("body.b 2 → (none)",)),
        ({"rows": [1, 2]}, {"rows": [2, 1]}, ("body.rows[0] 1 → 2", "body.rows[1] 2 → 1")),
        ({"rows": []}, {"rows": {}}, ("body.rows [] → {}",)),
        ({"id": "SKU-1"}, {"id": "SKU-2"}, ('body.id "SKU-1" → "SKU-2"',)),
        ({"number": "12345678"}, {"number": "12345679"}, ('body.number "12345678" → "12345679"',)),
    ],
)
def test_a_call_that_says_something_else_is_a_miss_that_names_it(
    then: Any, now: Any, differs: tuple[str, ...]
) -> None:
    """Case S2: never fuzzily served."""
    shelf, _ = shelf_of(request(document=then))

    missed = ask(shelf, request(document=now))

    assert isinstance(missed, Missed)
    assert missed.differs == differs


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (request(method="GET"), "the calls to stock that were recorded are POST /stock"),
        (request("/other"), "the calls to stock that were recorded are POST /stock"),
        (request("/stock?page=2"), "the nearest recorded call differs"),
    ],
)
def test_method_route_and_query_are_hard(asked: tuple[Exchange, Bodies], why: str) -> None:
    shelf, _ = shelf_of(request())

    missed = ask(shelf, asked)

    assert isinstance(missed, Missed)
    assert missed.why == why


def test_the_order_of_a_query_and_a_form_means_nothing() -> None:
    form = (b"Content-Type", b"application/x-www-form-urlencoded")
    then = recorded(1, headers=(form,), body=b"a=1&b=2", method="POST", path="/x?p=1&q=%41", peer="stock")
    now = recorded(2, headers=(form,), body=b"b=2&a=1", method="POST", path="/x?q=A&p=1", peer="stock")
    shelf, _ = shelf_of(then)

    assert isinstance(ask(shelf, now), Served)


def test_a_multipart_body_is_known_without_its_boundary() -> None:
    def upload(boundary: bytes) -> tuple[Exchange, Bodies]:
        kind = (b"Content-Type", b"multipart/form-data; boundary=" + boundary)
        body = b"--%s\r\n\r\nhello\r\n--%s--" % (boundary, boundary)
        return recorded(1, headers=(kind,), body=body, method="POST", path="/x", peer="stock")

    shelf, _ = shelf_of(upload(b"one"))

    assert isinstance(ask(shelf, upload(b"another")), Served)


def test_equal_calls_are_counted_within_the_request_that_caused_them() -> None:
    """Case S1."""
    polls = [request(method="GET", number=at, answer=state) for at, state in enumerate([b"PENDING", b"DONE"])]
    shelf, (one, other) = shelf_of(*polls, parents=2)

    found = [ask(shelf, polls[0], parent) for parent in (one, other, other, one, one)]

    assert [isinstance(each, Served) for each in found] == [True, True, True, True, False]
    served = [each.call for each in found if isinstance(each, Served)]
    assert [(call.parent.id, call.exchange.id[:16][-1]) for call in served] == [
        (one.id, "0"), (other.id, "0"), (other.id, "1"), (one.id, "1"),
    ]  # fmt: skip


def test_a_read_may_be_repeated_and_a_write_may_not() -> None:
    shelf, _ = shelf_of(request("/read", method="GET"), request("/write"))

    reads = [ask(shelf, request("/read", method="GET")) for _ in range(3)]
    writes = [ask(shelf, request("/write")) for _ in range(2)]

    assert all(isinstance(each, Served) for each in reads)
    assert [isinstance(each, Served) for each in writes] == [True, False]
    assert shelf.repeated == 2


def test_where_nothing_says_whose_a_call_is_two_answers_are_a_miss() -> None:
    parents = [recorded(number, trace_id=f"{number:032x}")[0] for number in (1, 2)]
    both = [
        RecordedCall(
            exchange=request(answer=answer, number=number)[0], parent=parent, callee="stock",
            fields=fields_of(*request()),
        )
        for number, (parent, answer) in enumerate(zip(parents, [b"1", b"2"], strict=True))
    ]  # fmt: skip
    shelf = Shelf(both)
    for call in both:
        shelf.begin(call.parent, {}, call.parent, {})

    missed = ask(shelf, request())
    shelf.end(both[0].parent)
    served = ask(shelf, request())

    assert isinstance(missed, Missed)
    assert "does not say whose it is" in missed.why
    assert isinstance(served, Served)
    assert served.call is both[1]


def test_what_the_replay_sent_otherwise_is_known_downstream() -> None:
    entry = recorded(100, path="/carts/cart-1", trace_id=f"{1:032x}")[0]
    call = RecordedCall(
        exchange=request(document={"cart": "cart-1"})[0], parent=entry, callee="stock",
        fields=fields_of(*request(document={"cart": "cart-1"})),
    )  # fmt: skip
    shelf = Shelf([call])
    shelf.begin(entry, {}, replace(entry, path="/carts/cart-2"), {})

    assert isinstance(ask(shelf, request(document={"cart": "cart-3"})), Missed)
    assert isinstance(ask(shelf, request(document={"cart": "cart-2"})), Served)


def test_a_call_that_was_not_kept_whole_says_so() -> None:
    shelf, (entry,) = shelf_of(request())
    shelf = Shelf([replaced(shelf.calls[0], why_not="its answer was not kept whole")])
    shelf.begin(entry, {}, entry, {})

    missed = ask(shelf, request())

    assert isinstance(missed, Missed)
    assert missed.why == "it was recorded, and its answer was not kept whole"
    assert shelf.not_made == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 9999) | st.text("abc-_9", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_a_mutated_call_is_always_refused_and_an_equal_one_never(then: Any, now: Any) -> None:
    """Case S5, in a bounded sample."""
    shelf, _ = shelf_of(request(document={"v": then}))

    found = ask(shelf, request(document={"v": now}))

    assert isinstance(found, Served) == (json.dumps(then, sort_keys=True) == json.dumps(now, sort_keys=True))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0190a1b2-7c3d-4e5f-8a9b-0c1d2e3f4a5b", "1190a1b2-7c3d-4e5f-8a9b-0c1d2e3f4a5b", True),
        ("2026-01-01T10:00:00Z", "2027-02-03T11:12:13Z", True),
        ("2026-01-01T10:00:00Z", "2027-02-03T11:12:13", False),
        ("2026-01-01T10:00:00.123Z", "2027-02-03T11:12:13Z", False),
        ("4bf92f3577b34da6", "5bf92f3577b34da7", True),
        ("4bf92f3577b34da6", "4bf92f3577b34da6a3ce929d0e0e4736", False),
    ],
)
def test_new_values_of_one_form_may_be_the_same(one: str, other: str, same: bool) -> None:
    assert (shape_of(one) == shape_of(other)) is same


@pytest.mark.parametrize("value", ["12", "1770000000", "SKU-9", "order", "2026-01-01", "12.50", "", '"'])
def test_what_means_what_it_says_has_no_form(value: str) -> None:
    assert shape_of(value) is None


def test_a_body_that_is_too_large_to_look_into_is_known_by_its_whole() -> None:
    big = "x" * (4 * 1024 * 1024)
    shelf, _ = shelf_of(request(document={"v": big + "a"}))

    assert isinstance(ask(shelf, request(document={"v": big + "b"})), Missed)
    assert isinstance(ask(shelf, request(document={"v": big + "a"})), Served)


def test_a_call_whose_request_was_cut_off_is_not_served() -> None:
    exchange, bodies = request(document={"v": 1})
    assert exchange.request_body is not None
    cut = structs.replace(exchange.request_body, truncated=True)
    entry = recorded(100)[0]
    calls = recorded_calls([(entry, structs.replace(exchange, request_body=cut), False)], bodies)

    assert [call.why_not for call in calls] == ["its request was not kept whole"]
