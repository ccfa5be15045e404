"""What stands for a secret: keyed, in the form of its class, and told as ours without the key. Pure.

1. Equal values of a class have equal tokens under one key; cards and phones within one trace only,
   as anybody who may send traffic could try all values otherwise.
2. Without a key all values of a class are equal, in the same form.
3. A token is told by its form alone, and stays as it is when it is seen again.
"""

import hmac
import re
from functools import lru_cache

TOKEN = re.compile(rb"mr1_[a-z]+(?:_[a-z2-7]{20})?")
"""What a replaced value looks like, where its class has no form of its own."""

_EMAIL = re.compile(rb"mr1_email(?:_[a-z2-7]{20})?@example\.com")
_PEM = re.compile(
    rb"-----BEGIN [A-Z ]{0,40}-----\s*mr1_pem(?:_[a-z2-7]{20})?\s*(?:-----END [A-Z ]{0,40}-----\s*)?"
)
_JWT = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){0,3}\.mr1_jwt(?:_[a-z2-7]{20})?")
_IBAN = re.compile(rb"[A-Z]{2}[0-9]{2}[X9]{4}[0-9A-Z]{4,26}")
_CARD = re.compile(rb"(?:4|5[1-5]|22|3[47]|65|62|3530|36|300|38|6759|[0-9])999999[0-9]{1,12}")
_PHONE = re.compile(rb"\+?[0-9]{2}0000[0-9]{1,9}")
_BASE32 = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[byte & 31] for byte in range(256))
_PUNCTUATION = b" -().\t/"
_SSN = b"000-00-0000"

_ISSUERS = (
    (re.compile(rb"4"), b"4"),
    (re.compile(rb"5[1-5]"), b"51"),
    (re.compile(rb"2[2-7]"), b"22"),
    (re.compile(rb"3[47]"), b"37"),
    (re.compile(rb"62"), b"62"),
    (re.compile(rb"6011|64|65"), b"65"),
    (re.compile(rb"35"), b"3530"),
    (re.compile(rb"30"), b"300"),
    (re.compile(rb"36"), b"36"),
    (re.compile(rb"3[89]"), b"38"),
    (re.compile(rb"5[0-9]|6[0-9]"), b"6759"),
)
"""A card's issuer, and the digits that say as much in a token."""


class Tokens:
    """Makes the tokens of one project."""

    def __init__(self, key: bytes | None) -> None:
        """Make them with `key`; None gives tokens that are equal for all values of a class."""
        self._key = key
        self._digest = lru_cache(maxsize=4096)(self._digest_of)

    def plain(self, kind: bytes, value: bytes) -> bytes:
        """`mr1_KIND_DIGEST`."""
        if self._key is None:
            return b"mr1_" + kind
        return b"mr1_" + kind + b"_" + self._digest(kind, value)[:20].translate(_BASE32)

    def email(self, value: bytes) -> bytes:
        """An address under a domain that takes no mail (RFC 2606, RFC 7505)."""
        return self.plain(b"email", value.lower()) + b"@example.com"

    def pem(self, value: bytes) -> bytes:
        """The lines around the key stay."""
        first = value[: value.find(b"-----", 10) + 5]
        last = value[value.rfind(b"-----END") :] if b"-----END" in value else b""
        space = value[len(first) : len(first) + 1]
        space = space if space.isspace() else b""
        inner = b"".join(value[len(first) : len(value) - len(last)].split())
        return first + space + self.plain(b"pem", inner) + space + last

    def card(self, value: bytes, trace: bytes) -> bytes:
        """Length, issuer and punctuation stay, and a right check digit stays right."""
        digits = only_digits(value)
        issuer = next((ours for known, ours in _ISSUERS if known.match(digits)), digits[:1])
        middle = len(digits) - len(issuer) - 7
        if middle < 1:
            issuer, middle = digits[:1], len(digits) - 8
        body = issuer + b"999999" + self._digits(b"card", digits, trace, middle)
        check = luhn_digit(body) + (0 if luhn_valid(digits) else 1)
        return _refilled(value, body + b"%d" % (check % 10))

    def phone(self, value: bytes, trace: bytes) -> bytes:
        """Length, first two digits and punctuation stay."""
        digits = only_digits(value)
        checks = 2 if len(digits) >= 8 else 1
        body = digits[:2] + b"0000" + self._digits(b"phone", digits, trace, len(digits) - 6 - checks)
        return _refilled(value, body + _check(body, checks))

    def iban(self, value: bytes) -> bytes:
        """Country, length, letters where letters were, and blanks stay; right check digits stay right."""
        plain = bytes(byte for byte in value.upper() if byte not in b" -")
        account = plain[4:]
        marked = 6 if len(account) >= 14 else 4
        filling = self._digits(b"iban", plain, b"", len(account))
        new = bytes(
            (57 if chr(byte).isdigit() else 88)
            if index < marked
            else (filling[index] if chr(byte).isdigit() else filling[index] + 17)
            for index, byte in enumerate(account)
        )
        check = iban_check(plain[:2] + b"00" + new) + (0 if iban_valid(plain) else 1)
        return _refilled(value, plain[:2] + b"%02d" % check + new)

    def _digits(self, kind: bytes, value: bytes, trace: bytes, count: int) -> bytes:
        if self._key is None:
            return b"0" * count
        number = int.from_bytes(self._digest(kind, trace + b"\0" + value), "big")
        return b"%0*d" % (count, number % 10**count) if count > 0 else b""

    def _digest_of(self, kind: bytes, value: bytes) -> bytes:
        return hmac.digest(self._key or b"", kind + b"\0" + value, "sha256")


def token_class(value: bytes | str) -> str | None:
    """The class of the secret that a token of ours stands for; None where `value` is none of ours.

    The same values that one class redacts are equal by class, also for a reader without the key.
    Constants (a PIN's zeros) cannot be told from what a service may have sent.
    """
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    if b"mr1_" in raw:
        return _marked_class(raw)
    if raw == _SSN:
        return "ssn"
    if not 7 <= len(raw) <= 48:
        return None
    bare = raw.translate(None, _PUNCTUATION)
    if _CARD.fullmatch(bare) and 12 <= len(bare) <= 19:
        return "card"
    if _IBAN.fullmatch(bare):
        return "iban"
    return "phone" if _is_phone(bare) else None


def is_ours(value: bytes | str) -> bool:
    """Whether `value` is a whole token of ours."""
    return token_class(value) is not None


def _marked_class(raw: bytes) -> str | None:
    if TOKEN.fullmatch(raw):
        return raw.split(b"_")[1].decode()
    for kind, pattern in (("email", _EMAIL), ("jwt", _JWT), ("pem", _PEM)):
        if pattern.fullmatch(raw):
            return kind
    return None


def _is_phone(bare: bytes) -> bool:
    if not _PHONE.fullmatch(bare):
        return False
    digits = bare.lstrip(b"+")
    checks = 2 if len(digits) >= 8 else 1
    return digits[-checks:] == _check(digits[:-checks], checks)


def only_digits(value: bytes) -> bytes:
    """The digits of `value`."""
    return bytes(byte for byte in value if 48 <= byte <= 57)


def luhn_digit(digits: bytes) -> int:
    """The check digit that makes `digits` valid (ISO/IEC 7812-1)."""
    total = 0
    for index, byte in enumerate(reversed(digits)):
        number = byte - 48
        total += number if index % 2 else (number * 2 - 9 if number > 4 else number * 2)
    return -total % 10


def luhn_valid(digits: bytes) -> bool:
    """Whether the last digit is the right check digit."""
    return luhn_digit(digits[:-1]) == digits[-1] - 48


def iban_check(iban: bytes) -> int:
    """The check digits of an IBAN whose own are `00` (ISO 13616)."""
    return 98 - _mod97(iban)


def iban_valid(iban: bytes) -> bool:
    """Whether an IBAN without blanks has the right check digits."""
    return _mod97(iban) == 1


def _mod97(iban: bytes) -> int:
    return int("".join(str(int(chr(byte), 36)) for byte in iban[4:] + iban[:4])) % 97


def _check(digits: bytes, count: int) -> bytes:
    return b"%0*d" % (count, int(digits) * 31 % (97 if count == 2 else 7))


def _refilled(shape: bytes, filling: bytes) -> bytes:
    """`filling` in place of the letters and digits of `shape`."""
    rest = iter(filling)
    return bytes(next(rest) if chr(byte).isalnum() else byte for byte in shape)
