"""Five services whose answers never come twice the same, and what may break in them.

An answer is made of what was asked (the number of the request), of chance, and of the clock. What is noise in
it and what is not is known, so that a judge of answers can be measured.
"""

import base64
import json
import random
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

type Doc = dict[str, Any]

SERVICES = ("orders", "catalog", "search", "sessions", "shipping")
_ROUTES = {
    "orders": ("POST", "/orders?basket={n}"),
    "catalog": ("GET", "/products/{n}"),
    "search": ("GET", "/search?q=term{n}"),
    "sessions": ("POST", "/sessions?user={n}"),
    "shipping": ("POST", "/quotes?parcel={n}"),
}
_WORDS = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "haven",
    "iris",
    "jade",
    "kelp",
    "lark",
)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass
class Shop:
    """The services, with what they remember."""

    chance: random.Random
    stable: int = 0
    """Other shops have other goods."""
    counters: dict[str, int] = field(default_factory=dict)

    def route(self, service: str, number: int) -> tuple[str, str]:
        """Method and path of a request."""
        method, path = _ROUTES[service]
        return method, path.format(n=number)

    def answer(self, service: str, number: int, now: float) -> Doc:
        """What a service says to a request, at a time in seconds since the Unix epoch."""
        return getattr(self, f"_{service}")(random.Random(f"{self.stable}/{service}/{number}"), now)

    def counter(self, name: str) -> int:
        self.counters[name] = self.counters.get(
            name, self.chance.randint(1_000, 9_000)
        ) + self.chance.randint(1, 3)
        return self.counters[name]

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def hex(self, digits: int) -> str:
        return f"{self.chance.getrandbits(digits * 4):0{digits}x}"

    def token(self, size: int) -> str:
        return base64.urlsafe_b64encode(self.chance.randbytes(size)).decode().rstrip("=")

    def jwt(self, now: float) -> str:
        claims = json.dumps({"sub": self.hex(6), "iat": int(now), "jti": self.hex(8)}).encode()
        return (
            f"eyJhbGciOiJIUzI1NiJ9.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.{self.token(32)}"
        )

    def ulid(self) -> str:
        return "01" + "".join(self.chance.choice(_CROCKFORD) for _ in range(24))

    def _orders(self, asked: random.Random, now: float) -> Doc:
        order = self.uuid()
        items = [
            {
                "sku": f"SKU-{asked.randint(100, 999)}-{at}",
                "quantity": asked.randint(1, 5),
                "price": round(asked.uniform(5, 200), 2),
                "line_id": self.hex(16),
            }
            for at in range(asked.randint(2, 6))
        ]
        answer: Doc = {
            "order": {
                "id": order,
                "number": self.counter("orders"),
                "status": "confirmed",
                "created_at": zulu(now, 3),
                "customer": str(uuid.UUID(int=asked.getrandbits(128))),
                "items": items,
                "total": round(sum(item["price"] * item["quantity"] for item in items), 2),
                "gift": asked.random() < 0.5,
            },
            "payment": {
                "order_ref": order,
                "authorization": self.token(18),
                "method": asked.choice(["card", "invoice"]),
            },
            "links": {"self": f"/orders/{order}", "cancel": f"/orders/{order}/cancel"},
            "request_id": self.hex(32),
        }
        if self.chance.random() < 0.4:
            answer["order"]["coupon"] = {"code": self.code(), "percent": 10}
        return answer

    def code(self) -> str:
        return "".join(self.chance.choices(string.ascii_uppercase + string.digits, k=7))

    def _catalog(self, asked: random.Random, _: float) -> Doc:
        words = asked.sample(_WORDS, 5)
        tags = words[:4]
        self.chance.shuffle(tags)
        price = round(asked.uniform(3, 900), 2)
        return {
            "sku": f"P-{asked.randint(10_000, 99_999)}",
            "name": " ".join(words[:2]),
            "price": {
                "amount": price,
                "currency": "EUR",
                "rate": round(1.0832 * (1 + self.chance.uniform(-1, 1) / 2_000), 5),
            },
            "tags": tags,
            "steps": asked.sample(_WORDS, 6),
            "stock": {
                "left": self.chance.randint(40, 60),
                "warehouse": self.chance.choice(["north", "south", "east"]),
            },
            "related": [
                {"sku": f"R-{self.chance.randint(100, 999)}"} for _ in range(self.chance.randint(3, 5))
            ],
            "served_by": f"node-{self.chance.randint(1, 30)}",
            "cache": self.chance.choice(["HIT", "MISS"]),
            "updated": zulu(1_700_000_000 + asked.randint(0, 10_000_000), 0),
        }

    def _search(self, asked: random.Random, _: float) -> Doc:
        results = [
            {
                "title": " ".join(asked.sample(_WORDS, 3)),
                "score": round(asked.uniform(0.5, 9) * (1 + self.chance.uniform(-1, 1) / 50), 4),
                "doc": f"{asked.getrandbits(64):016x}",
                "highlight": self.chance.random() < 0.5,
            }
            for at in range(asked.randint(4, 9))
        ]
        facets = [{"name": name, "count": asked.randint(1, 90)} for name in asked.sample(_WORDS, 4)]
        self.chance.shuffle(facets)
        answer: Doc = {
            "took_ms": self.chance.randint(8, 40),
            "total": asked.randint(50, 5_000),
            "results": results,
            "facets": facets,
            "cursor": self.token(24),
            "experiment": self.chance.choice(["control", "blue", "green"]),
            "shard": f"10.0.{self.chance.randint(0, 9)}.{self.chance.randint(2, 250)}",
        }
        if self.chance.random() < 0.5:
            answer["suggestion"] = {
                "text": asked.choice(_WORDS),
                "confidence": round(self.chance.uniform(0.6, 0.9), 3),
            }
        return answer

    def _sessions(self, asked: random.Random, now: float) -> Doc:
        session = self.ulid()
        roles = asked.sample(["reader", "writer", "admin", "auditor"], 3)
        return {
            "session": {
                "id": session,
                "access_token": self.jwt(now),
                "refresh_token": self.token(33),
                "csrf": self.hex(32),
                "issued": int(now),
                "expires_ms": int(now * 1000) + 3_600_000,
                "started": offset(now),
            },
            "user": {
                "id": str(uuid.UUID(int=asked.getrandbits(128))),
                "name": " ".join(asked.sample(_WORDS, 2)),
                "roles": roles,
                "logins": self.counter("logins"),
                "verified": True,
            },
            "audit": {
                "session": session,
                "at": zulu(now, 6),
                "risk": round(self.chance.uniform(0.1, 0.4), 3),
            },
        }

    def _shipping(self, asked: random.Random, now: float) -> Doc:
        quote = f"qt_{self.token(15)}"
        base = asked.uniform(10, 60)
        answer: Doc = {
            "quote": quote,
            "valid_until": zulu(now + 1_800, 0),
            "options": [
                {
                    "carrier": name,
                    "price": round(base * factor * (1 + self.chance.uniform(-1, 1) / 60), 2),
                    "days": asked.randint(1, 9),
                }
                for name, factor in (("post", 1.0), ("road", 1.4), ("air", 2.9))
            ],
            "load": round(self.chance.uniform(0.2, 0.7), 2),
            "lane": self.chance.choice(["a", "b"]),
            "zone": asked.choice(["1", "2", "3"]),
            "label": f"Parcel {quote} of {zulu(now, 0)}",
            "weight": str(round(asked.uniform(1, 30), 1)),
            "notices": [],
            "day": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}",
        }
        if self.chance.random() < 0.3:
            answer["promotion"] = {
                "code": self.code(),
                "ends": zulu(now + 86_400, 3),
                "kind": self.chance.choice(["flash", "loyal"]),
            }
        return answer


def zulu(now: float, digits: int) -> str:
    """RFC 3339 in UTC."""
    moment = datetime.fromtimestamp(now, UTC)
    fraction = f".{moment.microsecond:06d}"[: digits + 1] if digits else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def offset(now: float) -> str:
    """RFC 3339 with two hours' offset."""
    return datetime.fromtimestamp(int(now), timezone(timedelta(hours=2))).isoformat()


@dataclass(frozen=True)
class Regression:
    """Something that broke."""

    name: str
    service: str
    path: str
    """Where it has to be found: the beginning of a JSONPath."""
    kinds: tuple[str, ...]
    """As what: any of these."""
    change: Callable[[Doc, Doc, random.Random], None]
    """Breaks an answer, given the recorded one."""


def _set(*names: str, to: Callable[[Any, random.Random], Any]) -> Callable[[Doc, Doc, random.Random], None]:
    def change(answer: Doc, recorded: Doc, chance: random.Random) -> None:
        place = answer
        for name in names[:-1]:
            place = place[name]
        place[names[-1]] = to(place[names[-1]], chance)

    return change


def _item(
    *names: str, member: str, to: Callable[[Any, random.Random], Any]
) -> Callable[[Doc, Doc, random.Random], None]:
    def change(answer: Doc, recorded: Doc, chance: random.Random) -> None:
        place = answer
        for name in names:
            place = place[name]
        item = chance.choice(place)
        item[member] = to(item[member], chance)

    return change


def _drop(*names: str) -> Callable[[Doc, Doc, random.Random], None]:
    def change(answer: Doc, recorded: Doc, chance: random.Random) -> None:
        place = answer
        for name in names[:-1]:
            place = place[name]
        del place[names[-1]]

    return change


def _add(*names: str, value: Any) -> Callable[[Doc, Doc, random.Random], None]:
    def change(answer: Doc, recorded: Doc, chance: random.Random) -> None:
        place = answer
        for name in names[:-1]:
            place = place[name]
        place[names[-1]] = value

    return change


def _other_order(answer: Doc, recorded: Doc, chance: random.Random) -> None:
    steps = answer["steps"]
    steps[0], steps[-1] = steps[-1], steps[0]


def _stale_reference(answer: Doc, recorded: Doc, chance: random.Random) -> None:
    answer["payment"]["order_ref"] = recorded["order"]["id"]


def _hour_off(text: str, digits: int) -> str:
    moment = datetime.fromisoformat(text)
    return zulu(moment.timestamp() + 3_600, digits)


def _popped(items: list[Any], chance: random.Random) -> list[Any]:
    items.pop(chance.randrange(len(items)))
    return items


def _doubled(items: list[Any], chance: random.Random) -> list[Any]:
    return [*items, dict(chance.choice(items))]


_VALUE, _TYPE = ("value",), ("type",)
REGRESSIONS = (
    Regression(
        "a time becomes null",
        "orders",
        "$.order.created_at",
        _TYPE,
        _set("order", "created_at", to=lambda *_: None),
    ),
    Regression(
        "a time becomes a number",
        "orders",
        "$.order.created_at",
        _TYPE,
        _set("order", "created_at", to=lambda v, _: int(datetime.fromisoformat(v).timestamp())),
    ),
    Regression(
        "a time loses its zone",
        "orders",
        "$.order.created_at",
        _VALUE,
        _set("order", "created_at", to=lambda v, _: v.rstrip("Z")),
    ),
    Regression(
        "a time is an hour off",
        "orders",
        "$.order.created_at",
        _VALUE,
        _set("order", "created_at", to=lambda v, _: _hour_off(v, 3)),
    ),
    Regression(
        "a time to the second is an hour off",
        "shipping",
        "$.valid_until",
        _VALUE,
        _set("valid_until", to=lambda v, _: _hour_off(v, 0)),
    ),
    Regression(
        "an epoch in milliseconds becomes seconds",
        "sessions",
        "$.session.expires_ms",
        _VALUE,
        _set("session", "expires_ms", to=lambda v, _: v // 1000),
    ),
    Regression(
        "an epoch is an hour off",
        "sessions",
        "$.session.issued",
        _VALUE,
        _set("session", "issued", to=lambda v, _: v + 3_600),
    ),
    Regression(
        "a noisy number grows tenfold", "search", "$.took_ms", _VALUE, _set("took_ms", to=lambda v, _: v * 10)
    ),
    Regression(
        "a noisy share grows tenfold", "shipping", "$.load", _VALUE, _set("load", to=lambda v, _: v * 10)
    ),
    Regression(
        "a price that varies a little grows tenfold",
        "shipping",
        "$.options[",
        _VALUE,
        _item("options", member="price", to=lambda v, _: v * 10),
    ),
    Regression(
        "a score that varies a little halves",
        "search",
        "$.results[",
        _VALUE,
        _item("results", member="score", to=lambda v, _: round(v / 2, 4)),
    ),
    Regression(
        "a rate is off by a twentieth",
        "catalog",
        "$.price.rate",
        _VALUE,
        _set("price", "rate", to=lambda v, _: round(v * 1.05, 5)),
    ),
    Regression(
        "a noisy number is negative",
        "catalog",
        "$.stock.left",
        _VALUE,
        _set("stock", "left", to=lambda v, _: -v),
    ),
    Regression(
        "a noisy number is zero", "catalog", "$.stock.left", _VALUE, _set("stock", "left", to=lambda *_: 0)
    ),
    Regression(
        "a noisy number becomes text",
        "catalog",
        "$.stock.left",
        _TYPE,
        _set("stock", "left", to=lambda v, _: str(v)),
    ),
    Regression(
        "a counter starts at zero",
        "orders",
        "$.order.number",
        _VALUE,
        _set("order", "number", to=lambda *_: 0),
    ),
    Regression("an id is empty", "orders", "$.order.id", _VALUE, _set("order", "id", to=lambda *_: "")),
    Regression(
        "an id becomes a number",
        "orders",
        "$.order.id",
        _TYPE,
        _set("order", "id", to=lambda _, c: c.randint(1, 10**6)),
    ),
    Regression(
        "an id of another form",
        "sessions",
        "$.session.id",
        _VALUE,
        _set("session", "id", to=lambda _, c: str(uuid.UUID(int=c.getrandbits(128)))),
    ),
    Regression(
        "a token is cut short",
        "sessions",
        "$.session.refresh_token",
        _VALUE,
        _set("session", "refresh_token", to=lambda v, _: v[:20]),
    ),
    Regression(
        "a JWT loses its signature",
        "sessions",
        "$.session.access_token",
        _VALUE,
        _set("session", "access_token", to=lambda v, _: v.split(".")[1]),
    ),
    Regression(
        "a reference to another id",
        "orders",
        "$.payment.order_ref",
        ("id_mismatch",),
        _set("payment", "order_ref", to=lambda _, c: str(uuid.UUID(int=c.getrandbits(128), version=4))),
    ),
    Regression(
        "a reference to the recorded id",
        "orders",
        "$.payment.order_ref",
        ("stale_id", "id_mismatch"),
        _stale_reference,
    ),
    Regression(
        "a session's id is another one in the audit",
        "sessions",
        "$.audit.session",
        ("id_mismatch",),
        _set("audit", "session", to=lambda _, c: "01" + "".join(c.choice(_CROCKFORD) for _ in range(24))),
    ),
    Regression(
        "a link to another order",
        "orders",
        "$.links.cancel",
        ("id_mismatch",),
        _set(
            "links",
            "cancel",
            to=lambda _, c: f"/orders/{uuid.UUID(int=c.getrandbits(128), version=4)}/cancel",
        ),
    ),
    Regression(
        "a link of another form",
        "orders",
        "$.links.self",
        _VALUE,
        _set("links", "self", to=lambda v, _: v.replace("/orders/", "/order/")),
    ),
    Regression(
        "an id that stays is another one",
        "orders",
        "$.order.customer",
        _VALUE,
        _set("order", "customer", to=lambda _, c: str(uuid.UUID(int=c.getrandbits(128)))),
    ),
    Regression(
        "a time that stays is another one",
        "catalog",
        "$.updated",
        _VALUE,
        _set("updated", to=lambda _, c: zulu(1_650_000_000 + c.randint(0, 10_000_000), 0)),
    ),
    Regression(
        "a price changes",
        "catalog",
        "$.price.amount",
        _VALUE,
        _set("price", "amount", to=lambda v, _: round(v * 1.19, 2)),
    ),
    Regression(
        "a total is off by a cent",
        "orders",
        "$.order.total",
        _VALUE,
        _set("order", "total", to=lambda v, _: round(v + 0.01, 2)),
    ),
    Regression("a text changes", "catalog", "$.name", _VALUE, _set("name", to=lambda v, _: v.upper())),
    Regression(
        "a flag flips", "sessions", "$.user.verified", _VALUE, _set("user", "verified", to=lambda v, _: not v)
    ),
    Regression(
        "a status that never was",
        "orders",
        "$.order.status",
        _VALUE,
        _set("order", "status", to=lambda *_: "pending"),
    ),
    Regression(
        "a choice that never was",
        "search",
        "$.experiment",
        _VALUE,
        _set("experiment", to=lambda *_: "undefined"),
    ),
    Regression(
        "a host of another form",
        "catalog",
        "$.served_by",
        _VALUE,
        _set("served_by", to=lambda *_: "localhost"),
    ),
    Regression("a key is missing", "shipping", "$.zone", ("missing",), _drop("zone")),
    Regression("a noisy key is missing", "search", "$.cursor", ("missing",), _drop("cursor")),
    Regression(
        "a key is new", "sessions", "$.user.password", ("added",), _add("user", "password", value="x")
    ),
    Regression(
        "an item is missing", "orders", "$.order.items", ("item_missing",), _set("order", "items", to=_popped)
    ),
    Regression("an item comes twice", "search", "$.results", ("item_added",), _set("results", to=_doubled)),
    Regression(
        "a list is empty", "catalog", "$.related", ("item_missing",), _set("related", to=lambda *_: [])
    ),
    Regression(
        "a list that was empty is not",
        "shipping",
        "$.notices",
        ("item_added",),
        _set("notices", to=lambda *_: ["strike"]),
    ),
    Regression("an ordered list has another order", "catalog", "$.steps", ("order",), _other_order),
    Regression(
        "an item of an unordered list changes",
        "catalog",
        "$.tags",
        ("value", "item_missing", "item_added"),
        _set("tags", to=lambda v, _: [*v[:-1], "zzz"]),
    ),
    Regression(
        "a quantity in a list changes",
        "orders",
        "$.order.items",
        _VALUE,
        _item("order", "items", member="quantity", to=lambda v, _: v + 1),
    ),
    Regression(
        "an object becomes a list", "orders", "$.payment", _TYPE, _set("payment", to=lambda v, _: [v])
    ),
    Regression(
        "a label without its time",
        "shipping",
        "$.label",
        _VALUE,
        _set("label", to=lambda v, _: v.partition(" of ")[0]),
    ),
)
"""What may break, each in one place."""
