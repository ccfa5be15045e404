"""Secrets that are told by their form: keys, provider tokens, addresses, numbers. Pure.

Every pattern is bounded, and tried only where a cheaper test found its mark.
"""

import re

from mesh_core.redact.sweep import LOOKING, Sweep
from mesh_core.redact.tokens import iban_valid, luhn_valid, only_digits

_PEM = re.compile(
    rb"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]{0,60}-----|\Z)", re.DOTALL
)

PROVIDER = re.compile(
    rb"(?<![A-Za-z0-9])(?:"
    rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])"  # AWS
    rb"|AIza[\w-]{35}|GOCSPX-[\w-]{20,60}"  # Google
    rb"|gh[pousr]_[A-Za-z0-9]{16,255}|github_pat_\w{20,255}"
    rb"|gl(?:pat|dt|rt|ptt|ft|soat|imt|agent|cbt)-[\w-]{20,128}"
    rb"|xox[abeoprs]-[\w-]{10,255}|xapp-[\w-]{10,255}"  # Slack
    rb"|[sr]k_(?:live|test)_[A-Za-z0-9]{10,255}|whsec_[\w+/-]{16,128}"  # Stripe
    rb"|sk-[\w-]{20,255}"  # OpenAI, Anthropic
    rb"|SK[0-9a-f]{32}(?![0-9a-f])"  # Twilio
    rb"|key-[0-9a-f]{32}|[0-9a-f]{32}-us[0-9]{1,2}(?![0-9])"  # Mailgun, Mailchimp
    rb"|npm_[A-Za-z0-9]{30,64}|pypi-[\w-]{40,512}|rubygems_[0-9a-f]{40,64}|dckr_pat_[\w-]{20,64}"
    rb"|do[opr]_v1_[0-9a-f]{60,70}|dapi[0-9a-f]{32}|HRKU-[\w-]{30,80}"
    rb"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|sq0(?:atp|csp|idp)-[\w-]{20,64}|EAAA[\w-]{56,80}"
    rb"|(?:lin_api|ntn|secret)_[A-Za-z0-9]{40,64}|PMAK-[\w-]{40,80}|gl(?:sa|c)_[\w=]{32,255}"
    rb"|NRAK-[A-Z0-9]{27}|sntry[su]_[\w=+/-]{40,255}|figd_[\w-]{30,64}|hf_[A-Za-z0-9]{30,64}"
    rb"|AGE-SECRET-KEY-1[A-Z0-9]{58}|ATATT3[\w=-]{40,255}|ATCTT3[\w=-]{40,255}|sbp_[0-9a-f]{40}|pscale_\w{3,6}_[\w-]{32,64}"
    rb")"
)
"""Tokens of providers, as they publish them."""
DOTTED = (
    (b"SG.", re.compile(rb"(?<![A-Za-z0-9])SG\.[\w-]{16,64}\.[\w-]{16,64}")),
    (b"ya29.", re.compile(rb"(?<![A-Za-z0-9])ya29\.[\w-]{20,512}")),
    (b"hvs.", re.compile(rb"(?<![A-Za-z0-9])hvs\.[\w-]{20,255}")),
    (b"1//0", re.compile(rb"(?<![A-Za-z0-9])1//0[\w-]{30,200}")),
    (b".pt.", re.compile(rb"(?<![A-Za-z0-9])dp\.pt\.[\w.-]{30,80}")),
    (b":AA", re.compile(rb"(?<![A-Za-z0-9])[0-9]{8,10}:AA[\w-]{33}")),
    (b"/services/T", re.compile(rb"/services/T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/[A-Za-z0-9]{16,32}")),
    (b"/webhooks/", re.compile(rb"/api/webhooks/[0-9]{16,20}/[\w-]{50,80}")),
)
"""Those with dots, colons or slashes inside, each with what gives it away."""

DOMAIN = re.compile(
    rb"@((?:[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\x80-\xff-]{0,62})\.){1,8}([A-Za-z\x80-\xff]{2,24}))(?![\w@])"
)
_LOCAL = re.compile(rb"[A-Za-z0-9.!#$&'*+/=?^_`{|}~\x80-\xff-]+\Z")
_FILES = frozenset(
    b"png jpg jpeg gif svg webp avif ico css js mjs map json html xml txt md pdf zip ts py".split()
)
"""`logo@2x.png` is no address."""

CARD = re.compile(
    rb"(?<![0-9A-Za-z.])(?:(?:4[0-9]{3}|5[0-9]{3}|2[2-7][0-9]{2}|3[0-9]{3}|6[0-9]{3})"
    rb"(?:([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}(?:\1[0-9]{1,3})?|([ -])[0-9]{6}\2[0-9]{4,5}|[0-9]{8,15}))"
    rb"(?![0-9A-Za-z]|\.[0-9])"
)
_PREFIXES: tuple[tuple[re.Pattern[bytes], frozenset[int]], ...] = (
    (re.compile(rb"4"), frozenset({13, 16, 19})),
    (re.compile(rb"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), frozenset({16})),
    (re.compile(rb"3[47]"), frozenset({15})),
    (re.compile(rb"6011|64[4-9]|65|62|81"), frozenset(range(16, 20))),
    (re.compile(rb"35(?:2[89]|[3-8])"), frozenset(range(16, 20))),
    (re.compile(rb"36|30[0-5]|3[89]"), frozenset(range(14, 20))),
    (re.compile(rb"5018|5020|5038|5893|6304|6759|676[1-3]"), frozenset(range(12, 20))),
)
"""Issuers and the lengths of their numbers (ISO/IEC 7812)."""

IBAN = re.compile(rb"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}[ -]?[A-Z0-9]{4}")
_IBAN_REST = re.compile(rb"(?:[ -]?[A-Z0-9]){11,34}")
_REGISTRY = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
    "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 "
    "IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 "
    "MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 "
    "SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)
_IBAN_LENGTHS = {text[:2].encode(): int(text[2:]) for text in _REGISTRY.split()}
"""Registry of ISO 13616."""

PHONE = re.compile(rb"(?<![\w+.])\+[1-9](?:[ ().-]{0,2}[0-9]){6,14}(?![0-9])")
NATIONAL = re.compile(rb"(?<![\w.+-])(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}-)[2-9][0-9]{2}-[0-9]{4}(?![\w-])")
SSN = re.compile(rb"(?<![\w.-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-])")


def pem(sweep: Sweep, raw: bytes) -> bytes:
    """Private keys, also those whose end was cut off."""
    return _PEM.sub(lambda match: sweep.hide("pem", match[0]), raw)


def dotted(sweep: Sweep, raw: bytes) -> bytes:
    """Provider tokens with dots inside; looked for only where one of their marks is."""
    if b"." not in raw and b"/" not in raw and b":AA" not in raw:
        return raw
    for mark, pattern in DOTTED:
        if mark in raw:
            raw = pattern.sub(lambda match: sweep.hide("credential", match[0]), raw)
    return raw


def emails(sweep: Sweep, raw: bytes) -> bytes:
    """E-mail addresses; found from their `@`, so that no text makes it slow."""
    out: list[bytes] = []
    done = 0
    for match in DOMAIN.finditer(raw):
        local = _LOCAL.search(raw, max(done, match.start() - 64), match.start())
        if local is None or match[2].lower() in _FILES:
            continue
        start = local.start() + _opening(local[0])
        if start < match.start():
            out += (raw[done:start], sweep.hide("email", raw[start : match.end()]))
            done = match.end()
    return b"".join((*out, raw[done:])) if done else raw


def _opening(local: bytes) -> int:
    """Where an address begins in what may be `to=bob` or `/users/bob`."""
    return max(local.rfind(sign) for sign in (b"=", b"/", b"?", b"&", b"'", b"{", b"}", b"`", b"|", b"#")) + 1


def ibans(sweep: Sweep, raw: bytes) -> bytes:
    """IBANs of a country's length with the right check digits, with or without blanks."""
    out: list[bytes] = []
    done = 0
    for match in IBAN.finditer(raw):
        sweep.spend(LOOKING)
        length = _IBAN_LENGTHS.get(match[0][:2])
        rest = _IBAN_REST.match(raw, match.start() + 4, match.start() + 60) if length else None
        if rest is None or length is None or match.start() < done:
            continue
        end = _end_of(raw, match.start(), rest.end(), length)
        if end and iban_valid(raw[match.start() : end].translate(None, b" -")):
            out += (raw[done : match.start()], sweep.hide("iban", raw[match.start() : end]))
            done = end
    return b"".join((*out, raw[done:])) if done else raw


def _end_of(raw: bytes, start: int, limit: int, length: int) -> int:
    """After `length` letters and digits from `start`; 0 where there are fewer, or more follow at once."""
    for at in range(start, limit):
        length -= raw[at] not in b" -"
        if not length:
            return 0 if raw[at + 1 : at + 2].isalnum() else at + 1
    return 0


def cards(sweep: Sweep, raw: bytes) -> bytes:
    """Card numbers: an issuer's prefix and length, and Luhn's check digit."""

    def number(match: re.Match[bytes]) -> bytes:
        sweep.spend(LOOKING)
        return sweep.hide("card", match[0]) if _is_card(match[0]) else match[0]

    return CARD.sub(number, raw)


def _is_card(number: bytes) -> bool:
    digits = only_digits(number)
    fits = any(prefix.match(digits) and len(digits) in lengths for prefix, lengths in _PREFIXES)
    return fits and luhn_valid(digits) and len(set(digits)) > 1


def phones(sweep: Sweep, raw: bytes) -> bytes:
    """Numbers in international form."""
    return PHONE.sub(lambda match: sweep.hide("phone", match[0]), raw)


def national(sweep: Sweep, raw: bytes) -> bytes:
    """Numbers as North America writes them, and its social security numbers."""
    raw = NATIONAL.sub(lambda match: sweep.hide("phone", match[0]), raw)
    return SSN.sub(lambda match: sweep.constant(match[0], b"000-00-0000", "ssn"), raw)
