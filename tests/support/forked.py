"""`mesh-record` forked from a process that has imported all of it, so that a hundred starts are quick."""

import json
import multiprocessing
import os
import threading
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from support.record import clean_environment

PRELOADED = [
    "mesh_recorder.cli", "mesh_recorder.run", "mesh_recorder.lane.lane", "mesh_store.store",
    "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite",
]  # fmt: skip


def fork_server() -> ForkServerContext:
    """What sidecars are forked from; it ends with this process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


class Forked:
    """A running sidecar, made to be ended."""

    def __init__(self, context: ForkServerContext, folder: Path, said: Path, *arguments: str) -> None:
        """Start it; what it says goes to the file `said`."""
        environment = clean_environment(folder)
        self._said = said
        self.process = context.Process(
            target=_record, args=(folder, said, environment, [str(each) for each in arguments])
        )
        self.process.start()

    def ready(self) -> dict[str, Any]:
        """Its ready line."""
        while not (self._said.exists() and self._said.read_text().endswith("\n")):
            assert self.process.exitcode is None, self._said.read_text()
            threading.Event().wait(0.01)
        told: dict[str, Any] = json.loads(self._said.read_text().splitlines()[0])
        return told

    def kill(self) -> int | None:
        """kill -9; the exit code."""
        self.process.kill()
        return self._ended()

    def end(self) -> tuple[int | None, dict[str, Any]]:
        """SIGTERM; the exit code, and its closing line."""
        self.process.terminate()
        code = self._ended()
        stopped: dict[str, Any] = json.loads(self._said.read_text().splitlines()[-1])
        return code, stopped

    def _ended(self) -> int | None:
        self.process.join()
        code = self.process.exitcode
        self.process.close()
        return code


def _record(folder: Path, said: Path, environment: Mapping[str, str], arguments: list[str]) -> None:
    """In the new process: what `mesh-record` does."""
    from mesh_recorder.cli import main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
    main(arguments, prog_name="mesh-record")
