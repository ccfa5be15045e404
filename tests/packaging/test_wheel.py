"""The wheel, in a bare environment of its own, beside packages called api, store and core."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = ("mesh-record", "mesh-replay", "mesh-store")
HEAVY = ("pandas", "mitmproxy", "sqlalchemy", "fastapi", "httpx")

pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's environment: our wheel with its dependencies, and packages with plain names."""
    folder = tmp_path_factory.mktemp("user")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    python = folder / "env" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    install = [uv, "pip", "install", "--quiet", "--python", python]
    locked = ["--requirement", ROOT / "requirements" / "run.txt"]
    subprocess.run([*install, *locked, "pytest"], check=True, cwd=folder)
    subprocess.run([*install, "--no-deps", wheel], check=True, cwd=folder)
    for name in ("api", "store", "core"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"OWNER = 'the user of {name}'\n")
    return folder


def run(bare: Path, program: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {key: os.environ[key] for key in ("PATH",) if key in os.environ}
    return subprocess.run(
        [bare / "env" / "bin" / program, *arguments],
        cwd=bare,
        env=kept | {"HOME": str(bare)} | environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs_and_tells_its_version(bare: Path, command: str) -> None:
    assert run(bare, command, "--version").stdout.strip().endswith("0.1.0")
    assert "Usage" in run(bare, command, "--help").stdout


def test_a_fresh_database_is_made_and_migrated(bare: Path) -> None:
    upgraded = run(bare, "mesh-store", "upgrade", "--store", f"sqlite:///{bare}/fresh.db")
    listed = run(bare, "mesh-replay", "list", "--store", f"sqlite:///{bare}/fresh.db")

    assert upgraded.returncode == 0, upgraded.stderr
    assert (listed.returncode, "Traceback" in listed.stderr) in {(0, False), (5, False)}


def test_packages_with_plain_names_stay_the_users(bare: Path) -> None:
    code = (
        "import api, store, core, mesh_api, mesh_store, mesh_core; print(api.OWNER, store.OWNER, core.OWNER)"
    )

    found = run(bare, "python", "-c", code)

    assert found.stdout.split("\n")[0].count("the user of") == 3, found.stderr


def test_the_pytest_plugin_starts_and_loads_nothing_heavy(bare: Path) -> None:
    (bare / "test_theirs.py").write_text(
        "import sys, pytest\n"
        "@pytest.mark.mesh_trace('x.har')\n"
        f"def test_theirs():\n    assert not set({HEAVY!r}) & set(sys.modules)\n"
    )

    passed = run(bare, "python", "-m", "pytest", "-q", "--strict-markers", "-p", "no:anyio", "test_theirs.py")

    assert passed.returncode == 0, passed.stdout


def test_the_demo_shop_and_its_foreign_services_are_in_the_wheel(bare: Path) -> None:
    code = "import mesh_shop, os; print(os.listdir(os.path.dirname(mesh_shop.__file__)))"

    names = run(bare, "python", "-c", code).stdout

    assert all(name in names for name in ("mesh.toml", "payment.py", ".mjs")), names
