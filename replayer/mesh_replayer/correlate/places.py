"""Where values stand in a request and in an answer. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mesh_core.bodytext import body_content, body_text
from mesh_core.model import Bodies, BodyRef, Exchange, Headers
from mesh_replayer.correlate.markup import handed_on
from mesh_replayer.diff.documents import parse

MOST_READ = 2 * 1024 * 1024
"""Bytes of a decoded body that is looked into."""
MOST_LEAVES = 5_000
"""Of one document."""
_CONNECTION = frozenset(
    {
        b"host", b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"via",
        b"content-length", b"content-type", b"content-encoding", b"content-language", b"date", b"age",
        b"server", b"user-agent", b"origin", b"referer", b"expect", b"vary", b"alt-svc", b"cache-control",
        b"pragma", b"expires", b"accept-ranges", b"range", b"content-range", b"forwarded", b"x-forwarded-for",
        b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"cookie", b"set-cookie", b"traceparent",
        b"tracestate", b"b3", b"uber-trace-id", b"sentry-trace", b"baggage", b"x-cloud-trace-context",
        b"x-amzn-trace-id", b"grpc-trace-bin", b"x-request-id", b"x-correlation-id", b"mesh-replay",
        b"server-timing", b"x-response-time", b"x-runtime", b"strict-transport-security", b"content-md5",
        b"content-security-policy", b"access-control-allow-origin", b"access-control-max-age",
        b"upgrade-insecure-requests",
    }
)  # fmt: skip
"""Headers that hand nothing on: of the connection, of proxies, of the trace."""
_CONNECTION_PREFIXES = (b"accept", b"sec-", b"x-b3-", b"x-datadog-", b"access-control-")

type Key = str | int


class In(StrEnum):
    """The part of a message."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"
    FORM = "form"
    BODY = "body"
    """A leaf of a JSON document."""
    PAGE = "page"
    """An input, a meta tag or a link of an HTML page."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place in a request or an answer."""

    part: In
    keys: tuple[Key, ...]
    """Segment number; name and the how manieth of that name; members and indices."""

    @property
    def general(self) -> "Place":
        """The same place in another message: whichever row of an array it is."""
        if self.part is In.BODY:
            return Place(self.part, tuple("*" if isinstance(key, int) else key for key in self.keys))
        return self

    @property
    def text(self) -> str:
        """For people and for `--no-link`: `cookie:sid`, `path:2`, `body:$.items[0].id`."""
        if self.part is In.BODY:
            steps = [f"[{key}]" if isinstance(key, int) or key == "*" else f".{key}" for key in self.keys]
            return f"body:${''.join(steps)}"
        name = ":".join(str(key) for key in self.keys if key != 0)
        return f"{self.part}:{name}"


@dataclass(frozen=True, slots=True)
class Found:
    """A value in its place."""

    place: Place
    value: str
    names: tuple[str, ...]
    """What the place is called, to tell what belongs together."""


def of_request(exchange: Exchange, bodies: Bodies) -> Iterator[Found]:
    """Every value of a request that could have come from an answer."""
    path, _, query = bare_path(exchange.path).partition("?")
    segments = path.split("/")
    for at, segment in enumerate(segments):
        if segment:
            yield Found(Place(In.PATH, (at,)), segment, (segments[at - 1] if at else "",))
    yield from _pairs(In.QUERY, query)
    for name, at, value in _fields(exchange.request_headers):
        yield Found(Place(In.HEADER, (name, at)), value, (name,))
    for name, at, value in cookies(exchange.request_headers):
        yield Found(Place(In.COOKIE, (name, at)), value, (name,))
    kind = _kind(exchange.request_body)
    if "x-www-form-urlencoded" in kind:
        text = body_text(exchange.request_body, bodies, limit=MOST_READ)
        yield from _pairs(In.FORM, text or "")
    elif "json" in kind:
        yield from _json(exchange.request_body, bodies, ())


def of_answer(exchange: Exchange, bodies: Bodies) -> Iterator[Found]:
    """Every value of an answer that a later request could use."""
    route = _route_names(exchange.path)
    for name, at, value in _fields(exchange.response_headers):
        yield Found(Place(In.HEADER, (name, at)), value, (name, *(route if name == "etag" else ())))
    for name, value in set_cookies(exchange.response_headers):
        yield Found(Place(In.COOKIE, (name, 0)), value, (name,))
    kind = _kind(exchange.response_body)
    if "json" in kind:
        yield from _json(exchange.response_body, bodies, route)
    elif "html" in kind:
        text = body_text(exchange.response_body, bodies, limit=MOST_READ)
        for tag, name, at, value in handed_on(text or ""):
            yield Found(Place(In.PAGE, (tag, name, at)), value, (name,))


def bare_path(path: str) -> str:
    """A request target without scheme and authority, which a forward proxy's client sends."""
    if path.startswith(("http://", "https://")):
        slash = path.find("/", path.index("//") + 2)
        return path[slash:] if slash >= 0 else "/"
    return path


def pairs_of(text: str) -> Iterator[tuple[int, str, int, str]]:
    """Number, name, the how manieth of that name, and raw value of each `name=value`."""
    seen: dict[str, int] = {}
    for number, pair in enumerate(text.split("&")):
        name, equals, value = pair.partition("=")
        if equals:
            at = seen[name] = seen.get(name, -1) + 1
            yield number, name, at, value


def cookies(headers: Headers) -> Iterator[tuple[str, int, str]]:
    """Name, the how manieth of that name, and value of each cookie of a request."""
    seen: dict[str, int] = {}
    for name, value in headers:
        if name.lower() == b"cookie":
            for crumb in value.decode("latin-1").split(";"):
                key, equals, text = crumb.strip().partition("=")
                if equals:
                    at = seen[key] = seen.get(key, -1) + 1
                    yield key, at, text


def set_cookies(headers: Headers) -> Iterator[tuple[str, str]]:
    """Name and value of each cookie that an answer sets."""
    for name, value in headers:
        if name.lower() == b"set-cookie":
            key, equals, text = value.decode("latin-1").partition(";")[0].strip().partition("=")
            if equals and text:
                yield key, text


def _pairs(part: In, text: str) -> Iterator[Found]:
    for _, name, at, value in pairs_of(text):
        if value:
            yield Found(Place(part, (name, at)), value, (name,))


def _fields(headers: Headers) -> Iterator[tuple[str, int, str]]:
    """Name in lower case, the how manieth of that name, and value of what may hand something on."""
    seen: dict[bytes, int] = {}
    for raw, value in headers:
        name = raw.lower()
        if name not in _CONNECTION and not name.startswith(_CONNECTION_PREFIXES) and value:
            at = seen[name] = seen.get(name, -1) + 1
            yield name.decode("latin-1"), at, value.decode("latin-1")


def _kind(ref: BodyRef | None) -> str:
    return (ref.content_type or "").lower() if ref is not None else ""


def _json(ref: BodyRef | None, bodies: Bodies, route: tuple[str, ...]) -> Iterator[Found]:
    content = body_content(ref, bodies, limit=MOST_READ)
    if not content or len(content) >= MOST_READ:
        return
    try:
        document = parse(content)
    except ValueError:
        return
    for number, (keys, value) in enumerate(_leaves(document)):
        if number >= MOST_LEAVES:
            return
        named = tuple(key for key in keys[-3:] if isinstance(key, str))
        yield Found(Place(In.BODY, keys), value, named if len(named) > 1 else (*named, *route))


def _leaves(document: Any) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Texts and whole numbers, in the document's order."""
    waiting: list[tuple[tuple[Key, ...], Any]] = [((), document)]
    while waiting:
        keys, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*keys, key), inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [((*keys, at), value[at]) for at in range(len(value) - 1, -1, -1)]
        elif isinstance(value, str):
            yield keys, value
        elif type(value) is int:
            yield keys, str(value)


def _route_names(path: str) -> tuple[str, ...]:
    """The words of a path: what its answer is about."""
    segments = [segment for segment in bare_path(path).partition("?")[0].split("/") if segment]
    return tuple(segment for segment in segments[-2:] if segment.isascii() and not segment.isdigit())
