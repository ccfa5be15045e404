"""Secrets in URLs and other `key=value` text: by the key, and user names with passwords. Pure."""

import re
from urllib.parse import unquote_to_bytes

from mesh_core.redact.named import named, secret
from mesh_core.redact.names import KeyKind, key_kind, needs_state
from mesh_core.redact.sweep import Sweep

_PAIR = re.compile(rb"[?&;#]([^=&;#?/\s\"'<>]{1,64})=([^&;#\s\"'<>,\\]+)")
USERINFO = re.compile(rb"(?<=://)[^/?#@\s\"'<>\\]{1,512}(?=@)")
STEMS = (
    b"pass", b"secret", b"token", b"auth", b"key", b"sess", b"cookie", b"sig", b"cred", b"pwd", b"jwt",
    b"pin",
    b"cv", b"otp", b"ssn", b"assertion", b"sid", b"dob", b"birth",
)  # fmt: skip
"""One of them is in every name that a pair in text is told by."""
TEXT_PAIR = re.compile(
    rb"(?i)(token|secret|passwd|password|passphrase|passcode|pwd|api[_-]?key|access[_-]?key|private[_-]?key"
    rb"|account[_-]?key|secret[_-]?key|signature|sig|credentials?|cookie|authorization|auth|session[_-]?id|session|sid"
    rb"|jwt|assertion|pin|cvv2?|cvc2?|otp|ssn|dob|date[_-]?of[_-]?birth)"
    rb"(\\?[\"']?[ \t]{0,4}[=:][ \t]{0,4}\\?[\"']?)([^\s&;,\"'<>{}\[\]\\][^\s&;,\"'<>\\]{0,65536})"
)
_BEFORE = re.compile(rb"[\w.-]{0,48}\Z")
CREDENTIALS = re.compile(rb"(?i)\b((?:Bearer|Basic|Digest|Token|ApiKey)[ \t]{1,4})([\w.~+/=%-]{6,65536})")
_SCHEMES = frozenset({b"bearer", b"basic", b"digest", b"token", b"apikey"})
_PROSE = re.compile(rb"[a-z]{1,12}[.!?]?")
_WORD = re.compile(rb"[A-Za-z]?[a-z-]{1,24}[.=]?")
"""No credential: prose, or the name of a parameter (`Bearer realm="…"`)."""


def userinfo(sweep: Sweep, raw: bytes) -> bytes:
    """`//user:password@`: whole, as the user may be the secret."""
    return USERINFO.sub(lambda match: sweep.hide("secret", match[0], "userinfo"), raw)


def pairs(sweep: Sweep, url: bytes) -> bytes:
    """Values of known keys behind `?`, `&`, `;` and `#`."""
    if not any(sign in url for sign in (b"?", b"&", b";", b"#")):
        return url
    oauth = b"state=" in url or b"grant_type=" in url

    def replace(match: re.Match[bytes]) -> bytes:
        kind, left = sweep.rules.field_kind("query", match[1])
        if kind is None and oauth and not left and needs_state(match[1]):
            kind = KeyKind.SECRET
        if kind is None:
            return match[0]
        plain = (
            unquote_to_bytes(match[2].replace(b"+", b" "))
            if b"%" in match[2] or b"+" in match[2]
            else match[2]
        )
        after = named(sweep, kind, plain, "query")
        return (
            match[0] if after is None or after == plain else match[0][:1] + match[1] + b"=" + _quoted(after)
        )

    # A path's parameters end where the query begins; a query's values may hold a `?`.
    head, mark, query = url.partition(b"?")
    return _PAIR.sub(replace, head) + _PAIR.sub(replace, mark + query)


def text_pairs(sweep: Sweep, raw: bytes) -> bytes:
    """`password=…`, `"token": "…"` and `Bearer …` in text."""

    def pair(match: re.Match[bytes]) -> bytes:
        before = _BEFORE.search(raw, max(0, match.start() - 48), match.start())
        kind = key_kind((before[0] if before else b"") + match[1])
        if kind is None or match[3].lower() in _SCHEMES:
            return match[0]
        if kind is KeyKind.WEAK and b":" in match[2] and _PROSE.fullmatch(match[3]):
            return match[0]  # "session: open", where nobody would say so of a password
        after = named(sweep, kind, match[3], "text")
        return match[0] if after is None else match[1] + match[2] + after

    # Names first: what `Basic …` would find in a value is in the pair's token by then.
    after = TEXT_PAIR.sub(pair, raw)
    return CREDENTIALS.sub(lambda match: match[1] + _credential(sweep, match[2]), after)


def _credential(sweep: Sweep, value: bytes) -> bytes:
    """What follows `Bearer`, unless it is a word: "basic subscription"."""
    return value if _WORD.fullmatch(value) else secret(sweep, value, "text")


def _quoted(value: bytes) -> bytes:
    """A token as a URL may hold it."""
    return (
        value.replace(b"%", b"%25")
        .replace(b"+", b"%2B")
        .replace(b" ", b"%20")
        .replace(b"&", b"%26")
        .replace(b"#", b"%23")
    )
