"""Values of which a name tells what they are. Pure."""

import re

from mesh_core.redact.jwt import is_jwt, jwt
from mesh_core.redact.names import KeyKind
from mesh_core.redact.sweep import Sweep
from mesh_core.redact.tokens import is_ours, only_digits

SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9-]*)[ ]+(\S.*)", re.DOTALL)
_SCHEMES = frozenset({b"bearer", b"basic", b"digest", b"token", b"apikey", b"negotiate", b"dpop", b"hmac"})
_PHONE = re.compile(rb"[ ]*\+?[0-9][0-9 ().\t/-]{5,24}")
_CARD = re.compile(rb"[0-9][0-9 -]{10,28}[0-9]")
_IBAN = re.compile(rb"[A-Za-z]{2}[0-9]{2}[A-Za-z0-9 -]{8,40}[A-Za-z0-9]")
_DATE_PART = re.compile(rb"[0-9]+")
_WORDS = frozenset({b"true", b"false", b"null", b"none", b"undefined"})
_MASK = re.compile(rb"(?:\*|\xe2\x80\xa2){3,}")


def named(sweep: Sweep, kind: KeyKind, value: bytes, rule: str) -> bytes | None:
    """What stands for a value of this kind; None where the value is not what the name promised."""
    if kind in (KeyKind.SECRET, KeyKind.TEXTS, KeyKind.WEAK):
        return secret(sweep, value, rule)
    if kind in (KeyKind.FEW, KeyKind.DATE):
        return constant(sweep, kind, value)
    if kind is KeyKind.EMAIL:
        return sweep.hide("email", value.strip()) if b"@" in value and b" " not in value.strip() else None
    form, name, least, most = _FORMS[kind]
    digits = len(only_digits(value)) if kind is not KeyKind.IBAN else len(value.translate(None, b" -"))
    if form.fullmatch(value) and least <= digits <= most:
        return sweep.hide(name, value)
    return None


_FORMS = {
    KeyKind.PHONE: (_PHONE, "phone", 7, 15),
    KeyKind.CARD: (_CARD, "card", 12, 19),
    KeyKind.IBAN: (_IBAN, "iban", 15, 34),
}


def secret(sweep: Sweep, value: bytes, rule: str) -> bytes:
    """A token for a credential, behind its scheme where it has one (`Bearer …`)."""
    bare = value.strip()
    if bare.lower() in _WORDS or _MASK.fullmatch(bare):
        return value
    match = SCHEME.fullmatch(bare)
    if match and match[1].lower() in _SCHEMES:
        return match[1] + b" " + credential(sweep, match[2], rule)
    return credential(sweep, value, rule)


def credential(sweep: Sweep, value: bytes, rule: str) -> bytes:
    """A token for the value whole, in the form of a JWT or a key where it is one."""
    if is_jwt(value):
        before = sweep.counts["jwt"]
        after = jwt(sweep, value)
        if after != value and sweep.counts["jwt"] > before:
            sweep.counts["jwt"] -= 1
            sweep.counts[rule] += 1
        return after
    kind = "pem" if value.lstrip().startswith(b"-----BEGIN ") and b"PRIVATE KEY" in value[:64] else "secret"
    return sweep.hide(kind, value.strip() if kind == "pem" else value, rule)


def constant(sweep: Sweep, kind: KeyKind, value: bytes) -> bytes:
    """Zeros for digits, 1900-01-01 for a date, else a token without a digest."""
    if not value or value.lower() in _WORDS or is_ours(value):
        return value
    if kind is KeyKind.DATE and _DATE_PART.search(value):
        new = _DATE_PART.sub(lambda match: _DATES.get(len(match[0]), b"0" * len(match[0])), value)
        return sweep.constant(value, new, "date")
    if value.translate(None, b" -.").isdigit():
        return sweep.constant(value, re.sub(rb"[0-9]", b"0", value), "few")
    return sweep.constant(value, b"mr1_few", "few")


_DATES = {4: b"1900", 2: b"01", 1: b"1", 8: b"19000101"}


def number(sweep: Sweep, kind: KeyKind, value: bytes, rule: str) -> bytes | None:
    """As `named`, for a number that has to stay one: the same for all of its length."""
    if kind is KeyKind.TEXTS or kind is KeyKind.WEAK:
        return None
    if kind in (KeyKind.CARD, KeyKind.PHONE):
        return named(sweep, kind, value, rule)
    if kind in (KeyKind.SECRET, KeyKind.FEW, KeyKind.DATE):
        digits = len(only_digits(value))
        return sweep.constant(value, b"1" + b"0" * (digits - 1) if digits > 1 else b"0", rule)
    return None
