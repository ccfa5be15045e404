"""Values that flow from answers to later requests, found and put in place."""

import json
from typing import Any

import pytest

from mesh_core.model import Bodies, Exchange
from mesh_replayer.correlate import Flow, Link, Session, correlate, sessions_of
from mesh_replayer.correlate.json_spans import with_leaves
from mesh_replayer.correlate.names import Worth, affine, worth
from mesh_replayer.correlate.pieces import piece, pieces
from mesh_replayer.correlate.places import In, Place, of_request
from mesh_replayer.correlate.rewrite import Change, rewritten
from mesh_replayer.diff import Difference, Kind, Where
from support.replays import START, recorded
from support.worlds import World

MS = 1_000_000
JSON = (b"Content-Type", b"application/json")


def call(
    number: int, method: str = "GET", path: str = "/", *, body: Any = None, answer: Any = None, **changes: Any
) -> tuple[Exchange, Bodies]:
    """The number-th request of a session, each ended before the next one."""
    headers = (*changes.pop("headers", ()), *([JSON] if body is not None else []))
    answer_headers = (*changes.pop("answer_headers", ()), *([JSON] if answer is not None else []))
    return recorded(
        number, method=method, path=path, headers=headers, answer=answer_headers,
        body=b"" if body is None else json.dumps(body).encode(),
        answer_body=b"" if answer is None else json.dumps(answer).encode(),
        started_at=START + number * 20 * MS, ended_at=START + (number * 20 + 10) * MS, **changes,
    )  # fmt: skip


def links_of(
    *calls: tuple[Exchange, Bodies], others: list[list[tuple[Exchange, Bodies]]] | None = None
) -> list[Link]:
    bodies: dict[str, bytes] = {}
    for _, own in (*calls, *(each for other in others or [] for each in other)):
        bodies |= own
    session = Session([exchange for exchange, _ in calls], list(range(len(calls))))
    more = [Session([exchange for exchange, _ in other]) for other in others or []]
    return correlate([session], lambda _: bodies, others=more)


def named(links: list[Link]) -> list[tuple[int, str, str]]:
    return [(link.step, link.name, link.sources[0].place.text) for link in links]


ID, OTHER = "9f1c2d3e4b5a69788796a5b4", "0a1b2c3d4e5f60718293a4b5"


def test_a_value_of_an_answer_is_linked_wherever_a_later_request_has_it() -> None:
    """Case P11."""
    made = call(0, "POST", "/things", answer={"thing": {"id": ID}})
    used = call(
        1, "POST", f"/things/{ID}?ref={ID}", headers=((b"X-Thing", ID.encode()),), body={"a": [{"b": ID}]}
    )

    assert named(links_of(made, used)) == [
        (1, "body:$.a[0].b", "body:$.thing.id"), (1, "header:x-thing", "body:$.thing.id"),
        (1, "path:2", "body:$.thing.id"), (1, "query:ref", "body:$.thing.id"),
    ]  # fmt: skip


def test_what_a_client_sent_first_is_its_own_for_ever() -> None:
    """Case P12."""
    calls = [
        call(0, "POST", "/things", body={"ref": ID}, answer={"ref": ID, "page": 1}),
        call(1, "GET", f"/things?ref={ID}&page=1", answer={"ref": ID}),
        call(2, "GET", f"/things/{ID}"),
    ]

    assert links_of(*calls) == []


@pytest.mark.parametrize("value", ["1", "0", "true", "active", "EUR", "2.50", "en-US", "next page"])
def test_what_says_nothing_is_never_linked(value: str) -> None:
    """Case P12: `page=1`."""
    assert (
        links_of(call(0, answer={"page": value}), call(1, path=f"/list?page={value.replace(' ', '+')}")) == []
    )


def test_a_number_needs_a_name_that_agrees_or_other_sessions() -> None:
    def session(cart: int, stock: int) -> list[tuple[Exchange, Bodies]]:
        return [
            call(0, "POST", "/carts", answer={"id": cart, "left": stock}),
            call(1, path=f"/carts/{cart}/a?n={stock}"),
        ]

    alone = links_of(*session(4711, 17))
    confirmed = links_of(*session(4711, 17), others=[session(4712, 23)])
    constant = links_of(*session(4711, 17), others=[session(4712, 17)])

    assert named(alone) == [(1, "path:2", "body:$.id")]
    assert alone[0].evidence == "its name agrees with the answer's"
    assert [name for _, name, _ in named(confirmed)] == ["path:2", "query:n"]
    assert confirmed[0].evidence == "2 sessions, 2 different values"
    assert [name for _, name, _ in named(constant)] == ["path:2"]


def test_what_is_the_same_in_every_session_is_replayed_as_recorded() -> None:
    session = [call(0, answer={"sku": ID}), call(1, path=f"/products/{ID}")]

    assert links_of(*session, others=[session]) == []
    assert named(links_of(*session)) == [(1, "path:2", "body:$.sku")]


def test_an_answer_that_had_not_come_yet_hands_nothing_on() -> None:
    slow = call(0, "POST", "/things", answer={"id": ID})
    slow = (
        type(slow[0])(
            **{f: getattr(slow[0], f) for f in slow[0].__struct_fields__} | {"ended_at": START + 10**9}
        ),
        slow[1],
    )

    assert links_of(slow, call(1, path=f"/things/{ID}")) == []


@pytest.mark.parametrize(
    ("value", "label", "inner", "changed"),
    [
        ("Bearer abc123", ("scheme",), "abc123", "Bearer NEW"),
        ('W/"abc"', ("quoted",), "abc", 'W/"NEW"'),
        ("cart:123", ("part 1",), "123", "cart:NEW"),
        ("report-9.pdf", ("suffix",), "report-9", "NEW.pdf"),
        ("ord_8dKj2l", ("prefix",), "8dKj2l", "ord_NEW"),
        ("http://a/carts/17?x=1", ("part 3",), "17", "http://a/carts/NEW?x=1"),
        ("c%3A17", ("percent",), "c:17", "NEW"),
        ("c%3A17", ("percent", "part 1"), "17", "c%3ANEW"),
        ("eyJhZnRlciI6MTd9", ("base64", "json after"), "17", "eyJhZnRlciI6Ik5FVyJ9"),
        ("b3JkZXI6MTIzNDU2", ("base64", "part 1"), "123456", "b3JkZXI6TkVX"),
    ],
)  # fmt: skip
def test_what_is_inside_a_value_is_found_and_replaced_through_the_same_forms(
    value: str, label: tuple[str, ...], inner: str, changed: str
) -> None:
    found = piece(value, label)

    assert found is not None
    assert (found.value, found.rebuild("NEW")) == (inner, changed)
    assert label in {each.label for each in pieces(value)}
    assert all(each.rebuild(each.value) == value for each in pieces(value) if each.label[-1:] != ("percent",))


def test_hostile_values_are_looked_into_within_bounds() -> None:
    for value in (
        "%" * 4_000,
        "a/" * 2_000,
        "[" * 4_000,
        '{"a":' * 800,
        '"' * 4_000,
        "=" * 4_000,
        "a.b" * 1_300,
    ):
        assert len(list(pieces(value))) < 2_000


def test_one_leaf_changes_and_no_other_byte() -> None:
    text = ' { "a" : [1, {"b":"x\\u0041" }, []],\n "n": 12.50, "c" :{}, "d": null }'

    changed = with_leaves(text, {("a", 1, "b"): 'q"é', ("n",): "13"})

    assert changed == ' { "a" : [1, {"b":"q\\"\\u00e9" }, []],\n "n": 13, "c" :{}, "d": null }'
    assert with_leaves(text, {("nothing",): "x"}) == text


@pytest.mark.parametrize("text", ["", "{", '{"a"', '{"a":}', "[1,", "[1 2]", '{"a":1}}x{', "nul"])
def test_what_is_no_json_is_said(text: str) -> None:
    if text == '{"a":1}}x{':
        assert with_leaves(text, {}) == text  # what follows a document is nobody's
        return
    with pytest.raises(ValueError, match=r"\w"):
        with_leaves(text, {("a",): "1"})


def test_every_place_of_a_request_takes_another_value_and_nothing_else_changes() -> None:
    exchange, bodies = call(
        0, "POST", "http://shop.test/a/b%20c//d?x=1&y=&x=2",
        headers=((b"COOKIE", b"a=1;b=2 ; a=3"), (b"X-Two", b"1"), (b"x-two", b"2")),
        body={"k": {"n": 5, "s": "t"}},
    )  # fmt: skip
    changes = [
        Change(Place(In.PATH, (2,)), (), "ü/?"), Change(Place(In.QUERY, ("x", 1)), (), "a&b"),
        Change(Place(In.COOKIE, ("a", 1)), (), "9"), Change(Place(In.HEADER, ("x-two", 1)), (), "é"),
        Change(Place(In.BODY, ("k", "n")), (), "6"),
    ]  # fmt: skip

    after, own = rewritten(exchange, bodies, changes)

    assert after.path == "http://shop.test/a/%C3%BC%2F%3F//d?x=1&y=&x=a%26b"
    assert after.request_headers[:3] == (
        (b"COOKIE", b"a=1;b=2 ; a=9"), (b"X-Two", b"1"), (b"x-two", b"\xe9"),
    )  # fmt: skip
    assert after.request_body is not None
    assert own[after.request_body.hash] == b'{"k": {"n": 6, "s": "t"}}'
    assert len(list(of_request(after, own))) == len(list(of_request(exchange, bodies)))


def test_a_list_in_another_order_gives_the_recorded_row() -> None:
    calls = [call(0, answer={"rows": [{"id": ID}, {"id": OTHER}]}), call(1, path=f"/rows/{OTHER}")]
    bodies = calls[0][1] | calls[1][1]
    replayed, live = call(0, answer={"rows": [{"id": OTHER}, {"id": ID}]})
    flow = Flow(links_of(*calls))
    flow.learn(0, replayed, live)

    filled = flow.filled(1, calls[1][0], bodies, str)

    assert not isinstance(filled, str)
    assert filled.exchange.path == f"/rows/{OTHER}"


def test_differences_between_values_that_stand_for_each_other_are_none() -> None:
    calls = [call(0, answer={"id": ID}), call(1, path=f"/rows/{ID}")]
    replayed, live = call(0, answer={"id": OTHER})
    flow = Flow(links_of(*calls))
    flow.learn(0, replayed, live)

    def explained(then: Any, now: Any) -> bool:
        return (
            flow.explained(Difference(where=Where.BODY, kind=Kind.VALUE, recorded=then, replayed=now))
            is not None
        )

    assert explained(ID, OTHER)
    assert explained(f"http://a/rows/{ID}/x", f"http://a/rows/{OTHER}/x")
    assert not explained(ID, "f" * 24)
    assert not explained(f"/rows/{ID}/x", f"/rows/{OTHER}/y")
    assert not explained(ID, None)


def test_requests_with_one_credential_or_what_one_answer_gave_are_one_session() -> None:
    cookie = ((b"Cookie", b"sid=abcdef1234567890"),)
    set_cookie = ((b"Set-Cookie", b"sid=abcdef1234567890; Path=/"),)
    alone = {"trace_id": "a" * 32}
    calls = [
        call(
            0,
            "POST",
            "/login",
            answer={"ok": True},
            answer_headers=set_cookie,
        ),
        call(1, path="/other", trace_id="b" * 32),
        call(2, path="/mine", headers=cookie, trace_id="c" * 32),
        call(3, path="/catalogue", answer=[{"id": ID}], trace_id="d" * 32),
        call(4, path="/catalogue", answer=[{"id": ID}], trace_id="e" * 32),
        call(5, path=f"/catalogue/{ID}", trace_id="f" * 32),
        call(6, path="/named", **alone),
    ]
    bodies: dict[str, bytes] = {}
    for _, own in calls:
        bodies |= own

    numbers = sessions_of([exchange for exchange, _ in calls], lambda _: bodies, [None] * 6 + ["file"])

    assert numbers == [0, 1, 0, 2, 3, 4, 5]


def test_names_agree_by_what_they_say() -> None:
    assert affine(["cartId"], ["carts"])
    assert affine(["If-Match"], ["etag"])
    assert affine(["authorization"], ["access_token"])
    assert affine(["next_cursor"], ["cursor"])
    assert not affine(["id"], ["id"])
    assert not affine(["order_id"], ["user_id"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", 0), ("active", 0), ("PaymentServiceImplementation", 0), ("4711", 1), ("a1", 1), (ID, 2),
        ("1770000000", 2),
    ],
)  # fmt: skip
def test_what_a_value_is_worth(value: str, expected: int) -> None:
    assert worth(value) is Worth(expected)


def measured(worlds: range, sessions: int) -> tuple[float, float]:
    """Precision and recall of linked places, over all worlds."""
    right = found_all = true_all = 0
    for seed in worlds:
        made = [World(seed).session(number) for number in range(sessions)]
        bodies: dict[str, bytes] = {}
        parts: list[Session] = []
        truth: set[tuple[int, str]] = set()
        for calls, linked in made:
            first = sum(len(part.exchanges) for part in parts)
            parts.append(Session([exchange for exchange, _ in calls], range(first, first + len(calls))))
            truth |= {(first + at, name) for at, name in linked}
            for _, own in calls:
                bodies |= own
        found = {(link.step, link.name) for link in correlate(parts, lambda _, known=bodies: known)}
        right, found_all, true_all = right + len(found & truth), found_all + len(found), true_all + len(truth)
    return right / found_all, right / true_all


def test_from_two_sessions_nearly_every_flow_is_found_and_nearly_nothing_else() -> None:
    """Case P11, P12: a sample; `python -m bench correlate` has the full count."""
    precision, recall = measured(range(100, 108), 2)

    assert precision >= 0.99
    assert recall >= 0.95
