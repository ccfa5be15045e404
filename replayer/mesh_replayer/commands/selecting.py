"""What a query or capture files give to replay: exchanges chosen, and the plan for them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from mesh_core.config import Config
from mesh_core.errors import ConfigInvalid, NotRecorded
from mesh_core.masks import path_template
from mesh_core.model import Bodies, Direction, Exchange, Headers, Lane, TraceOrigin
from mesh_core.query import Query, parse_query
from mesh_core.trace import build_trace
from mesh_core.units import parse_seconds
from mesh_replayer.captures import read_capture
from mesh_replayer.commands.given import Given
from mesh_replayer.linking import linked
from mesh_replayer.plan import Plan, Selection, plan_requests, plan_trace, service_of
from mesh_replayer.spread import Spread, kind_of
from mesh_replayer.target import Target
from mesh_store.store import Store

MOST_LOOKED_AT = 20_000
"""Of what a query finds, the newest that are chosen from."""
MOST_LIKE = 4
"""Traces that confirm what flows in another one."""
_PAGE = 1_000
_MOST_POOLED = 100_000


def traffic_plan(
    store: Store,
    words: Sequence[str],
    targets: Sequence[Target],
    *,
    service: str | None,
    config: Config,
    limit: int,
    seed: int,
) -> Plan:
    """A plan of at most `limit` inbound exchanges that a query finds, spread over route and outcome.

    Raises:
        NotRecorded: it finds none.
        QueryInvalid: it is no query.
        ConfigInvalid: the targets do not tell which is which.
    """
    known = [service_of(target, service, config.services) for target in targets]
    query = _inbound(words, [name for name in known if name is not None] if all(known) else [])
    spread = Spread(max(limit, 1), seed)
    cursor: str | None = None
    most = max(MOST_LOOKED_AT, limit)
    while spread.offered < most:
        page = store.search(query, limit=min(_PAGE, most - spread.offered), cursor=cursor)
        for exchange in page.exchanges:
            spread.offer(kind_of(exchange), exchange.id)
        cursor = page.cursor
        if cursor is None:
            break
    if not spread.offered:
        raise NotRecorded(
            f"no request to a service fits {' '.join(words)!r}", hint="look with `mesh-replay list`"
        )
    exchanges = _slim(store, spread.chosen())
    plan = plan_requests(exchanges, targets, service=service, services=config.services)
    selection = Selection(
        found=spread.offered if cursor is None else store.count(query),
        looked_at=spread.offered,
        chosen=len(plan.steps),
        kinds=spread.kinds,
        seed=seed,
    )
    return replace(plan, selection=selection)


def _slim(store: Store, ids: Sequence[str]) -> list[Exchange]:
    """The exchanges of these ids; equal headers are held once, so that very many fit in memory."""
    pool: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = {}

    def shared(fields: Headers) -> Headers:
        if len(pool) > _MOST_POOLED:
            pool.clear()
        return tuple(pool.setdefault(field, field) for field in fields)

    return [
        structs.replace(
            each,
            request_headers=shared(each.request_headers),
            response_headers=shared(each.response_headers),
        )
        for at in range(0, len(ids), _PAGE)
        for each in store.exchanges(ids[at : at + _PAGE])
    ]


def files_plan(
    files: Sequence[Path],
    targets: Sequence[Target],
    *,
    service: str | None,
    config: Config,
    limit: int | None,
    seed: int,
) -> tuple[Plan, Bodies]:
    """A plan of what capture files hold, and the bodies: one trace whole, else every inbound exchange.

    Raises:
        CaptureInvalid: a file cannot be read.
        NotRecorded: there is no inbound exchange in them.
        ConfigInvalid: the targets do not tell which is which.
    """
    exchanges: dict[str, Exchange] = {}
    bodies: dict[str, bytes] = {}
    sessions: dict[str, str] = {}
    for number, file in enumerate(files):
        for exchange, own in read_capture(file):
            exchanges.setdefault(exchange.id, exchange)
            bodies |= own
            if exchange.lane is Lane.IMPORTED and exchange.trace_origin is TraceOrigin.SYNTHETIC:
                sessions[exchange.id] = f"file {number}"  # a browser's: one user
    inbound = [each for each in exchanges.values() if each.direction is Direction.INBOUND]
    if not inbound:
        names = ", ".join(str(file) for file in files)
        raise NotRecorded(f"there is no request to a service in {names}", hint="record its inbound side")
    traces = {each.trace_id for each in exchanges.values()}
    if len(traces) == 1:
        trace = build_trace(traces.pop(), exchanges.values())
        plan = plan_trace(trace, targets, service=service, services=config.services)
    else:
        plan = _plan_of(inbound, targets, service, config, limit, seed)
    steps = tuple(replace(step, session=sessions.get(step.exchange.id)) for step in plan.steps)
    return replace(plan, steps=steps), bodies


def check_age(plan: Plan, most: str, now: int) -> None:
    """Refuse a plan whose newest request is older than `most`, such as `30d`; `now` in ns since the epoch.

    Raises:
        ConfigInvalid: it is no length of time.
        NotRecorded: nothing in the plan is as new.
    """
    try:
        seconds = parse_seconds(most)
    except ValueError as cause:
        raise ConfigInvalid(f"--max-age {cause}", hint="such as --max-age 30d") from cause
    age = now - max(step.exchange.started_at for step in plan.steps)
    if age > seconds * 1e9:
        days = f"{age / 86_400e9:.0f} days" if age > 2 * 86_400e9 else f"{age / 3_600e9:.0f} hours"
        raise NotRecorded(
            f"what would be replayed was recorded {days} ago, longer than --max-age {most}",
            hint="record and save it again",
        )


def with_links(plan: Plan, bodies: Bodies, given: Given, store: Store | None = None) -> Plan:
    """The plan with what flows from its answers to its requests.

    Args:
        plan: as chosen.
        bodies: of its exchanges.
        given: the options.
        store: where more recordings of the like may be, that tell what flows from what is the same always.
    """
    wanted = store is not None and given.correlated and len(plan.steps) > 1
    others = _like(store, plan) if store is not None and wanted else []
    more = store.bodies(each for other in others for each in other) if store is not None and others else {}
    known = {**bodies, **more} if more else bodies
    return linked(plan, known, others=others, off=given.no_link, correlated=given.correlated)


def _like(store: Store, plan: Plan) -> list[list[Exchange]]:
    """Inbound exchanges of the plan's services in other traces that began alike, the newest ones."""
    entry = plan.steps[0].exchange
    parts = path_template(entry.path).split("{id}")
    route = "*".join(f'"{_escaped(part)}"' for part in parts if part)
    words = f'direction:inbound service:"{_escaped(entry.service)}" method:"{_escaped(entry.method)}"'
    query = parse_query(f"{words} path:{route}*", now=time.time_ns())
    traces = dict.fromkeys(each.trace_id for each in store.search(query, limit=50).exchanges)
    services = {choice.service for choice in plan.choices}
    found: list[list[Exchange]] = []
    for trace_id in traces:
        if trace_id != plan.trace_id and len(found) < MOST_LIKE:
            trace = store.trace(trace_id)
            members = () if trace is None else trace.exchanges
            found.append([e for e in members if e.direction is Direction.INBOUND and e.service in services])
    return [each for each in found if len(each) > 1]


def _plan_of(
    inbound: list[Exchange],
    targets: Sequence[Target],
    service: str | None,
    config: Config,
    limit: int | None,
    seed: int,
) -> Plan:
    if limit is None or len(inbound) <= limit:
        return plan_requests(inbound, targets, service=service, services=config.services)
    spread = Spread(limit, seed)
    for exchange in inbound:
        spread.offer(kind_of(exchange), exchange.id)
    chosen = set(spread.chosen())
    plan = plan_requests(
        [each for each in inbound if each.id in chosen], targets, service=service, services=config.services
    )
    selection = Selection(
        found=len(inbound), looked_at=len(inbound), chosen=len(plan.steps), kinds=spread.kinds, seed=seed
    )
    return replace(plan, selection=selection)


def _inbound(words: Sequence[str], services: Sequence[str]) -> Query:
    """The query, of inbound exchanges alone, and of these services where they are known."""
    text = " ".join(words)
    terms = ["direction:inbound", *([f"({text})"] if text.strip() else [])]
    if services:
        terms.append(" OR ".join(f'service:"{_escaped(name)}"' for name in services).join("()"))
    return parse_query(" ".join(terms), now=time.time_ns())


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
