"""Each test of what a sidecar does runs in both lanes, unless it says in which and why.

A case that cannot hold in one lane is marked with the row of docs/explanation/lanes.md that tells so, and
with the test that proves what happens there instead.
"""

import ast
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

import pytest

from mesh_core.model import Lane

LANES = (Lane.MITMPROXY, Lane.WIRE)
in_use: ContextVar[Lane] = ContextVar("lane", default=Lane.MITMPROXY)
"""The lane of the sidecars that a test starts."""
_ROOT = Path(__file__).parents[2]


def only(lane: str, *, row: str, instead: str) -> pytest.MarkDecorator:
    """The other lane differs.

    Args:
        lane: where the test runs.
        row: how the first column of docs/explanation/lanes.md begins where it tells so.
        instead: `FILE::TEST` below tests/protocol, which proves what the other lane does.
    """
    return pytest.mark.lane(lane, row=row, instead=instead)


def one(lane: str) -> pytest.MarkDecorator:
    """Only one lane has what is tested, or the lane makes no difference to it."""
    return pytest.mark.lane(lane)


@pytest.fixture(autouse=True)
def lane(request: pytest.FixtureRequest) -> Iterator[Lane]:
    """The lane that carries the test's traffic; for a `conftest.py`, as `pytest_generate_tests` is."""
    token = in_use.set(request.param)
    try:
        yield request.param
    finally:
        in_use.reset(token)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test in the lanes that it is meant for."""
    if "lane" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("lane")
    if mark is not None and mark.kwargs:
        _check(**mark.kwargs)
    lanes = LANES if mark is None else (Lane(mark.args[0]),)
    metafunc.parametrize("lane", lanes, indirect=True, ids=str)


def _check(row: str, instead: str) -> None:
    """What a test says of the other lane is there."""
    rows = (_ROOT / "docs/explanation/lanes.md").read_text().splitlines()
    assert any(line.startswith(f"| {row}") for line in rows), f"docs/explanation/lanes.md has no row {row!r}"
    name, _, test = instead.partition("::")
    tree = ast.parse((_ROOT / "tests/protocol" / name).read_text())
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, instead
