"""Which headers and keys are known to carry secrets: the names alone. Pure."""

import re
from enum import Enum, auto
from functools import lru_cache
from urllib.parse import unquote_to_bytes


class HeaderKind(Enum):
    """What is done with a header's value."""

    PLAIN = auto()
    """Looked through for secrets that can be told by their form."""
    CONTEXT = auto()
    """Carries a trace or a request's id: never touched."""
    CREDENTIALS = auto()
    """A scheme, then the secret."""
    SECRET = auto()
    """The whole value is the secret."""
    COOKIE = auto()
    SET_COOKIE = auto()
    BINARY = auto()
    """gRPC's binary metadata, in base64."""
    UNNAMED = auto()
    """Goes where only what is named may stay."""


class KeyKind(Enum):
    """What the value of a key is, as its name tells."""

    SECRET = auto()
    """Text, numbers and all that lies below."""
    TEXTS = auto()
    """As a secret, but numbers stay: `tokens` may be a count."""
    WEAK = auto()
    """A secret where it is text; what lies below is judged by its own names."""
    FEW = auto()
    """Of few possible values, such as a PIN: one constant for all."""
    DATE = auto()
    """A date of birth: one constant for all."""
    EMAIL = auto()
    PHONE = auto()
    CARD = auto()
    IBAN = auto()


_CONTEXT = frozenset(
    {
        b"traceparent", b"tracestate", b"b3", b"uber-trace-id", b"sentry-trace", b"x-cloud-trace-context",
        b"x-amzn-trace-id", b"grpc-trace-bin", b"x-request-id", b"x-correlation-id", b"request-id",
        b"idempotency-key",
    }
)  # fmt: skip
_CONTEXT_PREFIXES = (b"x-b3-", b"x-datadog-", b"sec-websocket-key", b"sec-websocket-accept")
_SECRET = frozenset(
    {
        b"apikey", b"api-key", b"x-apikey", b"x-api-key", b"x-goog-api-key", b"x-functions-key",
        b"x-auth-key", b"ocp-apim-subscription-key", b"x-master-key", b"token", b"secret", b"password",
        b"x-password", b"x-session-id", b"session-id", b"x-auth", b"x-credentials", b"x-amzn-oidc-data",
        b"x-amzn-oidc-accesstoken", b"authentication-info", b"proxy-authentication-info",
    }
)  # fmt: skip
_SECRET_SUFFIXES = (
    b"-token", b"_token", b"-secret", b"_secret", b"-password", b"-passwd", b"-api-key", b"-apikey",
    b"-access-key", b"-secret-key", b"-private-key", b"-token-bin", b"-signature", b"-secret-bin",
)  # fmt: skip
_PAGES = (b"pagetoken", b"continuationtoken", b"nexttoken", b"synctoken", b"prevtoken", b"cursortoken")
"""Ends of names that say token and mean a place in a list."""
_KEYS: dict[KeyKind, frozenset[bytes]] = {
    KeyKind.SECRET: frozenset(
        {
            b"password", b"passwd", b"pwd", b"passphrase", b"token", b"apikey", b"secret", b"credential",
            b"credentials", b"jwt", b"samlresponse", b"jsessionid", b"phpsessid", b"xamzsignature",
            b"xamzcredential", b"xamzsecuritytoken", b"xgoogsignature", b"xgoogcredential",
            b"awsaccesskeyid", b"subscriptionkey", b"codeverifier", b"cookie", b"setcookie", b"mnemonic",
            b"seedphrase", b"privkey", b"connectionstring", b"authkey", b"sessionkey", b"devicecode",
            b"csrf", b"xsrf", b"passcode", b"passportnumber", b"nationalid", b"securityanswer",
            b"passwordhash", b"proxyauthorization", b"xauth", b"xapikey", b"bearer", b"sessid",
        }
    ),
    KeyKind.TEXTS: frozenset(
        {
            b"tokens", b"passwords", b"secrets", b"apikeys", b"accesstokens", b"refreshtokens", b"cookies",
            b"pass", b"recoverycodes", b"backupcodes", b"recoverycode", b"privatekeys",
        }
    ),
    KeyKind.WEAK: frozenset(
        {
            b"signature", b"sig", b"auth", b"authorization", b"assertion", b"session", b"sessionid", b"sid",
        }
    ),
    KeyKind.FEW: frozenset(
        {
            b"pin", b"pinnumber", b"cardpin", b"cvv", b"cvv2", b"cvc", b"cvc2", b"csc", b"cardcvv",
            b"cardcvc",
            b"securitycode", b"cardsecuritycode", b"otp", b"totp", b"otpcode", b"mfacode", b"smscode",
            b"onetimecode", b"verificationcode", b"ssn", b"socialsecuritynumber", b"socialsecurity",
            b"usercode",
        }
    ),
    KeyKind.DATE: frozenset({b"dob", b"dateofbirth", b"birthdate", b"birthday"}),
    KeyKind.EMAIL: frozenset({b"email", b"mail", b"emailaddress", b"useremail", b"mailaddress"}),
    KeyKind.PHONE: frozenset(
        {
            b"phone", b"phonenumber", b"phoneno", b"mobile", b"mobilenumber", b"mobilephone", b"cellphone",
            b"cell",
            b"tel", b"telephone", b"telephonenumber", b"fax", b"faxnumber", b"msisdn", b"homephone",
            b"workphone",
        }
    ),
    KeyKind.CARD: frozenset(
        {
            b"card", b"cardnumber", b"cardno", b"cardnum", b"pan", b"ccnumber", b"ccnum", b"creditcard",
            b"cc",
            b"creditcardnumber", b"debitcard", b"debitcardnumber", b"primaryaccountnumber",
        }
    ),
    KeyKind.IBAN: frozenset({b"iban", b"ibannumber", b"bankiban", b"accountiban"}),
}  # fmt: skip
_KINDS = {name: kind for kind, names in _KEYS.items() for name in names}
_KEY_SUFFIXES: tuple[tuple[tuple[bytes, ...], KeyKind], ...] = (
    (
        (
            b"token", b"secret", b"password", b"passwd", b"passphrase", b"apikey", b"accesskey", b"secretkey",
            b"privatekey", b"encryptionkey", b"signingkey", b"sharedkey", b"accountkey", b"masterkey",
        ),
        KeyKind.SECRET,
    ),
    ((b"email", b"emailaddress"), KeyKind.EMAIL),
    ((b"phone", b"phonenumber"), KeyKind.PHONE),
    ((b"cardnumber",), KeyKind.CARD),
    ((b"iban",), KeyKind.IBAN),
)  # fmt: skip
TELLING_NAMES = frozenset(_KINDS) | {b"ticket", b"granttype"}
"""Names, without case and punctuation, of which the whole is known."""
TELLING_ENDS = frozenset(end for ends, _ in _KEY_SUFFIXES for end in ends)
"""What other names end in that tell what their value is."""
PROFILE = frozenset(
    {
        "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "birthdate",
        "address",
        "picture", "profile", "unique_name", "upn", "phone_number",
    }
)  # fmt: skip
"""Claims about a person in an ID token (OpenID Connect Core, section 5.1)."""


@lru_cache(maxsize=4096)
def header_kind(name: bytes) -> HeaderKind:
    """What is done with the value of a header called `name`, in any case of letters."""
    lower = name.lower().strip()
    if lower in _CONTEXT or lower.startswith(_CONTEXT_PREFIXES):
        return HeaderKind.CONTEXT
    if lower in {b"authorization", b"proxy-authorization"} or lower.endswith(b"-authorization"):
        return HeaderKind.CREDENTIALS
    if lower in {b"cookie", b"cookie2"}:
        return HeaderKind.COOKIE
    if lower in {b"set-cookie", b"set-cookie2"}:
        return HeaderKind.SET_COOKIE
    if lower in _SECRET or (lower.endswith(_SECRET_SUFFIXES) and not plain_name(lower).endswith(_PAGES)):
        return HeaderKind.SECRET
    return HeaderKind.BINARY if lower.endswith(b"-bin") else HeaderKind.PLAIN


@lru_cache(maxsize=4096)
def key_kind(key: bytes) -> KeyKind | None:
    """What the value of `key` is, in JSON, forms, queries and XML; case and punctuation do not matter."""
    plain = plain_name(key)
    if (known := _KINDS.get(plain)) is not None:
        return known
    if plain.endswith(_PAGES):
        return None
    return next((kind for suffixes, kind in _KEY_SUFFIXES if plain.endswith(suffixes)), None)


def query_kind(key: bytes) -> KeyKind | None:
    """What the value of a query's or a form's `key` is."""
    kind = key_kind(key)
    return KeyKind.SECRET if kind is None and plain_name(key) == b"ticket" else kind


def needs_state(key: bytes) -> bool:
    """Whether `key` is a secret only beside `state`: an OAuth 2 code, as RFC 6749, 4.1.2, returns it."""
    return key.lower() == b"code"


def plain_name(name: bytes) -> bytes:
    """A name without case and punctuation."""
    lower = (unquote_to_bytes(name) if b"%" in name else name).lower()
    return lower if lower.isalnum() else re.sub(rb"[^a-z0-9]", b"", lower)
