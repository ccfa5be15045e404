import threading
from pathlib import Path

import pytest

from mesh_core.errors import ConfigInvalid
from mesh_recorder.keys import key_id, redact_key


def test_the_environment_gives_the_key(tmp_path: Path) -> None:
    assert redact_key({"MESH_REDACT_KEY": "0123456789abcdef"}, tmp_path) == b"0123456789abcdef"
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    key = redact_key({}, tmp_path / "shop")

    assert redact_key({}, tmp_path / "shop") == key
    assert len(key) == 64
    assert (tmp_path / "shop" / "redact.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "shop").stat().st_mode & 0o777 == 0o700


def test_sidecars_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    keys: list[bytes] = []
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        keys.append(redact_key({}, tmp_path / "shop"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["redact.key"]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    redact_key({}, tmp_path)
    (tmp_path / "redact.key").chmod(0o644)

    with pytest.raises(ConfigInvalid, match="chmod 600"):
        redact_key({}, tmp_path)


@pytest.mark.parametrize("given", ["", "short"])
def test_a_key_too_short_to_be_one_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(ConfigInvalid, match="too short"):
        redact_key({"MESH_REDACT_KEY": given}, tmp_path)

    (tmp_path / "redact.key").touch(mode=0o600)
    with pytest.raises(ConfigInvalid, match="made anew"):
        redact_key({}, tmp_path)


def test_where_nothing_can_be_written_a_key_lasts_for_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()

    key = redact_key({}, tmp_path / "file" / "shop")

    assert len(key) == 32
    assert "MESH_REDACT_KEY" in caplog.text


def test_a_keys_name_does_not_tell_the_key() -> None:
    assert key_id(b"a" * 32) != key_id(b"b" * 32)
    assert len(key_id(b"a" * 32)) == 16
