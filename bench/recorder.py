"""What recording costs beside other proxies: CPU, requests/s, latency, memory, and how much is recorded.

All proxies run in turn within each round, on the same machine and against the same upstream, so that
the ratios hold when the machine's speed drifts. CPU is that of a proxy's whole process tree until it
rests, storing included: `mesh-record` redacts, spools and ships to SQLite while it is measured.
"""

import argparse
import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import load, meters, proxies, report, table
from bench.meters import Samples
from bench.proxies import Proxy, Site

CONNECTIONS = 32
WARM_UP = 0.5
BIG_CONNECTIONS = 4


@dataclass(slots=True)
class Plan:
    """What is measured, and for how long."""

    rounds: int
    seconds: float
    chosen: list[Proxy]
    memory_rounds: int


def drive(port: int, seconds: float, **how: object) -> load.Result:
    return asyncio.run(load.run(port, seconds=seconds, **how))  # type: ignore[arg-type]


def measure_traffic(
    samples: Samples, proxy: Proxy | None, site: Site, pid: int | None, seconds: float
) -> int:
    """CPU and rate with many connections, latency with one; how many requests that were."""
    pace = proxy.pace if proxy else None
    warm = drive(site.port, WARM_UP, connections=CONNECTIONS, rate=pace)
    before, loop_before = (meters.cpu_at_rest(pid), meters.loop_cpu(pid)) if pid else (0.0, 0.0)
    many = drive(site.port, seconds, connections=CONNECTIONS, rate=pace)
    if pid:
        samples.cpu.append((meters.cpu_at_rest(pid) - before) / many.requests * 1000)
        samples.loop_cpu.append((meters.loop_cpu(pid) - loop_before) / many.requests * 1000)
    one = drive(site.port, seconds / 2, connections=1, rate=pace)
    samples.rate.append(many.requests / many.seconds)
    samples.p50.append(many.p50 * 1000)
    samples.p99.append(many.p99 * 1000)
    samples.single_p50.append(one.p50 * 1000)
    samples.single_p99.append(one.p99 * 1000)
    samples.errors += warm.errors + many.errors + one.errors
    return warm.requests + many.requests + one.requests


def traffic_round(results: dict[str, Samples], plan: Plan, upstream: int, order: list[Proxy]) -> None:
    """Each proxy once."""
    with proxies.site_of(upstream) as site:
        direct = Site(upstream, upstream, site.folder)
        measure_traffic(results[report.DIRECT], None, direct, None, plan.seconds / 2)
    for proxy in order:
        samples = results[proxy.name]
        with proxies.site_of(upstream) as site:
            with proxies.running(proxy, site) as pid:
                requests = measure_traffic(samples, proxy, site, pid, plan.seconds)
            if proxy.kept is not None:
                samples.recorded.append(min(100.0, proxy.kept(site.folder, requests)))


def memory_round(results: dict[str, Samples], plan: Plan, upstream: int, order: list[Proxy]) -> None:
    """Peaks of each proxy that is asked as fast as it can; of ours also with the store away."""
    for proxy in order:
        if proxy.pace is not None or proxy.bypassed or proxy.optimized:
            continue
        samples = results[proxy.name]
        for store_away in (False, True) if proxy.ours else (False,):
            with (
                proxies.site_of(upstream, store_away=store_away) as site,
                proxies.running(proxy, site) as pid,
            ):
                drive(site.port, WARM_UP, connections=1, rate=10.0)
                idle = meters.memory(pid)
                meters.forget_peak(pid)
                done = drive(site.port, plan.seconds, connections=BIG_CONNECTIONS, big=True)
                if store_away:
                    more = drive(site.port, plan.seconds, connections=CONNECTIONS)
                    samples.errors += more.errors
                    samples.dead_peak.append(meters.peak_memory(pid))
                else:
                    samples.idle.append(idle)
                    samples.big_peak.append(meters.peak_memory(pid))
                samples.errors += done.errors


@contextmanager
def upstream() -> Iterator[int]:
    """The service behind all proxies, a process of its own; gives its port."""
    process = subprocess.Popen([sys.executable, "-m", "bench.load"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def run(plan: Plan) -> Iterator[tuple[int, dict[str, Samples]]]:
    """All rounds, with what there is after each; the order within each is another."""
    results = {name: Samples() for name in (report.DIRECT, *(proxy.name for proxy in plan.chosen))}
    with upstream() as port:
        for number in range(max(plan.rounds, plan.memory_rounds)):
            order = random.Random(number).sample(plan.chosen, len(plan.chosen))
            if number < plan.rounds:
                traffic_round(results, plan, port, order)
            if number < plan.memory_rounds:
                memory_round(results, plan, port, order)
            yield number + 1, results


def about(plan: Plan, rounds: int) -> str:
    """What was measured, and where."""
    versions = ", ".join(f"{name} {version}" for name, version in proxies.versions().items())
    return (
        f"{rounds} interleaved rounds of {plan.seconds:g} s; {CONNECTIONS} kept-alive connections,\n"
        f"1 kB of JSON in each response. {table.machine()}; {versions}."
    )


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench recorder", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="of traffic, interleaved (10)")
    parser.add_argument("--memory-rounds", type=int, default=2, help="of large bodies (2)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of load for each proxy in a round (3)")
    parser.add_argument("--only", default="", help="parts of names, by comma, such as wire,envoy; else all")
    parser.add_argument("--list", action="store_true", help="name the proxies, and end")
    parser.add_argument("--no-files", action="store_true", help="print only, leave bench/results/ as it is")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    """Print the tables and keep them, with the raw figures, in `bench/results/`."""
    given = arguments(words or [])
    parts = [part.strip().lower() for part in given.only.split(",") if part.strip()]
    known = proxies.catalogue()
    wanted = [each for each in known if not parts or any(part in each.name.lower() for part in parts)]
    missing = {each.name: each.missing for each in wanted if each.missing}
    if given.list:
        print("\n".join(each.name + (f" ({each.missing})" if each.missing else "") for each in wanted))
        return
    chosen = [each for each in wanted if not each.missing]
    if not chosen:
        raise SystemExit(f"bench: no proxy is called {given.only!r}; --list names them")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no proxy is left behind
    text = ""
    plan = Plan(given.rounds, given.seconds, chosen, given.memory_rounds)
    for rounds, results in run(plan):
        text = report.report(results, missing, about(plan, min(rounds, plan.rounds)))
        print(f"bench: round {rounds} is done", file=sys.stderr)
        if not given.no_files:
            keep(text, results, missing)
    print(text)


def keep(text: str, results: dict[str, Samples], missing: dict[str, str]) -> None:
    """Write the tables and the raw figures; after each round, as a run may be ended early."""
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "recorder.md").write_text(text + "\n")
    raw = {
        "machine": table.machine(),
        "versions": proxies.versions(),
        "missing": missing,
        "samples": {name: asdict(samples) for name, samples in results.items()},
    }
    (folder / "recorder.json").write_text(json.dumps(raw, indent=1) + "\n")
