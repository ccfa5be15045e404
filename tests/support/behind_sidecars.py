"""The shop behind real sidecars, and our commands typed in its folder."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

from mesh_replayer.demo.cast import Cast, program
from mesh_replayer.demo.folder import WorkFolder, clean_environment, make_folder, shop_folder
from mesh_replayer.demo.processes import Processes
from mesh_replayer.demo.stage import find_node

PATIENCE = 60.0
"""Seconds until something that must happen is taken not to happen, however busy the machine is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What a command printed, and its exit code."""

    code: int
    stdout: str
    stderr: str

    def documents(self) -> list[Any]:
        """The JSON lines, or the one document, of stdout."""
        try:
            return [json.loads(self.stdout)] if self.stdout.strip() else []
        except ValueError:
            return [json.loads(line) for line in self.stdout.splitlines()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder with its environment, where commands are typed."""

    path: Path
    environ: dict[str, str]

    def type(self, command: str, *arguments: str, **environ: str) -> Typed:
        """Run one of our commands to its end."""
        done = subprocess.run(
            [*program(command), *arguments],
            cwd=self.path,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Typed(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def replay(self, *arguments: str) -> Typed:
        """`mesh-replay ARGUMENTS`."""
        return self.type("mesh-replay", *arguments)

    def json(self, *arguments: str) -> list[Any]:
        """The documents of `mesh-replay ARGUMENTS --json`."""
        typed = self.replay(*arguments, "--json")
        assert "Traceback" not in typed.stderr, typed.stderr
        return typed.documents()

    def listed(self, query: str, count: int) -> list[Any]:
        """Exchanges that match, once there are `count` of them in the store; newest first."""
        found: list[Any] = []
        deadline, pause = monotonic() + PATIENCE, Event()
        while monotonic() < deadline:
            found = self.json("list", query, "--limit", "500")
            if len(found) >= count:
                return found
            pause.wait(0.1)
        raise AssertionError(f"{query}: {len(found)} of {count} exchanges after {PATIENCE:.0f} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh(Place):
    """The shop behind its sidecars."""

    cast: Cast
    folder: WorkFolder
    processes: Processes

    def order(self, currency: str) -> dict[str, Any]:
        """One customer's order; what came of it."""
        command = [sys.executable, "-m", "mesh_shop.customers", "--gateway", self.cast.entry()]
        done = subprocess.run(
            [*command, "--json", "--currency", currency],
            env=self.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        ordered: dict[str, Any] = json.loads(done.stdout)
        return ordered

    def failed_trace(self, *, sides: int) -> dict[str, Any]:
        """The newest failed trace, once it has so many exchanges."""
        trace: dict[str, Any] = {"exchanges": []}
        deadline, pause = monotonic() + PATIENCE, Event()
        while monotonic() < deadline:
            groups = self.json("failures", "service:payment")
            if groups:
                (trace,) = self.json("show", groups[0]["traces"][0])
                if len(trace["exchanges"]) >= sides:
                    return trace
            pause.wait(0.1)
        raise AssertionError(f"{len(trace['exchanges'])} of {sides} exchanges after {PATIENCE:.0f} s")


@contextmanager
def place(path: Path) -> Iterator[Place]:
    """A folder of its own for a test's commands; no setting of the user's gets in."""
    path.mkdir(parents=True, exist_ok=True)
    yield Place(path=path, environ=clean_environment(os.environ, path))


@contextmanager
def mesh(*, without_sidecar: tuple[str, ...] = (), node: bool = True, **environ: str) -> Iterator[Mesh]:
    """Run the shop behind sidecars on free ports, with `environ` for its services."""
    folder = make_folder({"unfixed": 0, "fixed": 0, "broken": 0}, usual_ports=False)
    clean = clean_environment(os.environ, folder.path) | environ
    cast = Cast(
        config=folder.config,
        shop=shop_folder(),
        node=find_node(clean.get("PATH")) if node else None,
        bare=frozenset(without_sidecar),
    )
    with Processes(folder.path, folder.logs, clean) as processes:
        for part in cast.parts(folder.payments, without_sidecar):
            processes.start(part.name, part.command, part.environ)
        processes.await_ready(PATIENCE)
        yield Mesh(path=folder.path, environ=clean, cast=cast, folder=folder, processes=processes)
    shutil.rmtree(folder.path)
