"""JSON Web Tokens: parts stay parts, claims are looked through singly, nothing signs them. Pure."""

import base64
import binascii
import json
import re

import msgspec

from mesh_core.redact.names import PROFILE
from mesh_core.redact.sweep import DEEPEST, HIDING, Sweep

_JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{6,}+(?:\.[A-Za-z0-9_-]*+){2,4}")
_CUT = re.compile(rb"eyJ[A-Za-z0-9_-]{6,}+\.[A-Za-z0-9_-]*+\Z")
_RUN = re.compile(rb"[A-Za-z0-9_-]++")


def is_jwt(value: bytes) -> bool:
    """Whether the whole value looks like a JWT, signed or encrypted."""
    return value.startswith(b"eyJ") and _JWT.fullmatch(value) is not None


def jwts(sweep: Sweep, raw: bytes, depth: int = 0) -> bytes:
    """`raw` with every JWT in it made ours; one whose signature was cut off at the end, too."""
    out: list[bytes] = []
    done, at = 0, raw.find(b"eyJ")
    while at >= 0:
        match = _JWT.match(raw, at)
        cut = None if match else _CUT.match(raw, at)
        # Where neither fits, no later start in the same run of letters does: no text makes this slow.
        found = match or cut or _RUN.match(raw, at)
        end = found.end() if found else at + 3
        if match or cut:
            out += (raw[done:at], jwt(sweep, raw[at:end], depth) if match else sweep.hide("jwt", raw[at:end]))
            done = end
        at = raw.find(b"eyJ", end)
    return b"".join((*out, raw[done:])) if out else raw


def jwt(sweep: Sweep, value: bytes, depth: int = 0) -> bytes:
    """A JWT with the same header, its claims without secrets, and a token of ours as signature.

    What looks like a JWT and is none becomes a plain token. Of an encrypted one (RFC 7516), header
    and number of parts stay.
    """
    sweep.spend(HIDING)
    head, *rest = value.split(b".")
    last = rest[-1] if rest[-1].startswith(b"mr1_jwt") else b""
    header = _claims(sweep, head, depth)
    if header is None or sweep.rules.spares(value):
        return value if sweep.rules.spares(value) else sweep.hide("jwt", value)
    token = last or sweep.hide("jwt", value)
    if len(rest) != 2:
        return b".".join((header, *[token] * len(rest)))
    claims = _claims(sweep, rest[0], depth)
    return b".".join((header, token if claims is None else claims, token))


def _claims(sweep: Sweep, part: bytes, depth: int) -> bytes | None:
    """One part, looked through as the JSON document that it is; None where it is none."""
    try:
        plain = binascii.a2b_base64(part.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(part) % 4))
        document = msgspec.json.decode(plain)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or depth >= DEEPEST:
        return None
    after = sweep.document(sweep, plain, depth + 1)
    if after is None:
        return None
    after = _without_profile(sweep, after)
    return part if after == plain else base64.urlsafe_b64encode(after).rstrip(b"=")


def _without_profile(sweep: Sweep, plain: bytes) -> bytes:
    """The claims that say who somebody is, hidden by their registered names."""
    claims = json.loads(plain)
    hidden = {
        name: sweep.hide("claim", value.encode("utf-8", "surrogatepass")).decode()
        for name, value in claims.items()
        if name in PROFILE and isinstance(value, str) and "mr1_" not in value and "@" not in value
    }
    return json.dumps(claims | hidden, separators=(",", ":")).encode() if hidden else plain
