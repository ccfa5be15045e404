"""A running `mesh-record` as its operator sees it: the admin listener, the workers, load on it."""

import contextlib
import http.client
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str, *, data: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Status and body of one request."""
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310  # the tests' own
    try:
        with _DIRECT.open(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metric(admin: str, name: str) -> float:
    """One number of `/metrics`, with its labels as they are written there; 0 where it is not."""
    found = re.search(
        rf"^mesh_record_{re.escape(name)} (\S+)$", ask(f"http://{admin}/metrics")[1], re.MULTILINE
    )
    return float(found[1]) if found else 0.0


def metrics(admin: str) -> dict[str, float]:
    """All of `/metrics` as Prometheus' own parser reads it: name and labels, as written, to number."""
    text = ask(f"http://{admin}/metrics")[1]
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            key = sample.name.removeprefix("mesh_record_") + (f"{{{labels}}}" if labels else "")
            assert key not in found
            found[key] = sample.value
    return found


def counters(admin: str) -> dict[str, float]:
    """Those of `metrics` that may only grow."""
    return {
        name: value
        for name, value in metrics(admin).items()
        if re.match(r"\w+(_total|_bucket|_count|_sum)\b", name)
    }


def until_metric(admin: str, name: str, least: float) -> None:
    """Look until one number is as large."""
    while metric(admin, name) < least:
        threading.Event().wait(0.02)


def memory_of(pid: int, what: str) -> int:
    """Bytes that a process has in memory: `VmRSS` now, `VmHWM` at most. Source: proc(5)."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def forget_peak(pid: int) -> None:
    """Let the most that a process had in memory be what it has now. Source: proc(5), clear_refs."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def children(pid: int) -> list[int]:
    """A process's children."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, file.read_text().split())
    return found


def workers_of(supervisor: int) -> list[int]:
    """The workers: children of the process that makes them."""
    return [worker for child in children(supervisor) for worker in children(child)]


def gone(pid: int) -> None:
    """Wait until a process has ended."""
    with contextlib.suppress(OSError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            threading.Event().wait(0.01)


class Load:
    """Clients that each send one request after another, no path twice."""

    def __init__(self, port: int, clients: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._done = threading.Condition()
        self.answered: list[str] = []
        """Paths that got a 200, in that order."""
        self.broken: list[str] = []
        """Paths whose connection ended without an answer."""
        self.refused = 0
        """Connections that could not be made."""
        self.wrong: list[int] = []
        """Other statuses."""
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def more(self, count: int) -> None:
        """Wait until so many more requests are answered than now."""
        with self._done:
            wanted = len(self.answered) + count
            self._done.wait_for(lambda: len(self.answered) >= wanted or self._stop.is_set())

    def _run(self, client: int) -> None:
        number = 0
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        while not self._stop.is_set():
            number += 1
            path = f"/{client}/{number}"
            try:
                if connection.sock is None:
                    connection.connect()
            except OSError:
                self.refused += 1
                self._stop.wait(0.01)
                continue
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self.broken.append(path)
                continue
            with self._done:
                (self.answered.append(path) if response.status == 200 else self.wrong.append(response.status))
                self._done.notify_all()
        connection.close()

    def stop(self) -> None:
        """Send no more, and wait for what is under way."""
        self._stop.set()
        with self._done:
            self._done.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()


@contextlib.contextmanager
def load(port: int, clients: int = 4) -> Iterator[Load]:
    """Load on a port of 127.0.0.1."""
    running = Load(port, clients)
    for thread in running._threads:
        thread.start()
    try:
        yield running
    finally:
        running.stop()
