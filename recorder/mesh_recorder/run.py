"""One sidecar from start to end: what it says, the command beside it, signals, the account."""

import asyncio
import contextlib
import logging
import signal
import sys
from typing import TextIO

from mesh_core.config import RedactMode
from mesh_core.errors import ExitCode
from mesh_recorder.advice import advice_json, advice_lines
from mesh_recorder.authority import project_ca
from mesh_recorder.command import Command
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
from mesh_recorder.sidecar import Sidecar
from mesh_recorder.start import Start, advice_for, command_environment

logger = logging.getLogger(__name__)

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
BLIND_AFTER = 100
"""Requests after which a service that seems to call nobody is spoken of while it runs."""
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
    return asyncio.run(_Run(start, voice).run())


class _Run:
    def __init__(self, start: Start, voice: Voice) -> None:
        self._start = start
        self._voice = voice
        self._settings = start.settings
        self._sidecar = Sidecar(start.settings)
        self._command: Command | None = None
        self._ending = asyncio.Event()
        self._signals = 0

    async def run(self) -> int:
        for note in self._start.notes:
            self._voice.note(note)
        if self._settings.redact_mode is RedactMode.OFF:
            self._voice.note(redaction_note())
        listening = await self._sidecar.start()
        ports = Ports(inbound=listening.inbound, outbound=listening.outbound, upstreams=listening.upstreams)
        remedy = blind_remedy(ports, self._start.command)
        try:
            code = await self._serve(ports, remedy)
        finally:
            counters = await self._sidecar.stop()
        seen = Seen(counters=counters, requests=self._sidecar.requests_seen, calls=self._sidecar.calls_seen)
        if self._voice.as_json:
            self._voice.result(closing_json(self._settings.service, seen, remedy, code))
        else:
            self._voice.result(closing_line(self._settings.service, seen, remedy))
        return code

    async def _serve(self, ports: Ports, remedy: str) -> int:
        loop = asyncio.get_running_loop()
        for number in ENDING:
            loop.add_signal_handler(number, self._on_signal, number)
        watcher = asyncio.create_task(self._watch(remedy))
        try:
            if self._start.command:
                ca = project_ca(self._settings.ca_dir)
                environ = command_environment(self._start, ports, ca.cert)
                self._command = await Command.start(self._start.command, environ)
            self._say_ready(ports)
            if self._command is not None:
                return await self._command.wait()
            await self._ending.wait()
            return ExitCode.OK
        finally:
            watcher.cancel()
            # From here on a second signal ends us at once; what was recorded is in the spool.
            for number in ENDING:
                loop.remove_signal_handler(number)

    def _on_signal(self, number: signal.Signals) -> None:
        self._signals += 1
        self._ending.set()
        if self._command is not None:
            # Whoever asks twice means it.
            self._command.signal(number if self._signals == 1 else signal.SIGKILL)

    async def _watch(self, remedy: str) -> None:
        """Say once, in the log, that a busy service seems to call nobody."""
        while self._sidecar.calls_seen == 0:
            if self._sidecar.requests_seen >= BLIND_AFTER:
                words = blind_words(self._sidecar.requests_seen)
                logger.warning("%s %s: %s", self._settings.service, words, remedy)
                return
            await asyncio.sleep(LOOK_EVERY)

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
