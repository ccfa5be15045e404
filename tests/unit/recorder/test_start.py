import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from mesh_core.config import Config
from mesh_core.errors import ConfigInvalid, SchemaOutdated, StoreUnreachable
from mesh_core.project import Project
from mesh_recorder.lines import Ports
from mesh_recorder.resolve import Options
from mesh_recorder.settings import Listen
from mesh_recorder.start import Start, advice_for, command_environment, prepare, store_away
from mesh_store.store import open_store
from support.authority import make_authority


def a_project(folder: Path) -> Project:
    return Project(
        config=Config(), config_path=None, store=f"sqlite:///{folder}/mesh.db", state_dir=folder / "state"
    )


def a_start(folder: Path, *command: str, **options: object) -> Start:
    chosen = Options(service="cart", with_command=bool(command), **options)  # type: ignore[arg-type]  # as given
    return prepare(chosen, a_project(folder), command, {"PATH": "/usr/bin:/bin", "HOME": str(folder)})


def test_a_store_that_answers_is_not_spoken_of(tmp_path: Path) -> None:
    assert store_away(f"sqlite:///{tmp_path}/mesh.db", open_store) is None


def test_a_store_that_is_away_is_said_and_no_reason_to_stop() -> None:
    note = store_away("postgresql://nobody@127.0.0.1:1/mesh", open_store)

    assert note is not None
    assert note.startswith("the store takes nothing now, recording goes on into the spool (")
    assert "\n" not in note


def test_one_that_waits_for_its_tables_is_no_reason_either() -> None:
    def outdated(_: str) -> object:
        raise SchemaOutdated("the store has older tables", hint="run `mesh-store upgrade`")

    assert "mesh-store upgrade" in (store_away("x", outdated) or "")  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"no database at all" * 100, None])
def test_one_that_is_not_ours_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mesh.db"
    if content is None:
        with sqlite3.connect(path) as other:
            other.execute("create table customers (name text)")
        other.close()
    else:
        path.write_bytes(content)

    with pytest.raises(StoreUnreachable):
        store_away(f"sqlite:///{path}", open_store)


def test_a_database_that_is_locked_is_away(tmp_path: Path) -> None:
    def locked(_: str) -> object:
        raise StoreUnreachable("it is locked", hint="wait") from OperationalError("x", {}, Exception())

    assert store_away("sqlite:///x", locked) is not None  # type: ignore[arg-type]


def test_a_command_that_is_not_there_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="there is no command no-such-thing"):
        a_start(tmp_path, "no-such-thing")

    assert list(tmp_path.iterdir()) == []


def test_a_certificate_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="--cert: there is no file"):
        a_start(tmp_path, app="7002", cert=tmp_path / "no.pem", key=tmp_path / "no.key")


def test_the_same_ports_come_again(tmp_path: Path) -> None:
    first, second = a_start(tmp_path, app="7002").settings, a_start(tmp_path, app="7002").settings

    assert first.inbound is not None
    assert (first.inbound, first.outbound) == (second.inbound, second.outbound)


def test_a_command_is_told_where_to_listen_and_where_its_dependencies_are(tmp_path: Path) -> None:
    start = a_start(
        tmp_path, "true", upstream_env=("INVENTORY_URL=http://127.0.0.1:8003/v1",), inbound="3000"
    )
    authority = make_authority(tmp_path / "ca")

    environ = command_environment(start, Ports(outbound=Listen(port=9002)), authority.cert)

    assert start.settings.app is not None
    assert environ["PORT"] == str(start.settings.app.port) != "3000"
    assert environ["INVENTORY_URL"] == f"http://{start.settings.upstreams[0].listen}/v1"
    assert environ["HTTPS_PROXY"] == "http://127.0.0.1:9002"
    assert Path(environ["SSL_CERT_FILE"]).is_relative_to(tmp_path / "state")


def test_advice_is_for_a_service_that_nobody_knows(tmp_path: Path) -> None:
    ports = Ports(outbound=Listen(port=9002))

    advice = advice_for(a_start(tmp_path), ports)

    assert advice is not None
    assert advice.inbound.port > 0
    assert advice_for(a_start(tmp_path, app="7002"), ports) is None
