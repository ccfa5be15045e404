import socket
from pathlib import Path

import pytest

from mesh_recorder.ports import PortBook


def test_a_port_is_remembered_for_the_next_start(tmp_path: Path) -> None:
    first = PortBook(tmp_path, "cart")
    ports = (first.port("inbound"), first.port("outbound"))
    first.remember()

    again = PortBook(tmp_path, "cart")

    assert (again.port("inbound"), again.port("outbound")) == ports
    assert PortBook(tmp_path, "gateway").port("inbound") not in ports


def test_a_port_is_given_once_at_a_time(tmp_path: Path) -> None:
    book = PortBook(tmp_path, "cart")

    assert len({book.port("upstream:inventory") for _ in range(5)}) == 5


def test_a_second_instance_keeps_a_port_of_its_own(tmp_path: Path) -> None:
    first = PortBook(tmp_path, "cart")
    port = first.port("inbound")
    first.remember()
    with socket.create_server(("127.0.0.1", port)):
        second = PortBook(tmp_path, "cart")
        other = second.port("inbound")
        second.remember()

        assert other != port
        assert PortBook(tmp_path, "cart").port("inbound") == other
    assert PortBook(tmp_path, "cart").port("inbound") in (port, other)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"inbound": "x"}', '{"inbound": [0, 99999, "1"]}'])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, content: str) -> None:
    (tmp_path / "ports").mkdir()
    (tmp_path / "ports" / "cart.json").write_text(content)

    assert 0 < PortBook(tmp_path, "cart").port("inbound") < 65536


def test_ports_that_cannot_be_remembered_are_given_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ports").write_text("in the way")
    book = PortBook(tmp_path, "cart")

    book.port("inbound")
    book.remember()

    assert "ports are not remembered" in caplog.text
