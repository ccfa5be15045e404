"""What is no secret stays: at most one value in two hundred of ordinary traffic may be mistaken for one."""

import json
import random

from mesh_core.redact import Redactor
from support import clean
from support.canaries import Body, recorded
from support.recorded import an_exchange

REDACTOR = Redactor(b"k" * 32)
SEED = random.SystemRandom().randrange(2**32)


def test_at_most_one_ordinary_value_in_two_hundred_is_hidden() -> None:
    rng = random.Random(SEED)
    total, mistaken = 0, []
    for _ in range(400):
        before = clean.document(rng)
        exchange, bodies = recorded(Body(clean.as_json(before), "application/json"))
        after, kept = REDACTOR.apply(exchange, bodies)
        assert after.response_body is not None
        found = json.loads(kept[after.response_body.hash])
        pairs = list(zip(clean.leaves(before), clean.leaves(found), strict=True))
        total += len(pairs)
        mistaken += [old for old, new in pairs if old != new]

    assert len(mistaken) <= total / 200, f"{mistaken[:9]} of {total} (seed {SEED})"


def test_ordinary_headers_and_paths_stay() -> None:
    headers = (
        (b"Host", b"cart.internal:8002"),
        (
            b"User-Agent",
            b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0",
        ),
        (b"Accept", b"text/html,application/xhtml+xml;q=0.9,image/avif,*/*;q=0.8"),
        (b"Content-Security-Policy", b"default-src 'self'; script-src 'nonce-abc' https://cdn.example.com"),
        (b"ETag", b'W/"33a64df551425fcc55e4d42a148795d9f25f89d4"'),
        (b"If-Modified-Since", b"Wed, 25 Nov 2026 03:19:55 GMT"),
        (b"Cache-Control", b"public, max-age=31536000, stale-while-revalidate=86400"),
        (b"WWW-Authenticate", b'Bearer realm="shop", error="invalid_token"'),
        (b"Link", b'<https://api.example.com/items?page=2&per_page=100>; rel="next"'),
        (b"Strict-Transport-Security", b"max-age=63072000; includeSubDomains"),
        (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        (b"X-Request-ID", b"4111111111111111"),
        (b"X-Forwarded-For", b"203.0.113.7, 10.0.0.1"),
        (b"Content-Type", b"multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW"),
    )
    exchange = an_exchange(
        request_headers=headers,
        path="/v2/shops/0af76519-16cd-43dd-8448-eb211c80319c/orders?status=open&since=2026-11-25T03:19:55%2B01:00&page=2",
        error="cart's app at 127.0.0.1:7002 refused the connection; is it running?",
    )

    assert REDACTOR.apply(exchange, {})[0] is exchange
