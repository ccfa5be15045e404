"""Stripe's API as localstripe serves it, on a port of its own; prints `listens on URL`."""

import socket
import sys

from aiohttp import web
from localstripe.server import app


def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(sys.argv[1])))
        listener.listen()
        print_line = f"stripe listens on http://127.0.0.1:{listener.getsockname()[1]}\n"
        web.run_app(app, sock=listener, print=lambda *_: _ready(print_line), access_log=None)


def _ready(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
