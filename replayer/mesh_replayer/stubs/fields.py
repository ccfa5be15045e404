"""A call as named fields, so that two can be held against each other and a miss can be explained. Pure.

1. `path[2]`, `query.page`, `body.lines[0].sku`: every leaf has a name, and its value as text.
2. Order of query parameters, of an object's keys and of a form's fields means nothing; an array's order does.
3. Numbers compare by value. What cannot be read as JSON or a form is one field, `body`.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from mesh_core.bodytext import MOST_TEXT, body_content
from mesh_core.masks import path_template
from mesh_core.model import Bodies, Exchange
from mesh_core.redact import token_class
from mesh_replayer.diff.documents import parse
from mesh_replayer.diff.jsonpath import json_path

type Fields = Mapping[str, str]
"""Leaf values as text by the name of their place."""

type Segments = tuple[str | int, ...]

_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_DIGEST = re.compile(r"(mr1_[a-z]+)_[a-z2-7]{20}")
_MOST_SHOWN = 80
_BOUNDARY = re.compile(r"boundary=\"?([^\";]+)", re.IGNORECASE)


def fields_of(call: Exchange, bodies: Bodies) -> Fields:
    """The fields of a call's request."""
    path, _, query = origin_form(call.path).partition("?")
    found = {f"path[{at}]": unquote(part) for at, part in enumerate(path.split("/")) if at}
    found |= _numbered("query", parse_qsl(query, keep_blank_values=True))
    return found | dict(_body(call, bodies))


def by_class(fields: Fields) -> Fields:
    """The fields with hidden values told by their class alone, as they are without the project's key."""
    return {name: _told_class(value) for name, value in fields.items()}


def origin_form(path: str) -> str:
    """A request target without the scheme and server that a forward proxy gets."""
    match = _ABSOLUTE.match(path)
    if match is None:
        return path
    rest = path[match.end() :]
    return rest if rest.startswith("/") else f"/{rest}"


def route_of(call: Exchange) -> tuple[str, str]:
    """Method and path template: what two calls must share to be compared at all."""
    return call.method.upper(), path_template(origin_form(call.path))


def differing(recorded: Fields, asked: Fields) -> list[str]:
    """The names of the fields that differ, those of the recorded call first."""
    names = [*recorded, *(name for name in asked if name not in recorded)]
    return [name for name in names if recorded.get(name) != asked.get(name)]


def told(name: str, recorded: Fields, asked: Fields) -> str:
    """One differing field in words: `body.amount 2118 → 2119`."""
    return f"{name} {_shown(recorded.get(name))} → {_shown(asked.get(name))}"


def _shown(value: str | None) -> str:
    if value is None:
        return "(none)"
    return value if len(value) <= _MOST_SHOWN else f"{value[:_MOST_SHOWN]}…"


def _told_class(value: str) -> str:
    quote = '"' if len(value) > 1 and value[0] == value[-1] == '"' else ""
    bare = value[1:-1] if quote else value
    kind = token_class(bare)
    return _DIGEST.sub(r"\1", value) if kind is None else f"{quote}mr1_{kind}{quote}"


def _body(call: Exchange, bodies: Bodies) -> Iterator[tuple[str, str]]:
    ref = call.request_body
    if ref is None or not ref.size:
        return
    content = body_content(ref, bodies)
    if content is None or len(content) >= MOST_TEXT:  # not to be decoded, or too large to look into
        yield "body", f"{ref.content_encoding or 'bytes'} {ref.hash}"
        return
    kind = (ref.content_type or "").lower()
    if "x-www-form-urlencoded" in kind:
        yield from _numbered("body", parse_qsl(content.decode("latin-1"), keep_blank_values=True)).items()
        return
    if "json" in kind or content.lstrip()[:1] in (b"{", b"["):
        try:
            document = parse(content)
        except ValueError:
            pass
        else:
            yield from ((f"body{json_path(at)[1:]}", value) for at, value in _leaves(document, ()))
            return
    yield "body", _plain(content, ref.content_type or "")


def _plain(content: bytes, content_type: str) -> str:
    """A body of another kind; a multipart one without the boundary that its client made up."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is not None and "multipart" in content_type.lower():
        content = content.replace(boundary[1].strip().encode("latin-1", "replace"), b"boundary")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"bytes {hashlib.sha256(content).hexdigest()}"


def _leaves(value: Any, at: Segments) -> Iterator[tuple[Segments, str]]:
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _leaves(member, (*at, name))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, (*at, index))
    else:
        yield at, _leaf(value)


def _leaf(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def _numbered(prefix: str, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Pairs by name, the second of a name as `NAME[1]`."""
    seen: Counter[str] = Counter()
    found: dict[str, str] = {}
    for name, value in pairs:
        found[f"{prefix}.{name}[{seen[name]}]" if seen[name] else f"{prefix}.{name}"] = value
        seen[name] += 1
    return found
