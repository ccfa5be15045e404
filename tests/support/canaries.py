"""Planted secrets: fifty kinds, in every place that an HTTP message has, in every encoding."""

import base64
import gzip
import hashlib
import json
import random
import string
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import pack
from urllib.parse import quote

import brotli  # type: ignore[import-untyped]
import zstandard

from mesh_core.model import Bodies, BodyRef, Exchange, Message, Sender
from mesh_core.redact.tokens import iban_check, luhn_digit
from support.recorded import an_exchange

ALNUM = string.ascii_letters + string.digits
NEIGHBOUR = "sku-9 zebra"
"""Stands beside each secret, and must survive."""
type Recorded = tuple[Exchange, Bodies]


def some(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(length))


def card(rng: random.Random, prefix: str, length: int) -> str:
    body = prefix + some(rng, string.digits, length - len(prefix) - 1)
    return body + str(luhn_digit(body.encode()))


def iban(rng: random.Random, country: str, bank: str, digits: int) -> str:
    account = bank + some(rng, string.digits, digits)
    return f"{country}{iban_check(f'{country}00{account}'.encode()):02d}{account}"


def grouped(text: str, size: int = 4) -> str:
    return " ".join(text[at : at + size] for at in range(0, len(text), size))


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(rng: random.Random) -> str:
    claims = {
        "sub": "17",
        "email": f"{some(rng, string.ascii_lowercase, 9)}@mail.example.org",
        "exp": 1764041995,
    }
    parts = [b'{"alg":"HS256","typ":"JWT"}', json.dumps(claims).encode(), rng.randbytes(32)]
    return ".".join(b64url(part) for part in parts)


def pem(rng: random.Random, kind: str) -> str:
    body = base64.encodebytes(rng.randbytes(120)).decode()
    return f"-----BEGIN {kind}-----\n{body}-----END {kind}-----"


type Maker = Callable[[random.Random], str]


def by(prefix: str, alphabet: str, length: int, suffix: str = "") -> Maker:
    return lambda rng: prefix + some(rng, alphabet, length) + suffix


HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
BY_FORM: dict[str, Maker] = {
    "jwt": jwt,
    "pem rsa": lambda rng: pem(rng, "RSA PRIVATE KEY"),
    "pem ec": lambda rng: pem(rng, "EC PRIVATE KEY"),
    "pem pkcs8": lambda rng: pem(rng, "PRIVATE KEY"),
    "pgp": lambda rng: pem(rng, "PGP PRIVATE KEY BLOCK"),
    "aws key": by("AKIA", UPPER, 16),
    "aws session": by("ASIA", UPPER, 16),
    "google api": by("AIza", ALNUM, 35),
    "google oauth": by("ya29.", ALNUM, 60),
    "google client": by("GOCSPX-", ALNUM, 28),
    "github personal": by("ghp_", ALNUM, 36),
    "github oauth": by("gho_", ALNUM, 36),
    "github server": by("ghs_", ALNUM, 36),
    "github fine": by("github_pat_", ALNUM, 82),
    "gitlab": by("glpat-", ALNUM, 20),
    "slack bot": lambda rng: f"xoxb-{some(rng, string.digits, 12)}-{some(rng, ALNUM, 24)}",
    "slack user": lambda rng: f"xoxp-{some(rng, string.digits, 12)}-{some(rng, ALNUM, 32)}",
    "slack app": lambda rng: f"xapp-1-{some(rng, UPPER, 11)}-{some(rng, HEX, 64)}",
    "slack hook": lambda rng: (
        f"/services/T{some(rng, UPPER, 8)}/B{some(rng, UPPER, 8)}/{some(rng, ALNUM, 24)}"
    ),
    "stripe secret": by("sk_live_", ALNUM, 24),
    "stripe restricted": by("rk_live_", ALNUM, 24),
    "stripe hook": by("whsec_", ALNUM, 32),
    "openai": by("sk-proj-", ALNUM, 48),
    "anthropic": by("sk-ant-api03-", ALNUM, 80),
    "sendgrid": lambda rng: f"SG.{some(rng, ALNUM, 22)}.{some(rng, ALNUM, 43)}",
    "mailgun": by("key-", HEX, 32),
    "mailchimp": by("", HEX, 32, "-us12"),
    "twilio": by("SK", HEX, 32),
    "npm": by("npm_", ALNUM, 36),
    "pypi": by("pypi-AgEIcHlwaS5vcmc", ALNUM, 60),
    "docker": by("dckr_pat_", ALNUM, 27),
    "digitalocean": by("dop_v1_", HEX, 64),
    "databricks": by("dapi", HEX, 32),
    "shopify": by("shpat_", HEX, 32),
    "square": by("sq0atp-", ALNUM, 22),
    "vault": by("hvs.", ALNUM, 90),
    "telegram": lambda rng: f"{some(rng, '123456789', 9)}:AA{some(rng, ALNUM, 33)}",
    "new relic": by("NRAK-", UPPER, 27),
    "hugging face": by("hf_", ALNUM, 34),
    "figma": by("figd_", ALNUM, 40),
    "visa": lambda rng: card(rng, "4539", 16),
    "mastercard": lambda rng: card(rng, "5425", 16),
    "mastercard 2": lambda rng: card(rng, "2223", 16),
    "amex": lambda rng: card(rng, "3714", 15),
    "discover": lambda rng: card(rng, "6011", 16),
    "card in groups": lambda rng: grouped(card(rng, "4916", 16)),
    "email": lambda rng: f"{some(rng, string.ascii_lowercase, 9)}@shop.example.org",
    "email tagged": lambda rng: f"{some(rng, string.ascii_lowercase, 7)}.x+tag@a.b.example.co.uk",
    "phone": lambda rng: "+49170" + some(rng, string.digits, 8),
    "phone in groups": lambda rng: f"+44 20 7{some(rng, string.digits, 3)} {some(rng, string.digits, 4)}",
    "phone national": lambda rng: f"(415) 5{some(rng, string.digits, 2)}-{some(rng, string.digits, 4)}",
    "iban de": lambda rng: iban(rng, "DE", "37040044", 10),
    "iban gb": lambda rng: grouped(iban(rng, "GB", "WEST", 14)),
    "iban no": lambda rng: iban(rng, "NO", "8601", 7),
    "ssn": lambda rng: f"{rng.randint(100, 599)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}",
}
BY_NAME: dict[str, Maker] = {
    "password": by("Zq", ALNUM + "!$*+.,", 14),
    "session": by("Zq", HEX, 30),
    "opaque token": by("Zq", ALNUM + "-._~+/", 40),
    "basic": lambda rng: base64.b64encode(f"user:Zq{some(rng, ALNUM, 12)}".encode()).decode(),
    "unicode password": lambda rng: "Zq\u00e9\u4e16" + some(rng, ALNUM, 10),
}

LEAF: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: b64url(text.encode()),
    "url": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "double url": lambda text: quote("".join(f"%{byte:02x}" for byte in text.encode()), safe=""),
    "hex": lambda text: text.encode().hex(),
    "base64 utf-16": lambda text: base64.b64encode(text.encode("utf-16")).decode(),
    "base64 gzip": lambda text: base64.b64encode(gzip.compress(text.encode())).decode(),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base64 json": lambda text: base64.b64encode(json.dumps({"v": text}).encode()).decode(),
}
BODY: dict[str, tuple[str | None, Callable[[bytes], bytes]]] = {
    "identity": (None, lambda data: data),
    "gzip": ("gzip", gzip.compress),
    "two members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "deflate": ("deflate", zlib.compress),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "gzip in br": ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
}


@dataclass(frozen=True, slots=True)
class Body:
    """Content before it is encoded, and its type."""

    content: bytes
    content_type: str
    charset: str | None = None
    text: bool = True
    """Whether UTF-16 makes sense for it."""


def recorded(
    body: Body, *, encoding: str = "identity", wide: bool = False, truncated: bool = False
) -> Recorded:
    name, encode = BODY[encoding]
    content, content_type = body.content, body.content_type
    if wide:
        content = content.decode().encode("utf-16")
        content_type += "; charset=utf-16"
    raw = encode(content)
    digest = hashlib.sha256(raw).hexdigest()
    ref = BodyRef(
        hash=digest,
        full_hash=digest,
        size=len(raw),
        stored=len(raw),
        truncated=truncated,
        content_type=content_type,
        content_encoding=name,
    )
    headers = ((b"content-type", content_type.encode()),)
    return an_exchange(response_headers=headers, response_body=ref), {digest: raw}


def escaped(text: str) -> str:
    r"""Every character as `\u0041`."""
    return "".join(f"\\u{unit:04x}" for char in text for unit in _units(char))


def _units(char: str) -> Iterator[int]:
    raw = char.encode("utf-16-be")
    yield from (int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2))


def field(number: int, data: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    assert len(data) < 16384
    size = bytes([len(data)]) if len(data) < 128 else bytes([len(data) & 127 | 128, len(data) >> 7])
    return bytes([number << 3 | 2]) + size + data


def message(text: str) -> bytes:
    inner = field(1, NEIGHBOUR.encode()) + field(4, text.encode()) + b"\x18\x96\x01"
    return field(1, b"order") + field(2, inner) + b"\x28\x07"


def frame(data: bytes, *, compressed: bool = False) -> bytes:
    return pack(">BI", compressed, len(data)) + data


def js(value: object) -> str:
    return json.dumps(value)


N = NEIGHBOUR
JSON = "application/json"
BODIES: dict[str, Callable[[str], Body]] = {
    "json value": lambda s: Body(js({"near": N, "note": s, "qty": 3}).encode(), JSON),
    "json in utf-8": lambda s: Body(json.dumps({"near": N, "é": s}, ensure_ascii=False).encode(), JSON),
    "json sentence": lambda s: Body(js({"near": N, "note": f"it was {s} or so"}).encode(), JSON),
    "json deep": lambda s: Body(js({"a": [{"b": {"c": [1, s, None]}}], "near": N}).encode(), JSON),
    "json key": lambda s: Body(js({"near": N, "by": {s: 1}}).encode(), JSON),
    "json in json": lambda s: Body(js({"near": N, "raw": js({"x": js({"y": s})})}).encode(), JSON),
    "json beside escapes": lambda s: Body(js({"near": N, "quote": 'a "b"\n', "note": s}).encode(), JSON),
    "json escaped": lambda s: Body(f'{{"near": "{N}", "note": "{escaped(s)}"}}'.encode(), JSON),
    "json spaced": lambda s: Body(f'{{\n  "near" : "{N}",\n  "note" : {js(s)}\n}}'.encode(), JSON),
    "json top": lambda s: Body(js([s, N]).encode(), "application/vnd.shop.v2+json; charset=utf-8"),
    "json guarded": lambda s: Body(b")]}',\n" + js({"near": N, "note": s}).encode(), JSON),
    "json lines": lambda s: Body(f"{js({'near': N})}\n{js({'note': s})}\n".encode(), "application/x-ndjson"),
    "graphql": lambda s: Body(
        js({"query": "mutation($a: A!) { f(a: $a) }", "variables": {"a": {"v": s, "near": N}}}).encode(), JSON
    ),
    "form": lambda s: Body(
        f"near={quote(N)}&note={quote(s, safe='')}".encode(), "application/x-www-form-urlencoded"
    ),
    "multipart field": lambda s: Body(multipart("note", s), "multipart/form-data; boundary=XX"),
    "multipart json": lambda s: Body(
        multipart("doc", js({"v": s}), JSON), 'multipart/form-data; boundary="XX"'
    ),
    "multipart file": lambda s: Body(
        multipart('f"; filename="a.txt', f"x {s} y", "text/plain"), "multipart/form-data; boundary=XX"
    ),
    "xml element": lambda s: Body(
        f"<o><near>{N}</near><note>{xml(s)}</note></o>".encode(), "application/xml"
    ),
    "xml attribute": lambda s: Body(f'<o near="{N}"><i v="{xml(s)}"/></o>'.encode(), "text/xml"),
    "xml cdata": lambda s: Body(
        f"<o><near>{N}</near><n><![CDATA[{s}]]></n></o>".encode(), "application/soap+xml"
    ),
    "html": lambda s: Body(f"<p>{N}</p><p>Dear {xml(s)}, hello</p>".encode(), "text/html"),
    "text": lambda s: Body(f"{N}: we saw {s} today\n".encode(), "text/plain"),
    "csv": lambda s: Body(f"name;note\n{N};{s}\n".encode(), "text/csv"),
    "yaml": lambda s: Body(f"near: {N}\nnote: {js(s)}\n".encode(), "application/yaml"),
    "no type": lambda s: Body(f"{N} and {s}\n".encode(), "application/octet-stream"),
    "sse json": lambda s: Body(
        f"event: x\ndata: {js({'near': N, 'n': s})}\n\n".encode(), "text/event-stream"
    ),
    "sse text": lambda s: Body(
        f"data: {N} {s.replace(chr(10), chr(10) + 'data: ')}\n\n".encode(), "text/event-stream"
    ),
    "grpc": lambda s: Body(frame(message(s)), "application/grpc+proto", text=False),
    "grpc-web text": lambda s: Body(
        base64.b64encode(frame(message(s))), "application/grpc-web-text", text=False
    ),
    "protobuf": lambda s: Body(message(s), "application/x-protobuf", text=False),
}


def multipart(name: str, content: str, content_type: str = "") -> bytes:
    kind = f"\r\nContent-Type: {content_type}" if content_type else ""
    return (
        f'--XX\r\nContent-Disposition: form-data; name="near"\r\n\r\n{N}\r\n'
        f'--XX\r\nContent-Disposition: form-data; name="{name}"{kind}\r\n\r\n{content}\r\n--XX--\r\n'
    ).encode()


def xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def ws(payload: bytes, kind: str = "text") -> Recorded:
    headers = ((b"content-type", b"application/grpc"),)
    sent = Message(sender=Sender.SERVER, offset=1, type=kind, payload=payload)
    return an_exchange(messages=(sent,), response_headers=headers, reason=N), {}


def plain(**changes: object) -> Recorded:
    return an_exchange(**{"reason": N, **changes}), {}


LINES: dict[str, Callable[[str], Recorded]] = {
    "header": lambda s: plain(request_headers=((b"X-Note", s.encode()),)),
    "header words": lambda s: plain(response_headers=((b"X-Note", f"a {s} b".encode()),)),
    "trailer": lambda s: plain(response_trailers=((b"x-note", s.encode()),)),
    "referer": lambda s: plain(
        request_headers=((b"Referer", f"https://h/a?q={quote(s, safe='')}&b=1".encode()),)
    ),
    "baggage": lambda s: plain(request_headers=((b"baggage", f"user={quote(s, safe='')},a=b".encode()),)),
    "grpc -bin": lambda s: plain(
        response_trailers=((b"x-details-bin", base64.b64encode(message(s)).rstrip(b"=")),)
    ),
    "path": lambda s: plain(path=f"/users/{quote(s, safe='')}/orders"),
    "path plain": lambda s: plain(path=f"/users/{s.replace(' ', '')}/orders"),
    "query": lambda s: plain(path=f"/users?limit=10&q={quote(s, safe='')}"),
    "query twice": lambda s: plain(path=f"/go?to={quote('https://h/x?q=' + quote(s, safe=''), safe='')}"),
    "error": lambda s: plain(error=f"the service said {s}: no"),
    "ws json": lambda s: ws(js({"near": N, "v": s}).encode()),
    "ws text": lambda s: ws(f"{N} {s} !".encode()),
    "ws binary": lambda s: ws(message(s), "binary"),
    "grpc frame": lambda s: ws(frame(message(s)), "grpc"),
    "grpc bare": lambda s: ws(message(s), "grpc"),
    "event": lambda s: ws(js({"near": N, "v": s}).encode(), "event"),
}
"""Places outside bodies."""
FORM = "application/x-www-form-urlencoded"
NAMED: dict[str, Callable[[str], Recorded]] = {
    "authorization": lambda s: plain(request_headers=((b"Authorization", b"Bearer " + s.encode()),)),
    "basic": lambda s: plain(request_headers=((b"Proxy-Authorization", b"Basic " + s.encode()),)),
    "api key": lambda s: plain(request_headers=((b"X-Api-Key", s.encode()),)),
    "cookie": lambda s: plain(request_headers=((b"Cookie", b"theme=dark; sid=" + quote(s).encode()),)),
    "set-cookie": lambda s: plain(
        response_headers=((b"Set-Cookie", b"sid=" + quote(s).encode() + b"; Path=/"),)
    ),
    "query key": lambda s: plain(path=f"/a?b=1&api_key={quote(s, safe='')}&c=2"),
    "fragment": lambda s: plain(
        response_headers=((b"Location", b"/x#access_token=" + quote(s, safe="").encode()),)
    ),
    "userinfo": lambda s: plain(authority=f"user:{quote(s, safe='')}@h:80"),
    "userinfo in text": lambda s: plain(error=f"cannot reach https://u:{quote(s, safe='')}@h/x"),
    "trailer name": lambda s: plain(response_trailers=((b"x-session-token", s.encode()),)),
    "json password": lambda s: recorded(Body(js({"near": N, "password": s}).encode(), JSON)),
    "json camel": lambda s: recorded(Body(js({"near": N, "clientSecret": s, "a": 'x "y"'}).encode(), JSON)),
    "json punctuated": lambda s: recorded(Body(js({"near": N, "API-KEY_": s}).encode(), JSON)),
    "json array": lambda s: recorded(Body(js({"near": N, "tokens": [s, s]}).encode(), JSON)),
    "json object": lambda s: recorded(Body(js({"near": N, "credentials": {"a": {"b": s}}}).encode(), JSON)),
    "json escaped key": lambda s: recorded(
        Body(f'{{"near":"{N}","{escaped("password")}":{js(s)}}}'.encode(), JSON)
    ),
    "json in string": lambda s: recorded(Body(js({"near": N, "raw": js({"password": s})}).encode(), JSON)),
    "json in base64": lambda s: recorded(
        Body(js({"near": N, "raw": b64url(js({"password": s}).encode())}).encode(), JSON)
    ),
    "url in json": lambda s: recorded(
        Body(js({"near": N, "u": f"https://h/?token={quote(s, safe='')}"}).encode(), JSON)
    ),
    "form secret": lambda s: recorded(Body(f"near={quote(N)}&password={quote(s, safe='')}".encode(), FORM)),
    "multipart secret": lambda s: recorded(
        Body(multipart("password", s), "multipart/form-data; boundary=XX")
    ),
    "xml secret": lambda s: recorded(
        Body(f"<o><near>{N}</near><ns:Password t='1'>{xml(s)}</ns:Password></o>".encode(), "text/xml")
    ),
    "xml below": lambda s: recorded(
        Body(f"<o><near>{N}</near><credentials><v>{xml(s)}</v></credentials></o>".encode(), "text/xml")
    ),
    "xml add": lambda s: recorded(
        Body(f'<o near="{N}"><add key="Password" value="{xml(s)}"/></o>'.encode(), "text/xml")
    ),
    "html input": lambda s: recorded(
        Body(f'<p>{N}</p><input name="csrf_token" value="{xml(s)}">'.encode(), "text/html")
    ),
    "text pair": lambda s: recorded(Body(f'{N}\npassword="{s}"\n'.encode(), "text/plain")),
    "text bearer": lambda s: recorded(
        Body(f"{N}\nAuthorization: Bearer {quote(s, safe='')}\n".encode(), "text/plain")
    ),
    "sse secret": lambda s: recorded(
        Body(f"data: {js({'near': N, 'token': s})}\n\n".encode(), "text/event-stream")
    ),
    "ws secret": lambda s: ws(js({"near": N, "accessToken": s}).encode()),
}
"""Places whose name says that a secret stands there."""


def seen(result: Recorded) -> bytes:
    """All bytes of a result that would reach a disk."""
    exchange, bodies = result
    pieces: list[bytes] = [repr(exchange).encode(), *bodies.values()]
    for headers in (
        exchange.request_headers,
        exchange.response_headers,
        exchange.request_trailers,
        exchange.response_trailers,
    ):
        pieces += [part for pair in headers for part in pair]
    pieces += [each.payload for each in exchange.messages]
    pieces += [exchange.path.encode("latin-1"), (exchange.error or "").encode()]
    return b"\n".join(pieces)


def traces(secret: str) -> list[bytes]:
    """What must not be found: the secret, and a telling part of it, in every encoding of ours."""
    forms = [
        secret,
        "".join(char for char in secret if char.isalnum()),
        secret.split("\n")[-2] if "\n" in secret else secret,
    ]
    out: list[bytes] = []
    for text in forms:
        raw = text.encode()
        out += [
            raw,
            raw.hex().encode(),
            text.encode("utf-16-le"),
            escaped(text).encode(),
            quote(text, safe="").encode(),
        ]
        out += [LEAF["url"](text).encode(), LEAF["double url"](text).encode()]
        for shift in range(3):
            coded = base64.b64encode(b"x" * shift + raw)
            out += [
                coded[4 if shift else 0 : -4],
                coded[4 if shift else 0 : -4].translate(bytes.maketrans(b"+/", b"-_")),
            ]
    return [each for each in out if len(each) >= 8]
