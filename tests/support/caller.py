"""A service for tests: answers each request with what came of the calls that `CALLS` tells it to make.

`CALLS` is JSON: a list of [method, URL, document or null]; `$NAME` in a URL is that variable; `AFTER`
has those that follow the answer. Listens on `PORT`. Run as a program, with the standard library alone.
"""

import json
import os
import re
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASSED_ON = ("traceparent", "tracestate", "x-request-id")


def told(name: str) -> list[list[object]]:
    found: list[list[object]] = json.loads(
        re.sub(r"\$(\w+)", lambda found: os.environ[found[1]], os.environ.get(name, "[]"))
    )
    return found


def made(method: Any, url: Any, document: object, headers: dict[str, str]) -> list[object]:
    content = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, data=content, method=method, headers=headers)  # noqa: S310  # own
    if content is not None:
        request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310  # the test's own
            return [response.status, response.read().decode()]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]
    except OSError as error:
        return [0, type(error).__name__]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        calls = told("CALLS")
        results = [made(method, url, document, headers) for method, url, document in calls]
        content = json.dumps(results).encode()
        self.send_response(500 if any(status == 502 for status, _ in results) else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
        for method, url, document in told("AFTER"):
            made(method, url, document, headers)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    with ThreadingHTTPServer(
        ("127.0.0.1", int(os.environ.get("LISTEN") or os.environ["PORT"])), Handler
    ) as server:
        sys.stdout.write("caller listens\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
