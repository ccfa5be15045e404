"""Run the service itself beside its sidecar, as a shell would: in the foreground, with its exit code.

1. The command leads a process group of its own, which has the terminal while it runs, if we had it.
2. What it leaves behind in that group is ended once it has ended itself.
3. A stop from the terminal (Ctrl-Z) stops us too, so that the shell gets the terminal back.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mesh_core.errors import ConfigInvalid

logger = logging.getLogger(__name__)

PR_SET_CHILD_SUBREAPER = 36
"""Source: Linux, include/uapi/linux/prctl.h."""
LOOK_AGAIN = 0.2
"""Seconds until children are looked for again where nobody tells of their end (not on Linux)."""
GRACE = 5.0
"""Seconds for what a command left behind, before it is ended by force."""


class Command:
    """A running command with our terminal, input and output."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        """Take a process that was started; `Command.start` does so."""
        self._process = process
        self._name = name
        self._child_changed = asyncio.Event()
        self._has_terminal = _hand_terminal(os.getpgrp(), process.pid)
        if self._has_terminal:
            self.signal(signal.SIGCONT)  # it may have asked for the terminal before it had it
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._on_child)

    @classmethod
    async def start(cls, arguments: Sequence[str], environ: Mapping[str, str]) -> "Command":
        """Start a command.

        Raises:
            ConfigInvalid: there is no such program, or it cannot be run.
        """
        _adopt_grandchildren()
        try:
            process = await asyncio.create_subprocess_exec(*arguments, env=dict(environ), process_group=0)
        except FileNotFoundError:
            raise ConfigInvalid(
                f"there is no command {arguments[0]}", hint="check its spelling and PATH"
            ) from None
        except OSError as cause:
            raise ConfigInvalid(
                f"{arguments[0]} cannot be run: {cause.strerror}", hint="is it a program of this machine?"
            ) from cause
        return cls(process, arguments[0])

    @property
    def group(self) -> int:
        """Its process group."""
        return self._process.pid

    def signal(self, number: int) -> None:
        """Pass a signal on to the command and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, number)

    async def wait(self) -> int:
        """The command's exit code, once it and what it left behind have ended.

        A command that a signal ended gives 128 and the signal's number, as shells do.
        """
        code = await self._process.wait()
        if self._group_lives():
            logger.info("%s ended; what it left running is ended too", self._name)
            await self._end_group()
        if self._has_terminal:
            _hand_terminal(self.group, os.getpgrp())
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)
        return code if code >= 0 else 128 - code

    async def _end_group(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.signal(number)
            until = loop.time() + GRACE
            while self._group_lives() and loop.time() < until:
                self._child_changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._child_changed.wait(), LOOK_AGAIN)

    def _group_lives(self) -> bool:
        self._reap()
        try:
            os.killpg(self.group, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _on_child(self) -> None:
        self._child_changed.set()
        self._reap()
        if self._has_terminal and self._process.returncode is None and _is_stopped(self.group):
            self._stop_as_well()

    def _stop_as_well(self) -> None:
        _hand_terminal(self.group, os.getpgrp())
        os.killpg(os.getpgrp(), signal.SIGSTOP)
        # Here the shell has woken us again, by `fg` or `bg`.
        _hand_terminal(os.getpgrp(), self.group)
        self.signal(signal.SIGCONT)

    def _reap(self) -> None:
        """Let the adopted children go that have ended; the command itself is asyncio's."""
        for child in _children():
            if child != self._process.pid:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child, os.WNOHANG)


def check_there(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """See whether there is such a program, before anything else is done.

    Raises:
        ConfigInvalid: there is none.
    """
    if shutil.which(arguments[0], path=environ.get("PATH")) is None and not Path(arguments[0]).exists():
        raise ConfigInvalid(f"there is no command {arguments[0]}", hint="check its spelling and PATH")


def _adopt_grandchildren() -> None:
    """Become the parent of what the command leaves behind, so that its end is seen; Linux alone can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children() -> list[int]:
    """Our children; none where the system does not tell."""
    found: list[int] = []
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, file.read_text().split())
    return found


def _is_stopped(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG) is not None
    except ChildProcessError:
        return False


def _hand_terminal(holder: int, heir: int) -> bool:
    """Give the terminal, where there is one and group `holder` has it, to group `heir`; whether it was."""
    with contextlib.suppress(OSError), _ignored(signal.SIGTTOU):
        if os.tcgetpgrp(0) == holder:
            os.tcsetpgrp(0, heir)
            return True
    return False


@contextlib.contextmanager
def _ignored(number: signal.Signals) -> Iterator[None]:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)
