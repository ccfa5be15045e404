"""SIGTERM under load: what was taken is answered, what was answered is recorded."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from mesh_core.model import Lane
from mesh_core.query import parse_query
from mesh_store.store import open_store
from support.forked import Forked, fork_server
from support.record import a_service, port_of

CLIENTS = 4


class Asking:
    """Clients that ask on new connections, and tell a refused one from an answer that was cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._changed = threading.Condition()
        self.answered: list[str] = []
        self.cut: list[str] = []
        """Taken, and not answered whole."""

    @contextlib.contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Ask until nobody takes a connection any more."""
        threads = [
            threading.Thread(target=self._ask, args=(f"/{name}/{number}",)) for number in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.answered) >= count, timeout=60)

    def _ask(self, prefix: str) -> None:
        for number in range(100_000):
            path = f"{prefix}/{number}"
            try:
                connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            except ConnectionError:
                return
            with connection:
                whole = self._answer(connection, path)
            with self._changed:
                (self.answered if whole else self.cut).append(path)
                self._changed.notify_all()

    def _answer(self, connection: socket.socket, path: str) -> bool:
        try:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status == 200 and json.loads(response.read()) == {"path": path}
        except (OSError, http.client.HTTPException, ValueError):
            return False


def test_a_sidecar_that_is_told_to_end_under_load_answers_and_keeps_all(
    store_url: str, tmp_path: Path, long_run: bool, lane: Lane
) -> None:
    """Case R25: what reached the sidecar is answered whole, recorded and stored; exit 0."""
    answered: set[str] = set()
    with a_service() as app:
        told = ["--service", "cart", "--app", str(app), "--store", store_url, "--json", "--lane", lane]
        context = fork_server()
        for number in range(100 if long_run else 3):
            sidecar = Forked(context, tmp_path, tmp_path / f"said-{number}", *told)
            asking = Asking(port_of(sidecar.ready()["inbound"]["listen"]))
            with asking.running(str(number)):
                asking.wait_for(10 + 7 * (number % 20))
                code, stopped = sidecar.end()
            # What waited in the listener's backlog was never taken.
            assert len(asking.cut) <= CLIENTS
            assert (code, stopped["dropped"], stopped["gap"], stopped["waiting"]) == (0, {}, 0, 0)
            assert stopped["stored"] == stopped["offered"] >= len(asking.answered)
            answered |= set(asking.answered)
    with open_store(store_url) as store:
        found: list[str] = []
        cursor = None
        while True:
            page = store.search(parse_query("", now=0), limit=1000, cursor=cursor)
            found += [exchange.path for exchange in page.exchanges]
            cursor = page.cursor
            if cursor is None:
                break
    assert answered <= set(found)
    assert len(found) == len(set(found))
