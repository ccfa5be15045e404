"""Where settings come from, and whom they are believed."""

from pathlib import Path

import pytest

from mesh_core.errors import ConfigInvalid, ConfigUntrusted
from mesh_core.project import Project, find_config, load_project, trust_file, trusted_with
from mesh_core.retention import DAY, Retention

HOME = {"HOME": "/home/u"}
STATE = Path("/home/u/.local/state/mesh-replay")


def load(files: dict[str, bytes], *, environ: dict[str, str] | None = None, **named: object) -> Project:
    environ = HOME | (environ or {})
    return load_project(
        cwd=Path("/work/shop/deep"),
        environ=environ,
        read=lambda path: files.get(str(path)),
        **named,  # type: ignore[arg-type]  # a test passes what it means
    )


def test_without_a_file_the_store_is_in_the_users_data_folder() -> None:
    project = load({})

    assert project.config_path is None
    assert project.store == "sqlite:////home/u/.local/share/mesh-replay/mesh.db"
    assert project.state_dir == STATE


def test_the_nearest_file_above_is_used_and_the_store_stands_beside_it() -> None:
    project = load({"/work/shop/mesh.toml": b"", "/work/mesh.toml": b"broken ="})

    assert project.config_path == Path("/work/shop/mesh.toml")
    assert project.store == "sqlite:////work/shop/mesh.db"


@pytest.mark.parametrize(
    ("environ", "option", "expected"),
    [
        ({}, None, "sqlite:////work/shop/here.db"),
        ({"MESH_STORE": "sqlite:///env.db"}, None, "sqlite:////work/shop/deep/env.db"),
        ({"MESH_STORE": "sqlite:///env.db"}, "sqlite:////abs.db", "sqlite:////abs.db"),
        ({"MESH_STORE": "postgresql://db/mesh"}, None, "postgresql://db/mesh"),
    ],
)
def test_option_goes_before_environment_before_file(
    environ: dict[str, str], option: str | None, expected: str
) -> None:
    files = {"/work/shop/mesh.toml": b'store = "sqlite:///here.db"'}

    assert load(files, environ=environ, store=option).store == expected


def test_a_named_file_that_is_missing_is_an_error() -> None:
    with pytest.raises(ConfigInvalid, match=r"there is no /etc/mesh\.toml"):
        load({}, config_file=Path("/etc/mesh.toml"))


def test_a_file_that_is_not_text_is_one_clear_error() -> None:
    with pytest.raises(ConfigInvalid, match="not UTF-8"):
        load({"/work/mesh.toml": b"\xff\xfe"})


WIDE = b'allow_targets = ["staging:443"]'


def test_wide_targets_are_refused_until_the_file_is_trusted() -> None:
    """Case P22: a file in a parent folder, untrusted."""
    with pytest.raises(ConfigUntrusted, match=r"mesh-replay trust /work/mesh\.toml") as caught:
        load({"/work/mesh.toml": WIDE})

    assert caught.value.exit_code == 4


def test_a_trusted_file_is_used_and_a_change_asks_again() -> None:
    """Case P22: changed after it was trusted."""
    trust = trusted_with(Path("/work/mesh.toml"), WIDE, None)
    files = {"/work/mesh.toml": WIDE, str(trust_file(STATE)): trust}

    assert load(files).config.allow_targets == ("staging:443",)
    with pytest.raises(ConfigUntrusted):
        load(files | {"/work/mesh.toml": WIDE + b"\n"})


def test_continuous_integration_may_vouch_for_the_file() -> None:
    files = {"/work/mesh.toml": WIDE}

    assert load(files, trust_config=True).config.allow_targets
    assert load(files, environ={"MESH_TRUST_CONFIG": "1"}).config.allow_targets


def test_trusting_one_file_keeps_what_was_trusted_before() -> None:
    first = trusted_with(Path("/a/mesh.toml"), b"1", None)
    both = trusted_with(Path("/b/mesh.toml"), b"2", first)

    assert b"/a/mesh.toml" in both
    assert b"/b/mesh.toml" in both


def test_the_search_ends_at_the_root() -> None:
    assert find_config(Path("/a/b"), lambda _: None) is None


def test_the_environment_stands_over_the_files_retention() -> None:
    files = {"/work/shop/mesh.toml": b'[retention]\nage = "1d"\nsize = "unlimited"'}

    project = load(files, environ={"MESH_RETENTION_AGE": "2d"})

    assert project.retention == Retention(age=2 * DAY, size=None)
    assert load({}).retention == Retention()
    with pytest.raises(ConfigInvalid, match="MESH_RETENTION_FAILURES: 'soon' is not a duration"):
        load({}, environ={"MESH_RETENTION_FAILURES": "soon"})


def test_a_file_nobody_trusted_erases_no_store_but_its_own() -> None:
    """A mesh.toml in a folder above may be somebody else's."""
    eager = {"/work/shop/mesh.toml": b'[retention]\nage = "0s"'}
    elsewhere = {"MESH_STORE": "sqlite:////mine.db"}

    assert load(eager).retention.age == 0
    with pytest.raises(ConfigUntrusted, match="a retention that erases earlier than by default"):
        load(eager, environ=elsewhere)
    assert load(eager, environ=elsewhere, trust_config=True).retention.age == 0
    longer = {"/work/shop/mesh.toml": b'[retention]\nage = "90d"'}
    assert load(longer, environ=elsewhere).retention.age == 90 * DAY
