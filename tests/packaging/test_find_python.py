"""The Makefile finds a Python that really runs."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "find-python"


def find(tmp_path: Path, *, path: str = "/usr/bin:/bin", **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": path, "HOME": str(tmp_path)} | environ
    return subprocess.run(["bash", SCRIPT], env=env, capture_output=True, text=True, check=False)


def program(folder: Path, name: str, body: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / name
    made.write_text(f"#!/bin/sh\n{body}\n")
    made.chmod(0o755)
    return made


def test_the_users_choice_comes_first(tmp_path: Path) -> None:
    assert find(tmp_path, PYTHON=sys.executable).stdout.strip() == sys.executable


def test_a_shim_that_fails_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "shims", "python3.14", "echo 'python3.14: command not found' >&2; exit 127")
    good = program(tmp_path / "later", "python3.12", f'exec {sys.executable} "$@"')

    found = find(tmp_path, path=f"{tmp_path}/shims:{tmp_path}/later:{without_python(tmp_path)}")

    assert found.stdout.strip() == str(good)


def test_versions_of_pyenv_are_found_off_the_path(tmp_path: Path) -> None:
    good = program(tmp_path / ".pyenv/versions/3.13.9/bin", "python3", f'exec {sys.executable} "$@"')

    assert find(tmp_path, path=without_python(tmp_path)).stdout.strip() == str(good)


def test_without_any_one_line_says_what_to_install(tmp_path: Path) -> None:
    program(tmp_path / "old", "python3", "exit 1")

    found = find(tmp_path, path=without_python(tmp_path))

    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert "install" in found.stderr


def without_python(tmp_path: Path) -> str:
    """A PATH with the shell's own tools and no Python."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "ls", "cat"):
        (tools / name).symlink_to(f"/bin/{name}")
    return str(tools)
