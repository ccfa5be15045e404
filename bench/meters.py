"""What a process and all that it started use: CPU and memory, as Linux tells them."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
QUIET = 0.25
"""Seconds of a look at whether a process still works on what it was given."""
IDLE = 0.08
"""Share of a core that an idle process may take."""
PATIENCE = 20.0
"""Seconds after which a process that never rests is measured as it is."""


@dataclass(slots=True)
class Samples:
    """What was measured of one proxy, one figure per round; times in milliseconds."""

    cpu: list[float] = field(default_factory=list)
    """CPU milliseconds per request."""
    loop_cpu: list[float] = field(default_factory=list)
    """Of the first thread alone, which is the event loop where there is one."""
    rate: list[float] = field(default_factory=list)
    """Requests/s."""
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    single_p50: list[float] = field(default_factory=list)
    """At one connection."""
    single_p99: list[float] = field(default_factory=list)
    recorded: list[float] = field(default_factory=list)
    """Per cent of the requests that it has recorded at the end."""
    idle: list[float] = field(default_factory=list)
    """Resident megabytes after a first request."""
    big_peak: list[float] = field(default_factory=list)
    """The most, with 10 MB bodies up and down at four connections."""
    dead_peak: list[float] = field(default_factory=list)
    """The most, with such bodies and with small ones, while the store is away."""
    errors: int = 0


def tree(pid: int) -> Iterator[int]:
    """A process and all its descendants that live."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(task).split():
            yield from tree(int(child))


def cpu(pid: int) -> float:
    """CPU seconds of a process and all its descendants, ended ones included."""
    total = 0
    for each in tree(pid):
        fields = _read(Path(f"/proc/{each}/stat")).rpartition(")")[2].split()
        total += sum(int(ticks) for ticks in fields[11:15])
    return total / TICK


def loop_cpu(pid: int) -> float:
    """CPU seconds of a process's first thread. Source: Linux, Documentation/scheduler/sched-stats.rst."""
    return int(_read(Path(f"/proc/{pid}/task/{pid}/schedstat")).split()[0]) / 1e9


def cpu_at_rest(pid: int) -> float:
    """CPU seconds once all that was begun is done: what a recorder puts off counts too."""
    until = time.monotonic() + PATIENCE
    before, quiet = cpu(pid), 0
    while quiet < 2 and time.monotonic() < until:
        pause(QUIET)
        now = cpu(pid)
        quiet = quiet + 1 if now - before <= IDLE * QUIET else 0
        before = now
    return before


def pause(seconds: float) -> None:
    """Let time pass: nothing tells when a process of others will rest."""
    threading.Event().wait(seconds)


def memory(pid: int) -> float:
    """Resident megabytes now."""
    return sum(_field(each, "VmRSS") for each in tree(pid))


def peak_memory(pid: int) -> float:
    """The most resident megabytes since `forget_peak`; of several processes, the sum of each one's most."""
    return sum(_field(each, "VmHWM") for each in tree(pid))


def forget_peak(pid: int) -> None:
    """Begin anew. Source: Linux, Documentation/filesystems/proc.rst, clear_refs."""
    for each in tree(pid):
        Path(f"/proc/{each}/clear_refs").write_text("5")


def _field(pid: int, name: str) -> float:
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1000
    return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""
