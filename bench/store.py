"""What searching costs as the store grows, and how fast it takes what sidecars ship.

The same searches are asked of a store of 10,000 exchanges and of one of 1,000,000, in turn, so that
the ratios hold when the machine's speed drifts. Both are filled through `Store.ingest`, as by sidecars.
"""

import json
import os
import platform
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from bench.load import BODY
from mesh_core.frames import Frame, Run, encode_frame, encode_header
from mesh_core.ids import uuid7
from mesh_core.model import BodyRef, Direction, Exchange, Lane, TraceOrigin
from mesh_core.outcome import Outcome
from mesh_core.query import parse_query
from mesh_core.retention import FOR_EVER
from mesh_store.store import Store, open_store

SMALL, LARGE = 10_000, 1_000_000
SEGMENT = 2_500
"""Exchanges in one segment: about 2 MiB."""
SERVICES = ("gateway", "cart", "inventory", "payment", "pricing")
FAILED = 100
"""One in so many fails."""
MOST_RATIO = 5.0
"""What the issue allows for recent failures of a service."""
NOW = 1_795_000_000_000_000_000
HEADERS = (
    (b"Host", b"cart:8002"),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip, deflate"),
    (b"User-Agent", b"python-httpx/0.28.1"),
    (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
)


def exchanges(count: int, chance: random.Random) -> Iterator[tuple[Exchange, dict[str, bytes]]]:
    """As a shop has them: five exchanges to a trace, every second body seen before."""
    trace_id = ""
    for number in range(count):
        if number % len(SERVICES) == 0:
            trace_id = chance.randbytes(16).hex()
        failed = chance.randrange(FAILED) == 0
        body = BODY.replace(b"4711", b"%d" % (number if number % 2 else number % 100))
        if failed:
            body = b'{"error": "currency not supported"}'
        digest = sha256(body).hexdigest()
        ref = BodyRef(
            hash=digest,
            full_hash=digest,
            size=len(body),
            stored=len(body),
            content_type="application/json",
        )
        started_at = NOW - (count - number) * 500_000
        yield (
            Exchange(
                id=uuid7(started_at, chance.randbytes(8)),
                trace_id=trace_id,
                span_id=chance.randbytes(8).hex(),
                trace_origin=TraceOrigin.W3C,
                request_id=chance.randbytes(16).hex(),
                service=SERVICES[number % len(SERVICES)],
                instance="1",
                direction=Direction.INBOUND,
                started_at=started_at,
                ended_at=started_at + chance.randrange(50_000_000),
                scheme="http",
                http_version="HTTP/1.1",
                method="GET",
                authority="cart:8002",
                path=f"/carts/{chance.randrange(100_000)}?full=1",
                request_headers=HEADERS,
                status=500 if failed else 200,
                response_headers=(
                    (b"Content-Type", b"application/json"),
                    (b"Content-Length", b"%d" % len(body)),
                ),
                response_body=ref,
                outcome=Outcome.HTTP_5XX if failed else Outcome.OK,
                recorder="0.1.0",
                lane=Lane.MITMPROXY,
            ),
            {digest: body},
        )


def segments(count: int) -> Iterator[bytes]:
    """The exchanges as spool segments of one run."""
    chance = random.Random(count)
    run = Run(
        run_id=f"{count:032x}",
        project="bench",
        service="cart",
        instance="1",
        recorder="0.1.0",
        started_at=NOW,
    )
    content = encode_header(run)
    for seq, (exchange, bodies) in enumerate(exchanges(count, chance), 1):
        content += encode_frame(Frame(seq=seq, exchange=exchange, bodies=bodies))
        if seq % SEGMENT == 0 or seq == count:
            yield content
            content = encode_header(run)


def fill(store: Store, count: int) -> list[float]:
    """Ingest so many; exchanges per second, segment by segment."""
    rates: list[float] = []
    for done, segment in enumerate(segments(count), 1):
        began = time.perf_counter()
        store.ingest(segment)
        rates.append(SEGMENT / (time.perf_counter() - began))
        if done % 40 == 0:
            print(f"\r{done * SEGMENT:,} of {count:,}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rates


def searches(store: Store) -> dict[str, Callable[[], object]]:
    """What is asked, by its name."""

    def search(text: str) -> Callable[[], object]:
        query = parse_query(text, now=NOW)
        return lambda: store.search(query, limit=50)

    some = store.search(parse_query("", now=NOW), limit=1).exchanges[0]
    return {
        "recent failures of one service": search("service:payment is:failure"),
        "… of the last 5 seconds": search("service:payment status:5xx is:failure since:5s"),
        "recent exchanges of one service": search("service:payment"),
        "all failures, newest first": search("is:failure"),
        "an exchange by its id": lambda: store.find(some.id),
        "a trace by its request id": lambda: store.find(some.request_id or ""),
        "a whole trace": lambda: store.trace(some.trace_id),
    }


def seconds(ask: Callable[[], object]) -> float:
    """How long one asking takes."""
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def measure(small: Store, large: Store, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Medians for both and of the ratio, all in turn; the first round warms up and is not counted."""
    times: dict[str, list[tuple[float, float]]] = {}
    asked = list(zip(searches(small).items(), searches(large).items(), strict=True))
    for turn in range(rounds + 1):
        for (name, of_small), (_, of_large) in asked:
            pair = (seconds(of_small), seconds(of_large))
            if turn:
                times.setdefault(name, []).append(pair)
    return {
        name: (
            statistics.median(a for a, _ in pairs),
            statistics.median(b for _, b in pairs),
            statistics.median(b / a for a, b in pairs),
        )
        for name, pairs in times.items()
    }


def report(results: dict[str, tuple[float, float, float]], rates: list[float], size: int, rounds: int) -> str:
    """A table in Markdown with where it was measured."""
    tenth = len(rates) // 10
    first, last = statistics.median(rates[:tenth]), statistics.median(rates[-tenth:])
    lines = [
        f"Store (SQLite {sqlite3.sqlite_version}): medians of {rounds} interleaved rounds, 50 on a page, "
        f"one exchange in {FAILED} failed.",
        f"{os.cpu_count()} cores, Python {platform.python_version()}.",
        "",
        f"| search | {SMALL:,} exchanges, ms | {LARGE:,} exchanges, ms | ratio |",
        "|---|---|---|---|",
        *(
            f"| {name} | {a * 1000:.2f} | {b * 1000:.2f} | {ratio:.2f} |"
            for name, (a, b, ratio) in results.items()
        ),
        "",
        f"Ingest of {LARGE:,} exchanges with 1 kB of JSON each, segments of {SEGMENT:,}: "
        f"{statistics.median(rates):,.0f} exchanges/s (first tenth {first:,.0f}, last tenth {last:,.0f}); "
        f"{size / LARGE:,.0f} bytes an exchange on disk, indexes included.",
    ]
    return "\n".join(lines)


def main(rounds: int = 51) -> None:
    """Print the table and keep it in `bench/results/`; fail where the store slows down as it grows."""
    with tempfile.TemporaryDirectory() as name:
        urls = [f"sqlite:///{name}/{count}.db" for count in (SMALL, LARGE)]
        with (
            open_store(urls[0], retention=FOR_EVER) as small,
            open_store(urls[1], retention=FOR_EVER) as large,
        ):
            fill(small, SMALL)
            rates = fill(large, LARGE)
            results = measure(small, large, rounds)
            size = large.stats().bytes
    table = report(results, rates, size, rounds)
    print(table)
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "store.md").write_text(table + "\n")
    (folder / "store.json").write_text(json.dumps({"searches": results, "rates": rates}, indent=1) + "\n")
    ratio = next(iter(results.values()))[2]
    if ratio > MOST_RATIO:
        raise SystemExit(f"bench: recent failures take {ratio:.1f} times as long, over {MOST_RATIO:.0f}")
