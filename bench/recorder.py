"""What recording costs: `mesh-record` against bare and writing `mitmdump`, and no proxy.

All variants run in turn within each round, on the same machine and against the same upstream,
so that the ratios hold when the machine's speed drifts. CPU is that of the proxy's whole process
tree, storing included: `mesh-record` ships to SQLite while it is measured.
"""

import asyncio
import importlib.metadata
import json
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import load

BIN = Path(sys.executable).parent
TICK = os.sysconf("SC_CLK_TCK")
PACE = 2_000.0
"""Requests/s that the wire lane records whole on two cores shared with client and upstream: what is
dropped costs nothing, so a figure taken beyond that would flatter."""
PACED = f"mesh-record at {PACE:.0f}/s"


@dataclass(slots=True)
class Samples:
    """One figure per round."""

    cpu: list[float] = field(default_factory=list)
    """CPU seconds per 1,000 requests."""
    rate: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    recorded: list[float] = field(default_factory=list)
    """Per cent of what the sidecar saw that is in store or spool at the end."""
    errors: int = 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def commands(upstream: int, folder: Path) -> dict[str, tuple[list[str], int]]:
    """Each variant's command line and the port it listens on."""
    ports = {
        name: free_port() for name in ("paced", "flat out", "mitmproxy lane", "mitmdump -q", "mitmdump -w")
    }
    target = f"reverse:http://127.0.0.1:{upstream}@127.0.0.1"
    mitmdump = [str(BIN / "mitmdump"), "--set", f"confdir={folder}", "--set", "flow_detail=0"]
    dump = f"{target}:{ports['mitmdump -q']}"
    write = f"{target}:{ports['mitmdump -w']}"
    record = [str(BIN / "mesh-record"), "--service", "bench", "--app", f"127.0.0.1:{upstream}"]
    record += ["--json", "--store", f"sqlite:///{folder}/bench.db", "--inbound"]
    mitm = [*record, f"127.0.0.1:{ports['mitmproxy lane']}", "--lane", "mitmproxy"]
    return {
        PACED: ([*record, f"127.0.0.1:{ports['paced']}"], ports["paced"]),
        "mesh-record, as fast as it can": ([*record, f"127.0.0.1:{ports['flat out']}"], ports["flat out"]),
        "mesh-record --lane mitmproxy": (mitm, ports["mitmproxy lane"]),
        "mitmdump -q": ([*mitmdump, "-q", "--mode", dump], ports["mitmdump -q"]),
        "mitmdump -w": ([*mitmdump, "-q", "-w", f"{folder}/flows", "--mode", write], ports["mitmdump -w"]),
    }


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[int]:
    """The command as a process group of its own, ready on `port`; gives its process id."""
    env = os.environ | {"XDG_STATE_HOME": str(folder / "state"), "HOME": str(folder)}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
        )
    try:
        asyncio.run(answering(port, process))
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def answering(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once the port accepts connections."""
    while process.poll() is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise SystemExit(f"bench: {process.args!r} ended with {process.returncode} before it listened")


def tree_cpu(pid: int) -> float:
    """CPU seconds of a process and all its descendants, ended ones included."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(int(ticks) for ticks in stat[11:15]) / TICK
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(tree_cpu(int(child)) for child in children)


def measure(
    samples: Samples,
    port: int,
    pid: int | None,
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
) -> None:
    asyncio.run(load.run(port, connections=connections, seconds=0.5, rate=rate))  # warm-up
    before = tree_cpu(pid) if pid else 0.0
    result = asyncio.run(load.run(port, connections=connections, seconds=seconds, rate=rate))
    if pid:
        samples.cpu.append((tree_cpu(pid) - before) / result.requests * 1000)
    samples.rate.append(result.requests / result.seconds)
    samples.p50.append(result.p50 * 1000)
    samples.p99.append(result.p99 * 1000)
    samples.errors += result.errors


def run(rounds: int = 5, seconds: float = 3.0, connections: int = 32) -> dict[str, Samples]:
    """All variants in turn, `rounds` times."""
    upstream = subprocess.Popen([sys.executable, "-m", "bench.load"], stdout=subprocess.PIPE, text=True)
    assert upstream.stdout is not None
    results: dict[str, Samples] = {}
    try:
        port = int(upstream.stdout.readline())
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as name:
                measure(
                    results.setdefault("no proxy", Samples()), port, None, connections=connections, seconds=1
                )
                for variant, (command, listens) in commands(port, Path(name)).items():
                    samples = results.setdefault(variant, Samples())
                    rate = PACE if variant == PACED else None
                    with running(command, listens, Path(name)) as pid:
                        measure(samples, listens, pid, connections=connections, seconds=seconds, rate=rate)
                    samples.recorded += recorded(Path(name) / "log")
    finally:
        upstream.terminate()
        upstream.wait()
    return results


def recorded(log: Path) -> list[float]:
    """The per cent that the sidecar's closing line tells, and an empty log for the next one."""
    lines = log.read_text().splitlines()
    log.write_text("")
    accounts = [json.loads(line) for line in lines if line.startswith('{"event": "stopped"')]
    return [100 * (each["stored"] + each["spooled"]) / each["offered"] for each in accounts]


def ratio(ours: list[float], theirs: list[float]) -> str:
    """Median, least and greatest of the rounds' ratios."""
    pairs = [a / b for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(pairs):.2f} ({min(pairs):.2f} to {max(pairs):.2f})"


def report(results: dict[str, Samples], rounds: int) -> str:
    """A table in Markdown with where it was measured."""
    base = results["mitmdump -q"]
    lines = [
        f"Recorder: {rounds} interleaved rounds, 32 kept-alive connections, 1 kB of JSON;",
        f"ratios to `mitmdump -q`. {machine()}",
        "",
        "| variant | CPU s per 1,000 | ratio | requests/s | ratio | p50 ms | p99 ms | errors | recorded |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for variant, samples in results.items():
        cpu = f"{statistics.median(samples.cpu):.3f}" if samples.cpu else "-"
        share = ratio(samples.cpu, base.cpu) if samples.cpu else "-"
        kept = f"{min(samples.recorded):.0f} %" if samples.recorded else "-"
        lines.append(
            f"| {variant} | {cpu} | {share} | {statistics.median(samples.rate):.0f} "
            f"| {ratio(samples.rate, base.rate)} | {statistics.median(samples.p50):.1f} "
            f"| {statistics.median(samples.p99):.1f} | {samples.errors} | {kept} |"
        )
    return "\n".join(lines)


def machine() -> str:
    """What it ran on: processor, Python and mitmproxy."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    version = importlib.metadata.version("mitmproxy")
    name = model[1] if model else platform.machine()
    return f"{os.cpu_count()} cores ({name}), Python {platform.python_version()}, mitmproxy {version}."


def main(rounds: int = 5) -> None:
    """Print the table and keep it, with the raw figures, in `bench/results/`."""
    results = run(rounds)
    table = report(results, rounds)
    print(table)
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "recorder.md").write_text(table + "\n")
    raw = {name: asdict(samples) for name, samples in results.items()}
    (folder / "recorder.json").write_text(json.dumps(raw, indent=1) + "\n")
