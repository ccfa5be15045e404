"""Commands before and after a replay, with what they need to bring state back: trusted ones alone."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from mesh_core.model import Bodies, Exchange
from mesh_replayer.captures import write_capture
from mesh_replayer.launch.service import LaunchFailed
from mesh_store.processes import end_family

TRACE_FILE, TARGET = "MESH_TRACE_FILE", "MESH_TARGET"
GRACE = 5.0
"""Seconds that a command has to end once the run was interrupted."""


@asynccontextmanager
async def commands_around(
    before: Sequence[str],
    after: Sequence[str],
    *,
    target: str,
    recorded: Iterable[tuple[Exchange, Bodies]],
    environ: Mapping[str, str],
    folder: Path,
) -> AsyncIterator[None]:
    """Run `before`, and `after` in any case; what they print goes to stderr.

    Args:
        before: shell commands, one after the other; the first that fails ends it.
        after: likewise, but each is run whatever became of the others.
        target: `MESH_TARGET`.
        recorded: what `MESH_TRACE_FILE` holds, as HAR.
        environ: of the commands.
        folder: where they run.

    Raises:
        LaunchFailed: a command failed.
    """
    if not before and not after:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="mesh-replay-") as place:
        file = Path(place) / "trace.har"
        write_capture(file, recorded)
        variables = {**environ, TRACE_FILE: str(file), TARGET: target}
        failed = ""
        try:
            for command in before:
                if (why := await _run(command, variables, folder)) is not None:
                    raise LaunchFailed(
                        f"[replay] before: `{command}` {why}", hint="nothing was sent; see what it said"
                    )
            yield
        finally:
            for command in after:
                if (why := await _run(command, variables, folder)) is not None:
                    failed = failed or f"`{command}` {why}"
        if failed:
            raise LaunchFailed(f"[replay] after: {failed}", hint="see what it said; the replay is over")


async def _run(command: str, environ: Mapping[str, str], folder: Path) -> str | None:
    """Run a shell command to its end; how it failed, in words, or None."""
    process = await asyncio.create_subprocess_shell(
        command,
        env=dict(environ),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=sys.__stderr__,
        process_group=0,
    )
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        await end_family(process.pid, f"{TRACE_FILE}={environ[TRACE_FILE]}", grace=GRACE)
        raise
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, 9)
    if code == 0:
        return None
    return f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
