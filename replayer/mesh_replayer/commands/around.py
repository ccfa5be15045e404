"""Options of what stands around the target: `-- COMMAND`, stubs of its dependencies."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mesh_core.errors import ConfigInvalid
from mesh_core.units import parse_seconds
from mesh_replayer.commands.given import Given

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mesh_core.model import Exchange
    from mesh_core.project import Project
    from mesh_replayer.surroundings import Recorded, Wanted
    from mesh_store.store import Store


def wanted_of(given: Given, project: Project) -> Wanted:
    """What is to stand around the target.

    Raises:
        ConfigInvalid: an option cannot be read.
    """
    from mesh_replayer.launch.environment import parse_env
    from mesh_replayer.stubs.calls import Stub
    from mesh_replayer.surroundings import Wanted

    path = project.config_path
    if given.env and not given.command:
        raise ConfigInvalid("--env is for a command", hint="give it behind --: mesh-replay … -- COMMAND")
    return Wanted(
        command=given.command,
        env=parse_env(given.env),
        start_timeout=seconds_of("--start-timeout", given.start_timeout),
        stub=Stub(given.stub),
        stub_ports=_ports(given.stub_port),
        passthrough=given.on_miss == "passthrough",
        allow_unsafe=given.allow_unsafe,
        timeout=seconds_of("--timeout", given.timeout),
        environ=os.environ,
        folder=path.parent if path is not None else Path.cwd(),
    )


def recorded_in(store: Store, exchanges: Iterable[Exchange], given: Given, project: Project) -> Recorded:
    """What the store has around these exchanges, where it is needed."""
    from mesh_replayer.surroundings import Recorded

    if not _needed(given, project):
        return Recorded()
    ids = dict.fromkeys(exchange.trace_id for exchange in exchanges)
    traces = [trace for each in ids if (trace := store.trace(each)) is not None]
    return Recorded(traces=traces, bodies=store.bodies(e for trace in traces for e in trace.exchanges))


@contextlib.contextmanager
def output_shown() -> Iterator[None]:
    """Show what a service that could not be started said last."""
    from mesh_replayer.launch.service import LaunchFailed

    try:
        yield
    except LaunchFailed as error:
        show_output(error.said)
        raise


def show_output(lines: Sequence[str]) -> None:
    """A service's last lines, on stderr."""
    from mesh_replayer.look.safe import safe

    for line in lines:
        click.echo(f"  | {safe(line)}", err=True)


@contextlib.asynccontextmanager
async def ended_by_signals() -> AsyncIterator[None]:
    """SIGTERM and a closed terminal end a run as Ctrl-C does: nothing that it started stays behind."""
    import asyncio

    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGHUP)
    try:
        for number in numbers:
            with contextlib.suppress(RuntimeError, ValueError):  # in a thread there are no signals
                loop.add_signal_handler(number, task.cancel if task is not None else loop.stop)
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def seconds_of(option: str, text: str) -> float:
    """Seconds that an option says, more than none.

    Raises:
        ConfigInvalid: it says something else.
    """
    try:
        seconds = parse_seconds(text)
    except ValueError as cause:
        raise ConfigInvalid(f"{option} {cause}", hint=f"such as {option} 30s") from cause
    if not seconds > 0:
        raise ConfigInvalid(f"{option} {text} leaves no time", hint=f"such as {option} 30s")
    return seconds


def recorded_in_files(files: Iterable[Path], given: Given, project: Project) -> Recorded:
    """What capture files hold, as traces, where it is needed.

    Raises:
        CaptureInvalid: a file cannot be read.
    """
    from mesh_core.trace import build_trace
    from mesh_replayer.captures import read_capture
    from mesh_replayer.surroundings import Recorded

    if not _needed(given, project):
        return Recorded()
    captured = [each for file in files for each in read_capture(file)]
    by_trace: dict[str, list[Exchange]] = {}
    for exchange, _ in captured:
        by_trace.setdefault(exchange.trace_id, []).append(exchange)
    return Recorded(
        traces=[build_trace(trace_id, exchanges) for trace_id, exchanges in by_trace.items()],
        bodies={digest: content for _, bodies in captured for digest, content in bodies.items()},
    )


def _needed(given: Given, project: Project) -> bool:
    replay = project.config.replay
    return given.stub != "none" or bool(replay.before or replay.after)


def _ports(texts: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in texts:
        name, equals, port = text.partition("=")
        if not equals or not name or not port.isdigit() or not 0 < int(port) < 65_536:
            raise ConfigInvalid(
                f"--stub-port {text!r} is not NAME=PORT", hint="such as --stub-port inventory=9102"
            )
        found[name] = int(port)
    return found
