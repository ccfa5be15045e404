import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_recorder.candidates import listeners

SERVER = """
import socket, sys
server = socket.create_server((sys.argv[1], 0), family=getattr(socket, sys.argv[2]))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system has no /proc/net")
@pytest.mark.parametrize(
    ("listens", "family", "reached"),
    [("127.0.0.1", "AF_INET", "127.0.0.1"), ("0.0.0.0", "AF_INET", "127.0.0.1"), ("::1", "AF_INET6", "::1")],
)
def test_who_listens_is_told_with_port_and_program(listens: str, family: str, reached: str) -> None:
    command = [sys.executable, "-c", SERVER, listens, family]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        found = {listener.port: listener for listener in listeners()}
        server.communicate()

    assert found[port].host == reached
    assert "socket.create_server" in found[port].command


def test_our_own_listeners_are_not_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname()[1] not in {listener.port for listener in listeners()}


def test_a_system_that_does_not_tell_gives_nothing(tmp_path: Path) -> None:
    assert listeners(tmp_path) == []
