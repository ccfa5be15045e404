"""A command is run by a driver process, as a sidecar would run it."""

import errno
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

DRIVER = """
import asyncio, os, signal, sys
from mesh_core.errors import MeshError
from mesh_recorder.command import Command

async def run():
    command = await Command.start(sys.argv[1:], os.environ)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, command.signal, signal.SIGTERM)
    return await command.wait()

try:
    code = asyncio.run(run())
except MeshError as error:
    code = str(error)
sys.exit(code)
"""


def drive(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", DRIVER, *command], capture_output=True, text=True)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("code", [0, 3, 255])
def test_its_exit_code_is_given(code: int) -> None:
    assert drive(*python(f"exit({code})")).returncode == code


def test_a_signal_that_ended_it_gives_what_shells_give() -> None:
    done = drive(*python("import os; os.kill(os.getpid(), 9)"))

    assert done.returncode == 128 + 9


def test_its_output_and_arguments_pass_as_they_are() -> None:
    done = drive(*python("import sys; print(sys.argv[1:]); print('e', file=sys.stderr)"), "a b", "--json")

    assert done.stdout == "['a b', '--json']\n"
    assert done.stderr == "e\n"


def test_no_such_command_is_one_line() -> None:
    done = drive("no-such-command-here")

    assert done.stderr == "there is no command no-such-command-here; check its spelling and PATH\n"


def test_a_file_that_is_no_program_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no program")

    done = drive(str(tmp_path / "data"))

    assert done.stderr.count("\n") == 1
    assert "cannot be run: Permission denied" in done.stderr


def test_a_signal_reaches_it_and_its_answer_counts() -> None:
    waits = python(
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('up', flush=True)\n"
        "signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", DRIVER, *waits], stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        driver.stdout.readline()
        driver.terminate()

        assert driver.wait() == 7


def test_what_it_leaves_running_is_ended() -> None:
    child = "import signal; print('child', flush=True); signal.pause()"
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "import os; os._exit(4)"
    )

    done = drive(*python(parent))

    assert done.returncode == 4
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_an_adopted_child_that_ends_leaves_no_zombie() -> None:
    # A daemon of the command's becomes the driver's child, outside of the command's group.
    parent = (
        "import os, subprocess, sys\n"
        "read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        os.write(write, b'%d' % os.getpid())\n"
        "        os.close(write)\n"
        "        sys.stdin.read()\n"
        "    os._exit(0)\n"
        "os.close(write)\n"
        "pid = os.read(read, 20).decode()\n"
        "print(pid, flush=True)\n"
        "sys.stdin.read()\n"
        "while os.path.exists(f'/proc/{pid}'): pass\n"
    )
    command = [sys.executable, "-c", DRIVER, *python(parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        assert int(driver.stdout.readline()) > 0
        driver.stdin.close()

        assert driver.wait() == 0


class Terminal:
    """A driver on a terminal of its own, as an interactive shell would start it."""

    def __init__(self, command: Sequence[str]) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-c", DRIVER, *command])  # noqa: S606  # no shell is meant
        self.output = b""

    def wait_for(self, text: bytes) -> None:
        while text not in self.output:
            select.select([self.master], [], [])
            self.output += os.read(self.master, 4096)

    def send(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def exit_code(self) -> int:
        try:
            while chunk := os.read(self.master, 4096):
                self.output += chunk
        except OSError as error:  # so a terminal without a user ends
            assert error.errno == errno.EIO  # noqa: PT017
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_the_terminal_is_the_commands_while_it_runs() -> None:
    terminal = Terminal(python("name = input('name? '); print('hello', name)"))

    terminal.wait_for(b"name? ")
    terminal.send(b"mesh\n")
    terminal.wait_for(b"hello mesh")

    assert terminal.exit_code() == 0


WITH_TERMINAL = "import os, sys\nwhile os.tcgetpgrp(0) != os.getpgrp(): pass\n"
"""Keys that are pressed before the command has the terminal are not its own."""


def test_ctrl_c_goes_to_the_command() -> None:
    code = WITH_TERMINAL + (
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
        "print('up', flush=True)\n"
        "sys.exit(42 if signal.sigwait([signal.SIGINT]) else 1)"
    )
    terminal = Terminal(python(code))

    terminal.wait_for(b"up")
    terminal.send(b"\x03")

    assert terminal.exit_code() == 42


def test_ctrl_z_stops_both_and_both_go_on() -> None:
    terminal = Terminal(python(WITH_TERMINAL + "print('up', flush=True); print('hello', input())"))
    terminal.wait_for(b"up")

    terminal.send(b"\x1a")
    stopped = os.waitid(os.P_PID, terminal.pid, os.WSTOPPED)
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.send(b"again\n")
    terminal.wait_for(b"hello again")

    assert stopped is not None
    assert stopped.si_status == signal.SIGSTOP
    assert terminal.exit_code() == 0
