"""Header fields and trailers: secrets by the field's name, and by form in all others. Pure."""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from mesh_core.model import Headers
from mesh_core.redact.named import SCHEME, credential
from mesh_core.redact.names import HeaderKind, header_kind
from mesh_core.redact.protobuf import any_bytes
from mesh_core.redact.sweep import Sweep, Unreadable
from mesh_core.redact.values import look_through, marks, may_hold_pairs

_COOKIE = re.compile(rb"([^=;]*=[ ]*\"?)([^;\"]*)")
_MOST_CLEAN, _LONGEST_CLEAN = 2048, 256
_MOST_HIDDEN, _LONGEST_HIDDEN = 1024, 4096
_NEEDED = frozenset(
    {
        b"content-type", b"content-length", b"content-encoding", b"transfer-encoding", b"te", b"trailer",
        b"connection",
        b"upgrade", b"host", b"date", b"accept", b"accept-encoding", b"expect", b"grpc-status",
        b"grpc-encoding",
        b"grpc-accept-encoding", b"grpc-timeout", b"sec-websocket-version", b"sec-websocket-extensions",
        b"sec-websocket-protocol", b"mesh-replay",
    }
)  # fmt: skip
"""What HTTP itself needs to be read; stays where all else goes."""


def hide_headers(sweep: Sweep, headers: Headers) -> Headers:
    """The fields without secrets, in their order and case; the same object where there was none."""
    if not headers:
        return headers
    names, values = zip(*headers, strict=True)
    replaced: dict[int, bytes] = {}
    for index, kind in _kinds(names) if not sweep.rules.names_headers else _named_kinds(sweep, names):
        value = values[index]
        if kind is HeaderKind.PLAIN and value in sweep.rules.clean:
            continue
        after = _hidden(sweep, kind, value)
        if after is not value:
            replaced[index] = after
    if not replaced:
        return headers
    return tuple((name, replaced.get(index, value)) for index, (name, value) in enumerate(headers))


def _hidden(sweep: Sweep, kind: HeaderKind, value: bytes) -> bytes:
    """The value without secrets, the same object where it has none; clients send the same again and again."""
    rules = sweep.rules
    known = rules.hidden.get((kind, value))
    if known is None:
        before, sweep.counts, sweep.by_trace = sweep.counts, Counter(), False
        try:
            after = _OF_KIND[kind](sweep, value)
        except Unreadable:
            after = sweep.hide("deep", value)
        found, sweep.counts = sweep.counts, before
        known = (value if after == value else after, found)
        if kind is HeaderKind.PLAIN and after == value and len(value) <= _LONGEST_CLEAN:
            if len(rules.clean) >= _MOST_CLEAN:
                rules.clean.clear()
            rules.clean.add(value)
        elif not sweep.by_trace and len(value) <= _LONGEST_HIDDEN:
            if len(rules.hidden) >= _MOST_HIDDEN:
                rules.hidden.clear()
            rules.hidden[kind, value] = known
    after, found = known
    for rule, count in found.items():
        sweep.counts[rule] += count
    return after


@lru_cache(maxsize=1024)
def _kinds(names: tuple[bytes, ...]) -> tuple[tuple[int, HeaderKind], ...]:
    """What is done with which field; services repeat themselves."""
    kinds = ((index, header_kind(name)) for index, name in enumerate(names))
    return tuple((index, kind) for index, kind in kinds if kind is not HeaderKind.CONTEXT)


def _named_kinds(sweep: Sweep, names: tuple[bytes, ...]) -> list[tuple[int, HeaderKind]]:
    """As `_kinds`, where the project names fields of its own."""
    kinds = ((index, _named_kind(sweep, names[index], kind)) for index, kind in _kinds(names))
    return [(index, kind) for index, kind in kinds if kind is not HeaderKind.CONTEXT]


def _named_kind(sweep: Sweep, name: bytes, kind: HeaderKind) -> HeaderKind:
    verdict = sweep.rules.names_header(name)
    if verdict is False:
        return HeaderKind.CONTEXT
    if verdict and kind in (HeaderKind.PLAIN, HeaderKind.BINARY):
        return HeaderKind.SECRET
    unnamed = sweep.rules.only_named and kind is HeaderKind.PLAIN and name.lower() not in _NEEDED
    return HeaderKind.UNNAMED if unnamed else kind


def _credentials(sweep: Sweep, value: bytes) -> bytes:
    """`Bearer xyz`: the scheme stays."""
    if not value.strip():
        return value
    match = SCHEME.fullmatch(value.strip())
    scheme, secret = (match[1] + b" ", match[2]) if match else (b"", value.strip())
    return scheme + credential(sweep, secret, "header")


def _whole(sweep: Sweep, value: bytes) -> bytes:
    return credential(sweep, value.strip(), "header") if value.strip() else value


def _unnamed(sweep: Sweep, value: bytes) -> bytes:
    return sweep.hide("unnamed", value.strip())


def _cookies(sweep: Sweep, value: bytes) -> bytes:
    """`a=1; b=2`: the names stay."""

    def cookie(match: re.Match[bytes]) -> bytes:
        if sweep.rules.names_cookie(match[1].partition(b"=")[0].strip()) is False:
            return match[0]
        return match[1] + credential(sweep, match[2], "cookie")

    return _COOKIE.sub(cookie, value)


def _set_cookie(sweep: Sweep, value: bytes) -> bytes:
    """`a=1; Path=/; HttpOnly`: the name and the attributes stay."""
    pair, semicolon, attributes = value.partition(b";")
    return _cookies(sweep, pair) + semicolon + attributes


def _plain(sweep: Sweep, value: bytes) -> bytes:
    if not marks(sweep, value) and not may_hold_pairs(value):
        return value
    return look_through(sweep, value)


def _binary(sweep: Sweep, value: bytes) -> bytes:
    """gRPC's `…-bin`, which often is a message (`grpc-status-details-bin`)."""
    bare = value.strip().rstrip(b"=")
    try:
        plain = binascii.a2b_base64(bare + b"=" * (-len(bare) % 4))
    except binascii.Error:
        return _plain(sweep, value)
    after = any_bytes(sweep, plain)
    if after == plain:
        return value
    encoded = base64.b64encode(after)
    return encoded if value.strip() != bare else encoded.rstrip(b"=")


_OF_KIND: dict[HeaderKind, Callable[[Sweep, bytes], bytes]] = {
    HeaderKind.PLAIN: _plain,
    HeaderKind.CREDENTIALS: _credentials,
    HeaderKind.SECRET: _whole,
    HeaderKind.COOKIE: _cookies,
    HeaderKind.SET_COOKIE: _set_cookie,
    HeaderKind.BINARY: _binary,
    HeaderKind.UNNAMED: _unnamed,
}
