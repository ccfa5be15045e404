"""The project's certificate authority: made once, private, and good for TLS clients."""

import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mesh_core.errors import ConfigInvalid
from mesh_recorder.authority import project_ca
from mesh_recorder.lane.holder import holder_of


def test_it_is_made_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "ca"

    first = project_ca(folder)
    before = (first.cert.read_bytes(), first.key.read_bytes())
    second = project_ca(folder)

    assert (second.cert.read_bytes(), second.key.read_bytes()) == before
    assert [path.stat().st_mode & 0o777 for path in (folder, first.cert, first.key)] == [0o700, 0o600, 0o600]
    assert {path.name for path in folder.iterdir()} == {"ca.pem", "ca.key"}
    ssl.create_default_context(cafile=str(first.cert))


def test_several_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = [pair.cert for pair in pool.map(lambda _: project_ca(tmp_path / "ca"), range(4))]

    assert len({cert.read_bytes() for cert in found}) == 1
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca" / "ca.pem", tmp_path / "ca" / "ca.key")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    project_ca(tmp_path).key.chmod(0o644)

    with pytest.raises(ConfigInvalid, match="can be read by others"):
        project_ca(tmp_path)


def test_the_holder_of_a_port_is_read_from_proc(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    head = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    )
    line = "   0: 0100007F:1F42 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 4711 1\n"
    (tmp_path / "net" / "tcp").write_text(head + line)
    (tmp_path / "42" / "fd").mkdir(parents=True)
    (tmp_path / "42" / "comm").write_text("python3\n")
    (tmp_path / "42" / "fd" / "3").symlink_to("socket:[4711]")

    assert holder_of(8002, proc=tmp_path) == "python3 (process 42)"
    assert holder_of(8003, proc=tmp_path) is None
