"""`mesh-record` as a process of its own, with nothing of the user's, and servers beside it."""

import contextlib
import json
import os
import queue
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RECORD = [str(Path(sys.executable).with_name("mesh-record"))]
_OURS = ("MESH_", "XDG_", "SSL_CERT", "REQUESTS_CA", "CURL_CA", "NODE_", "JAVA_TOOL")


def clean_environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment without what would lead calls or settings elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OURS) and not name.lower().endswith("_proxy")
    }
    home = {"XDG_STATE_HOME": str(folder / "state"), "XDG_DATA_HOME": str(folder / "data")}
    return {**kept, **home, **more}


def run_record(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `mesh-record` to its end."""
    return subprocess.run(
        [*RECORD, *arguments],
        cwd=folder,
        env=clean_environment(folder, **environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


class Record:
    """A running `mesh-record`; a context manager that ends it."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        files: int | None = None,
    ) -> None:
        limited = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"] if files else []
        self.process = subprocess.Popen(
            [*limited, *RECORD, *arguments],
            cwd=folder,
            env=clean_environment(folder, **(environ or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: dict[str, queue.Queue[str | None]] = {"out": queue.Queue(), "err": queue.Queue()}
        self._threads = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", self.process.stdout), ("err", self.process.stderr))
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        for thread in self._threads:
            thread.join()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()

    def line(self, stream: str = "out") -> str:
        """The next line that it says."""
        line = self._lines[stream].get()
        assert line is not None, f"it ended, and said: {self.rest('err')}"
        return line

    def line_with(self, text: str, stream: str) -> str:
        """The next line that holds a text; those before it are left out."""
        while text not in (line := self.line(stream)):
            continue
        return line

    def event(self, name: str = "ready", stream: str = "out") -> dict[str, Any]:
        """The next event that it says with `--json`."""
        document: dict[str, Any] = json.loads(self.line_with(f'"event": "{name}"', stream))
        return document

    def rest(self, stream: str = "out") -> str:
        """What else it says until its end."""
        return "".join(iter(self._lines[stream].get, None))

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; its exit code."""
        self.process.send_signal(number)
        return self.process.wait()

    def _read(self, name: str, stream: Any) -> None:
        for line in stream:
            self._lines[name].put(line)
        self._lines[name].put(None)
        self._lines[name].put(None)


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path}).encode()
        self.send_response(500 if self.path == "/fail" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def a_service(*, cert: Path | None = None, key: Path | None = None) -> Iterator[int]:
    """An HTTP service that answers with the path; over TLS where it has a certificate. Its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    if cert is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def a_closed_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that no outgoing connection takes."""
    while True:
        port = random.randrange(10_000, 20_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def port_of(address: str) -> int:
    """The port of an address."""
    return int(address.rpartition(":")[2])
