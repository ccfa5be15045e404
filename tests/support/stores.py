"""The store that a test gets: each such test runs on SQLite and on Postgres."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_store import door
from mesh_store.store import Store, open_store
from support.postgres import a_database, running_postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """One server for all tests of a worker."""
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a database that has our tables."""
    with a_database(postgres_server) as url:
        door.upgrade(url)
        with open_store(url) as prepared:
            prepared.add([])  # makes the partitions of today
        yield url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that has our tables."""
    path = tmp_path_factory.mktemp("template") / "mesh.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store of either kind."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), tmp_path / "mesh.db")
        yield f"sqlite:///{tmp_path}/mesh.db"
        return
    server = request.getfixturevalue("postgres_server")
    template = request.getfixturevalue("postgres_template")
    with a_database(server, template=template) as url:
        yield url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store of either kind."""
    with open_store(store_url) as opened:
        yield opened
