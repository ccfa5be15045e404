"""Hide well-known secrets of an exchange before anything touches a disk. Pure.

1. A value becomes `mr1_CLASS_DIGEST`; equal values become equal tokens wherever they stand, under one key.
2. What is a token of ours already stays as it is, so that a replayed recording keeps its tokens.
3. Names, order, schemes and attributes stay: only the value that is the secret is replaced.
4. Headers that carry a trace or a request's id are never touched.

Covered: credentials in headers, cookies, well-known keys in queries and fragments (also of URLs in
headers), userinfo of URLs, and JSON Web Tokens in any header or path.
"""

import base64
import dataclasses
import hmac
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from mesh_core.config import RedactMode
from mesh_core.model import Bodies, Exchange, Headers, Redaction
from mesh_core.redact.names import HeaderKind, header_kind, is_secret_key, needs_state

type _Counts = Counter[str]

TOKEN = re.compile(rb"mr1_[a-z]+(?:_[a-z2-7]{20})?")
"""What a replaced value looks like."""

_JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){2,4}")
_PAIR = re.compile(rb"(?<=[?&;#])([^=&;#?/\s]{1,64})=([^&;#\s\"'<>,]+)")
_USERINFO = re.compile(rb"(?<=://)[^/?#@\s\"'<>]+(?=@)")
_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9-]*)[ ]+(\S.*)", re.DOTALL)
_COOKIE = re.compile(rb"([^=;]*=[ ]*\"?)([^;\"]*)")
_TEXT_PAIR = re.compile(
    rb"(?i)\b([\w.-]*(?:token|secret|passw(?:or)?d|passphrase|pwd|key|signature|sig|credentials?|cookie"
    rb"|authorization|auth|session_?id|sid|jwt|assertion))"
    rb"([\"']?\s*[=:]\s*[\"']?)([^\s&;,\"'<>]+)"
)
_TEXT_CREDENTIALS = re.compile(rb"(?i)\b((?:Bearer|Basic|Digest|Token)\s+)([A-Za-z0-9._~+/=-]{6,})")
_SUSPECT = re.compile(rb"eyJ|@|[?#&;][^=&;#?/\s]{2,64}=(?!0\.\d)")
"""Whether a value may hold anything that a rule looks for; weights such as `;q=0.5` are none."""


class Redactor:
    """Replaces secrets by tokens that are keyed to a project."""

    def __init__(self, key: bytes | None, mode: RedactMode = RedactMode.DEFAULT) -> None:
        """Make a redactor.

        Args:
            key: the project's; None gives tokens that are equal for all values of a class.
            mode: `off` leaves everything as it is.
        """
        self._off = mode is RedactMode.OFF
        self._key = key
        self._digest = lru_cache(maxsize=4096)(self._digest_of)

    def apply(self, exchange: Exchange, bodies: Bodies) -> tuple[Exchange, Bodies]:
        """The exchange without well-known secrets, and how many were replaced by which rule."""
        if self._off:
            return exchange, bodies
        counts: _Counts = Counter()
        changed: dict[str, Any] = {
            name: after
            for name in ("request_headers", "response_headers", "request_trailers", "response_trailers")
            if (after := self.headers(getattr(exchange, name), counts)) is not getattr(exchange, name)
        }
        for name in ("path", "authority", "reason"):
            text: str = getattr(exchange, name)
            if (hidden := self._wire_text(text, counts)) != text:
                changed[name] = hidden
        if exchange.error is not None:
            error = self._text(exchange.error, counts)
            if error != exchange.error:
                changed["error"] = error
        if not changed:
            return exchange, bodies
        return dataclasses.replace(exchange, **changed, redactions=_sum(exchange, counts)), bodies

    def text(self, text: str) -> str:
        """A message for people or a log, without secrets that can be told as such."""
        return text if self._off else self._text(text, Counter())

    def headers(self, headers: Headers, counts: _Counts) -> Headers:
        """The fields without secrets; the same object where there was none. Counts by rule."""
        if not headers:
            return headers
        names, values = zip(*headers, strict=True)
        plain, secret = _kinds(names)
        replaced: dict[int, bytes] = {}
        if _SUSPECT.search(b"\n".join(values)):
            for index in plain:
                value = values[index]
                if _SUSPECT.search(value) and (after := self._loose(value, counts)) != value:
                    replaced[index] = after
        for index, kind in secret:
            after = self._of_kind[kind](self, values[index], counts)
            if after != values[index]:
                replaced[index] = after
        if not replaced:
            return headers
        return tuple((name, replaced.get(index, value)) for index, (name, value) in enumerate(headers))

    def token(self, value: bytes) -> bytes:
        """What stands for a secret value, which must not be empty."""
        if TOKEN.fullmatch(value):
            return value
        kind = b"jwt" if _JWT.fullmatch(value) else b"secret"
        digest = self._digest(kind, value)
        return b"mr1_" + kind + (b"_" + digest if digest else b"")

    def _digest_of(self, kind: bytes, value: bytes) -> bytes:
        if self._key is None:
            return b""
        digest = hmac.digest(self._key, kind + b"\0" + value, "sha256")
        return base64.b32encode(digest)[:20].lower()

    def _credentials(self, value: bytes, counts: _Counts) -> bytes:
        """`Bearer xyz`: the scheme stays."""
        match = _SCHEME.fullmatch(value.strip())
        scheme, secret = (match[1] + b" ", match[2]) if match else (b"", value.strip())
        return scheme + self._counted("header", secret, counts)

    def _whole(self, value: bytes, counts: _Counts) -> bytes:
        return self._counted("header", value.strip(), counts)

    def _cookies(self, value: bytes, counts: _Counts) -> bytes:
        """`a=1; b=2`: the names stay."""
        return _COOKIE.sub(lambda match: match[1] + self._counted("cookie", match[2], counts), value)

    def _set_cookie(self, value: bytes, counts: _Counts) -> bytes:
        """`a=1; Path=/; HttpOnly`: the name and the attributes stay."""
        pair, semicolon, attributes = value.partition(b";")
        return self._cookies(pair, counts) + semicolon + attributes

    _of_kind: dict[HeaderKind, Callable[["Redactor", bytes, _Counts], bytes]] = {  # noqa: RUF012  # a constant table
        HeaderKind.CREDENTIALS: _credentials,
        HeaderKind.SECRET: _whole,
        HeaderKind.COOKIE: _cookies,
        HeaderKind.SET_COOKIE: _set_cookie,
    }

    def _loose(self, value: bytes, counts: _Counts) -> bytes:
        """A value that may be, or hold, a URL or a token."""
        if b"@" in value:
            value = _USERINFO.sub(lambda match: self._counted("userinfo", match[0], counts), value)
        if b"=" in value:
            value = self._pairs(value, counts)
        if b"eyJ" in value:
            value = _JWT.sub(lambda match: self._counted("jwt", match[0], counts), value)
        return value

    def _pairs(self, url: bytes, counts: _Counts) -> bytes:
        """Values of well-known keys behind `?`, `&`, `;` and `#`."""
        oauth = b"state=" in url

        def replace(match: re.Match[bytes]) -> bytes:
            key = match[1]
            if not is_secret_key(key) and not (oauth and needs_state(key)):
                return match[0]
            plain = unquote_to_bytes(match[2].replace(b"+", b" ")) if b"%" in match[2] else match[2]
            return key + b"=" + self._counted("query", plain, counts)

        # A path's parameters end where the query begins; a query's values may hold a `?`.
        head, mark, query = url.partition(b"?")
        return _PAIR.sub(replace, head) + _PAIR.sub(replace, mark + query)

    def _wire_text(self, text: str, counts: _Counts) -> str:
        """Path, authority, reason: latin-1 text from the wire."""
        if not ("=" in text or "@" in text or "eyJ" in text):
            return text
        raw = text.encode("latin-1")
        if b"@" in raw and b"://" not in raw and b"/" not in raw:
            user, _, host = raw.rpartition(b"@")
            return (self._counted("userinfo", user, counts) + b"@" + host).decode("latin-1")
        return self._loose(raw, counts).decode("latin-1")

    def _text(self, text: str, counts: _Counts) -> str:
        def pair(match: re.Match[bytes]) -> bytes:
            if not is_secret_key(match[1]) or match[3].lower() in _SCHEMES:
                return match[0]
            return match[1] + match[2] + self._counted("text", match[3], counts)

        raw = self._loose(text.encode("utf-8", "surrogateescape"), counts)
        raw = _TEXT_CREDENTIALS.sub(lambda match: match[1] + self._counted("text", match[2], counts), raw)
        return _TEXT_PAIR.sub(pair, raw).decode("utf-8", "surrogateescape")

    def _counted(self, rule: str, secret: bytes, counts: _Counts) -> bytes:
        if not secret or TOKEN.fullmatch(secret):
            return secret
        counts[rule] += 1
        return self.token(secret)


_SCHEMES = frozenset({b"bearer", b"basic", b"digest", b"token"})


@lru_cache(maxsize=1024)
def _kinds(names: tuple[bytes, ...]) -> tuple[tuple[int, ...], tuple[tuple[int, HeaderKind], ...]]:
    """Which fields to look through, and which are secrets by their name; services repeat themselves."""
    kinds = [header_kind(name) for name in names]
    plain = tuple(index for index, kind in enumerate(kinds) if kind is HeaderKind.PLAIN)
    secret = tuple(
        (i, kind) for i, kind in enumerate(kinds) if kind not in (HeaderKind.PLAIN, HeaderKind.CONTEXT)
    )
    return plain, secret


def _sum(exchange: Exchange, counts: _Counts) -> tuple[Redaction, ...]:
    total = Counter({before.rule: before.count for before in exchange.redactions}) + counts
    return tuple(Redaction(rule=rule, count=total[rule]) for rule in sorted(total))
