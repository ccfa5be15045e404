"""Opening a store: made at first use, told apart from what is not ours, in words."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import mesh_migrations
from mesh_core.errors import ConfigInvalid, ExitCode, MeshError, SchemaOutdated, StoreUnreachable
from mesh_migrations import HEAD, REVISIONS, VERSION_TABLE
from mesh_migrations.engine import make_engine, make_sqlite_file
from mesh_store import door
from mesh_store.store import Store, open_store
from mesh_store.tables import metadata
from support.postgres import a_database
from support.recorded import FakeCapture, finish

ROOT = Path(__file__).parents[3]


@pytest.fixture
def database(postgres_server: str) -> Iterator[str]:
    """An empty Postgres database."""
    with a_database(postgres_server) as url:
        yield url


def test_an_sqlite_store_is_made_at_first_use_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "mesh.db"
    with open_store(f"sqlite:///{path}") as store:
        store.add([finish(FakeCapture(1))])
        files = list(path.parent.iterdir())

        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    connection.close()


OPEN = """
import sys
from mesh_store.store import open_store
sys.stdin.read()
with open_store(sys.argv[1]) as store:
    print(store.stats().exchanges)
"""


def test_several_sidecars_that_start_at_once_make_one_store(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, f"sqlite:///{tmp_path}/mesh.db"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    starting = [subprocess.Popen(command, **pipes) for _ in range(4)]  # type: ignore[call-overload]  # as a dict
    for each in starting:
        each.stdin.close()

    assert [(each.stdout.read(), each.wait(300)) for each in starting] == [("0\n", 0)] * 4
    for each in starting:
        each.stdout.close()


def test_a_start_that_was_killed_halfway_is_no_obstacle(tmp_path: Path) -> None:
    """Case P8: an empty file, and one without tables, are made into a store."""
    empty, bare = tmp_path / "empty.db", tmp_path / "bare.db"
    empty.touch()
    make_sqlite_file(bare)

    for path in (empty, bare):
        with open_store(f"sqlite:///{path}") as store:
            assert store.stats().exchanges == 0


def test_postgres_needs_an_upgrade_and_gets_it_once(database: str) -> None:
    with pytest.raises(SchemaOutdated, match="has no tables of ours yet; run `mesh-store upgrade`"):
        open_store(database)

    assert door.upgrade(database) == (None, HEAD)
    assert door.upgrade(database) == (HEAD, HEAD)

    with open_store(database) as store:
        assert store.stats().exchanges == 0


KILLED = """
import os, signal, sys
from alembic import op
from mesh_store import door
made = 0
create = op.create_table
def create_then_die(*args, **kwargs):
    global made
    create(*args, **kwargs)
    made += 1
    if made == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
op.create_table = create_then_die
door.upgrade(sys.argv[1])
"""


@pytest.mark.parametrize("tables", [1, 6])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_migration_that_is_killed_leaves_nothing_behind(
    kind: str, tables: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Case F22 of the reliability notes: it comes as a whole or not at all."""
    url = f"sqlite:///{tmp_path}/mesh.db" if kind == "sqlite" else request.getfixturevalue("database")
    ended = subprocess.run([sys.executable, "-c", KILLED, url, str(tables)])
    assert ended.returncode == -signal.SIGKILL

    assert door.upgrade(url) == (None, HEAD)

    with open_store(url) as store:
        assert store.add([finish(FakeCapture(1))]) == 1


def test_an_older_postgres_schema_needs_an_upgrade(
    postgres_server: str, postgres_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_database(postgres_server, template=postgres_template) as url:
        set_version(url, "0000")
        monkeypatch.setattr(door, "REVISIONS", ("0000", *REVISIONS))

        with pytest.raises(SchemaOutdated, match="are of version 0000, this program needs"):
            open_store(url)


def set_version(url: str, version: str) -> None:
    """Say that a store's schema is another one."""
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE mesh_schema SET version_num = :version"), {"version": version})
    engine.dispose()


def test_what_the_migrations_make_is_what_the_store_knows(store: Store) -> None:
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        tables = {table.name for table in metadata.sorted_tables}
        differences = [
            each
            for each in compare_metadata(context, metadata)
            if each[0] not in ("remove_index", "remove_table")
            or (each[0] == "remove_table" and each[1].name in tables)
        ]

    assert differences == []


def test_the_revisions_are_known_without_alembic() -> None:
    script = ScriptDirectory(str(Path(mesh_migrations.__file__).parent))

    assert [each.revision for each in script.walk_revisions()][::-1] == list(REVISIONS)
    code = "import sys, mesh_store.store; sys.exit('alembic' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_plain_alembic_works_at_the_root(store_url: str, tmp_path: Path) -> None:
    path = tmp_path / "by-alembic.db"
    url = store_url if store_url.startswith("postgresql") else f"sqlite:///{path}"
    command = [Path(sys.executable).parent / "alembic", "upgrade", "head"]
    env = os.environ | {"MESH_STORE": url}

    for _ in range(2):
        ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        assert (ended.returncode, ended.stderr) == (0, "")

    with open_store(url) as store:
        assert store.add([finish(FakeCapture(1))]) == 1


def foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE exchange (rate REAL)")
    connection.commit()
    connection.close()


def newer(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    set_version(f"sqlite:///{path}", "9999")


def corrupt(path: Path) -> None:
    with open_store(f"sqlite:///{path}") as store:
        store.add([finish(FakeCapture(n, body=b"%d" % n * 2000)) for n in range(50)])
    content = bytearray(path.read_bytes())
    content[100:3000] = b"\xaa" * 2900
    path.write_bytes(content)


def no_database(path: Path) -> None:
    path.write_text("this is a text, and no database\n" * 100)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (foreign, "is a database of another program; name another file with --store sqlite:///FILE"),
        (newer, "was made by a newer mesh-replay (schema 9999); upgrade this program"),
        (corrupt, "is damaged; restore it, or move it away to start a new one"),
        (no_database, "is not an SQLite database; name another file with --store sqlite:///FILE"),
        (Path.mkdir, "cannot be opened: Is a directory; check the path and its permissions"),
    ],
)
def test_an_sqlite_file_that_cannot_be_used_is_told_in_one_line_and_left_alone(
    tmp_path: Path, spoil: object, said: str
) -> None:
    path = tmp_path / "mesh.db"
    spoil(path)  # type: ignore[operator]  # each is one of the functions above
    before = path.read_bytes() if path.is_file() else None

    for open_it in (open_store, door.upgrade):
        with pytest.raises(StoreUnreachable) as raised:
            open_it(f"sqlite:///{path}")
        assert said in str(raised.value)
        assert str(path) in str(raised.value)
        assert raised.value.exit_code == ExitCode.ENVIRONMENT
    if before is not None:
        assert path.read_bytes() == before


def test_a_file_that_is_damaged_where_it_is_read_is_told_too(tmp_path: Path) -> None:
    path = tmp_path / "mesh.db"
    with open_store(f"sqlite:///{path}") as store:
        store.add([finish(FakeCapture(n, body=os.urandom(3000))) for n in range(200)])
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 3, len(content) - 4096, 4096):
        content[at : at + 600] = b"\xaa" * 600
    path.write_bytes(content)

    with open_store(f"sqlite:///{path}") as store:
        problems: tuple[str, ...] = ()
        try:
            problems = store.check().problems
        except StoreUnreachable as error:
            problems = (error.problem,)

    assert problems


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreUnreachable, match="cannot be made: Permission denied"):
        open_store(f"sqlite:///{tmp_path}/mesh.db")


def test_a_folder_that_nobody_can_write_is_told() -> None:
    with pytest.raises(StoreUnreachable, match="cannot be opened: "):
        open_store("sqlite:////proc/mesh/mesh.db")


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("https://mesh.example", StoreUnreachable, "a store behind https:// is not there yet"),
        ("mysql://u:secret@h/d", ConfigInvalid, "mysql:// is not a store"),
        ("sqlite://", ConfigInvalid, "a store in memory would be forgotten at once"),
        ("sqlite:///:memory:", ConfigInvalid, "a store in memory would be forgotten at once"),
        ("mesh.db", ConfigInvalid, "mesh.db is not the URL of a store"),
        ("", ConfigInvalid, " is not the URL of a store"),
        ("postgresql://u:secret@127.0.0.1:1/d", StoreUnreachable, "cannot be reached: "),
        ("postgresql://u:secret@no.such.host.invalid/d", StoreUnreachable, "cannot be reached: "),
    ],
)
def test_an_address_that_is_no_store_is_told(url: str, error: type[MeshError], said: str) -> None:
    with pytest.raises(error) as raised:
        open_store(url)

    assert said in raised.value.problem
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_postgres_database_with_tables_of_others_is_left_alone(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE exchange (rate float)")

    with pytest.raises(StoreUnreachable, match="has tables that are not ours; give mesh-replay a database"):
        door.upgrade(database)


def test_a_newer_postgres_schema_is_told(store_url: str) -> None:
    if store_url.startswith("sqlite"):
        pytest.skip("told above")
    set_version(store_url, "9999")

    for open_it in (open_store, door.upgrade):
        with pytest.raises(SchemaOutdated, match=r"newer mesh-replay \(schema 9999\); upgrade this program"):
            open_it(store_url)


def test_a_database_that_loses_its_tables_is_told(store_url: str) -> None:
    with open_store(store_url) as store:
        with store._engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE exchange")
        with pytest.raises(StoreUnreachable):
            store.stats()
