"""One sidecar from start to end: what it says, the command beside it, signals, the account."""

import asyncio
import contextlib
import importlib.metadata
import logging
import signal
import sys
from typing import Protocol, TextIO

from mesh_core.config import RedactMode
from mesh_core.errors import ExitCode
from mesh_recorder import heap
from mesh_recorder.admin import Admin
from mesh_recorder.advice import advice_json, advice_lines
from mesh_recorder.authority import project_ca
from mesh_recorder.command import Command
from mesh_recorder.counters import Counters
from mesh_recorder.lane.listeners import bind
from mesh_recorder.lanes import lane_names, loop_factory
from mesh_recorder.lines import (
    Ports,
    Seen,
    blind_remedy,
    blind_words,
    closing_json,
    closing_line,
    ready_json,
    ready_line,
    redaction_note,
)
from mesh_recorder.listening import Listening
from mesh_recorder.report import Report
from mesh_recorder.settings import SidecarSettings
from mesh_recorder.sidecar import Sidecar
from mesh_recorder.start import Start, advice_for, command_environment
from mesh_recorder.workers.crew import Crew

logger = logging.getLogger(__name__)

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOOK_EVERY = 5.0
"""Seconds."""


class Voice:
    """Where a sidecar says what it has to; never fails, as a closed terminal must not stop traffic.

    With a command, stdout is the command's, and all of ours goes to stderr.
    """

    def __init__(self, service: str, *, as_json: bool, with_command: bool) -> None:
        """Choose between text and JSON, stdout and stderr."""
        self.as_json = as_json
        self._service = service
        self._results: TextIO = sys.stderr if with_command else sys.stdout

    def result(self, line: str) -> None:
        """A line that programs read too."""
        _write(self._results, line)

    def note(self, sentence: str) -> None:
        """Something for people, in one sentence."""
        _write(sys.stderr, f"mesh-record {self._service}: {sentence}")

    def block(self, text: str) -> None:
        """Something for people, in several lines."""
        _write(sys.stderr, text)


def run_sidecar(start: Start, *, as_json: bool) -> int:
    """Run until the command ends or a signal comes; the exit code.

    Raises:
        MeshError: it could not start.
    """
    voice = Voice(start.settings.service, as_json=as_json, with_command=bool(start.command))
    # A supervisor carries no traffic itself; uvloop starts no command in a process group of its own.
    factory = None if start.settings.workers or start.command else loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_Run(start, voice).run())


class Carrier(Protocol):
    """What carries the traffic: one sidecar in this process, or a crew of workers."""

    async def start(self) -> Listening:
        """Bind all listeners, then let traffic flow."""
        ...

    async def stop(self) -> Counters:
        """Accept nothing more, answer what is in flight, ship."""
        ...

    async def report(self) -> Report:
        """All that can be said at this moment, and after the end."""
        ...

    @property
    def bypassed(self) -> bool:
        """Whether nothing is recorded, because somebody said so."""
        ...

    async def bypass(self, on: bool) -> None:
        """Stop recording, or record again."""
        ...


def carrier_for(settings: SidecarSettings) -> Carrier:
    """One sidecar, where no workers are asked for."""
    if not settings.workers:
        return Sidecar(settings)
    return Crew(settings, verbose=logging.getLogger().isEnabledFor(logging.INFO))


class _Run:
    def __init__(self, start: Start, voice: Voice) -> None:
        self._start = start
        self._voice = voice
        self._settings = start.settings
        self._carrier = carrier_for(start.settings)
        self._admin: Admin | None = None
        self._command: Command | None = None
        self._ending = asyncio.Event()
        self._signals = 0
        self._switching: asyncio.Task[None] | None = None

    async def run(self) -> int:
        for note in self._start.notes:
            self._voice.note(note)
        if self._settings.redact_mode is RedactMode.OFF:
            self._voice.note(redaction_note())
        with contextlib.ExitStack() as opened:
            self._admin = self._open_admin(opened)
            listening = await self._carrier.start()
            ports = Ports(
                inbound=listening.inbound,
                outbound=listening.outbound,
                upstreams=listening.upstreams,
                admin=self._admin.listen if self._admin else None,
            )
            remedy = blind_remedy(ports, self._start.command)
            try:
                code = await self._serve(ports, remedy)
            finally:
                await self._carrier.stop()
            report = await self._carrier.report()
        self._say_stopped(report, remedy, code)
        return code

    def _open_admin(self, opened: contextlib.ExitStack) -> Admin | None:
        settings = self._settings
        if settings.admin is None:
            return None
        info = {
            "service": settings.service,
            "instance": settings.instance,
            "lane": lane_names(settings),
            "version": importlib.metadata.version("mesh-replay"),
        }
        admin = Admin(bind(settings.admin, "the admin listener"), self._carrier, info)
        opened.callback(admin.close)
        return admin

    async def _serve(self, ports: Ports, remedy: str) -> int:
        loop = asyncio.get_running_loop()
        for number in ENDING:
            loop.add_signal_handler(number, self._on_signal, number)
        loop.add_signal_handler(signal.SIGUSR1, self._on_switch)
        watcher = asyncio.create_task(self._watch(remedy))
        try:
            if self._start.command:
                ca = project_ca(self._settings.ca_dir)
                environ = command_environment(self._start, ports, ca.cert)
                self._command = await Command.start(self._start.command, environ)
            heap.settle()
            self._take_traffic(True)
            self._say_ready(ports)
            if self._command is not None:
                return await self._command.wait()
            await self._ending.wait()
            return ExitCode.OK
        finally:
            watcher.cancel()
            self._take_traffic(False)
            # From here on a second signal ends us at once; what was recorded is in the spool.
            for number in ENDING:
                loop.remove_signal_handler(number)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    def _take_traffic(self, ready: bool) -> None:
        if self._admin is not None:
            self._admin.ready = ready

    def _on_signal(self, number: signal.Signals) -> None:
        self._signals += 1
        self._ending.set()
        if self._command is not None:
            # Whoever asks twice means it.
            self._command.signal(number if self._signals == 1 else signal.SIGKILL)

    def _on_switch(self) -> None:
        self._switching = asyncio.create_task(self._carrier.bypass(not self._carrier.bypassed))

    async def _watch(self, remedy: str) -> None:
        """Say once, in the log, that a busy service seems to call nobody."""
        while not (report := await self._carrier.report()).calls:
            if report.blind:
                logger.warning("%s %s: %s", self._settings.service, blind_words(report.requests), remedy)
                return
            await asyncio.sleep(LOOK_EVERY)

    def _say_stopped(self, report: Report, remedy: str, code: int) -> None:
        seen = Seen(
            counters=report.counters,
            requests=report.requests,
            calls=report.calls,
            restarts=report.restarts,
        )
        if self._voice.as_json:
            self._voice.result(closing_json(self._settings.service, seen, remedy, code))
        else:
            self._voice.result(closing_line(self._settings.service, seen, remedy))

    def _say_ready(self, ports: Ports) -> None:
        advice = advice_for(self._start, ports)
        if self._voice.as_json:
            document = advice_json(advice) if advice else None
            self._voice.result(ready_json(self._settings, ports, self._start.notes, document))
        else:
            self._voice.result(ready_line(self._settings, ports))
        if advice:
            self._voice.block("\n".join(advice_lines(advice)))


def _write(stream: TextIO, text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        stream.write(text + "\n")
        stream.flush()
