"""The recorder's figures as tables for people."""

from collections.abc import Iterator, Mapping

from bench.meters import Samples
from bench.table import markdown, median, ratios, spread

DIRECT = "no proxy"
CPU_BASE = "mitmdump -q"
ENVOY = "Envoy, HTTP proxy"
RECORDING, BYPASSED = ", recording", ", not recording"
BUDGET = 64 * 1024 * 1024 / 1_000_000
"""Megabytes that may wait for the writer."""

type Results = Mapping[str, Samples]


def report(results: Results, missing: Mapping[str, str], about: str) -> str:
    """All of them in Markdown."""
    parts = [
        (
            "Beside other proxies",
            "Ratios are of the same round: median (least to greatest). CPU is that of the whole process\n"
            "tree until it rests; Envoy's is that at the same pace. Added latency is over no proxy, at one\n"
            "connection.",
            traffic(results, missing),
        ),
        ("What recording adds", "The same lane with and without, in the same round.", adds(results)),
        (
            "Memory",
            "Resident MB of all processes together; 10 MB up and down in each request, four at a time.\n"
            "With the store away also small requests; the limit is 1.2 times idle and the "
            f"{BUDGET:.0f} MB that may wait.",
            memory(results),
        ),
    ]
    sections = [f"## {title}\n\n{words}\n\n{figures}" for title, words, figures in parts if figures]
    return "\n\n".join([f"# What recording costs\n\n{about}", *sections])


def traffic(results: Results, missing: Mapping[str, str]) -> str:
    """CPU, requests/s and latency."""
    head = ["proxy", "CPU ms per request", f"to `{CPU_BASE}`", "to Envoy", "requests/s", f"to `{CPU_BASE}`"]
    head += ["added p50 ms", "added p99 ms", "p99 ms at 32", "recorded", "errors"]
    base, direct = results.get(CPU_BASE, Samples()), results[DIRECT]
    rows = []
    for name, samples in results.items():
        rows.append(
            [
                name,
                median(samples.cpu, 3),
                _compared(samples.cpu, base.cpu),
                _compared(samples.cpu, results.get(_envoy_for(name, results), Samples()).cpu),
                median(samples.rate, 0),
                _compared(samples.rate, base.rate),
                *(_added(samples, direct) if name != DIRECT else ("-", "-")),
                median(samples.p99, 1),
                f"{min(samples.recorded):.0f} %" if samples.recorded else "-",
                str(samples.errors),
            ]
        )
    rows += [[name, f"not measured: {why}", *[""] * (len(head) - 2)] for name, why in missing.items()]
    return markdown(head, rows)


def _compared(ours: list[float], theirs: list[float]) -> str:
    return spread(ratios(ours, theirs)) if len(ours) == len(theirs) else "-"


def _envoy_for(name: str, results: Results) -> str:
    """Envoy as it is asked at the same pace: one that has little to do takes more for each request."""
    paced = f"{ENVOY}, {name.rpartition(', ')[2]}"
    return paced if paced in results else ENVOY


def _added(samples: Samples, direct: Samples) -> tuple[str, str]:
    p50 = [a - b for a, b in zip(samples.single_p50, direct.single_p50, strict=True)]
    p99 = [a - b for a, b in zip(samples.single_p99, direct.single_p99, strict=True)]
    return median(p50, 2), median(p99, 2)


def pairs(results: Results) -> Iterator[tuple[str, Samples, Samples]]:
    """Each of our lanes with recording and without."""
    for name, without in results.items():
        recording = name.replace(BYPASSED, RECORDING)
        if recording != name and recording in results:
            yield name.replace(BYPASSED, ""), results[recording], without


def adds(results: Results) -> str:
    """Ratios of recording to not recording."""
    head = [
        "lane",
        "CPU",
        "CPU of the event loop",
        "requests/s",
        "p50 at 1",
        "p99 at 1",
        "p50 at 32",
        "p99 at 32",
    ]
    fields = ("cpu", "loop_cpu", "rate", "single_p50", "single_p99", "p50", "p99")
    rows = [
        [name, *(spread(ratios(getattr(ours, field), getattr(without, field))) for field in fields)]
        for name, ours, without in pairs(results)
    ]
    return markdown(head, rows) if rows else ""


def memory(results: Results) -> str:
    """Idle, and the most with large bodies."""
    head = ["proxy", "idle", "peak", "peak / idle", "peak, store away", "peak / limit"]
    rows = [
        [
            name.replace(RECORDING, ""),
            median(samples.idle, 0),
            median(samples.big_peak, 0),
            spread(ratios(samples.big_peak, samples.idle)),
            median(samples.dead_peak, 0),
            spread(ratios(samples.dead_peak, [1.2 * idle + BUDGET for idle in samples.idle]))
            if samples.dead_peak
            else "-",
        ]
        for name, samples in results.items()
        if samples.idle
    ]
    return markdown(head, rows) if rows else ""
