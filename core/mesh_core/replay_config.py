"""What `mesh.toml` says of replays: commands around them, and where their credentials come from. Pure.

1. No secret is in the file: a variable of the environment, a key file or a command holds it.
2. A provider names the targets that may get its secret; no other ever does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from mesh_core.errors import ConfigInvalid
from mesh_core.jsonpath import parse_jsonpath
from mesh_core.units import parse_seconds


class AuthKind(StrEnum):
    """Where a credential comes from."""

    ENVIRONMENT = "environment"
    COMMAND = "command"
    OAUTH2 = "oauth2"
    """Client credentials; RFC 6749, section 4.4."""
    JWT = "jwt"
    """The recorded token's claims, signed anew with a test key; RFC 7519."""
    HMAC = "hmac"
    """A signature over each request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """`[auth.NAME]`."""

    name: str
    kind: AuthKind | None = None
    """None where it only puts redacted values back."""
    targets: tuple[str, ...]
    """`host:port`, or `localhost` for every port of this machine: who may get its secrets."""
    header: str = "Authorization"
    value: str = "Bearer {secret}"
    """Of the header; `{secret}` is the credential."""
    variable: str | None = None
    """Holds the credential, the client's secret, or the key."""
    key_file: str | None = None
    """Holds the key instead."""
    command: tuple[str, ...] = ()
    """Prints the credential; one text is for the shell."""
    timeout: float = 10.0
    """Seconds for the command or the token's issuer."""
    token_url: str | None = None
    client_id: str | None = None
    scope: tuple[str, ...] = ()
    audience: str | None = None
    algorithm: str = ""
    key_id: str | None = None
    lifetime: float = 300.0
    """Seconds that a JWT is valid for."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Of a JWT, besides and instead of the recorded ones."""
    signed: str = "{method}\n{target}\n{body}"
    """What an HMAC is over: `{method}`, `{target}`, `{path}`, `{query}`, `{host}`, `{timestamp}`, `{body}`,
    `{body_sha256}`, `{header:NAME}`."""
    encoding: str = "hex"
    """Of an HMAC: `hex` or `base64`."""
    timestamp_header: str | None = None
    """Gets the time that an HMAC is over, in seconds since the Unix epoch."""
    restore: Mapping[str, str] = field(default_factory=dict)
    """Variables by the place of a redacted value: `header:NAME`, `cookie:NAME`, `query:NAME`, `form:NAME`,
    `json:PATH`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """`[replay]`."""

    before: tuple[str, ...] = ()
    """Shell commands that bring back the state that the requests need."""
    after: tuple[str, ...] = ()
    """Shell commands that always follow."""
    production: tuple[str, ...] = ()
    """Hosts that are never a target, whatever else says so."""


class Reads(Protocol):
    """Reads the file's tables, and names key and line where one is wrong."""

    def table(self, parent: dict[str, Any], key: str, prefix: str) -> dict[str, Any]:
        """A table; empty where there is none."""
        ...

    def text(self, table: dict[str, Any], key: str, prefix: str) -> str | None:
        """A text."""
        ...

    def texts(self, table: dict[str, Any], key: str, prefix: str) -> tuple[str, ...]:
        """A list of texts."""
        ...

    def checked_address(self, value: str, key: str, prefix: str) -> str:
        """An address, as it is."""
        ...

    def only(self, table: dict[str, Any], prefix: str, known: set[str]) -> None:
        """Refuse unknown keys."""
        ...

    def wrong(self, path: str, key: str, expected: str) -> ConfigInvalid:
        """The error for a key."""
        ...


_KEYS: Mapping[AuthKind | None, tuple[frozenset[str], frozenset[str]]] = {
    None: (frozenset(), frozenset()),
    AuthKind.ENVIRONMENT: (frozenset({"variable"}), frozenset({"header", "value"})),
    AuthKind.COMMAND: (frozenset({"command"}), frozenset({"header", "value", "timeout"})),
    AuthKind.OAUTH2: (
        frozenset({"token_url", "client_id", "variable"}),
        frozenset({"header", "value", "timeout", "scope", "audience"}),
    ),
    AuthKind.JWT: (
        frozenset({"algorithm"}),
        frozenset({"header", "value", "variable", "key_file", "key_id", "lifetime", "claims"}),
    ),
    AuthKind.HMAC: (
        frozenset({"variable", "header"}),
        frozenset({"value", "algorithm", "signed", "encoding", "timestamp_header"}),
    ),
}
"""Keys that a kind must have, and those that it may have."""
_TEXTS = (
    "header", "value", "variable", "key_file", "token_url", "client_id", "audience", "key_id", "signed",
    "timestamp_header",
)  # fmt: skip
_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""Source: RFC 9110, section 5.6.2."""
_PLACES = frozenset({"header", "cookie", "query", "form", "json"})
_JWT_ALGORITHMS = frozenset(
    {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"}
)
_HMAC_ALGORITHMS = frozenset({"sha1", "sha256", "sha384", "sha512"})


def read_replay(reader: Reads, document: dict[str, Any]) -> Replay:
    """`[replay]`."""
    table = reader.table(document, "replay", "")
    reader.only(table, "replay.", {"before", "after", "production"})
    return Replay(
        before=_commands(reader, table, "before", "replay."),
        after=_commands(reader, table, "after", "replay."),
        production=tuple(host.lower() for host in reader.texts(table, "production", "replay.")),
    )


def read_auth(reader: Reads, document: dict[str, Any]) -> dict[str, Auth]:
    """All of `[auth.NAME]`, by name."""
    tables = reader.table(document, "auth", "")
    return {name: _auth(reader, name, reader.table(tables, name, "auth.")) for name in tables}


def _auth(reader: Reads, name: str, table: dict[str, Any]) -> Auth:
    prefix = f"auth.{name}."
    kind = _kind(reader, table, prefix)
    needed, possible = _KEYS[kind]
    reader.only(table, prefix, {"kind", "targets", "restore", *needed, *possible})
    for key in sorted(needed | {"targets"}):
        if not table.get(key):
            raise reader.wrong(f"{prefix}{key}", name, f"{key}, which {kind or 'restore'} needs")
    texts: dict[str, Any] = {key: reader.text(table, key, prefix) for key in _TEXTS}
    if kind is AuthKind.HMAC:
        texts["value"] = texts["value"] or "{secret}"
    for key in ("header", "timestamp_header"):
        if texts[key] is not None and not _HEADER.fullmatch(texts[key]):
            raise reader.wrong(f"{prefix}{key}", key, "a header's name")
    if any(character < " " for character in texts["value"] or ""):
        raise reader.wrong(f"{prefix}value", "value", "one line of text")
    claims = reader.table(table, "claims", prefix)
    return Auth(
        name=name,
        kind=kind,
        targets=_targets(reader, table, prefix),
        command=_commands(reader, table, "command", prefix),
        scope=reader.texts(table, "scope", prefix),
        timeout=_seconds(reader, table, "timeout", prefix, 10.0),
        lifetime=_seconds(reader, table, "lifetime", prefix, 300.0),
        algorithm=_algorithm(reader, table, prefix, kind),
        encoding=_encoding(reader, table, prefix),
        claims=claims,
        restore=_restore(reader, table, prefix),
        **{key: value for key, value in texts.items() if value is not None},
    )


def _targets(reader: Reads, table: dict[str, Any], prefix: str) -> tuple[str, ...]:
    """Addresses, or `localhost` for every port of this machine."""
    found = reader.texts(table, "targets", prefix)
    for address in found:
        if address != "localhost":
            reader.checked_address(address, "targets", prefix)
    return found


def _kind(reader: Reads, table: dict[str, Any], prefix: str) -> AuthKind | None:
    text = reader.text(table, "kind", prefix)
    if text is None:
        if table.get("restore"):
            return None
        raise reader.wrong(f"{prefix}kind", "kind", " or ".join(f'"{kind}"' for kind in AuthKind))
    try:
        return AuthKind(text)
    except ValueError:
        raise reader.wrong(f"{prefix}kind", "kind", " or ".join(f'"{kind}"' for kind in AuthKind)) from None


def _commands(reader: Reads, table: dict[str, Any], key: str, prefix: str) -> tuple[str, ...]:
    value = table.get(key)
    return (value,) if isinstance(value, str) and value else reader.texts(table, key, prefix)


def _seconds(reader: Reads, table: dict[str, Any], key: str, prefix: str, default: float) -> float:
    text = reader.text(table, key, prefix)
    try:
        return default if text is None else parse_seconds(text)
    except ValueError:
        raise reader.wrong(f"{prefix}{key}", key, 'a time such as "10s"') from None


def _algorithm(reader: Reads, table: dict[str, Any], prefix: str, kind: AuthKind | None) -> str:
    text = reader.text(table, "algorithm", prefix)
    known = _JWT_ALGORITHMS if kind is AuthKind.JWT else _HMAC_ALGORITHMS
    if text is None:
        return "sha256"
    if text not in known:
        raise reader.wrong(f"{prefix}algorithm", "algorithm", " or ".join(sorted(known)))
    return text


def _encoding(reader: Reads, table: dict[str, Any], prefix: str) -> str:
    text = reader.text(table, "encoding", prefix) or "hex"
    if text not in ("hex", "base64"):
        raise reader.wrong(f"{prefix}encoding", "encoding", '"hex" or "base64"')
    return text


def _restore(reader: Reads, table: dict[str, Any], prefix: str) -> dict[str, str]:
    places = reader.table(table, "restore", prefix)
    for place, variable in places.items():
        kind, colon, name = place.partition(":")
        if not isinstance(variable, str) or kind not in _PLACES or not colon or not name:
            expected = '"header:NAME", "cookie:NAME", "query:NAME", "form:NAME" or "json:$.path" = "VARIABLE"'
            raise reader.wrong(f"{prefix}restore", "restore", expected)
        if kind == "json":
            try:
                parse_jsonpath(name)
            except ValueError as cause:
                raise reader.wrong(f"{prefix}restore", "restore", str(cause)) from None
    return places
