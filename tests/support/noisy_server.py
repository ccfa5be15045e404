"""The noisy shop on a real socket, and what was recorded of it."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mesh_core.model import Bodies, Exchange
from support.noisy_shop import SERVICES, Doc, Shop
from support.raw_server import Exchanged, RawServer, raw_server_apart
from support.replays import START, recorded

_JSON = ((b"Content-Type", b"application/json"),)
_PATHS = {
    "orders": "orders",
    "products": "catalog",
    "search": "search",
    "sessions": "sessions",
    "quotes": "shipping",
}


@dataclass
class Running:
    """A shop that answers, and how it is broken."""

    server: RawServer
    breaks: Callable[[str, int, Doc], None] = lambda *_: None
    """Called with service, request and answer; may change the answer."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def target(self) -> str:
        return f"localhost:{self.server.port}"


def shop_exchange(
    shop: Shop, service: str, number: int, place: int, **changes: object
) -> tuple[Exchange, Bodies]:
    """What was recorded of one request, each in a trace of its own."""
    method, path = shop.route(service, number)
    at = START / 1e9 + place
    fields: dict[str, object] = {"trace_id": f"{place + 1:032x}"}
    return recorded(
        place * 1_000,
        service=service,
        method=method,
        path=path,
        answer=_JSON,
        answer_body=json.dumps(shop.answer(service, number, at)).encode(),
        **(fields | changes),
    )


def asked(request: bytes) -> tuple[str, int]:
    """Service and number of a request."""
    url = urlsplit(request.split(b" ", 2)[1].decode())
    first, _, rest = url.path.strip("/").partition("/")
    number = rest or url.query.partition("=")[2].removeprefix("term")
    return _PATHS[first], int(number)


@contextmanager
def noisy_server(seed: int, stable: int) -> Iterator[Running]:
    """Serve the shop: the same goods for the same `stable`, other chance for another seed."""
    shop = Shop(random.Random(f"server {seed}"), stable)
    running: list[Running] = []

    async def script(exchanged: Exchanged) -> None:
        service, number = asked(exchanged.request)
        document = shop.answer(service, number, time.time())
        running[0].breaks(service, number, document)
        body = json.dumps(document).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        await exchanged.send(head + body)

    with raw_server_apart(script) as server:
        running.append(Running(server))
        yield running[0]


ALL = SERVICES
