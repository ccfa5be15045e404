"""A service that runs for the time of a replay: its process tree, its output's tail, its end."""

import asyncio
import collections
import contextlib
import os
import secrets
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mesh_core.errors import ConfigInvalid, ExitCode, MeshError
from mesh_store.processes import end_family, of_family
from mesh_store.sockets import LISTENING, inodes, sockets

MARK = "MESH_REPLAY_SERVICE"
"""A variable that tells what a service started, also once it has left its process group."""
GRACE = 5.0
"""Seconds that a service has to end by itself."""
_LINES, _LINE = 20, 400
"""How many lines of its output are shown, and characters of each."""
_PIECE = 64 * 1024


class LaunchFailed(MeshError):
    """The service did not start, or could not be reached."""

    exit_code = ExitCode.ENVIRONMENT

    def __init__(self, problem: str, *, hint: str, said: tuple[str, ...] = ()) -> None:
        super().__init__(problem, hint=hint)
        self.said = said
        """The last lines of its output."""


@dataclass(slots=True)
class LaunchedService:
    """A running command and all that it started."""

    process: asyncio.subprocess.Process
    mark: str
    name: str
    _lines: collections.deque[bytes] = field(default_factory=lambda: collections.deque(maxlen=_LINES))
    _unended: bytes = b""
    _reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, arguments: Sequence[str], environ: Mapping[str, str]) -> "LaunchedService":
        """Start a command in a process group of its own; what it prints is kept.

        Raises:
            ConfigInvalid: there is no such program, or it cannot be run.
        """
        mark = secrets.token_hex(8)
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                env={**environ, MARK: mark},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                process_group=0,
            )
        except FileNotFoundError:
            raise ConfigInvalid(
                f"there is no command {arguments[0]}", hint="check its spelling and PATH"
            ) from None
        except OSError as cause:
            raise ConfigInvalid(
                f"{arguments[0]} cannot be run: {cause.strerror}", hint="is it a program of this machine?"
            ) from cause
        service = cls(process, f"{MARK}={mark}", " ".join(arguments))
        service._reading = asyncio.ensure_future(service._read())
        return service

    @property
    def ended(self) -> int | None:
        """The command's exit code, once it and all that it started have ended; None before."""
        code = self.process.returncode
        return None if code is None or self._family() else code

    def listening(self) -> set[tuple[str, int]]:
        """Where it, or what it started, listens; empty where the system does not tell."""
        held: set[str] = set()
        for process in self._family():
            held |= inodes(process)
        return {(row.host, row.port) for row in sockets() if row.state == LISTENING and row.inode in held}

    async def stop(self) -> None:
        """End it and all that it started."""
        try:
            await end_family(self.process.pid, self.mark, grace=GRACE)
            await self.process.wait()
            await self._read_rest()
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)  # also where stopping was interrupted

    def tail(self) -> tuple[str, ...]:
        """The last lines of its output."""
        lines = [*self._lines, *([self._unended] if self._unended else [])][-_LINES:]
        return tuple(line.decode(errors="replace")[:_LINE].rstrip() for line in lines)

    def _family(self) -> list[Path]:
        return of_family(self.process.pid, self.mark)

    async def _read(self) -> None:
        output = self.process.stdout
        while output is not None and (piece := await output.read(_PIECE)):
            *lines, self._unended = (self._unended + piece).split(b"\n")
            self._lines.extend(lines)
            self._unended = self._unended[-_PIECE:]

    async def _read_rest(self) -> None:
        if self._reading is not None:
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(self._reading, GRACE)
