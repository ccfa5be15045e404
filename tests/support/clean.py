"""Ordinary traffic, with all that only looks like a secret."""

import base64
import hashlib
import json
import random
import string
import uuid
from collections.abc import Iterator

TEXT = (
    "order basket widget blue steel shipping confirmed garden monday reliable harvest pending north river"
    " author design passage keyboard tokenizer signal pinboard cvs authentic session-less secretary basic"
    " token-free bearer-of-news"
)
WORDS = TEXT.split()


def document(rng: random.Random) -> dict[str, object]:
    """A JSON document as services send it."""
    return {f"{key}{rng.randint(0, 9) or ''}": value(rng, depth=0) for key in rng.sample(KEYS, 8)}


KEYS = [
    "id",
    "orderId",
    "created_at",
    "updatedAt",
    "status",
    "total",
    "currency",
    "items",
    "sku",
    "quantity",
    "url",
    "href",
    "etag",
    "checksum",
    "traceId",
    "user_id",
    "name",
    "title",
    "description",
    "note",
    "tags",
    "page_token",
    "nextToken",
    "token_type",
    "max_tokens",
    "total_tokens",
    "key",
    "primaryKey",
    "author",
    "authorId",
    "design",
    "passengers",
    "keyboard",
    "version",
    "hash",
    "digest",
    "cursor",
    "lat",
    "lon",
    "image",
    "code",
    "state",
    "zip",
    "city",
    "country",
    "expires_in",
    "scope",
    "cardinality",
    "phoneModel",
    "pinned",
    "assigned",
    "tokenizer",
    "secretariat",
]


def value(rng: random.Random, depth: int) -> object:
    kinds = [sentence, identifier, number, when, link, flag, opaque]
    if depth < 2 and rng.random() < 0.15:
        return [value(rng, depth + 1) for _ in range(rng.randint(1, 4))]
    return rng.choice(kinds)(rng)


def sentence(rng: random.Random) -> str:
    text = " ".join(rng.choices(WORDS, k=rng.randint(1, 12)))
    return rng.choice(
        [text, text.capitalize() + ".", f"{text}: {rng.choice(WORDS)}", f"{text} = {rng.randint(1, 99)}"]
    )


def identifier(rng: random.Random) -> str:
    return rng.choice(
        [
            str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            f"{rng.getrandbits(128):032x}",
            f"sku-{rng.randint(1, 9999)}",
            f"ORD-2026-{rng.randint(1, 99999):05d}",
            "cus_" + "".join(rng.choices(string.ascii_letters + string.digits, k=14)),
            f"{rng.randint(1, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}",
            f"10.{rng.randint(0, 255)}.{rng.randint(0, 255)}.7:8080",
            f"AB-{rng.randint(10, 99)} {rng.randint(100, 999)}",
            f"@scope/{rng.choice(WORDS)}@{rng.randint(1, 9)}.0.1",
        ]
    )


def number(rng: random.Random) -> float:
    return rng.choice(
        [
            rng.randint(0, 100),
            round(rng.random() * 1000, 2),
            rng.random(),
            1764041995000 + rng.randint(0, 10**9),
            1764041995 * 10**9 + rng.randint(0, 10**9),
            10**17 + rng.getrandbits(56),
            rng.randint(10**9, 10**10),
            -1.5e-7,
        ]
    )


def when(rng: random.Random) -> str:
    day, second = rng.randint(1, 28), rng.randint(0, 59)
    return rng.choice(
        [
            f"2026-11-{day:02d}",
            f"2026-11-{day:02d}T03:19:{second:02d}.123Z",
            f"2026-11-{day:02d} 03:19:{second:02d}+0100",
            "PT1H",
        ]
    )


def link(rng: random.Random) -> str:
    return rng.choice(
        [
            f"https://cdn.example.com/{rng.choice(WORDS)}/{rng.randint(1, 999)}.png?w=200&h=100",
            f"/v1/orders/{rng.randint(1, 10**6)}/lines?page={rng.randint(1, 9)}&sort=-created_at",
            f"https://example.com/{rng.choice(WORDS)}/logo@2x.png",
            f"https://example.com/a%20b/{rng.choice(WORDS)}?next_token=abc&limit=10#{rng.choice(WORDS)}",
        ]
    )


def flag(rng: random.Random) -> object:
    return rng.choice([True, False, None, "EUR", "de-DE", "#a0b1c2", "application/json", "confirmed"])


def opaque(rng: random.Random) -> str:
    data = rng.randbytes(rng.randint(9, 90))
    return rng.choice(
        [
            base64.b64encode(data).decode(),
            base64.urlsafe_b64encode(data).decode(),
            hashlib.sha256(data).hexdigest(),
            data.hex(),
        ]
    )


def leaves(found: object) -> Iterator[object]:
    """Every value of a document that is no container."""
    if isinstance(found, dict):
        for each in found.values():
            yield from leaves(each)
    elif isinstance(found, list):
        for each in found:
            yield from leaves(each)
    else:
        yield found


def as_json(found: object) -> bytes:
    return json.dumps(found).encode()
