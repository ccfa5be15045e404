"""Credentials put into a request, at the last moment before it goes out. Pure.

1. A value that is not the recorded one any more (by `-H`, or out of an earlier answer) stays.
2. A hidden value goes back to the place that is named, and only there.
3. A JWT keeps its recorded claims and is signed anew with the key that is named; never without one.
4. A signature comes last: it is over what really goes out.
"""

import base64
import dataclasses
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

import jwt

from mesh_core.jsonpath import parse_jsonpath
from mesh_core.model import Exchange, Headers, header
from mesh_core.redact import is_ours
from mesh_core.replay_config import AuthKind
from mesh_replayer.auth.secrets import Secrets
from mesh_replayer.wire.request import WireRequest

_TOKEN = re.compile(rb"[^\s;,=\"'&]*mr1_[a-z]+(?:_[a-z2-7]{20})?(?:@example\.com)?")
_TIMES = ("iat", "nbf")
_FIELD = re.compile(r"\{(method|target|path|query|host|timestamp|body_sha256|body|header:[A-Za-z0-9-]+)\}")


def authorized(recorded: Exchange, request: WireRequest, secrets: Secrets, *, now: float) -> WireRequest:
    """The request with the credentials of one provider.

    Args:
        recorded: the exchange that is replayed.
        request: as it would go out.
        secrets: the provider's.
        now: seconds since the Unix epoch.
    """
    for place, value in secrets.restored.items():
        kind, _, name = place.partition(":")
        request = _RESTORE[kind](request, name, value)
    auth = secrets.auth
    if auth.kind is None:
        return request
    if auth.kind is AuthKind.HMAC:
        return _signed(request, secrets, int(now))
    field = auth.header.encode()
    before, sent = (header(each, field.lower()) for each in (recorded.request_headers, request.headers))
    if before != sent:
        return request
    credential = secrets.credential
    if auth.kind is AuthKind.JWT:
        credential = _resigned(sent or b"", secrets, now)
    return _with(request, field, auth.value.replace("{secret}", credential).encode())


def _with(request: WireRequest, name: bytes, value: bytes) -> WireRequest:
    key, done = name.lower(), False
    fields: list[tuple[bytes, bytes]] = []
    for field in request.headers:
        if field[0].lower() != key:
            fields.append(field)
        elif not done:
            fields.append((field[0], value))
            done = True
    return dataclasses.replace(request, headers=tuple(fields if done else [*fields, (name, value)]))


def _resigned(value: bytes, secrets: Secrets, now: float) -> str:
    """A token with the claims of the recorded one, and those that the configuration names."""
    auth = secrets.auth
    found = re.search(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.", value.decode("latin-1"))
    head, claims = (_part(found[1]), _part(found[2])) if found else ({}, {})
    claims |= dict(auth.claims)
    claims |= {name: int(now) for name in _TIMES if name in claims and name not in auth.claims}
    claims.setdefault("iat", int(now))
    claims["exp"] = auth.claims.get("exp", int(now + auth.lifetime))
    kept = {name: each for name, each in head.items() if name in ("typ", "cty") and isinstance(each, str)}
    if auth.key_id is not None:
        kept["kid"] = auth.key_id
    return jwt.encode(claims, secrets.credential, algorithm=auth.algorithm, headers=kept)


def _part(text: str) -> dict[str, Any]:
    try:
        document = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _signed(request: WireRequest, secrets: Secrets, now: int) -> WireRequest:
    auth = secrets.auth
    if auth.timestamp_header is not None:
        request = _with(request, auth.timestamp_header.encode(), b"%d" % now)
    path, _, query = request.target.partition(b"?")
    parts: dict[str, bytes] = {
        "method": request.method,
        "target": request.target,
        "path": path,
        "query": query,
        "host": header(request.headers, b"host") or b"",
        "timestamp": b"%d" % now,
        "body": request.body,
        "body_sha256": hashlib.sha256(request.body).hexdigest().encode(),
    }
    over = b""
    at = 0
    for field in _FIELD.finditer(auth.signed):
        name = field[1]
        named = (
            header(request.headers, name[7:].lower().encode()) if name.startswith("header:") else parts[name]
        )
        over += auth.signed[at : field.start()].encode() + (named or b"")
        at = field.end()
    over += auth.signed[at:].encode()
    digest = hmac.digest(secrets.credential.encode(), over, auth.algorithm)
    text = digest.hex() if auth.encoding == "hex" else base64.b64encode(digest).decode()
    return _with(request, auth.header.encode(), auth.value.replace("{secret}", text).encode())


def _in_header(request: WireRequest, name: str, secret: str) -> WireRequest:
    key = name.lower().encode()
    fields = tuple(
        (each, _TOKEN.sub(lambda _: secret.encode(), value) if each.lower() == key else value)
        for each, value in request.headers
    )
    return dataclasses.replace(request, headers=fields)


def _in_cookie(request: WireRequest, name: str, secret: str) -> WireRequest:
    def put(value: bytes) -> bytes:
        crumbs = value.split(b";")
        for at, crumb in enumerate(crumbs):
            key, equals, content = crumb.partition(b"=")
            if key.strip() == name.encode() and _hidden(content):
                crumbs[at] = key + equals + secret.encode()
        return b";".join(crumbs)

    fields: Headers = tuple(
        (each, put(value) if each.lower() == b"cookie" else value) for each, value in request.headers
    )
    return dataclasses.replace(request, headers=fields)


def _in_query(request: WireRequest, name: str, secret: str) -> WireRequest:
    path, mark, query = request.target.partition(b"?")
    return dataclasses.replace(request, target=path + mark + _pairs(query, name, quote(secret, safe="")))


def _in_form(request: WireRequest, name: str, secret: str) -> WireRequest:
    return _with_body(request, _pairs(request.body, name, quote_plus(secret)))


def _pairs(content: bytes, name: str, value: str) -> bytes:
    pairs = content.split(b"&")
    for at, pair in enumerate(pairs):
        key, equals, before = pair.partition(b"=")
        if unquote_plus(key.decode("latin-1")) == name and _hidden(before):
            pairs[at] = key + equals + value.encode()
    return b"&".join(pairs)


def _in_json(request: WireRequest, path: str, secret: str) -> WireRequest:
    try:
        document = json.loads(request.body)
    except ValueError:
        return request
    places: list[str] = []
    changed = _put(document, (), parse_jsonpath(path).matches, secret, places)
    if not places:
        return request
    token = places[0].encode()
    if len(places) == 1 and request.body.count(token) == 1:  # all else stays byte for byte
        return _with_body(request, request.body.replace(token, json.dumps(secret)[1:-1].encode()))
    return _with_body(request, json.dumps(changed, ensure_ascii=False).encode())


def _put(
    value: Any,
    at: tuple[str | int, ...],
    wanted: Callable[[tuple[str | int, ...]], bool],
    secret: str,
    places: list[str],
) -> Any:
    if isinstance(value, dict):
        return {name: _put(member, (*at, name), wanted, secret, places) for name, member in value.items()}
    if isinstance(value, list):
        return [_put(item, (*at, index), wanted, secret, places) for index, item in enumerate(value)]
    if isinstance(value, str) and _hidden(value.encode()) and wanted(at):
        places.append(value)
        return secret
    return value


def _with_body(request: WireRequest, body: bytes) -> WireRequest:
    length = b"%d" % len(body)
    changed = dataclasses.replace(request, body=body)
    known = header(request.headers, b"content-length") is not None
    return _with(changed, b"Content-Length", length) if known else changed


def _hidden(value: bytes) -> bool:
    return is_ours(value) or _TOKEN.search(value) is not None


_RESTORE: dict[str, Callable[[WireRequest, str, str], WireRequest]] = {
    "header": _in_header,
    "cookie": _in_cookie,
    "query": _in_query,
    "form": _in_form,
    "json": _in_json,
}
