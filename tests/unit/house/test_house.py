"""The house keeps its own rules: sizes, layout, dependencies between files."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("core", "store", "recorder", "replayer", "detector", "api", "alembic", "fixtures")
SOURCES = [
    path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if "node_modules" not in path.parts
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_stays_below_400_lines_and_a_function_below_46(path: Path) -> None:
    text = path.read_text()
    sizes = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert text.count("\n") <= 400
    assert {name: size for name, size in sizes.items() if size > 45} == {}


def test_the_alembic_folder_never_shadows_the_library() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_no_lock_file_names_an_index() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in lock.read_text()
        assert "--hash=sha256:" in lock.read_text()


@pytest.mark.parametrize("room", ROOMS[:-1])
def test_each_room_holds_one_typed_package_with_our_prefix(room: str) -> None:
    packages = [path.parent.name for path in (ROOT / room).glob("*/__init__.py")]

    assert len(packages) == 1
    assert packages[0].startswith("mesh_")
    assert (ROOT / room / packages[0] / "py.typed").exists()


@pytest.mark.xdist_group("house")
def test_tests_that_share_what_they_start_are_kept_on_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist tells groups by the ids that it gives; a pytest that ignores them scatters the group."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("no workers: pytest -n 2 --dist loadgroup")

    assert request.node.nodeid.endswith("@house")
