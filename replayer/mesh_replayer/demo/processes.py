"""The demo's processes: started in groups of their own, waited for, and all ended."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import IO

from mesh_core.errors import ExitCode, MeshError

_READY = re.compile(rb'"event": ?"ready"| listens on ')
_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


class DemoFailed(MeshError):
    """The demo could not be given, or did not show what it should."""

    exit_code = ExitCode.DIFFERENT


@dataclass(slots=True)
class Process:
    """One running process."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    ready: Event = field(default_factory=Event)

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@dataclass(slots=True)
class Processes:
    """All processes of a demo; use as a context manager, so that none outlives it."""

    folder: Path
    logs: Path
    environ: Mapping[str, str]
    _running: list[Process] = field(default_factory=list)

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start `command` with `environ` added to the demo's; it says on stdout when it is ready."""
        log = self.logs / f"{name}.log"
        with log.open("ab") as errors:
            popen = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                process_group=0,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 (one C call that takes no lock)
            )
        process = Process(name, popen, log)
        self._running.append(process)
        Thread(target=_keep_output, args=(process, popen.stdout), daemon=True).start()

    def await_ready(self, seconds: float) -> None:
        """Wait until all that were started are ready.

        Raises:
            DemoFailed: one ended, or was not ready within `seconds`.
        """
        deadline = monotonic() + seconds
        for process in self._running:
            while not process.ready.wait(0.05):
                if process.popen.poll() is not None:
                    raise DemoFailed(
                        f"{process.name} did not start: {process.last_words()}", hint=str(process.log)
                    )
                if monotonic() > deadline:
                    raise DemoFailed(
                        f"{process.name} was not ready within {seconds:.0f} s", hint=str(process.log)
                    )

    def ended(self) -> list[Process]:
        """Those that are no longer running."""
        return [process for process in self._running if process.popen.poll() is not None]

    def end(self, grace: float = 15) -> None:
        """Ask all to end, and end those by force that do not within `grace` seconds.

        A second Ctrl-C ends all by force at once.
        """
        try:
            self._signal_all(signal.SIGTERM)
            deadline = monotonic() + grace
            for process in self._running:
                process.popen.wait(max(0, deadline - monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._signal_all(signal.SIGKILL)
        for process in self._running:
            process.popen.wait()
        self._running.clear()

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._running:
            if process.popen.poll() is None:
                os.killpg(process.popen.pid, number)


def _keep_output(process: Process, output: IO[bytes]) -> None:
    with process.log.open("ab") as log, output:
        for line in output:
            log.write(line)
            log.flush()
            if _READY.search(line):
                process.ready.set()


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    """In the child: have the kernel end it should the demo be killed."""
    if _libc is not None:
        _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
