"""The runtimes of this machine, and the calls that their clients make."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mesh_recorder.doctor_probe import Probe, Way

PROBES = Path(__file__).parent / "probes"
PATIENCE = 120.0
"""Seconds for all calls of one runtime; a Java that compiles its probe on a busy machine takes long."""
_PROGRAMS = {"curl": "curl", "Python": "python3", "Node": "node", "Java": "java"}
CLIENTS: Mapping[str, tuple[str, ...]] = {
    "curl": ("curl",),
    "Python": ("urllib", "requests", "httpx", "aiohttp", "aiohttp(trust_env=True)"),
    "Node": ("fetch", "node:http"),
    "Java": ("HttpURLConnection", "java.net.http"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A program that runs services, or makes calls."""

    kind: str
    """A key of CLIENTS."""
    program: str
    version: str

    @property
    def name(self) -> str:
        """`Node 24.19.0`."""
        return f"{self.kind} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was seen of one client's calls."""

    runtime: Runtime
    client: str
    plain: Way
    tls: Way
    error: str = ""
    """What the client said, where a call failed."""


def find_runtimes(environ: Mapping[str, str]) -> list[Runtime]:
    """Those on PATH that run."""
    found = []
    for kind, name in _PROGRAMS.items():
        program = shutil.which(name, path=environ.get("PATH"))
        runtime = runtime_at(kind, program) if program else None
        if runtime is not None:
            found.append(runtime)
    return found


def runtime_at(kind: str, program: str) -> Runtime | None:
    """The runtime of that kind at a path; None where it does not run."""
    option = "-version" if kind == "Java" else "--version"
    try:
        done = subprocess.run(
            [program, option], check=False, capture_output=True, text=True, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return (
        Runtime(kind=kind, program=program, version=version[0]) if done.returncode == 0 and version else None
    )


def check_runtime(
    runtime: Runtime, probe: Probe, environ: Mapping[str, str], clients: Sequence[str] | None = None
) -> list[Check]:
    """Let the clients of a runtime call, plain and over TLS; those that it has not are left out."""
    wanted = CLIENTS[runtime.kind] if clients is None else clients
    urls = {client: (probe.new_call(tls=False), probe.new_call(tls=True)) for client in wanted}
    calls = [f"{client}={url}" for client, pair in urls.items() for url in pair]
    results = dict(_results(runtime, calls, environ))
    checks = []
    for client, (plain, tls) in urls.items():
        said = [results.get(f"{client}={url}", "") for url in (plain, tls)]
        if "absent" in said:
            continue
        error = next((text for text in said if text != "ok"), "")
        checks.append(
            Check(runtime=runtime, client=client, plain=probe.way(plain), tls=probe.way(tls), error=error)
        )
    return checks


def check_all(runtimes: Sequence[Runtime], probe: Probe, environ: Mapping[str, str]) -> list[Check]:
    """Check several runtimes, as many at once as there are processors."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        checks = pool.map(lambda runtime: check_runtime(runtime, probe, environ), runtimes)
        return [check for some in checks for check in some]


def _results(runtime: Runtime, calls: Sequence[str], environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What the client said of each call: `ok`, `absent` or its error."""
    if runtime.kind == "curl":
        for call in calls:
            said = _run([runtime.program, "-sS", "-o", os.devnull, call.partition("=")[2]], environ)
            yield call, said or "ok"
        return
    probe = {"Python": "probe.py", "Node": "probe.mjs", "Java": "Probe.java"}[runtime.kind]
    said = _run([runtime.program, str(PROBES / probe), *calls], environ)
    made = dict(line.split("\t", 1) for line in said.splitlines() if "\t" in line)
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    for call in calls:
        yield call, made.get(call, last)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """What a command printed, its errors first."""
    try:
        done = subprocess.run(
            command,
            check=False,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return f"not done within {PATIENCE:.0f} s"
    except OSError as error:
        return str(error.strerror)
    return (done.stderr + done.stdout).decode(errors="replace").strip()
