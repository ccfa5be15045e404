"""All of this runs in both lanes."""

from collections.abc import Iterator

import pytest

from mesh_core.model import Lane
from support.lanes import carried_by, parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(metafunc)


@pytest.fixture(autouse=True)
def lane(request: pytest.FixtureRequest) -> Iterator[Lane]:
    """The lane that carries the test's traffic."""
    with carried_by(request.param) as lane:
        yield lane
