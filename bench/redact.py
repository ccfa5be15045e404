"""What redaction costs in the writer's thread, against `json.loads` and `json.dumps` of the same body.

All variants run in turn within each round, by CPU time, so that the ratios hold when the machine's
speed drifts; each figure is the best of its rounds. The hostile bodies are measured at 64 and 512 KiB:
work that grows with the length alone gives 8.
"""

import base64
import hashlib
import itertools
import json
import platform
import random
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from mesh_core.config import Places, Redact
from mesh_core.ids import uuid7
from mesh_core.model import BodyRef, Direction, Exchange, Headers, Lane, TraceOrigin
from mesh_core.outcome import Outcome
from mesh_core.redact import Redactor

ROUNDS = 30
REPEATS = 100
REQUEST: Headers = (
    (b"Host", b"cart:8002"),
    (b"User-Agent", b"python-httpx/0.28.1"),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip, deflate"),
    (b"Content-Type", b"application/json"),
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
)
RESPONSE: Headers = (
    (b"content-type", b"application/json"),
    (b"content-length", b"1006"),
    (b"server", b"uvicorn"),
)
HOSTILE = {
    "one letter": b"a",
    "a@": b"a@",
    "password=": b"password= ",
    "digits": b"4111 ",
    "eyJ": b"eyJ",
    "percent": b"%41",
    "entities": b"&#64;",
    "pem": b"-----BEGIN PRIVATE KEY-----",
    "base64": b"aGVsbG8gd29ybGQgYXQgYm9i ",
    "brackets": b"[",
    "tags": b"<a b='c'>",
}


def exchange(
    body: bytes, content_type: str = "application/json", extra: Headers = ()
) -> tuple[Exchange, dict[str, bytes]]:
    digest = hashlib.sha256(body).hexdigest()
    ref = BodyRef(hash=digest, full_hash=digest, size=len(body), stored=len(body), content_type=content_type)
    made = Exchange(
        id=uuid7(0, b"\0" * 8),
        trace_id="1" * 32,
        trace_origin=TraceOrigin.W3C,
        service="cart",
        instance="cart-1",
        direction=Direction.INBOUND,
        started_at=0,
        ended_at=0,
        scheme="http",
        http_version="HTTP/1.1",
        method="GET",
        authority="cart:8002",
        path="/orders?limit=10",
        request_headers=REQUEST + extra,
        response_headers=RESPONSE,
        response_body=ref,
        status=200,
        outcome=Outcome.OK,
        recorder="0.1.0",
        lane=Lane.MITMPROXY,
    )
    return made, {digest: body}


def order(number: int) -> dict[str, object]:
    """About a kilobyte of JSON."""
    rng = random.Random(number)
    line = {"name": "Blue widget of steel", "quantity": 2, "price": rng.randint(1, 9999) / 100}
    return {
        "id": str(uuid.UUID(int=rng.getrandbits(128))),
        "created_at": "2026-11-25T03:19:55.123Z",
        "items": [{"sku": f"sku-{rng.randint(1, 10**6)}", **line, "tags": ["a", "b"]} for _ in range(8)],
        "status": "confirmed",
        "note": "leave at the door",
        "total": rng.randint(1, 10**6) / 100,
    }


def links(number: int) -> dict[str, object]:
    """Ids, addresses and times, as a list of resources has them."""
    rng = random.Random(number)
    return {
        "items": [
            {
                "id": str(uuid.UUID(int=rng.getrandbits(128))),
                "url": f"https://h/v1/items/{rng.randint(1, 10**6)}?page=2",
                "at": 1764041995123 + rng.randint(0, 10**6),
            }
            for _ in range(9)
        ]
    }


def client(number: int) -> Headers:
    """What a browser that is logged in sends with each of its requests."""
    rng = random.Random(number % 50)
    claims = {"sub": str(rng.randint(1, 10**6)), "iss": "https://id.example", "exp": 1764041995 + number % 50}
    parts = (b'{"alg":"RS256","typ":"JWT"}', json.dumps(claims).encode(), rng.randbytes(64))
    jwt = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return (
        (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"),
        (b"Authorization", b"Bearer " + jwt),
        (b"Cookie", b"theme=dark; sid=" + rng.randbytes(16).hex().encode()),
        (b"Accept-Language", b"de-DE,de;q=0.9,en;q=0.8"),
        (b"X-Request-Id", str(uuid.UUID(int=number)).encode()),
    )


type Made = tuple[Exchange, dict[str, bytes]]


def cycled(
    make: Callable[[int], Made], count: int = 4096, redact: Redact | None = None
) -> Callable[[], object]:
    """One exchange after the other, more of them than are remembered."""
    redactor = Redactor(b"k" * 32, redact=redact)
    rest = itertools.cycle([make(number) for number in range(count)])
    return lambda: redactor.apply(*next(rest))


def variants() -> dict[str, Callable[[], object]]:
    rules = Redact(hide=Places(json=("$.note", "$..sku")))
    body = json.dumps(order(1)).encode()

    def sent(
        *, content_type: str = "application/json", extra: bool = False, **more: object
    ) -> Callable[[int], Made]:
        return lambda number: exchange(
            json.dumps(order(number) | more).encode(), content_type, client(number) if extra else ()
        )

    secret = {"access_token": "Zq" * 20, "email": "bob@shop.example.org"}
    return {
        "json.loads and dumps": lambda: json.dumps(json.loads(body)),
        "no body": cycled(lambda _: exchange(b""), 1),
        "JSON": cycled(sent()),
        "JSON, always the same": cycled(sent(), 1),
        "JSON, with cookie, JWT and browser": cycled(sent(extra=True)),
        "JSON with ids and links": cycled(lambda n: exchange(json.dumps(links(n)).encode())),
        "JSON with escapes": cycled(sent(note='say "hi"\n')),
        "JSON with a token and an e-mail": cycled(sent(extra=True, **secret)),
        "JSON with secrets in an object": cycled(sent(credentials={"a": ["x"]})),
        "JSON, rules by JSONPath": cycled(sent(), redact=rules),
        "plain text": cycled(sent(content_type="text/plain")),
    }


def measured(calls: dict[str, Callable[[], object]], *, rounds: int, repeats: int) -> dict[str, float]:
    """CPU microseconds of one call, the best of all rounds."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time_ns()
            for _ in range(repeats):
                call()
            best[name] = min(best[name], (time.process_time_ns() - start) / repeats / 1000)
    return best


def hostile() -> dict[str, tuple[float, float]]:
    """Milliseconds for 512 KiB, and how many times those of 64 KiB."""
    calls: dict[str, Callable[[], object]] = {}
    for name, piece in HOSTILE.items():
        for size in (64, 512):
            made, bodies = exchange((piece * (size * 1024 // len(piece) + 1))[: size * 1024], "text/plain")
            calls[f"{name} {size}"] = lambda made=made, bodies=bodies: Redactor(b"k" * 32).apply(made, bodies)
    best = measured(calls, rounds=5, repeats=1)
    return {name: (best[f"{name} 512"] / 1000, best[f"{name} 512"] / best[f"{name} 64"]) for name in HOSTILE}


def main() -> None:
    best = measured(variants(), rounds=ROUNDS, repeats=REPEATS)
    base = best["json.loads and dumps"]
    lines = [
        "# Redaction",
        "",
        f"Python {platform.python_version()}, {platform.machine()}, {sys.platform}; body of 1 KB.",
        f"CPU time, best of {ROUNDS} rounds in turn.",
        "",
        "| exchange | us | ratio to json.loads + dumps of the body |",
        "|---|---|---|",
        *(f"| {name} | {cost:.0f} | {cost / base:.2f} |" for name, cost in best.items()),
        "",
        "| hostile text, 512 KiB of | ms | times those of 64 KiB (linear: 8) |",
        "|---|---|---|",
        *(f"| {name} | {cost:.0f} | {ratio:.1f} |" for name, (cost, ratio) in hostile().items()),
        "",
    ]
    text = "\n".join(lines)
    print(text)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "redact.md").write_text(text)


if __name__ == "__main__":
    main()
