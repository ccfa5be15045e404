import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_replayer.demo.folder import WorkFolder, clean_environment, make_folder, shop_folder


@pytest.fixture
def folders() -> Iterator[list[Path]]:
    made: list[Path] = []
    yield made
    for path in made:
        shutil.rmtree(path)


def a_folder(folders: list[Path], *, usual_ports: bool = False, **payments: int) -> WorkFolder:
    folder = make_folder(payments, usual_ports=usual_ports)
    folders.append(folder.path)
    return folder


def test_a_demo_works_on_a_copy_of_the_shops_file_with_ports_of_its_own(folders: list[Path]) -> None:
    first, second = a_folder(folders, unfixed=0), a_folder(folders, unfixed=0)

    assert set(first.config.services) == {"gateway", "cart", "inventory", "payment", "pricing"}
    assert first.config.services["cart"].app != second.config.services["cart"].app
    assert first.payments["unfixed"] != second.payments["unfixed"]


def test_a_usual_port_that_is_taken_is_moved_everywhere_it_stands(folders: list[Path]) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closing connections do not take it
        try:
            taken.bind(("127.0.0.1", 8003))
        except OSError:
            pass  # somebody else has it, which is as good
        else:
            taken.listen()
        folder = a_folder(folders, usual_ports=True)

    inventory, pricing = folder.config.services["inventory"], folder.config.services["pricing"]
    assert folder.moved >= 1
    assert inventory.inbound != "127.0.0.1:8003"
    assert pricing.upstreams["inventory"].target == inventory.inbound


def test_no_setting_of_the_users_gets_into_a_demo(tmp_path: Path) -> None:
    user = {
        "PATH": "/bin",
        "MESH_STORE": "postgresql://prod",
        "HTTPS_PROXY": "x",
        "no_proxy": "y",
        "CART_URL": "z",
        "XDG_STATE_HOME": "/home/u",
    }

    environ = clean_environment(user, tmp_path)

    assert environ == {
        "PATH": "/bin",
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }


def test_the_shop_is_found_where_it_is_installed() -> None:
    assert (shop_folder() / "inventory.mjs").is_file()
    assert os.access(shop_folder() / "mesh.toml", os.R_OK)
