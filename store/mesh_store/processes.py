"""Processes that a command of ours started, with all that these started: found, and ended (by /proc)."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

_DEAD = frozenset("ZXx")
"""States of a process that only waits to be asked for its exit code. Source: proc_pid_stat(5)."""
_FIRST_LOOK, _LONGEST_LOOK = 0.01, 0.2
"""Seconds between two looks at whether all have ended: nobody tells of a stranger's child."""


def of_group(group: int, proc: Path = Path("/proc")) -> Iterator[Path]:
    """The folders in /proc of the living processes of a group; none where there is no /proc."""
    for process in _all(proc):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The program's name, in brackets, may hold anything. Source: proc_pid_stat(5).
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] not in _DEAD:
                yield process


def of_family(group: int, mark: str, proc: Path = Path("/proc")) -> list[Path]:
    """The living processes of a group, and those that left it but still carry `mark` in their environment.

    Args:
        group: the process group that the first of them leads.
        mark: `NAME=VALUE` in the environment that the first of them was given.
        proc: where the system tells of processes.
    """
    found = {process.name: process for process in of_group(group, proc)}
    wanted = mark.encode()
    for process in _all(proc):
        with contextlib.suppress(OSError):
            if process.name not in found and wanted in (process / "environ").read_bytes().split(b"\0"):
                found[process.name] = process
    found.pop(str(os.getpid()), None)
    return list(found.values())


async def end_family(group: int, mark: str, *, grace: float) -> None:
    """Ask them all to end, and end those by force that have not within `grace` seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(group, mark, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await _until_ended(group, mark)
                return


async def _until_ended(group: int, mark: str) -> None:
    pause = _FIRST_LOOK
    while _lives(group, mark):
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_LOOK)


def _lives(group: int, mark: str) -> bool:
    if Path("/proc/self").exists():
        return bool(of_family(group, mark))
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _signal(group: int, mark: str, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for process in of_family(group, mark):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(int(process.name)) != group:
                os.kill(int(process.name), number)


def _all(proc: Path) -> Iterator[Path]:
    try:
        folders = list(proc.iterdir())
    except OSError:
        return
    yield from (process for process in folders if process.name.isdigit())
