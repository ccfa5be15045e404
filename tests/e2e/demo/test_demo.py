"""`mesh-replay demo`, as a newcomer runs it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mesh_replayer.demo.cast import program
from support.shop import clean_environment

pytestmark = pytest.mark.xdist_group("demo")


def demo(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program("mesh-replay"), "demo", *arguments],
        env=clean_environment() | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_records_finds_and_replays_the_failure_and_exits_0() -> None:
    done = demo("--once", "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["culprit"] == "payment"
    assert told["exit_codes"] == {"unfixed": 1, "fixed": 0, "broken": 1}
    assert told["missing"] == []
    for word in ("reproduced", "not_reproduced", "fails_differently", "exit code 1", "exit code 0"):
        assert word in done.stderr


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    done = demo("--once", TMPDIR=str(tmp_path), HOME=str(tmp_path / "home"))

    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_node_it_says_so_and_does_without(tmp_path: Path) -> None:
    for name in ("sh", "env"):
        (tmp_path / name).symlink_to(shutil.which(name) or f"/bin/{name}")

    done = demo("--once", "--json", PATH=str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert "inventory and pricing are left out" in done.stderr


def test_a_service_without_a_sidecar_makes_the_trace_less_than_whole() -> None:
    done = demo("--once", "--json", "--without-sidecar", "cart")

    assert done.returncode == 1
    assert "side of" in done.stderr.splitlines()[-1]
    shutil.rmtree(json.loads(done.stdout)["folder"])


def test_an_unknown_service_is_one_line() -> None:
    done = demo("--once", "--without-sidecar", "basket")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "mesh-replay: the shop has no service basket; it has gateway, cart, inventory, payment, pricing\n"
    )
