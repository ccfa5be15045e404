"""A health check: `python -I -m mesh_recorder.deploy.healthy [ADDRESS] [PATH]` asks the admin listener.

Succeeds where it answers 200 within two seconds. ADDRESS is `MESH_ADMIN` by default, PATH `/readyz`.
Nothing but the standard library is imported, and little of that: it runs every few seconds, in an image
that has no curl.
"""

import os
import socket
import sys

PATIENCE = 2.0
"""Seconds."""


def healthy(address: str, path: str) -> bool:
    """Whether the listener at `HOST:PORT` answers 200."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    try:
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            connection.settimeout(PATIENCE)
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except (OSError, ValueError):
        return False


def main(arguments: list[str]) -> int:
    """The exit code."""
    address = arguments[0] if arguments else os.environ.get("MESH_ADMIN", "")
    return 0 if healthy(address, arguments[1] if len(arguments) > 1 else "/readyz") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
