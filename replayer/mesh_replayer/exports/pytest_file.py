"""A pytest file that sends requests with httpx and asserts what stays the same. Pure.

1. A value that an answer gives and a later request uses is a variable.
2. What looks as if it differs each time (ids, times, tokens) is not asserted.
3. A secret that was redacted is read from the environment.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mesh_core.bodytext import body_text
from mesh_core.model import Bodies, Exchange
from mesh_core.redact.tokens import is_ours
from mesh_replayer.correlate import Link, Session, correlate
from mesh_replayer.correlate.links import Source
from mesh_replayer.correlate.places import In
from mesh_replayer.diff.documents import parse
from mesh_replayer.exports.target import target_of
from mesh_replayer.look.safe import safe
from mesh_replayer.noise.shapes import shape_of

_MOST_ASSERTED = 20
"""Leaves of one answer."""
_MOST_TEXT = 120
"""Characters of an asserted value."""
_MADE_BY_CLIENT = frozenset({b"content-length", b"transfer-encoding", b"connection", b"host"})
_HEAD = '''"""What was recorded on {when}, as a test: TARGET=http://localhost:8080 pytest {file}."""

import os
from collections.abc import Iterator

import httpx
import pytest

TARGET = os.environ.get("TARGET", {origin})


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(base_url=TARGET) as client:
        client.headers.clear()
        yield client


def test_{name}(client: httpx.Client) -> None:
'''


def pytest_file(recorded: Sequence[tuple[Exchange, Bodies]]) -> str:
    """One test that sends all requests in order."""
    first = recorded[0][0]
    bodies = {exchange.id: own for exchange, own in recorded}
    session = Session([exchange for exchange, _ in recorded], range(len(recorded)))
    writer = _Writer(correlate([session], lambda exchange: bodies[exchange.id]))
    lines = [line for at, pair in enumerate(recorded) for line in writer.request(at, *pair)]
    name = re.sub(r"[^a-z0-9]+", "_", f"{first.service} {first.method} {first.path}".lower())[:60].strip("_")
    head = _HEAD.format(
        when=datetime.fromtimestamp(first.started_at // 10**9, tz=UTC).date(),
        file=f"test_{name}.py",
        origin=literal(f"{first.scheme}://{first.authority}"),
        name=name or "recorded",
    )
    return head + "\n".join(f"    {line}".rstrip() for line in lines).strip("\n") + "\n"


@dataclass(slots=True)
class _Writer:
    """Writes one request after the other, and remembers what has a name by then."""

    links: Sequence[Link]
    _names: dict[str, str] = field(default_factory=dict)
    """Variables by the recorded value that they stand for."""

    def request(self, at: int, exchange: Exchange, bodies: Bodies) -> Iterator[str]:
        """The lines of one request, its assertions, and the variables that later ones need."""
        mine = {link.value for link in self.links if link.step == at}
        known = {value: name for value, name in self._names.items() if value in mine}
        yield ""
        if exchange.error:
            yield f"# recorded: {safe(exchange.error)}"
        yield f"r{at + 1} = client.request("
        yield f"    {literal(exchange.method)},"
        yield f"    {expression(target_of(exchange), known)},"
        yield from self._headers(exchange, known)
        yield from _content(exchange, bodies, known)
        yield ")"
        if exchange.status is not None:
            yield f"assert r{at + 1}.status_code == {exchange.status}, r{at + 1}.text"
        document = _document(exchange, bodies)
        yield from self._assertions(at, document)
        yield from self._variables(at)

    def _headers(self, exchange: Exchange, known: Mapping[str, str]) -> Iterator[str]:
        fields = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in exchange.request_headers
            if name.lower() not in _MADE_BY_CLIENT and not name.startswith(b":")
        ]
        if not fields:
            return
        yield "    headers=["
        for name, value in fields:
            hidden = is_ours(value) or any(is_ours(word) for word in value.split())
            if hidden and not any(each in value for each in known):
                secret = f"MESH_{re.sub(r'[^A-Z0-9]+', '_', name.upper())}"
                yield f"        ({literal(name)}, os.environ[{literal(secret)}]),  # was redacted"
            else:
                yield f"        ({literal(name)}, {expression(value, known)}),"
        yield "    ],"

    def _assertions(self, at: int, document: Any) -> Iterator[str]:
        flowing = {link.value for link in self.links}
        written = 0
        for keys, value in _leaves(document, ()):
            steady = value is None or isinstance(value, bool | int | float | str)
            if not steady or str(value) in flowing or _volatile(value):
                continue
            if written == _MOST_ASSERTED:
                return
            written += 1
            where = "".join(f"[{literal(key) if isinstance(key, str) else key}]" for key in keys)
            shown = literal(value) if isinstance(value, str) else repr(value)
            operator = "is" if value is None or isinstance(value, bool) else "=="
            yield f"assert r{at + 1}.json(){where} {operator} {shown}"

    def _variables(self, at: int) -> Iterator[str]:
        wanted = [(link, source) for link in self.links for source in link.sources[:1] if source.step == at]
        for link, source in wanted:
            taken = None if source.label or link.value in self._names else _taken(at, source)
            if taken is not None:
                name = self._named(source)
                self._names[link.value] = name
                yield f"{name} = {taken}"

    def _named(self, source: Source) -> str:
        last = next((str(key) for key in reversed(source.place.keys) if isinstance(key, str)), "value")
        name = re.sub(r"\W+", "_", last.lower(), flags=re.ASCII).strip("_") or "value"
        name = f"{name}_{source.step + 1}"
        return name if not name[0].isdigit() else f"v_{name}"


def _taken(at: int, source: Source) -> str | None:
    """Where a value is in an answer, in Python; None for places that httpx has no simple word for."""
    if source.place.part is In.BODY:
        keys = "".join(f"[{literal(key) if isinstance(key, str) else key}]" for key in source.place.keys)
        return f"str(r{at + 1}.json(){keys})"
    if source.place.part is In.HEADER:
        return f"r{at + 1}.headers[{literal(str(source.place.keys[0]))}]"
    return None


def _content(exchange: Exchange, bodies: Bodies, known: Mapping[str, str]) -> Iterator[str]:
    ref = exchange.request_body
    if ref is None or not ref.size:
        return
    text = body_text(ref, bodies) if not (ref.content_encoding and not ref.decoded) else None
    if text is not None:
        yield f"    content={expression(text, known)}.encode(),"
    elif ref.hash in bodies:
        yield f"    content={bodies[ref.hash]!r},"
    else:
        yield "    # its body was not kept"


def _document(exchange: Exchange, bodies: Bodies) -> Any:
    ref = exchange.response_body
    text = None if ref is None or ref.truncated else body_text(ref, bodies)
    if text is None or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return parse(text.encode())
    except ValueError:
        return None


def _leaves(document: Any, keys: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield from _leaves(value, (*keys, key))
    elif isinstance(document, list):
        for at, value in enumerate(document):
            yield from _leaves(value, (*keys, at))
    elif keys:
        yield keys, document


def _volatile(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > _MOST_TEXT or is_ours(value) or shape_of(value) is not None
    return not isinstance(value, bool) and shape_of(value) is not None


def literal(text: str) -> str:
    """A Python string in double quotes, of printable ASCII alone."""
    escaped = text.encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{escaped}"'


def expression(text: str, known: Mapping[str, str]) -> str:
    """Python for a text in which some values are variables."""
    present = sorted((value for value in known if value and value in text), key=len, reverse=True)
    if not present:
        return literal(text)
    parts = re.split("(" + "|".join(re.escape(value) for value in present) + ")", text)
    inside = "".join(
        f"{{{known[part]}}}" if part in known else literal(part)[1:-1].replace("{", "{{").replace("}", "}}")
        for part in parts
    )
    return f'f"{inside}"'
