"""What a sidecar needs before it starts: ports, key, files, a look at the store."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mesh_core.config import RedactMode, is_loopback
from mesh_core.errors import ConfigInvalid, MeshError, SchemaOutdated, StoreUnreachable
from mesh_core.project import CONFIG_NAME, Project, file_name, project_dir
from mesh_recorder.advice import Advice
from mesh_recorder.candidates import listeners
from mesh_recorder.command import check_there
from mesh_recorder.keys import redact_key
from mesh_recorder.lines import Ports, without_password
from mesh_recorder.ports import PortBook
from mesh_recorder.resolve import Options, Resolved, resolve
from mesh_recorder.runtimes import service_environment
from mesh_recorder.settings import Listen, SidecarSettings
from mesh_recorder.trust import trust_files

logger = logging.getLogger(__name__)

STORE_PATIENCE = 5.0
"""Seconds that a start waits for the store to answer."""


class Closes(Protocol):
    """What was opened."""

    def close(self) -> None:
        """Let it go."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One sidecar, about to start."""

    resolved: Resolved
    project: Project
    command: tuple[str, ...]
    environ: Mapping[str, str]
    notes: tuple[str, ...] = ()
    """What people should know from the first moment, a sentence each."""
    spare_port: int = 0
    """A free port for the service's callers, where it has none yet."""

    @property
    def settings(self) -> SidecarSettings:
        """What the sidecar itself is told."""
        return self.resolved.settings

    @property
    def folder(self) -> Path:
        """The project's part of the state directory."""
        return project_dir(self.project.state_dir, self.settings.project)


def prepare(
    options: Options,
    project: Project,
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    open_store: Callable[[str], Closes] | None = None,
) -> Start:
    """Settle everything that can be settled before a port is taken.

    Raises:
        MeshError: something cannot be used, and no traffic has been touched.
    """
    if command:
        check_there(command, environ)
    folder = project_dir(project.state_dir, project.config.project)
    book = PortBook(folder, options.service or "")
    off = project.config.redact.mode is RedactMode.OFF
    resolved = resolve(
        options,
        project,
        environ=environ,
        hostname=socket.gethostname(),
        redact_key=None if off else redact_key(environ, folder),
        free_port=book.port,
    )
    _check_files(resolved.settings)
    away = store_away(project.store, open_store or _open_store)
    spare = book.port("inbound") if resolved.settings.inbound is None else 0
    book.remember()
    return Start(
        resolved=resolved,
        project=project,
        command=tuple(command),
        environ=environ,
        notes=(away,) if away else (),
        spare_port=spare,
    )


def store_away(url: str, open_store: Callable[[str], Closes]) -> str | None:
    """Why the store takes nothing at the moment, in words; None where it does.

    What is recorded waits in the spool then, as traffic must not depend on a database.

    Raises:
        MeshError: it will never take anything: it is not ours, or damaged.
    """
    failed: list[Exception] = []

    def look() -> None:
        try:
            open_store(url).close()
        except Exception as error:  # noqa: BLE001  # whatever a driver raises, it is judged below
            failed.append(error)

    looker = threading.Thread(target=look, name="mesh-store-look", daemon=True)
    looker.start()
    looker.join(STORE_PATIENCE)
    if looker.is_alive():
        return f"the store does not answer, recording goes on into the spool ({without_password(url)})"
    if not failed:
        return None
    error = failed[0]
    if isinstance(error, MeshError) and not may_come_back(error):
        raise error
    return f"the store takes nothing now, recording goes on into the spool ({error})"


def may_come_back(error: MeshError) -> bool:
    """Whether the store may take what waits in the spool later, without a new start."""
    from sqlalchemy.exc import InterfaceError, OperationalError  # heavy

    away = isinstance(error.__cause__, OperationalError | InterfaceError)
    return isinstance(error, SchemaOutdated) or (isinstance(error, StoreUnreachable) and away)


def command_environment(start: Start, ports: Ports, ca_cert: Path) -> dict[str, str]:
    """The environment of the service's own process.

    Raises:
        ConfigInvalid: certificates cannot be read or written.
    """
    settings = start.settings
    if ports.outbound is None:
        raise ConfigInvalid("a command needs the outbound proxy", hint="give --outbound")
    folder = start.folder / "trust" / file_name(settings.service)
    trust = trust_files(ca_cert, folder, start.environ)
    port = settings.app.port if settings.app and is_loopback(str(settings.app)) else None
    callees = frozenset(name.rpartition(":")[0].strip("[]") for name in settings.peers)
    environ = service_environment(
        start.environ, proxy=ports.outbound, trust=trust, port=port, callees=callees
    )
    return {**environ, **start.resolved.rewritten}


def advice_for(start: Start, ports: Ports) -> Advice | None:
    """How to go on, where nobody said where the service listens and `mesh.toml` does not know it."""
    if start.settings.app is not None or start.resolved.known or ports.outbound is None:
        return None
    path = start.project.config_path
    return Advice(
        service=start.settings.service,
        config=str(path or Path.cwd() / CONFIG_NAME),
        exists=path is not None,
        listeners=listeners(),
        inbound=Listen(port=start.spare_port),
        outbound=ports.outbound,
    )


def _open_store(url: str) -> Closes:
    from mesh_store.store import open_store  # heavy

    return open_store(url)


def _check_files(settings: SidecarSettings) -> None:
    named = {"--cert": settings.cert, "--key": settings.key, "--upstream-ca": settings.upstream_ca}
    for option, path in named.items():
        if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
            raise ConfigInvalid(f"{option}: there is no file {path} to read", hint="check the path")
