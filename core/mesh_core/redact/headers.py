"""Header fields and trailers: secrets by the field's name, and by form in all others. Pure."""

import base64
import binascii
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from mesh_core.model import Headers
from mesh_core.redact.memory import remember
from mesh_core.redact.named import SCHEME, credential
from mesh_core.redact.names import HeaderKind, header_kind
from mesh_core.redact.protobuf import any_bytes
from mesh_core.redact.sweep import Sweep, Unreadable
from mesh_core.redact.values import look_through, marks, may_hold_pairs

_LONGEST_CLEAN = 256
_MOST_NAMES = 512
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
    names: tuple[bytes, ...]
    values: tuple[bytes, ...]
    names, values = zip(*headers, strict=True)
    replaced: dict[int, bytes] = {}
    for index, kind in _kinds(names) if not sweep.rules.names_headers else _named_kinds(sweep, names):
        value = values[index]
        if kind is HeaderKind.PLAIN and value in sweep.rules.memory.values:
            continue
        after = _hidden(sweep, kind, value)
        if after is not value:
            replaced[index] = after
    shown = names if names in sweep.rules.memory.names else _names(sweep, names)
    if not replaced and shown is names:
        return headers
    fields = enumerate(zip(shown, values, strict=True))
    return tuple([(name, replaced.get(index, value)) for index, (name, value) in fields])


def _names(sweep: Sweep, names: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The names without secrets, the same object where they have none: what is no field may hold one."""
    after = tuple([_looked(sweep, name) for name in names])
    if after != names:
        return after
    remember(sweep.rules.memory.names, names, most=_MOST_NAMES)
    return names


def _looked(sweep: Sweep, value: bytes) -> bytes:
    try:
        return look_through(sweep, value)
    except Unreadable:
        return sweep.hide("deep", value)


def _hidden(sweep: Sweep, kind: HeaderKind, value: bytes) -> bytes:
    """The value without secrets, the same object where it has none; clients send the same again and again."""
    memory = sweep.rules.memory
    known = memory.hidden.get((kind, value))
    if known is None:
        before, sweep.counts, sweep.by_trace = sweep.counts, Counter(), False
        try:
            after = _OF_KIND[kind](sweep, value)
        except Unreadable:
            after = sweep.hide("deep", value)
        found, sweep.counts = sweep.counts, before
        known = (value if after == value else after, found)
        if kind is HeaderKind.PLAIN and after == value and len(value) <= _LONGEST_CLEAN:
            remember(memory.values, value)
        elif not sweep.by_trace and len(value) <= _LONGEST_HIDDEN:
            if len(memory.hidden) >= _MOST_HIDDEN:
                memory.hidden.clear()
            memory.hidden[kind, value] = known
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
    return b";".join([_cookie(sweep, piece) for piece in value.split(b";")])


def _cookie(sweep: Sweep, piece: bytes) -> bytes:
    """One of them; one without a name is a secret whole."""
    name, equals, value = piece.partition(b"=") if b"=" in piece else (b"", b"", piece)
    if sweep.rules.names_cookie(name.strip()) is False:
        return piece
    bare = value.strip(b' \t"')
    hidden = value.replace(bare, credential(sweep, bare, "cookie"), 1) if bare else value
    return _looked(sweep, name) + equals + hidden


def _set_cookie(sweep: Sweep, value: bytes) -> bytes:
    """`a=1; Path=/; HttpOnly`: the name and the attributes stay."""
    pair, semicolon, attributes = value.partition(b";")
    return _cookie(sweep, pair) + semicolon + _plain(sweep, attributes)


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
