"""A recorded request with live values in some of its places, and no byte else changed. Pure."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from msgspec import structs

from mesh_core.bodytext import body_content, charset
from mesh_core.model import Bodies, Exchange, Headers, own_bodies
from mesh_replayer.correlate.json_spans import with_leaves
from mesh_replayer.correlate.pieces import Label, piece
from mesh_replayer.correlate.places import MOST_READ, In, Place, bare_path, of_request, pairs_of

_UNSAFE_IN_URL = re.compile(r"[^A-Za-z0-9\-._~!$'()*+,;:@=%/]|%(?![0-9A-Fa-f]{2})")
_UNSAFE_IN_PAIR = re.compile(r"[^A-Za-z0-9\-._~!$'()*,;:@%/]|%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Change:
    """A live value for a place."""

    place: Place
    label: Label
    value: str


class NotPossible(ValueError):
    """The live value does not fit in its place."""


def rewritten(exchange: Exchange, bodies: Bodies, changes: Sequence[Change]) -> tuple[Exchange, Bodies]:
    """The request with the changes made.

    Raises:
        NotPossible: a place is not there, or cannot take its value.
    """
    recorded = {found.place: found.value for found in of_request(exchange, bodies)}
    new: defaultdict[In, dict[Place, str]] = defaultdict(dict)
    for change in changes:
        place = change.place
        whole = new[place.part].get(place, recorded.get(place))
        inner = None if whole is None else piece(whole, change.label)
        if inner is None:
            raise NotPossible(f"{place.text} is not as it was read")
        new[place.part][place] = inner.rebuild(_fitting(change))
    fields = exchange.request_headers
    fields = _headers(fields, new[In.HEADER]) if new[In.HEADER] else fields
    fields = _cookies(fields, new[In.COOKIE]) if new[In.COOKIE] else fields
    changed = structs.replace(
        exchange, request_headers=fields, path=_path(exchange.path, new[In.PATH], new[In.QUERY])
    )
    if new[In.BODY] or new[In.FORM]:
        return _with_body(changed, bodies, new[In.BODY], new[In.FORM])
    return changed, bodies


def _fitting(change: Change) -> str:
    """The value as its place can hold it."""
    if "percent" in change.label or "base64" in change.label:
        return change.value
    if change.place.part is In.PATH and _UNSAFE_IN_URL.search(change.value):
        return quote(change.value, safe="")
    if change.place.part in (In.QUERY, In.FORM) and _UNSAFE_IN_PAIR.search(change.value):
        return quote(change.value, safe="")
    return change.value


def _path(path: str, segments: dict[Place, str], query: dict[Place, str]) -> str:
    bare = bare_path(path)
    before = path[: len(path) - len(bare)] if path.endswith(bare) else ""
    head, mark, rest = bare.partition("?")
    if segments:
        parts = head.split("/")
        for place, value in segments.items():
            parts[_number(place)] = value
        head = "/".join(parts)
    if query:
        rest = _with_pairs(rest, query)
    return _latin(before + head + mark + rest)


def _with_pairs(text: str, new: dict[Place, str]) -> str:
    wanted = {place.keys: value for place, value in new.items()}
    pairs = text.split("&")
    for number, name, at, _ in list(pairs_of(text)):
        if (name, at) in wanted:
            pairs[number] = f"{name}={wanted[name, at]}"
    return "&".join(pairs)


def _headers(fields: Headers, new: dict[Place, str]) -> Headers:
    wanted = {place.keys: value for place, value in new.items()}
    seen: dict[str, int] = {}
    changed: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        key = name.lower().decode("latin-1")
        if value:
            seen[key] = seen.get(key, -1) + 1
        live = wanted.get((key, seen.get(key, 0)))
        changed.append((name, value if live is None or not value else _latin(live).encode("latin-1")))
    return tuple(changed)


def _cookies(fields: Headers, new: dict[Place, str]) -> Headers:
    wanted = {place.keys: value for place, value in new.items()}
    seen: dict[str, int] = {}
    changed: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if name.lower() != b"cookie":
            changed.append((name, value))
            continue
        crumbs = value.decode("latin-1").split(";")
        for number, crumb in enumerate(crumbs):
            key, equals, _ = crumb.strip().partition("=")
            if equals:
                at = seen[key] = seen.get(key, -1) + 1
                if (key, at) in wanted:
                    blanks = crumb[: len(crumb) - len(crumb.lstrip())]
                    crumbs[number] = f"{blanks}{key}={wanted[key, at]}"
        changed.append((name, _latin(";".join(crumbs)).encode("latin-1")))
    return tuple(changed)


def _with_body(
    exchange: Exchange, bodies: Bodies, leaves: dict[Place, str], form: dict[Place, str]
) -> tuple[Exchange, Bodies]:
    ref = exchange.request_body
    content = body_content(ref, bodies, limit=MOST_READ)
    if ref is None or content is None:
        raise NotPossible("its body was not kept")
    name = charset(ref.content_type)
    try:
        text = content.decode(name)
        if leaves:
            text = with_leaves(text, {place.keys: value for place, value in leaves.items()})
        else:
            text = _with_pairs(text, form)
        after = text.encode(name)
    except ValueError as cause:
        raise NotPossible(f"its body cannot be changed ({cause})") from cause
    digest = hashlib.sha256(after).hexdigest()
    changed = structs.replace(
        ref,
        hash=digest,
        full_hash=None,
        size=len(after),
        stored=len(after),
        decoded=bool(ref.content_encoding) or ref.decoded,
    )
    return structs.replace(exchange, request_body=changed), {**own_bodies(exchange, bodies), digest: after}


def _number(place: Place) -> int:
    at = place.keys[0]
    return at if isinstance(at, int) else 0


def _latin(text: str) -> str:
    """A text as the model has text of the wire: a character for each byte."""
    return text if _fits(text) else text.encode().decode("latin-1")


def _fits(text: str) -> bool:
    return not text or max(text) <= "\xff"
