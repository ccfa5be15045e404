"""No process of a demo outlives it."""

import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_replayer.demo.processes import DemoFailed, Processes

READY = "import sys, signal; print('it listens on 1', flush=True); signal.pause()"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    (tmp_path / "logs").mkdir()
    with Processes(tmp_path, tmp_path / "logs", dict(os.environ)) as running:
        yield running


def test_a_process_that_says_that_it_listens_is_ready(processes: Processes) -> None:
    processes.start("one", [sys.executable, "-c", READY], {})

    processes.await_ready(60)

    assert processes.ended() == []


def test_one_that_ends_before_is_told_with_its_last_words(processes: Processes) -> None:
    processes.start("one", [sys.executable, "-c", "raise SystemExit('port 7001 is taken')"], {})

    with pytest.raises(DemoFailed, match="one did not start: port 7001 is taken"):
        processes.await_ready(60)


def test_one_that_never_gets_ready_is_told(processes: Processes) -> None:
    processes.start("one", [sys.executable, "-c", "import signal; signal.pause()"], {})

    with pytest.raises(DemoFailed, match="one was not ready within 0 s"):
        processes.await_ready(0)


def test_one_that_does_not_want_to_end_is_ended_with_all_that_it_started(
    processes: Processes, tmp_path: Path
) -> None:
    stubborn = (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
        "print('it listens on 1', flush=True)\n"
        "signal.pause()\n"
    )
    processes.start("one", [sys.executable, "-c", stubborn], {})
    processes.await_ready(60)
    child = os.pidfd_open(int((tmp_path / "child").read_text()))
    try:
        processes.end(grace=0.1)

        assert select.select([child], [], [], 30)[0], "the child still runs"
    finally:
        os.close(child)
