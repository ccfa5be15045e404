"""The demo's frame: folder, processes and their end, whatever happens in between."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from time import monotonic

import click

from mesh_core.config import split_address
from mesh_core.errors import ConfigInvalid, ExitCode
from mesh_replayer.demo.cast import CALLS, NODE_SERVICES, Cast
from mesh_replayer.demo.folder import WorkFolder, clean_environment, make_folder, shop_folder
from mesh_replayer.demo.processes import DemoFailed, Processes
from mesh_replayer.demo.shell import Shell
from mesh_replayer.demo.story import Result, tell

_OLDEST_NODE = 18
_START_LIMIT = 60.0
"""Seconds; a machine that is busy with other things is not a failure."""


def perform(*, once: bool, without_sidecar: tuple[str, ...], json_output: bool) -> int:
    """Give the demo; see `run_demo`."""
    unknown = sorted(set(without_sidecar) - set(CALLS))
    if unknown:
        raise ConfigInvalid(f"the shop has no service {unknown[0]}", hint=f"it has {', '.join(CALLS)}")
    stays = not once and not json_output and sys.stdout.isatty()
    folder = make_folder({"unfixed": 8080 if stays else 0, "fixed": 0, "broken": 0}, usual_ports=stays)
    environ = clean_environment(os.environ, folder.path)
    cast = Cast(
        config=folder.config,
        shop=shop_folder(),
        node=find_node(environ.get("PATH")),
        bare=frozenset() if stays else frozenset(without_sidecar),
    )
    shell = Shell(folder=folder.path, environ=environ, aside=json_output)
    try:
        with _ended_by_signals(), Processes(folder.path, folder.logs, environ) as processes:
            result = _give(cast, folder, processes, shell, without_sidecar, stays=stays)
            if stays:
                _stay(cast, folder, processes, shell, result)
    except KeyboardInterrupt:
        shell.say(f"\nInterrupted; what there is stays in {folder.path}")
        return ExitCode.INTERRUPTED
    if json_output:
        click.echo(json.dumps(result.document() | {"folder": None if result.whole else str(folder.path)}))
    if result.whole and not stays:
        shutil.rmtree(folder.path, ignore_errors=True)
    if not result.whole:
        raise DemoFailed(f"not shown: {'; '.join(result.missing)}", hint=f"see {folder.path}/logs")
    return 0


def find_node(path: str | None) -> str | None:
    """A Node on `path` that runs and is not too old, or None."""
    node = shutil.which("node", path=path)
    if node is None:
        return None
    try:
        told = subprocess.run(
            [node, "--version"], capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None  # a shim that leads nowhere
    major = told.strip().removeprefix("v").partition(".")[0]
    return node if major.isdigit() and int(major) >= _OLDEST_NODE else None


def _give(
    cast: Cast,
    folder: WorkFolder,
    processes: Processes,
    shell: Shell,
    without_sidecar: tuple[str, ...],
    *,
    stays: bool,
) -> Result:
    shell.say(f"A shop of {len(cast.services)} services, a sidecar beside each, in {folder.path}")
    if cast.node is None:
        shell.say(
            f"No Node {_OLDEST_NODE} or later on PATH: {' and '.join(NODE_SERVICES)} are left out, "
            "cart does without."
        )
    if folder.moved:
        shell.say(f"{folder.moved} of the shop's usual ports are taken: its mesh.toml here has others.")
    started = monotonic()
    for part in cast.parts(folder.payments, without_sidecar):
        processes.start(part.name, part.command, part.environ)
    processes.await_ready(_START_LIMIT)
    shell.say(f"Ready after {monotonic() - started:.1f} s.")
    if stays:
        for name in without_sidecar:
            _await_readers_sidecar(name, cast, folder, shell)
    return tell(cast, folder, shell)


def _await_readers_sidecar(name: str, cast: Cast, folder: WorkFolder, shell: Shell) -> None:
    shell.say(
        f"\n{name} has no sidecar yet. Start it in another terminal; the story goes on when it listens:\n"
    )
    shell.say(f"  cd {folder.path}\n  mesh-record --service {name}")
    _, host, port = split_address(cast.config.services[name].inbound or "")
    pause = Event()
    while not _listens(host, port):
        pause.wait(0.2)


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _stay(cast: Cast, folder: WorkFolder, processes: Processes, shell: Shell, result: Result) -> None:
    gateway = "" if cast.entry().endswith(":8001") else f" --gateway {cast.entry()}"
    customers = f"{sys.executable} -m mesh_shop.customers{gateway}"
    shell.say("\nThe shop stays up until Ctrl-C. In another terminal:\n")
    shell.say(f"  cd {folder.path}")
    shell.say(f"  {customers} --currency JPY")
    shell.say("  mesh-replay list status:5xx")
    shell.say(
        f"  mesh-replay trace {result.trace_id or 'last'} --target localhost:{folder.payments['unfixed']}"
    )
    seen: set[str] = set()
    pause = Event()
    try:
        while not pause.wait(1):
            for process in processes.ended():
                if process.name not in seen:
                    seen.add(process.name)
                    shell.say(f"{process.name} has ended: {process.last_words()}")
    except KeyboardInterrupt:
        shell.say(f"\nEnding. What was recorded stays in {folder.path}")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal end the demo as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
