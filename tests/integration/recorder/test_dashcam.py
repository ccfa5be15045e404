"""`--keep trace-failures` across sidecars: they hear of each other's failures through the store alone."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from mesh_core.config import Keep
from mesh_core.query import parse_query
from mesh_core.trace import Completeness
from mesh_recorder import keep
from mesh_recorder.counters import Counters
from mesh_recorder.settings import Endpoint, Listen, SidecarSettings
from mesh_recorder.sidecar import Sidecar
from mesh_store.store import open_store
from support.rig import KEY, run
from support.segments import a_segment, captured
from support.talk import Talk, answering, client, get, ok, upstream

CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\noops"
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"
TRACES = [f"{number:032x}" for number in range(1, 41)]
FAILED = TRACES[7]


async def _sidecar(folder: Path, url: str, name: str, app: int, wanted: Keep) -> tuple[Sidecar, int]:
    settings: dict[str, Any] = {
        "app": Endpoint(host="127.0.0.1", port=app), "inbound": Listen(), "ca_dir": folder / "ca",
        "spool_dir": folder / "spool" / name, "store": url, "redact_key": KEY, "keep": wanted,
    }  # fmt: skip
    sidecar = Sidecar(SidecarSettings(service=name, instance=name, **settings))
    listening = await sidecar.start()
    assert listening.inbound is not None
    return sidecar, listening.inbound.port


async def _ask(port: int, traces: list[str], until: bytes) -> None:
    async with client(port) as talk:
        for number, trace in enumerate(traces, 1):
            await talk.say(get(b"/", f"traceparent: 00-{trace}-b7ad6b7169203331-01".encode()))
            await talk.until(until, count=number)


async def _cut(talk: Talk) -> None:
    """Begins a good answer, and breaks it off."""
    await talk.until(b"\r\n\r\n")
    await talk.say(CUT)


@pytest.mark.parametrize("end", ["500", "cut"])
def test_whole_failed_traces_are_kept_and_nothing_else(store_url: str, tmp_path: Path, end: str) -> None:
    """A sees forty traces end well; one of them fails later at B, which keeps failures alone, and at C."""

    async def scenario() -> dict[str, Counters]:
        async with AsyncExitStack() as stack:
            good = await stack.enter_async_context(upstream(answering(ok())))
            bad = await stack.enter_async_context(upstream(answering(BROKEN) if end == "500" else _cut))
            first, at_first = await _sidecar(tmp_path, store_url, "a", good.port, Keep.TRACE_FAILURES)
            other, at_other = await _sidecar(tmp_path, store_url, "c", good.port, Keep.TRACE_FAILURES)
            broken, at_broken = await _sidecar(tmp_path, store_url, "b", bad.port, Keep.FAILURES)
            await _ask(at_first, TRACES, b"hello")
            await _ask(at_other, TRACES[:20], b"hello")
            await _ask(at_broken, [FAILED], b"oops")
            async with asyncio.timeout(60):
                while not (first.counters.stored and other.counters.stored):  # noqa: ASYNC110  # see below
                    await asyncio.sleep(0.05)  # shipping tells nobody but the account
            return {name: await each.stop() for name, each in (("a", first), ("b", broken), ("c", other))}

    counters = run(scenario)

    assert all(each.balanced and not each.dropped for each in counters.values())
    assert {name: (each.offered, each.stored, each.held) for name, each in counters.items()} == {
        "a": (40, 1, 39),
        "b": (1, 1, 0),
        "c": (20, 1, 19),
    }
    with open_store(store_url) as store:
        page = store.search(parse_query("", now=0), limit=100)
        trace = store.trace(FAILED)
    assert trace is not None
    assert len(page.exchanges) == len(trace.exchanges) == 3
    assert set(trace.services) == {"a", "b", "c"}
    # Every part is there; a body that was broken off is not whole.
    assert trace.completeness is (Completeness.COMPLETE if end == "500" else Completeness.TRUNCATED)


def test_a_failure_long_after_shows_the_trace_as_lossy(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A let its part go before B failed: the store is told, so that nobody takes the trace for whole."""
    monkeypatch.setattr(keep, "HOLD_SECONDS", 0.5)
    caller = f"traceparent: 00-{FAILED}-b7ad6b7169203331-01".encode()

    async def scenario() -> Counters:
        async with AsyncExitStack() as stack:
            good = await stack.enter_async_context(upstream(answering(ok())))
            bad = await stack.enter_async_context(upstream(answering(BROKEN)))
            first, at_first = await _sidecar(tmp_path, store_url, "a", good.port, Keep.TRACE_FAILURES)
            broken, at_broken = await _sidecar(tmp_path, store_url, "b", bad.port, Keep.TRACE_FAILURES)
            await _ask(at_first, [FAILED], b"hello")
            async with asyncio.timeout(60):
                while not first.counters.not_kept:  # noqa: ASYNC110  # time goes by
                    await asyncio.sleep(0.05)
            async with client(at_broken) as talk:
                await talk.say(get(b"/", caller))
                await talk.until(b"oops")
            async with asyncio.timeout(60):
                while not first.counters.late:  # noqa: ASYNC110  # hearsay takes a second
                    await asyncio.sleep(0.05)
            await broken.stop()
            return await first.stop()

    counters = run(scenario)

    assert counters.balanced
    assert (counters.not_kept, counters.late, counters.dropped) == ({"keep": 1}, 1, {})
    with open_store(store_url) as store:
        assert dict(store.stats().dropped) == {"let_go_too_early": 1}
        trace = store.trace(FAILED)
        assert trace is not None
        assert store.check().problems == ()
    assert [each.service for each in trace.exchanges] == ["b"]


def test_a_sidecar_whose_clock_is_ahead_hears_of_what_failed_before_it_came(store_url: str) -> None:
    """Clocks of hosts differ: the last hour is counted from what the store has seen, not from ours."""
    with open_store(store_url) as store:
        store.ingest(a_segment(captured(1, failed=True)))
    with open_store(store_url) as ahead:
        ahead._clock.wall = lambda: time.time_ns() + 5 * 3_600_000_000_000

        assert ahead.failed_since(None).keys
