"""`mesh-record doctor -- COMMAND`: run it beside a sidecar that records nothing, and say what was seen."""

import asyncio
import json
import re
import secrets
import shlex
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mesh_core.errors import ExitCode
from mesh_core.frames import decode_segment
from mesh_core.model import Exchange
from mesh_core.project import Project, project_dir
from mesh_recorder.authority import project_ca
from mesh_recorder.command import Command
from mesh_recorder.doctor import variables_to_set
from mesh_recorder.doctor_calls import Calls, calls_json, calls_lines, judge
from mesh_recorder.doctor_runtimes import Runtime, runtime_at
from mesh_recorder.doctor_sockets import Connections
from mesh_recorder.runtimes import service_environment
from mesh_recorder.settings import Listen, SidecarSettings, listen
from mesh_recorder.sidecar import Sidecar
from mesh_recorder.trust import trust_files

_KINDS = (
    ("Node", re.compile(r"node(js)?\d*")),
    ("Python", re.compile(r"python[\d.]*")),
    ("Java", re.compile(r"java")),
    ("curl", re.compile(r"curl")),
)
_GO_BUILD = b"\xff Go buildinf:"
"""In every Go program. Source: Go, src/debug/buildinfo."""


@dataclass(slots=True)
class Collected:
    """Takes what a sidecar ships, as a store would, and keeps the exchanges in memory."""

    exchanges: list[Exchange] = field(default_factory=list)

    def ingest(self, segment: bytes) -> int:
        """Take a segment."""
        frames = decode_segment(segment).frames
        self.exchanges += [frame.exchange for frame in frames if frame.exchange is not None]
        return max((frame.seq for frame in frames), default=0)

    def close(self) -> None:
        """Nothing to let go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """How a command ran under the doctor's eyes."""

    code: int
    calls: Calls
    runtimes: Sequence[Runtime]
    to_set: Mapping[str, str]


def watch_command(
    command: Sequence[str],
    project: Project,
    environ: Mapping[str, str],
    *,
    service: str | None,
    as_json: bool,
) -> int:
    """Run the command until it ends and print what was seen of its calls; the doctor's exit code.

    Raises:
        MeshError: the command cannot be run, or the probe cannot listen.
    """
    known = project.config.services.get(service or "")
    outbound = listen(known.outbound) if known is not None and known.outbound else Listen()
    watched = asyncio.run(_watch(command, project, environ, outbound))
    if as_json:
        lines = [
            json.dumps(calls_json(watched.calls, command, watched.code, watched.runtimes, watched.to_set))
        ]
    else:
        said = f"{shlex.join(command)} ended with exit code {watched.code}"
        lines = list(calls_lines(watched.calls, said, watched.runtimes, watched.to_set))
    # The command's output went to stdout before, so that there is no line of it after these.
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return ExitCode.NOTHING if watched.calls.none else ExitCode.OK


async def _watch(
    command: Sequence[str], project: Project, environ: Mapping[str, str], outbound: Listen
) -> Watched:
    folder = project_dir(project.state_dir, project.config.project)
    collected = Collected()
    with tempfile.TemporaryDirectory(prefix="mesh-record-doctor-") as spool:
        sidecar = Sidecar(_settings(project, folder, Path(spool), outbound), open_sink=lambda: collected)
        listening = await sidecar.start()
        try:
            proxy = listening.outbound or outbound
            ca = project_ca(folder / "ca")
            trust = trust_files(ca.cert, folder / "trust" / "doctor", environ)
            ready = service_environment(environ, proxy=proxy, trust=trust)
            code, connections = await _run(command, ready, proxy)
        finally:
            await sidecar.stop()
    past = connections.stop()
    to_set = variables_to_set(environ, outbound, trust)
    found = [_runtime(program) for program in sorted(connections.programs)]
    runtimes = [runtime for runtime in found if runtime is not None]
    return Watched(code=code, calls=judge(collected.exchanges, past), runtimes=runtimes, to_set=to_set)


async def _run(command: Sequence[str], environ: Mapping[str, str], proxy: Listen) -> tuple[int, Connections]:
    running = await Command.start(command, environ)
    connections = Connections(running.group, frozenset({proxy.port}))
    connections.start()

    def pass_on(number: signal.Signals) -> None:
        connections.look()  # before what is open is closed
        running.signal(number)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, pass_on, number)
    return await running.wait(), connections


def _settings(project: Project, folder: Path, spool: Path, outbound: Listen) -> SidecarSettings:
    return SidecarSettings(
        project=project.config.project,
        service="doctor",
        instance="doctor",
        outbound=outbound,
        intercept_all=True,
        max_body=0,
        redact_key=secrets.token_bytes(32),
        ca_dir=folder / "ca",
        spool_dir=spool / "spool",
        store="",
    )


def _runtime(program: str) -> Runtime | None:
    """What kind of program that is; None for one whose calls nobody can tell of."""
    name = Path(program).name
    kind = next((kind for kind, pattern in _KINDS if pattern.fullmatch(name)), None)
    if kind is not None:
        return runtime_at(kind, program)
    try:
        with Path(program).open("rb") as file:
            is_go = _GO_BUILD in file.read(64 * 1024 * 1024)
    except OSError:
        return None
    return Runtime(kind="Go", program=program, version="") if is_go else None
