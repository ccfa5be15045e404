import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_recorder.deploy.listening import listening_inodes, listens
from mesh_recorder.deploy.promise import HEALTHY


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc in which one process, not ours, has the sockets that a test gives it."""
    (tmp_path / "1" / "fd").mkdir(parents=True)
    (tmp_path / "1" / "fd" / "0").symlink_to("/dev/null")
    (tmp_path / "self").symlink_to("/proc/self")
    return tmp_path


def give(proc: Path, owned: socket.socket) -> None:
    (proc / "1" / "fd" / str(owned.fileno())).symlink_to(f"socket:[{os.fstat(owned.fileno()).st_ino}]")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_process_that_listens_is_well(proc: Path, family: socket.AddressFamily) -> None:
    with socket.socket(family) as server:
        server.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        server.listen()
        give(proc, server)

        assert listens(proc)


def test_one_that_has_only_connections_is_not(proc: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as one,
    ):
        give(proc, one)

        assert not listens(proc)


def test_what_another_listens_to_does_not_count(proc: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert not listens(proc)


def test_lines_that_are_no_sockets_are_passed_over() -> None:
    assert listening_inodes("  sl  local_address rem_address   st\n\n 0: x y 0A\n") == set()


def test_the_check_is_a_program_that_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import runpy, sys\n"
        "try:\n    runpy.run_module('mesh_recorder.deploy.listening', run_name='__main__')\n"
        "except SystemExit as end:\n    print(end.code in (0, 1), end=' ')\n"
        "print(sorted(name for name in sys.modules if name.startswith(('mesh_', 'click'))))\n"
    )

    result = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)

    assert result.stdout.strip() == "True ['mesh_recorder', 'mesh_recorder.deploy']", result.stderr
    assert HEALTHY[-1] == "mesh_recorder.deploy.listening"
