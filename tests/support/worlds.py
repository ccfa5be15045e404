"""Worlds of shop sessions whose flows of values are known: no two worlds hand on their values alike."""

import base64
import hashlib
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mesh_core.model import Bodies, Exchange, Headers
from support.replays import START, recorded

MS = 1_000_000
type Make = Callable[[random.Random], str]


def _token(chance: random.Random, length: int = 24) -> str:
    letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(chance.choices(letters, k=length))


def _jwt(chance: random.Random) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"sub": str(chance.randrange(10**6)), "exp": 1_770_000_000 + chance.randrange(10**6)}
    return f"{part({'alg': 'HS256'})}.{part(claims)}.{_token(chance, 43)}"


IDS: tuple[Make, ...] = (
    lambda chance: str(uuid.UUID(int=chance.getrandbits(128), version=4)),
    lambda chance: str(chance.randrange(10_000, 99_999)),
    lambda chance: f"{chance.randrange(16**12):012x}",
    lambda chance: f"ord_{_token(chance, 14)}",
    lambda chance: _token(chance, 20),
)
CURSORS: tuple[Make, ...] = (
    lambda chance: base64.b64encode(json.dumps({"after": chance.randrange(10**6)}).encode()).decode(),
    lambda chance: _token(chance, 22),
    lambda chance: f"c:{chance.randrange(10**5, 10**6)}",
)
ETAGS: tuple[Make, ...] = (
    lambda chance: f'"{_token(chance, 12)}"',
    lambda chance: f'W/"{chance.randrange(10**8):x}"',
)


@dataclass
class Step:
    """One request of a session with its answer, and where its values came from."""

    method: str
    path: str
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: Any = None
    answer: Any = None
    answer_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    status: int = 200
    linked: tuple[str, ...] = ()
    """Names of the places whose values came in answers."""


@dataclass(frozen=True)
class World:
    """How one shop names, writes and hands on its values; the same for all its sessions."""

    seed: int

    def session(self, number: int) -> tuple[list[tuple[Exchange, Bodies]], set[tuple[int, str]]]:
        """A session of 14 requests, and the truth: the step and the name of every linked place."""
        steps = _Shop(random.Random(self.seed), random.Random((self.seed + 1) * 7_919 + number)).steps()
        found = [_exchange(self.seed, number, at, step) for at, step in enumerate(steps)]
        return found, {(at, name) for at, step in enumerate(steps) for name in step.linked}


def _exchange(world: int, session: int, at: int, step: Step) -> tuple[Exchange, Bodies]:
    headers: Headers = ((b"Host", b"shop.test"), *step.headers)
    body, kind = _written(step.body)
    if kind:
        headers = (*headers, (b"Content-Type", kind))
    answer, answer_kind = _written(step.answer)
    started = START + (session * 1_000 + at * 20) * MS
    name = hashlib.md5(f"{world} {session} {at}".encode(), usedforsecurity=False).hexdigest()
    return recorded(
        at,
        id=name,
        trace_id=name,
        started_at=started,
        ended_at=started + 10 * MS,
        method=step.method,
        path=step.path,
        headers=headers,
        body=body,
        status=step.status,
        answer=(*step.answer_headers, (b"Content-Type", answer_kind or b"text/plain")),
        answer_body=answer,
    )


def _written(content: Any) -> tuple[bytes, bytes]:
    if content is None:
        return b"", b""
    if isinstance(content, str):
        kind = b"text/html" if content.startswith("<") else b"application/x-www-form-urlencoded"
        return content.encode(), kind
    return json.dumps(content).encode(), b"application/json"


class _Shop:
    """One session: `how` decides as the world does, `chance` makes this session's values."""

    def __init__(self, how: random.Random, chance: random.Random) -> None:
        self.how, self.chance = how, chance
        self.id_of: Make = how.choice(IDS)
        self.order_id: Make = how.choice(IDS)
        self.cursor: Make = how.choice(CURSORS)
        self.etag: Make = how.choice(ETAGS)
        self.camel = how.random() < 0.5
        self.absolute = how.random() < 0.5
        self.bearer = how.random() < 0.6
        self.csrf_in_meta = how.random() < 0.5
        self.cart_word = how.choice(["carts", "baskets"])
        self.cookie_name = how.choice(["sid", "session", "JSESSIONID", "shop_s"])
        self.products = [str(uuid.UUID(int=how.getrandbits(128), version=4)) for _ in range(5)]
        self.pick = how.randrange(5)
        self.client_id = _token(how, 16)
        self.tenant = f"tenant-{how.randrange(100, 999)}"
        self.sid = _token(chance, 32)
        self.token = _jwt(chance) if how.random() < 0.5 else _token(chance, 40)
        self.user = chance.randrange(1_000, 9_999)

    def key(self, name: str) -> str:
        """A member's name as this world writes it."""
        first, *rest = name.split("_")
        return first + "".join(word.title() for word in rest) if self.camel else name

    def steps(self) -> list[Step]:
        return [*self._entering(), *self._shopping(), *self._ordering(), *self._after()]

    def _with(self, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """Headers of a request of somebody who is logged in."""
        fields = [(b"Cookie", f"lang=en; {self.cookie_name}={self.sid}; theme=dark".encode())]
        if self.bearer:
            fields.append((b"Authorization", f"Bearer {self.token}".encode()))
        fields += [(b"X-Client-Id", self.client_id.encode()), (b"X-Tenant", self.tenant.encode())]
        return [*fields, *more]

    @property
    def _auth(self) -> tuple[str, ...]:
        bearer = ("header:authorization",) if self.bearer else ()
        return (f"cookie:{self.cookie_name}", *bearer)

    def _entering(self) -> list[Step]:
        csrf = _token(self.chance, 28)
        page = (
            f'<html><head><meta name="csrf-token" content="{csrf}"></head></html>'
            if self.csrf_in_meta
            else f'<form><input type="hidden" name="csrf" value="{csrf}"><input name="user"></form>'
        )
        form = f"csrf={csrf}&user=ann%40shop.test&password=secret-{self.how.randrange(99)}"
        header = [(b"X-CSRF-Token", csrf.encode())] if self.csrf_in_meta else []
        login = Step(
            "POST",
            "/login",
            headers=[*header, (b"X-Client-Id", self.client_id.encode())],
            body={"user": "ann@shop.test", "remember": 1} if self.csrf_in_meta else form,
            answer={self.key("access_token"): self.token, self.key("user_id"): self.user, "expires": 3600},
            answer_headers=[
                (b"Set-Cookie", f"{self.cookie_name}={self.sid}; Path=/; HttpOnly".encode()),
                (b"X-Request-Id", _token(self.chance, 20).encode()),
            ],
            linked=("header:x-csrf-token",) if self.csrf_in_meta else ("form:csrf",),
        )
        return [Step("GET", "/login", answer=page), login]

    def _shopping(self) -> list[Step]:
        cart, item = self.id_of(self.chance), self.id_of(self.chance)
        self.cart, self.tag = cart, self.etag(self.chance)
        following, self.last_cursor = self.cursor(self.chance), self.cursor(self.chance)
        profile = Step(
            "GET", f"/users/{self.user}", self._with(),
            answer={"id": self.user, "name": "Ann", "points": self.chance.randrange(2, 9)},
            linked=(*self._auth, "path:2"),
        )  # fmt: skip
        first = Step(
            "GET", "/products?page=1&limit=5&q=lamp", self._with(),
            answer={
                "products": [
                    {"id": each, "price": 10 + at, "stock": 2} for at, each in enumerate(self.products)
                ],
                self.key("next_cursor"): following, "page": 1, "total": 15,
            },
            linked=self._auth,
        )  # fmt: skip
        more = Step(
            "GET", f"/products?cursor={_quoted(following)}&limit=5", self._with(),
            answer={"products": [], self.key("next_cursor"): self.last_cursor, "total": 15},
            linked=(*self._auth, "query:cursor"),
        )  # fmt: skip
        reference = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        place = f"/{self.cart_word}/{cart}"
        created = Step(
            "POST", f"/{self.cart_word}",
            self._with((b"Idempotency-Key", reference.encode())),
            body={"currency": "EUR", "ref": reference}, status=201,
            answer={"ref": reference, "currency": "EUR", "created": "2026-02-03"}
            | ({} if self.how.random() < 0.5 else {"id": _number(cart)}),
            answer_headers=[
                (b"Location", (f"http://shop.test{place}" if self.absolute else place).encode()),
                (b"ETag", self.tag.encode()),
            ],
            linked=self._auth,
        )  # fmt: skip
        added = Step(
            "POST", f"{place}/items", self._with((b"If-Match", self.tag.encode())),
            body={self.key("product_id"): self.products[self.pick], "quantity": 2},
            answer={
                "item": {"id": _number(item), "quantity": 2}, self.key("cart_id"): _number(cart),
                "ref": reference,
            },
            status=201, linked=(*self._auth, "path:2", "header:if-match"),
        )  # fmt: skip
        changed = Step(
            "PATCH", f"{place}/items/{item}", self._with(), body={"quantity": 3, "ref": reference},
            answer={"item": {"id": _number(item), "quantity": 3}},
            linked=(*self._auth, "path:2", "path:4"),
        )  # fmt: skip
        return [profile, first, more, created, added, changed]

    def _ordering(self) -> list[Step]:
        order, payment = self.order_id(self.chance), _token(self.chance, 18)
        self.order = order
        placed = Step(
            "POST", "/orders", self._with(), body={self.key("cart_id"): _number(self.cart), "pay": "card"},
            answer={"order": {"id": _number(order), "state": "open"}, self.key("client_secret"): payment},
            status=201, linked=(*self._auth, f"body:$.{self.key('cart_id')}"),
        )  # fmt: skip
        paid = Step(
            "POST", "/payments", self._with(),
            body={"order": {"id": _number(order)}, "secret": payment, "amount": 2118},
            answer={"receipt": f"/receipts/{order}.pdf", "amount": 2118},
            linked=(*self._auth, "body:$.order.id", "body:$.secret"),
        )  # fmt: skip
        receipt = Step(
            "GET", f"/receipts/{order}.pdf", self._with(), answer={"pages": 1},
            linked=(*self._auth, "path:2"),
        )  # fmt: skip
        return [placed, paid, receipt]

    def _after(self) -> list[Step]:
        page = Step(
            "GET", f"/orders?filter=order%3A{_quoted(self.order)}&page=1", self._with(),
            answer={"orders": [{"id": _number(self.order), "state": "paid"}]},
            linked=(*self._auth, "query:filter"),
        )  # fmt: skip
        reviewed = Step(
            "POST", f"/products/{self.products[self.pick]}/reviews", self._with(),
            body={"stars": 5, "text": "good lamp", "order": _number(self.order)}, status=204,
            linked=(*self._auth, "body:$.order"),
        )  # fmt: skip
        out = Step("POST", "/logout", self._with(), status=204, linked=self._auth)
        return [page, reviewed, out]


def _number(text: str) -> str | int:
    """Digits as a number, as JSON APIs write them."""
    return int(text) if text.isdigit() else text


def _quoted(text: str) -> str:
    return text.replace(":", "%3A").replace("=", "%3D").replace("+", "%2B").replace("/", "%2F")
