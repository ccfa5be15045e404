"""Search gives what `mesh_core.query.matches` says, in the same order on every database."""

import base64
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_core.errors import QueryInvalid
from mesh_core.fingerprint import fingerprint
from mesh_core.model import Bodies, Exchange
from mesh_core.outcome import Outcome
from mesh_core.query import Field, Not, Op, Query, Text, matches, parse_query
from mesh_store import search as searching
from mesh_store.store import Store
from support.nasty import exchanges, nodes
from support.recorded import FakeCapture, finish

POOL = exchanges(120, seed=8)
EXCHANGES = [exchange for exchange, _ in POOL]
BODIES = {name: content for _, bodies in POOL for name, content in bodies.items()}
ALL = Query("", None)


@pytest.fixture
def filled(store: Store) -> Store:
    assert store.add(POOL) == len(POOL)
    return store


def expected(query: Query, bodies: Bodies = BODIES) -> list[Exchange]:
    found = [exchange for exchange in EXCHANGES if matches(query, exchange, bodies)]
    return sorted(found, key=lambda e: (e.started_at, e.id), reverse=True)


def all_pages(store: Store, query: Query, limit: int) -> list[Exchange]:
    found: list[Exchange] = []
    cursor = None
    while True:
        page = store.search(query, limit=limit, cursor=cursor)
        found += page.exchanges
        cursor = page.cursor
        if cursor is None:
            return found


def test_random_searches_find_what_the_oracle_finds(filled: Store, long_run: bool) -> None:
    """Case W6: both databases give the same, and no value is anything but a value."""

    @settings(
        max_examples=10_000 if long_run else 250, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(node=nodes(EXCHANGES), limit=st.integers(1, 150))
    def search_as_the_oracle(node: object, limit: int) -> None:
        query = Query("random", node)  # type: ignore[arg-type]  # as `nodes` makes them
        wanted = expected(query)

        page = filled.search(query, limit=limit)

        assert list(page.exchanges) == wanted[:limit]
        assert (page.cursor is None) == (len(wanted) <= limit)
        assert filled.count(query) == len(wanted)

    search_as_the_oracle()


SEARCHES = (
    "",
    "is:failure",
    "-is:failure status:5xx",
    "service:a* OR path:/a*",
    'body~"abc"',
    "-header:x-a",
    "header:x-a=a,%",
    "a",
    "size:>2 duration:<1s",
    "since:2001-09-09T01:46:41Z until:2001-09-09T01:46:43Z",
    "grpc_status:unavailable -peer:*",
)


def test_pages_give_everything_once_and_in_order(filled: Store) -> None:
    for text in SEARCHES:
        query = parse_query(text, now=10**18)
        for limit in (1, 7, 500):
            assert all_pages(filled, query, limit) == expected(query), (text, limit)


def test_failures_are_grouped_as_their_fingerprints_say(filled: Store) -> None:
    for text in ("", "direction:inbound", "body~abc"):
        query = parse_query(text, now=0)
        wanted: defaultdict[str, list[Exchange]] = defaultdict(list)
        for exchange in expected(query):
            if exchange.failed:
                wanted[fingerprint(exchange, BODIES).hash].append(exchange)

        groups = filled.failures(query, limit=500)

        assert {group.fingerprint: group.count for group in groups} == {n: len(w) for n, w in wanted.items()}
        for group in groups:
            members = wanted[group.fingerprint]
            assert (group.last_seen, group.first_seen) == (members[0].started_at, members[-1].started_at)
            assert list(group.traces) == list(dict.fromkeys(e.trace_id for e in members))[:10]
        assert [g.last_seen for g in groups] == sorted((g.last_seen for g in groups), reverse=True)
        assert [g.fingerprint for g in filled.failures(query, limit=3)] == [g.fingerprint for g in groups[:3]]


def test_what_was_nasty_is_read_back_exactly(filled: Store) -> None:
    found = filled.exchanges(exchange.id for exchange in EXCHANGES)

    assert found == EXCHANGES
    assert filled.bodies(EXCHANGES) == BODIES


def test_a_cursor_that_no_search_gave_is_refused(store: Store) -> None:
    for cursor in ("", "x", "a" * 38, "ä", "=" * 8, base64.urlsafe_b64encode(bytes(28)).decode()):
        with pytest.raises(QueryInvalid, match="cursor"):
            store.search(parse_query("is:failure", now=0), cursor=cursor)


def test_a_cursor_goes_on_with_its_own_query_only(filled: Store) -> None:
    cursor = filled.search(ALL, limit=1).cursor

    with pytest.raises(QueryInvalid, match="another query"):
        filled.search(parse_query("is:failure", now=0), cursor=cursor)


def test_a_search_of_bodies_stops_at_its_bound_and_can_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(
        [finish(FakeCapture(number, body=b"needle" if number == 1 else b"hay")) for number in range(1, 50)]
    )
    monkeypatch.setattr(searching, "MOST_LOOKED_THROUGH", 20)
    query = parse_query("body~needle", now=0)

    first = store.search(query)

    assert first.exchanges == ()
    assert first.cursor is not None
    assert [e.path for e in all_pages(store, query, 50)] == ["/1"]


def test_what_arrives_while_paging_moves_no_page(store: Store) -> None:
    store.add([finish(FakeCapture(number)) for number in range(10, 20)])
    first = store.search(ALL, limit=5)
    store.add([finish(FakeCapture(number)) for number in (5, 30)])

    second = store.search(ALL, limit=50, cursor=first.cursor)

    assert [e.path for e in first.exchanges] == ["/19", "/18", "/17", "/16", "/15"]
    assert [e.path for e in second.exchanges] == ["/14", "/13", "/12", "/11", "/10", "/5"]


def test_recent_failures_of_a_service_are_a_look_up(store: Store) -> None:
    """The plan reads the index of failures alone, whatever else was recorded."""
    from sqlalchemy import select

    from mesh_store.conditions import compiled
    from mesh_store.tables import exchange

    store.add([finish(FakeCapture(number, failed=number % 10 == 0)) for number in range(1, 400)])
    for text in (
        "service:cart is:failure",
        "service:cart outcome:http_5xx",
        "service:cart is:failure since:1h",
    ):
        meaning = compiled(parse_query(text, now=0), store._engine.dialect.name)
        statement = (
            select(exchange.c.id)
            .where(meaning.where)
            .order_by(exchange.c.started_at.desc(), exchange.c.id.desc())
            .limit(50)
        )
        sql = str(statement.compile(store._engine, compile_kwargs={"literal_binds": True}))
        with store._engine.connect() as connection:
            if store._engine.dialect.name == "sqlite":
                plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all())
                assert "failure_by_service" in plan
                assert "TEMP B-TREE" not in plan
            else:
                connection.exec_driver_sql("SET enable_seqscan = off")
                connection.exec_driver_sql("SET enable_bitmapscan = off")
                plan = str(connection.exec_driver_sql(f"EXPLAIN {sql}").all())
                assert "service_started_at_id_idx1" in plan
                assert "Sort  (" not in plan


def test_a_search_by_id_is_a_look_up_and_takes_no_other_text(filled: Store) -> None:
    one = EXCHANGES[0]
    for field, value in ((Field.EXCHANGE, one.id), (Field.TRACE, one.trace_id)):
        query = Query("id", Text(field, Op.EQUALS, (value, "no id", value[:31])))
        assert one in filled.search(query, limit=200).exchanges
        assert one not in filled.search(Query("id", Not(query.node)), limit=200).exchanges  # type: ignore[arg-type]  # it has one


def test_an_outcome_alone_finds_its_own(filled: Store) -> None:
    for outcome in Outcome:
        query = parse_query(f"outcome:{outcome}", now=0)
        assert list(filled.search(query, limit=200).exchanges) == expected(query)
