"""Secrets inside encodings: what is decoded, looked through, and encoded again where it changed. Pure.

Each function gets `look`, which looks through the decoded bytes, one level deeper.
"""

import base64
import binascii
import html
import re
import zlib
from collections.abc import Callable
from urllib.parse import quote_from_bytes, unquote_to_bytes

from mesh_core.redact.forms import PROVIDER
from mesh_core.redact.memory import remember
from mesh_core.redact.sweep import DEEPEST, LOOKING, Sweep

type Look = Callable[[Sweep, bytes, int], bytes]

TOKENS = bytes(
    97 if chr(byte) in "+/-_" or (byte < 128 and chr(byte).isalnum()) else 32 for byte in range(256)
)
"""Characters of tokens, base64 and hex become `a`, all others a blank."""
LEAST_RUN = b"a" * 14
_PADDING = re.compile(rb"(?:=|%3[Dd]){0,2}")
_PADDED = (b"=", b"%")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_HEX = b"0123456789abcdefABCDEF-"
_DELIMITED = bytes(
    32 if bytes([byte]).isspace() or chr(byte) in "\"'<>&;?#=/,\\" else 97 for byte in range(256)
)
"""Delimiters of URLs and text become blanks, so that only the piece between two of them is written anew."""
_UNICODE_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})")
_LONGEST_INFLATED = 1024 * 1024
_LONGEST_RUN = 96
"""That is remembered."""


def runs(sweep: Sweep, raw: bytes, depth: int, look: Look) -> bytes:
    """Long runs of token characters: provider tokens, base64 and hex."""
    shape = raw.translate(TOKENS)
    out: list[bytes] = []
    done, at = 0, shape.find(LEAST_RUN)
    while at >= 0:
        end = shape.find(b" ", at)
        end = len(raw) if end < 0 else end
        if raw[end : end + 1] in _PADDED:
            padding = _PADDING.match(raw, end)
            end = padding.end() if padding else end
        before = raw[at:end]
        if not (_is_id(before) or (depth == 0 and before in sweep.rules.memory.runs)):
            after = _run(sweep, before, depth, look)
            if after != before:
                out += (raw[done:at], after)
                done = end
            elif depth == 0 and len(before) <= _LONGEST_RUN:
                remember(sweep.rules.memory.runs, before)
        at = shape.find(LEAST_RUN, end)
    return b"".join((*out, raw[done:])) if out else raw


def _is_id(run: bytes) -> bool:
    """Whether it is a UUID, or of hex digits that are no bytes."""
    return (b"-" in run or len(run) % 2 == 1) and not run.translate(None, _HEX)


def _run(sweep: Sweep, run: bytes, depth: int, look: Look) -> bytes:
    sweep.spend(1)
    if run.startswith(b"mr1_"):
        return run
    if not run.translate(None, _HEX):
        return run if _is_id(run) else _hex(sweep, run, depth, look)
    after = run
    path = b"/" in run and run == run.lower()  # base64 has capitals
    if not path:
        after = PROVIDER.sub(lambda match: sweep.hide("credential", match[0]), run)
    if after == run and not path:
        after = _base64(sweep, run, depth, look)
    if after == run and b"/" in run:  # of base64, or between the segments of a path
        pieces = run.split(b"/")
        if max(map(len, pieces)) < len(LEAST_RUN):
            return run
        return b"/".join(
            [_run(sweep, piece, depth, look) if len(piece) >= len(LEAST_RUN) else piece for piece in pieces]
        )
    return after


def _hex(sweep: Sweep, run: bytes, depth: int, look: Look) -> bytes:
    plain = bytes.fromhex(run.decode())
    if not _is_text(plain):
        return run
    after = _inner(sweep, plain, depth, look)
    return run if after == plain else after.hex().encode()


def _base64(sweep: Sweep, run: bytes, depth: int, look: Look) -> bytes:
    bare = run.replace(b"%3D", b"").replace(b"%3d", b"").rstrip(b"=")
    safe = b"-" in bare or b"_" in bare
    standard = bare.translate(_STANDARD) if safe else bare
    try:
        plain = binascii.a2b_base64(standard + b"=" * (-len(bare) % 4))
    except binascii.Error:
        return run
    if not plain.isascii() and not _worth(plain):
        return run
    after = _inner(sweep, plain, depth, look)
    if after == plain:
        return run
    encoded = base64.urlsafe_b64encode(after) if safe else base64.b64encode(after)
    if run == bare:
        return encoded.rstrip(b"=")
    return encoded.replace(b"=", b"%3D") if b"%" in run else encoded


def _inner(sweep: Sweep, plain: bytes, depth: int, look: Look) -> bytes:
    """Decoded bytes, looked through as text, UTF-16 or compressed text."""
    if depth >= DEEPEST:
        return sweep.hide("deep", plain)
    if plain[:2] in (b"\x1f\x8b", b"\x78\x9c", b"\x78\x01", b"\x78\xda"):
        inflated = inflate(sweep, plain)
        if inflated is None:
            return sweep.hide("deep", plain)
        after = look(sweep, inflated, depth + 1)
        return plain if after == inflated else after
    if (codec := utf16_of(plain)) is not None:
        return through_text(plain, codec, lambda text: look(sweep, text, depth + 1))
    return look(sweep, plain, depth + 1)


def inflate(sweep: Sweep, data: bytes) -> bytes | None:
    """gzip or zlib within what the sweep may still spend; None where that is too little, or damaged."""
    limit = min(_LONGEST_INFLATED, sweep.inflatable)
    if limit <= 0:
        return None
    reader = zlib.decompressobj(32 + zlib.MAX_WBITS)
    try:
        plain = reader.decompress(data, limit)
    except zlib.error:
        return data  # no stream after all: any two bytes may look like its start
    sweep.inflatable -= len(plain)
    return plain if not reader.unconsumed_tail else None


def through_text(data: bytes, codec: str, change: Callable[[bytes], bytes]) -> bytes:
    """`change` applied to what `data` says in `codec`, as UTF-8; the same bytes where nothing changes."""
    text = data.decode(codec, "replace").encode("utf-8", "surrogatepass")
    after = change(text)
    return data if after == text else after.decode("utf-8", "replace").encode(codec)


def utf16_of(data: bytes) -> str | None:
    """The codec of text in UTF-16 or UTF-32, by its mark or by the zeros of Latin letters."""
    if b"\0" not in data:
        return None
    head = data[:256]
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for step, codec, shown in (
        (4, "utf-32-le", 0),
        (4, "utf-32-be", 3),
        (2, "utf-16-le", 0),
        (2, "utf-16-be", 1),
    ):
        units = [head[at : at + step] for at in range(0, len(head) - step + 1, step)]
        if len(units) > 1 and _zero_but(units, shown):
            return codec
    return None


def _zero_but(units: list[bytes], shown: int) -> bool:
    """Whether nearly all units have one byte that is not zero, at `shown`."""
    fits = sum(unit[shown] != 0 and not any(unit[:shown] + unit[shown + 1 :]) for unit in units)
    return fits * 10 >= len(units) * 7


def percent(sweep: Sweep, raw: bytes, depth: int, look: Look) -> bytes:
    """Percent-encoded pieces; doubly encoded ones are seen one level deeper."""
    shape = raw.translate(_DELIMITED)
    out: list[bytes] = []
    done, at = 0, raw.find(b"%")
    while at >= 0:
        start = max(done, shape.rfind(b" ", done, at) + 1)
        end = shape.find(b" ", at)
        end = len(raw) if end < 0 else end
        before = raw[start:end]
        after = _unquoted(sweep, before, depth, look)
        if after != before:
            out += (raw[done:start], after)
            done = end
        at = raw.find(b"%", end)
    return b"".join((*out, raw[done:])) if out else raw


def _unquoted(sweep: Sweep, before: bytes, depth: int, look: Look) -> bytes:
    sweep.spend(LOOKING)
    plain = unquote_to_bytes(before)
    if plain == before:
        return before
    after = look(sweep, plain, depth + 1) if depth < DEEPEST else sweep.hide("deep", plain)
    return before if after == plain else quote_from_bytes(after, safe="").encode()


def escapes(sweep: Sweep, raw: bytes, depth: int, look: Look) -> bytes:
    r"""`\u0040` in text that is no JSON document."""
    plain = _UNICODE_ESCAPE.sub(lambda match: chr(int(match[1], 16)).encode("utf-8", "surrogatepass"), raw)
    after = look(sweep, plain, depth + 1) if depth < DEEPEST else plain
    return raw if after == plain else after


def entities(sweep: Sweep, raw: bytes, depth: int, look: Look) -> bytes:
    """`&#64;` in markup."""
    plain = html.unescape(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if plain == raw or depth >= DEEPEST:
        return raw
    after = look(sweep, plain, depth + 1)
    return (
        raw
        if after == plain
        else html.escape(after.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    )


def _worth(plain: bytes) -> bool:
    """Whether bytes that are not ASCII may be text, or compressed."""
    return (
        plain[:2] == b"\x1f\x8b"
        or (plain[0] == 0x78 and plain[1] in b"\x9c\x01\xda")
        or _is_text(plain)
        or (plain[:2] in (b"\xff\xfe", b"\xfe\xff"))
    )


def _is_text(plain: bytes) -> bool:
    if plain.isascii():
        return True
    try:
        plain.decode()
    except UnicodeDecodeError:
        return False
    return True
