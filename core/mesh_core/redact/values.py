"""One value, of whatever place, looked through for every secret that is told by its form. Pure.

1. Cheap tests over the whole value say which of the dearer ones are worth trying.
2. What is encoded is decoded, looked through, and encoded again only where something changed.
3. Work is linear in the value: patterns are bounded, and so is the depth of encodings.
"""

import re

from mesh_core.redact import forms, layers
from mesh_core.redact.jwt import jwts
from mesh_core.redact.screen import PAIRS as PAIRED
from mesh_core.redact.screen import SECRETS
from mesh_core.redact.sweep import BYTES_A_STEP, DEEPEST, LOOKING, Sweep
from mesh_core.redact.urls import STEMS, pairs, text_pairs, userinfo


def _shape(byte: int) -> int:
    if 48 <= byte <= 57:
        return 48
    if 65 <= byte <= 90:
        return 65
    if byte in b" -.":
        return 45
    return byte if byte in b"+()" else 120


_SHAPES = bytes(_shape(byte) for byte in range(256))
_SEPARATOR = re.compile(rb"[=:](?!//)(?<=[A-Za-z_\"'\s2\\].)")
"""After a word, not the colon of a time or a URL."""
_SCHEMES = (b"bearer ", b"basic ", b"digest ", b"token ", b"apikey ")
_DIGITS = (b"0" * 12, b"0000-0000-0000", b"0000-000000-0000")

RUNS, PEM, AT, IBAN, CARD, PHONE, NATIONAL, PAIRS, PERCENT, ESCAPES, ENTITIES, WORDS, CODED = (
    1 << bit for bit in range(13)
)


def tells_nothing(sweep: Sweep, raw: bytes) -> bool:
    """Whether it is proven that `raw` holds no secret but such as are encoded."""
    return sweep.rules.screened and SECRETS.excludes(raw) and not sweep.rules.may_name(raw)


def coded(raw: bytes) -> int:
    """The marks of what may be encoded."""
    found = CODED if layers.LEAST_RUN in raw.translate(layers.TOKENS) else 0
    return found | PERCENT if b"%" in raw else found


def marks(sweep: Sweep, raw: bytes) -> int:
    """Which kinds of secrets `raw` may hold; 0 for nearly all ordinary content."""
    found = WORDS if sweep.rules.has_patterns else 0
    if layers.LEAST_RUN in raw.translate(layers.TOKENS):
        found |= RUNS
    shape = raw.translate(_SHAPES)
    if b"00" in shape:
        found |= _numbers(shape)
    if b"@" in raw:
        found |= AT
    if b"=" in raw:
        found |= PAIRS
    if b"%" in raw:
        found |= PERCENT
    return found | _rare(raw)


def _rare(raw: bytes) -> int:
    found = 0
    if b"&#" in raw or b"&commat" in raw:
        found = ENTITIES
    if b"-----BEGIN" in raw:
        found |= PEM
    if b"\\u" in raw:
        found |= ESCAPES
    return found


def _numbers(shape: bytes) -> int:
    found = 0
    if b"AA00" in shape:
        found = IBAN
    if _DIGITS[0] in shape or _DIGITS[1] in shape or _DIGITS[2] in shape:
        found |= CARD
    if b"+0" in shape:
        found |= PHONE
    if b"000-0000" in shape or b"000-00-0000" in shape:
        found |= NATIONAL
    return found


def may_hold_pairs(raw: bytes) -> bool:
    """Whether `password: …` or `Bearer …` may be in there."""
    if PAIRED.excludes(raw):
        return False
    paired = _SEPARATOR.search(raw) is not None
    if not paired and b" " not in raw:
        return False
    lower = raw.lower()
    if any(scheme in lower for scheme in _SCHEMES):
        return True
    return paired and any(stem in lower for stem in STEMS)


def by_form(sweep: Sweep, raw: bytes, found: int, depth: int) -> bytes:
    """`raw` without what `marks` found worth a look."""
    sweep.spend(len(raw) // BYTES_A_STEP if found & ~(CODED | PERCENT) else 1)
    if found & WORDS:
        raw = _words(sweep, raw)
    if found & PEM:
        raw = forms.pem(sweep, raw)
    if found & AT and b"://" in raw:
        raw = userinfo(sweep, raw)
    if found & PAIRS:
        raw = pairs(sweep, raw)
    if found & RUNS:
        raw = forms.dotted(sweep, raw)
        if b"eyJ" in raw:
            raw = jwts(sweep, raw, depth)
    if found & (RUNS | CODED):
        raw = layers.runs(sweep, raw, depth, look_through)
    raw = _by_number(sweep, raw, found)
    return _by_encoding(sweep, raw, found, depth)


def _by_number(sweep: Sweep, raw: bytes, found: int) -> bytes:
    if found & AT:
        raw = forms.emails(sweep, raw)
    if found & IBAN:
        raw = forms.ibans(sweep, raw)
    if found & CARD:
        raw = forms.cards(sweep, raw)
    if found & PHONE:
        raw = forms.phones(sweep, raw)
    return forms.national(sweep, raw) if found & NATIONAL else raw


def _by_encoding(sweep: Sweep, raw: bytes, found: int, depth: int) -> bytes:
    if found & PERCENT:
        raw = layers.percent(sweep, raw, depth, look_through)
    if found & ESCAPES:
        raw = layers.escapes(sweep, raw, depth, look_through)
    return layers.entities(sweep, raw, depth, look_through) if found & ENTITIES else raw


def _words(sweep: Sweep, raw: bytes) -> bytes:
    out: list[bytes] = []
    done = 0
    for start, end in sweep.rules.hits(raw):
        out += (raw[done:start], sweep.hide("custom", raw[start:end]))
        done = end
    return b"".join((*out, raw[done:])) if done else raw


def look_through(sweep: Sweep, raw: bytes, depth: int = 0) -> bytes:
    """A value without secrets: a document inside it by its keys, all else by form and `key=value`."""
    if len(raw) < 4:
        return raw
    sweep.spend(1)
    head = raw.lstrip()[:1]
    document = head in (b"{", b"[")
    if tells_nothing(sweep, raw):
        found = coded(raw)
        if not document:
            return by_form(sweep, raw, found, depth) if found else raw
        if not found and depth < DEEPEST and b"\\" not in raw and not sweep.rules.by_path:
            return raw
    return _closely(sweep, raw, depth, document=document)


def _closely(sweep: Sweep, raw: bytes, depth: int, *, document: bool) -> bytes:
    sweep.spend(LOOKING)
    if document:
        if depth >= DEEPEST and b'"' in raw:
            return sweep.hide("deep", raw)
        after = sweep.document(sweep, raw, depth + 1)
        if after is not None:
            return after
    if may_hold_pairs(raw):
        sweep.spend(len(raw) // BYTES_A_STEP)
        raw = text_pairs(sweep, pairs(sweep, raw) if b"=" in raw else raw)
    found = marks(sweep, raw)
    return by_form(sweep, raw, found, depth) if found else raw
