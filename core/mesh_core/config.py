"""`mesh.toml` as values. Pure: text comes in, a Config or a clear error goes out."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from mesh_core.errors import ConfigInvalid
from mesh_core.globs import parse_glob
from mesh_core.jsonpath import parse_jsonpath
from mesh_core.probes import parse_probes
from mesh_core.replay_config import Auth, Replay, read_auth, read_replay
from mesh_core.retention import KEYS, Retention, with_text
from mesh_core.units import parse_share


class RedactMode(StrEnum):
    """How much the recorder hides before anything touches a disk."""

    DEFAULT = "default"
    ALLOWLIST = "allowlist"
    OFF = "off"
    """For test traffic only; the sidecar says so at each start."""


class Keep(StrEnum):
    """What of the recorded traffic goes to the store."""

    ALL = "all"
    FAILURES = "failures"
    """What this sidecar saw fail, with what came right before."""
    TRACE_FAILURES = "trace-failures"
    """Whole traces in which any sidecar saw a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A port that stands for one dependency."""

    listen: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service and where its sidecar stands."""

    name: str
    app: str | None = None
    """`host:port`, or `https://host:port`, where the service itself listens."""
    inbound: str | None = None
    outbound: str | None = None
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    intercept: tuple[str, ...] = ()
    """TLS hosts to look into."""
    cert: str | None = None
    key: str | None = None
    upstream_ca: str | None = None
    edge: bool = False
    """Whether callers are outside the mesh, so that their claims are dropped."""
    refuses_replays: bool = False
    """Whether its sidecar answers replayed requests itself, with 403: `replays = "refuse"`."""
    keep: Keep | None = None
    sample: float | None = None
    ignore: tuple[str, ...] | None = None
    """These three stand over those of the whole file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where values are, by name: what to hide, or what to leave as it is."""

    header: tuple[str, ...] = ()
    cookie: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    form: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    """JSONPaths, see `mesh_core.jsonpath`."""
    pattern: tuple[str, ...] = ()
    """Globs over words, wherever they stand; see `mesh_core.globs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redact:
    """`[redact]`."""

    mode: RedactMode = RedactMode.DEFAULT
    hide: Places = field(default_factory=Places)
    """Besides what is known by itself."""
    allow: Places = field(default_factory=Places)
    """Stays as it is; with `mode = "allowlist"` all else goes."""
    keep_types: tuple[str, ...] = ()
    """Media types of binary bodies that are kept although nothing can be found in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole `mesh.toml`."""

    project: str = "default"
    store: str | None = None
    allow_targets: tuple[str, ...] = ()
    services: Mapping[str, Service] = field(default_factory=dict)
    keep: Keep | None = None
    sample: float | None = None
    """The share of traces that is kept, 0 to 1."""
    ignore: tuple[str, ...] | None = None
    """What is a health probe, see `mesh_core.probes`."""
    redact: Redact = field(default_factory=Redact)
    replay: Replay = field(default_factory=Replay)
    auth: Mapping[str, Auth] = field(default_factory=dict)
    noise: tuple[Mapping[str, Any], ...] = ()
    """`[[noise]]`, as written: what replays know to mean nothing."""
    retention: Retention = field(default_factory=Retention)
    """How long the store keeps what is written to it."""


def parse_config(text: str, *, where: str = "mesh.toml") -> Config:
    """Read the text of a `mesh.toml`.

    Raises:
        ConfigInvalid: naming the line (broken TOML) or the key (a wrong type, an unknown key).
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise ConfigInvalid(f"{where} is not valid TOML: {cause}", hint="correct that line") from cause
    return _Reader(where, text).config(document)


def trust_reasons(config: Config) -> list[str]:
    """What in `config` only a trusted file may ask for, in words; empty where nothing is.

    Anybody who can write to a parent folder may have written the file, so it must not widen
    targets or send traffic, or what was recorded, elsewhere.
    """
    reasons = [f"allow_targets = {target!r}" for target in config.allow_targets]
    if config.store is not None and not config.store.startswith("sqlite:///"):
        reasons.append("a store that is not a local SQLite file")
    if config.redact.mode is RedactMode.OFF:
        reasons.append('redact.mode = "off"')
    if config.redact.mode is RedactMode.DEFAULT and config.redact.allow != Places():
        reasons.append("redact.allow")
    if config.redact.keep_types:
        reasons.append("redact.keep_types")
    reasons.extend(f"replay.{key}: a command" for key in ("before", "after") if getattr(config.replay, key))
    reasons.extend(f"auth.{name}: credentials" for name in config.auth)
    for service in config.services.values():
        reasons.extend(f"services.{service.name}: {what}" for what in _service_reasons(service))
    return reasons


def _service_reasons(service: Service) -> Iterator[str]:
    if service.app is not None and not is_loopback(service.app):
        yield f"app {service.app} is not on this machine"
    for name, upstream in service.upstreams.items():
        if not is_loopback(upstream.target):
            yield f"upstream {name} ({upstream.target}) is not on this machine"
    if service.intercept:
        yield "intercept"


def split_address(address: str, *, default_host: str = "127.0.0.1") -> tuple[str, str, int]:
    """Scheme, host and port of `PORT`, `HOST:PORT` or `http[s]://HOST[:PORT]`.

    Raises:
        ValueError: it is none of these.
    """
    if address.isdigit():
        address = f"{default_host}:{address}"
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{address!r} is not HOST:PORT")
    if parts.path not in ("", "/") or parts.query or parts.username is not None:
        raise ValueError(f"{address!r} has more than a host and a port")
    port = parts.port if parts.port is not None else _default_port(address, parts.scheme)
    return parts.scheme, parts.hostname, port


def _default_port(address: str, scheme: str) -> int:
    if "://" not in address:
        raise ValueError(f"{address!r} has no port")
    return 443 if scheme == "https" else 80


_LOOPBACK = re.compile(r"127(\.\d{1,3}){3}|::1|localhost")


def is_loopback(address: str) -> bool:
    """Whether the address is written as loopback: `localhost`, 127.0.0.0/8 or `::1`.

    A name is judged as written; what it resolves to is checked where it is connected to.
    """
    try:
        _, host, _ = split_address(address)
    except ValueError:
        return False
    return _LOOPBACK.fullmatch(host.lower()) is not None


_PLACES = ("header", "cookie", "query", "form", "json", "pattern")


_CHOICES = ("keep", "sample", "ignore")
_TABLES = ("project", "store", "allow_targets", "services", "redact", "retention", "replay", "auth", "noise")


def _probe_rules(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(rule, str) for rule in value):
        raise ValueError("not a list of texts")
    parse_probes(value)
    return tuple(value)


class _Reader:
    """Checks types and names as it goes, so that an error can name the key and its line."""

    def __init__(self, where: str, text: str) -> None:
        self.where = where
        self.lines = text.splitlines()

    def config(self, document: dict[str, Any]) -> Config:
        self.only(document, "", {*_TABLES, *_CHOICES})
        services = self.table(document, "services", "")
        return Config(
            project=self.text(document, "project", "") or "default",
            store=self.text(document, "store", ""),
            allow_targets=self.addresses(document, "allow_targets", ""),
            services={name: self.service(name, services) for name in services},
            redact=self.redact(self.table(document, "redact", "")),
            noise=self.tables(document, "noise"),
            retention=self.retention(self.table(document, "retention", "")),
            replay=read_replay(self, document),
            auth=read_auth(self, document),
            **self.choices(document, ""),
        )

    def service(self, name: str, services: dict[str, Any]) -> Service:
        prefix = f"services.{name}."
        table = self.table(services, name, "services.")
        plain = ("app", "inbound", "outbound", "cert", "key", "upstream_ca")
        self.only(table, prefix, {*plain, "intercept", "edge", "replays", "upstreams", *_CHOICES})
        upstreams = self.table(table, "upstreams", prefix)
        for key in ("app", "inbound", "outbound"):
            self.address(table, key, prefix)
        edge = table.get("edge", False)
        if not isinstance(edge, bool):
            raise self.wrong(f"{prefix}edge", "edge", "true or false")
        texts: dict[str, Any] = {key: self.text(table, key, prefix) for key in plain}
        return Service(
            name=name,
            upstreams={key: self.upstream(key, upstreams, f"{prefix}upstreams.") for key in upstreams},
            intercept=self.texts(table, "intercept", prefix),
            edge=edge,
            refuses_replays=self.replays(table, prefix),
            **texts,
            **self.choices(table, prefix),
        )

    def replays(self, table: dict[str, Any], prefix: str) -> bool:
        text = self.text(table, "replays", prefix) or "allow"
        if text not in ("allow", "refuse"):
            raise self.wrong(f"{prefix}replays", "replays", '"refuse" or "allow"')
        return text == "refuse"

    def choices(self, table: dict[str, Any], prefix: str) -> dict[str, Any]:
        """What of the traffic is kept."""
        readers: dict[str, tuple[Callable[[Any], Any], str]] = {
            "keep": (Keep, " or ".join(f'"{keep}"' for keep in Keep)),
            "sample": (parse_share, 'a share such as "10%"'),
            "ignore": (_probe_rules, '"/path", "/path*", "agent:BEGINNING" or "default" in a list'),
        }
        found: dict[str, Any] = {}
        for key, (read, expected) in readers.items():
            try:
                found[key] = read(table[key]) if key in table else None
            except (ValueError, AttributeError):
                raise self.wrong(f"{prefix}{key}", key, expected) from None
        return found

    def upstream(self, name: str, upstreams: dict[str, Any], prefix: str) -> Upstream:
        table = self.table(upstreams, name, prefix)
        self.only(table, f"{prefix}{name}.", {"listen", "target"})
        listen = self.address(table, "listen", f"{prefix}{name}.")
        target = self.address(table, "target", f"{prefix}{name}.")
        if listen is None or target is None:
            raise self.wrong(f"{prefix}{name}", name, '{ listen = "HOST:PORT", target = "HOST:PORT" }')
        return Upstream(listen=listen, target=target)

    def redact(self, table: dict[str, Any]) -> Redact:
        self.only(table, "redact.", {"mode", "allow", "keep_types", *_PLACES})
        allow = self.table(table, "allow", "redact.")
        self.only(allow, "redact.allow.", set(_PLACES))
        return Redact(
            mode=self.mode(table),
            hide=self.places(table, "redact."),
            allow=self.places(allow, "redact.allow."),
            keep_types=tuple(kind.lower() for kind in self.texts(table, "keep_types", "redact.")),
        )

    def retention(self, table: dict[str, Any]) -> Retention:
        self.only(table, "retention.", set(KEYS))
        retention = Retention()
        for key, (_, _, written) in KEYS.items():
            try:
                retention = with_text(retention, key, self.text(table, key, "retention."))
            except ValueError:
                raise self.wrong(f"retention.{key}", key, f"a text such as {written}") from None
        return retention

    def places(self, table: dict[str, Any], prefix: str) -> Places:
        places = Places(**{key: self.texts(table, key, prefix) for key in _PLACES})
        checks: tuple[tuple[str, tuple[str, ...], Callable[[str], object]], ...] = (
            ("json", places.json, parse_jsonpath),
            ("pattern", places.pattern, parse_glob),
        )
        for key, texts, parse in checks:
            for text in texts:
                try:
                    parse(text)
                except ValueError as cause:
                    raise self.wrong(f"{prefix}{key}", key, f"{cause}, and found {text!r}") from None
        return places

    def mode(self, redact: dict[str, Any]) -> RedactMode:
        text = self.text(redact, "mode", "redact.") or RedactMode.DEFAULT
        try:
            return RedactMode(text)
        except ValueError:
            raise self.wrong("redact.mode", "mode", " or ".join(f'"{mode}"' for mode in RedactMode)) from None

    def table(self, parent: dict[str, Any], key: str, prefix: str) -> dict[str, Any]:
        value = parent.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(f"{prefix}{key}", key, "a table")
        return value

    def tables(self, document: dict[str, Any], key: str) -> tuple[dict[str, Any], ...]:
        value = document.get(key, [])
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return tuple(value)
        raise self.wrong(key, key, f"[[{key}]] above each rule")

    def text(self, table: dict[str, Any], key: str, prefix: str) -> str | None:
        value = table.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self.wrong(f"{prefix}{key}", key, "a text in quotes")

    def texts(self, table: dict[str, Any], key: str, prefix: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise self.wrong(f"{prefix}{key}", key, "a list of texts")

    def addresses(self, table: dict[str, Any], key: str, prefix: str) -> tuple[str, ...]:
        values = self.texts(table, key, prefix)
        for value in values:
            self.checked_address(value, key, prefix)
        return values

    def address(self, table: dict[str, Any], key: str, prefix: str) -> str | None:
        value = self.text(table, key, prefix)
        return None if value is None else self.checked_address(value, key, prefix)

    def checked_address(self, value: str, key: str, prefix: str) -> str:
        try:
            split_address(value)
        except ValueError:
            raise self.wrong(f"{prefix}{key}", key, '"HOST:PORT"') from None
        return value

    def only(self, table: dict[str, Any], prefix: str, known: set[str]) -> None:
        for key in table:
            if key not in known:
                where = f"{self.where}{self.line_of(key)}"
                raise ConfigInvalid(
                    f"{where}: unknown key {prefix}{key}", hint=f"known here: {', '.join(sorted(known))}"
                )

    def wrong(self, path: str, key: str, expected: str) -> ConfigInvalid:
        return ConfigInvalid(f"{self.where}{self.line_of(key)}: {path} is wrong", hint=f"expected {expected}")

    def line_of(self, key: str) -> str:
        """`:LINE` of the first line that sets or opens `key`, as far as text shows it."""
        pattern = re.compile(rf"""^\s*(\[.*)?["']?\b{re.escape(key)}\b""")
        return next((f":{number}" for number, line in enumerate(self.lines, 1) if pattern.search(line)), "")
