"""A shop that makes every id, token and tag anew, and refuses what it did not give out itself."""

import json
import random
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from support.raw_server import Exchanged


@dataclass
class Request:
    """One request, read."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def cookies(self) -> dict[str, str]:
        pairs = (crumb.strip().partition("=") for crumb in self.headers.get("cookie", "").split(";"))
        return {name: value for name, equals, value in pairs if equals}


@dataclass
class Answer:
    """What is sent back."""

    status: int
    content: Any = None
    headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def raw(self) -> bytes:
        page = isinstance(self.content, str)
        body = (
            self.content.encode()
            if page
            else b""
            if self.content is None
            else json.dumps(self.content).encode()
        )
        kind = "text/html; charset=utf-8" if page else "application/json"
        fields = [*self.headers, ("Content-Type", kind), ("Content-Length", str(len(body)))]
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"HTTP/1.1 {self.status} X\r\n{lines}\r\n".encode() + body


class FlowShop:
    """Its state; two shops have nothing in common but their catalogue."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.given: dict[str, set[str]] = {}
        """What was given out, by what it is good for."""
        self.full = False
        """Whether it has no cart left to give."""
        self.tags: dict[str, str] = {}
        """The ETag of each cart."""

    async def script(self, exchanged: Exchanged) -> None:
        await exchanged.send(self.answer(_read(exchanged.request)).raw)

    def new(self, what: str, text: str | None = None) -> str:
        """A fresh value, remembered."""
        value = text or str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        self.given.setdefault(what, set()).add(value)
        return value

    def knows(self, what: str, value: str | None) -> bool:
        return value in self.given.get(what, set())

    def answer(self, request: Request) -> Answer:
        if request.path == "/login":
            return self._login(request)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not self.knows("token", bearer) or not self.knows("session", request.cookies.get("sid")):
            return Answer(401, {"error": "who are you"})
        match request.path.split("/")[1:], request.method:
            case ["carts"], "POST":
                return self._new_cart()
            case ["carts", cart, *rest], _:
                return self._cart(request, cart, rest)
            case ["products"], "GET":
                return self._products(request)
            case ["checkout"], _:
                return self._checkout(request)
            case ["receipts", name], "GET":
                return self._receipt(name)
        return Answer(404, {"error": "no such page"})

    def _login(self, request: Request) -> Answer:
        if request.method == "GET":
            page = f'<form method="post"><input type="hidden" name="csrf" value="{self.new("csrf")}"></form>'
            return Answer(200, page)
        form = parse_qs(request.body.decode())
        if not self.knows("csrf", form.get("csrf", [""])[0]):
            return Answer(403, {"error": "bad csrf"})
        cookie = f"sid={self.new('session')}; Path=/; HttpOnly"
        return Answer(200, {"access_token": self.new("token"), "user": "ann"}, [("Set-Cookie", cookie)])

    def _new_cart(self) -> Answer:
        if self.full:
            return Answer(503, {"error": "no cart left"})
        cart = self.new("cart")
        return Answer(201, None, [("Location", f"/carts/{cart}"), ("ETag", self._tag(cart))])

    def _tag(self, cart: str) -> str:
        self.tags[cart] = f'"{self.random.getrandbits(48):012x}"'
        return self.tags[cart]

    def _cart(self, request: Request, cart: str, rest: list[str]) -> Answer:
        if not self.knows("cart", cart):
            return Answer(404, {"error": "no such cart"})
        if request.method != "GET" and request.headers.get("if-match") != self.tags[cart]:
            return Answer(412, {"error": "changed meanwhile"})
        if request.method == "GET":
            return Answer(200, {"id": cart, "items": 1}, [("ETag", self.tags[cart])])
        if rest == ["items"]:
            number = self.random.randrange(10_000, 99_999)
            item = self.new("item", str(number))
            links = {"self": f"/carts/{cart}/items/{item}"}
            document = {"item": {"id": number, "sku": "lamp"}, "links": links}
            return Answer(201, document, [("ETag", self._tag(cart))])
        if not self.knows("item", rest[-1]):
            return Answer(404, {"error": "no such item"})
        return Answer(200, {"item": {"id": int(rest[-1]), "quantity": 3}}, [("ETag", self._tag(cart))])

    def _products(self, request: Request) -> Answer:
        cursor = request.query.get("cursor", [None])[0]
        if cursor is not None and not self.knows("cursor", cursor):
            return Answer(400, {"error": "no such cursor"})
        following = self.new("cursor", f"c:{self.random.getrandbits(64):x}") if cursor is None else None
        return Answer(200, {"products": ["lamp", "desk"], "page": 1, "next_cursor": following})

    def _checkout(self, request: Request) -> Answer:
        if request.method == "GET":
            token = self.new("csrf")
            return Answer(200, f'<html><head><meta name="csrf-token" content="{token}"></head></html>')
        document = json.loads(request.body)
        known = self.knows("csrf", request.headers.get("x-csrf-token"))
        if not known or not self.knows("cart", document["cart_id"]):
            return Answer(403, {"error": "not yours"})
        return Answer(201, {"order": {"id": self.new("order"), "reference": document["reference"]}})

    def _receipt(self, name: str) -> Answer:
        known = self.knows("order", unquote(name).removesuffix(".pdf"))
        return Answer(200 if known else 404, {"pages": 1})


def _read(raw: bytes) -> Request:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    parts = urlsplit(target)
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Request(method, parts.path, parse_qs(parts.query), headers, body)


async def shop_for_a_while(base: str) -> None:
    """One customer, from the login to the receipt, as a browser would."""
    async with httpx.AsyncClient(base_url=base) as client:
        page = (await client.get("/login")).text
        form = {"csrf": page.split('value="')[1].split('"')[0], "user": "ann", "password": "correct horse"}
        token = (await client.post("/login", data=form)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        created = await client.post("/carts")
        cart = created.headers["Location"]
        added = await client.post(
            f"{cart}/items",
            json={"sku": "lamp", "quantity": 2},
            headers={"If-Match": created.headers["ETag"]},
        )
        item = added.json()["item"]["id"]
        seen = await client.get(cart)
        await client.patch(
            f"{cart}/items/{item}", json={"quantity": 3}, headers={"If-Match": seen.headers["ETag"]}
        )
        cursor = (await client.get("/products", params={"page": 1})).json()["next_cursor"]
        await client.get("/products", params={"cursor": cursor})
        page = (await client.get("/checkout")).text
        csrf = page.split('content="')[1].split('"')[0]
        order = await client.post(
            "/checkout",
            json={"cart_id": cart.rpartition("/")[2], "reference": str(uuid.uuid4())},
            headers={"X-CSRF-Token": csrf},
        )
        done = await client.get(f"/receipts/{order.json()['order']['id']}.pdf")
        assert done.status_code == 200, "the customer's own shop refuses"
