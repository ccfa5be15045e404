"""Which headers and keys are known to carry secrets: the names alone. Pure."""

import re
from enum import Enum, auto
from functools import lru_cache
from urllib.parse import unquote_to_bytes


class HeaderKind(Enum):
    """What is done with a header's value."""

    PLAIN = auto()
    """Looked through for URLs and tokens."""
    CONTEXT = auto()
    """Carries a trace or a request's id: never touched."""
    CREDENTIALS = auto()
    """A scheme, then the secret."""
    SECRET = auto()
    """The whole value is the secret."""
    COOKIE = auto()
    SET_COOKIE = auto()


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
    b"-access-key", b"-secret-key", b"-private-key", b"-token-bin",
)  # fmt: skip
_PAGES = (b"pagetoken", b"continuationtoken", b"nexttoken", b"synctoken", b"prevtoken")
"""Ends of names that say token and mean a place in a list."""
_KEYS = frozenset(
    {
        b"password", b"passwd", b"pwd", b"passphrase", b"token", b"apikey", b"secret", b"signature", b"sig",
        b"auth", b"authorization", b"credential", b"credentials", b"jwt", b"assertion", b"samlresponse",
        b"session", b"sessionid", b"sid", b"jsessionid", b"phpsessid", b"xamzsignature", b"xamzcredential",
        b"xamzsecuritytoken", b"xgoogsignature", b"xgoogcredential", b"awsaccesskeyid", b"subscriptionkey",
        b"otp", b"ticket", b"codeverifier", b"cookie", b"setcookie",
    }
)  # fmt: skip
_KEY_SUFFIXES = (
    b"token",
    b"secret",
    b"password",
    b"passwd",
    b"apikey",
    b"accesskey",
    b"secretkey",
    b"privatekey",
)


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
    if lower in _SECRET or (lower.endswith(_SECRET_SUFFIXES) and not _plain(lower).endswith(_PAGES)):
        return HeaderKind.SECRET
    return HeaderKind.PLAIN


@lru_cache(maxsize=4096)
def is_secret_key(key: bytes) -> bool:
    """Whether the value of a query's `key` is a secret; case and punctuation do not matter."""
    plain = _plain(unquote_to_bytes(key).lower())
    if plain.endswith(_PAGES):
        return False
    return plain in _KEYS or plain.endswith(_KEY_SUFFIXES)


def needs_state(key: bytes) -> bool:
    """Whether `key` is a secret only beside `state`: an OAuth 2 code, as RFC 6749, 4.1.2, returns it."""
    return key.lower() == b"code"


def _plain(name: bytes) -> bytes:
    return re.sub(rb"[^a-z0-9]", b"", name)
