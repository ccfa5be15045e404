"""The staying demo, and the commands of the README typed exactly as they stand, in the shop's folder."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.shop import clean_environment

pytestmark = pytest.mark.xdist_group("demo")

BIN = Path(sys.executable).parent


class Terminal:
    """A terminal of its own in which one command runs."""

    def __init__(self, *command: str, cwd: Path, environ: dict[str, str]) -> None:
        self._terminal, inside = pty.openpty()
        self.process = subprocess.Popen(
            command, cwd=cwd, env=environ, stdin=inside, stdout=inside, stderr=inside, start_new_session=True
        )
        os.close(inside)
        self.shown = ""

    def read_until(self, pattern: str) -> re.Match[str]:
        """Read on until the pattern was shown; the end of the command before that fails the test."""
        while (found := re.search(pattern, self.shown)) is None:
            try:
                piece = os.read(self._terminal, 65536)
            except OSError:
                raise AssertionError(f"{pattern!r} was never shown:\n{self.shown}") from None
            self.shown += piece.decode(errors="replace").replace("\r", "")
        return found

    def end(self, number: signal.Signals) -> int:
        """Signal the command, let it say what it has to say, and give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            while piece := os.read(self._terminal, 65536):
                self.shown += piece.decode(errors="replace").replace("\r", "")
        except OSError:
            pass  # the terminal is gone with its last program
        os.close(self._terminal)
        return self.process.wait()


@contextmanager
def terminal(*command: str, cwd: Path, environ: dict[str, str]) -> Iterator[Terminal]:
    opened = Terminal(*command, cwd=cwd, environ=environ)
    try:
        yield opened
    finally:
        if opened.process.returncode is None:
            opened.end(signal.SIGTERM)


def test_the_readers_commands_work_as_they_stand(tmp_path: Path) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8080)) == 0:
            pytest.skip("something else listens on port 8080 here")
    environ = clean_environment() | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "NO_COLOR": "1",
    }
    with terminal("mesh-replay", "demo", "--without-sidecar", "cart", cwd=tmp_path, environ=environ) as demo:
        folder = Path(demo.read_until(r"  cd (/\S+)\n  mesh-record --service cart\n")[1])
        with terminal("mesh-record", "--service", "cart", cwd=folder, environ=environ) as sidecar:
            sidecar.read_until(r"8002")
            told = demo.read_until(r"mesh-replay trace ([0-9a-f]{32}) --target localhost:8080")
            demo.read_until(r"stays up until Ctrl-C")

            typed = subprocess.run(
                ["mesh-replay", "trace", told[1], "--target", "localhost:8080"],
                cwd=folder,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )

            assert (typed.returncode, "reproduced" in typed.stdout) == (1, True), typed.stdout + typed.stderr
            assert demo.end(signal.SIGINT) == 0, demo.shown
            assert sidecar.end(signal.SIGTERM) == 0, sidecar.shown
