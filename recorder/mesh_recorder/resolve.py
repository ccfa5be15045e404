"""From options and `mesh.toml` to the settings of one sidecar. Pure: who asks gives the free ports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from mesh_core.config import Config, Keep, Service
from mesh_core.errors import ConfigInvalid
from mesh_core.model import Lane
from mesh_core.probes import DEFAULT
from mesh_core.project import Project, file_name, project_dir
from mesh_core.retention import KEYS, Retention, with_text
from mesh_core.units import parse_seconds, parse_share, parse_size
from mesh_recorder.settings import (
    Durability,
    Endpoint,
    Listen,
    SidecarSettings,
    TraceHeaders,
    UpstreamPort,
    default_instance,
    endpoint,
    host_port,
    listen,
)

type FreePort = Callable[[str], int]
"""Gives the port for a role: the one remembered for it where that is free, else any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said; None and empty where it said nothing."""

    service: str | None
    app: str | None = None
    inbound: str | None = None
    outbound: str | None = None
    upstreams: tuple[str, ...] = ()
    upstream_env: tuple[str, ...] = ()
    intercept: tuple[str, ...] = ()
    cert: Path | None = None
    key: Path | None = None
    upstream_ca: Path | None = None
    edge: bool = False
    trace_headers: TraceHeaders = TraceHeaders.LINK
    instance: str | None = None
    max_body: str = "1MiB"
    response_timeout: str = "5m"
    keep: Keep | None = None
    sample: str | None = None
    durability: Durability = Durability.BATCH
    retention_age: str | None = None
    retention_failures: str | None = None
    retention_size: str | None = None
    workers: int = 0
    admin: str | None = None
    lane: Lane = Lane.WIRE
    with_command: bool = False
    """Whether the service itself is run as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What to start."""

    settings: SidecarSettings
    rewritten: Mapping[str, str]
    """Variables for the command that point at a port of ours instead of at a dependency."""
    known: bool
    """Whether `mesh.toml` has the service."""


def resolve(
    options: Options,
    project: Project,
    *,
    environ: Mapping[str, str],
    hostname: str,
    redact_key: bytes | None,
    free_port: FreePort,
) -> Resolved:
    """Decide everything that a sidecar needs to know.

    Raises:
        ConfigInvalid: an address, a size or a combination cannot be used.
    """
    config = project.config
    service = _service(options, config)
    peers = known_peers(config)
    app = _app(options, service, free_port)
    inbound = _inbound(options, service, app, free_port)
    outbound = _listen(options.outbound or service.outbound, "--outbound", "outbound", free_port)
    upstreams = _upstreams(options, service, free_port)
    from_env, rewritten = _from_environment(options, environ, peers, upstreams, free_port)
    instance = options.instance or default_instance(inbound, hostname)
    home = project_dir(project.state_dir, config.project)
    settings = SidecarSettings(
        project=config.project,
        service=service.name,
        instance=instance,
        app=app,
        inbound=inbound,
        outbound=outbound,
        upstreams=(*upstreams, *from_env),
        peers=peers,
        redact_mode=config.redact.mode,
        redact=config.redact,
        redact_key=redact_key,
        ca_dir=home / "ca",
        spool_dir=home / "spool" / file_name(service.name) / file_name(instance),
        store=project.store,
        workers=options.workers,
        admin=_admin(options.admin or environ.get("MESH_ADMIN"), free_port),
    )
    settings = _with_files(_with_choices(settings, options, service), options, service, project.config_path)
    settings = _no_address_twice(_with_selection(settings, options, service, project))
    return Resolved(settings=settings, rewritten=rewritten, known=service.name in config.services)


def known_peers(config: Config) -> dict[str, str]:
    """Which service is reached at which `host:port`, by loopback's names and numbers alike."""
    peers: dict[str, str] = {}
    for service in config.services.values():
        for address in (service.app, service.inbound):
            if address is None:
                continue
            at = endpoint(address)
            hosts = {at.host, *(("localhost", "127.0.0.1") if at.host in ("localhost", "127.0.0.1") else ())}
            peers |= {host_port(host, at.port): service.name for host in hosts}
    return peers


def _service(options: Options, config: Config) -> Service:
    if options.service:
        return config.services.get(options.service, Service(name=options.service))
    known = ", ".join(sorted(config.services))
    hint = f"give --service NAME; mesh.toml knows {known}" if known else "give --service NAME, as you call it"
    raise ConfigInvalid("no service is named", hint=hint)


def _app(options: Options, service: Service, free_port: FreePort) -> Endpoint | None:
    address = options.app or service.app
    if address is not None:
        return _endpoint(address, "--app")
    if options.with_command:
        return Endpoint(host="127.0.0.1", port=free_port("app"))
    asked = options.inbound or service.inbound
    if asked is not None:
        raise ConfigInvalid(
            f"{service.name} has no app address, so there is nothing behind {asked}",
            hint="say where the service itself listens: --app HOST:PORT, or `-- COMMAND` to run it",
        )
    return None


def _inbound(options: Options, service: Service, app: Endpoint | None, free_port: FreePort) -> Listen | None:
    if app is None:
        return None
    inbound = _listen(options.inbound or service.inbound, "--inbound", "inbound", free_port)
    if inbound.port == app.port and _same_host(inbound.host, app.host):
        raise ConfigInvalid(
            f"{service.name} cannot listen on {inbound} as its sidecar does",
            hint="give --inbound the address that callers know, and --app another",
        )
    return inbound


_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared, not bound
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _same_host(listening: str, other: str) -> bool:
    """Whether who listens on one host would take what is sent to the other, as far as names tell."""
    if listening in _ANY:
        return other in _ANY | _LOOPBACK
    return listening == other or {listening, other} <= _LOOPBACK


def _no_address_twice(settings: SidecarSettings) -> SidecarSettings:
    taken: dict[str, str] = {}
    named = [("--inbound", settings.inbound), ("--outbound", settings.outbound), ("--admin", settings.admin)]
    named += [(f"--upstream {port.name}", port.listen) for port in settings.upstreams]
    for name, address in named:
        if address is None:
            continue
        other = taken.setdefault(str(address), name)
        if other != name:
            raise ConfigInvalid(f"{other} and {name} are both {address}", hint="give each a port of its own")
    return settings


def _listen(address: str | None, option: str, role: str, free_port: FreePort) -> Listen:
    if not address:
        return Listen(port=free_port(role))
    try:
        wanted = listen(address)
    except ValueError:
        raise ConfigInvalid(f"{option} {address!r} is no address", hint="use HOST:PORT, or a port") from None
    return replace(wanted, port=free_port(role)) if wanted.port == 0 else wanted


def _admin(address: str | None, free_port: FreePort) -> Listen | None:
    return None if address == "off" else _listen(address, "--admin", "admin", free_port)


def _endpoint(address: str, option: str) -> Endpoint:
    try:
        return endpoint(address)
    except ValueError:
        raise ConfigInvalid(
            f"{option} {address!r} is no address", hint="use HOST:PORT, a port, or https://HOST:PORT"
        ) from None


def _upstreams(options: Options, service: Service, free_port: FreePort) -> tuple[UpstreamPort, ...]:
    ports = {
        name: _upstream(name, upstream.listen, upstream.target, free_port)
        for name, upstream in service.upstreams.items()
    }
    for text in options.upstreams:
        name, *addresses = text.split("=")
        if not name or len(addresses) != 2 or not addresses[1]:
            raise ConfigInvalid(
                f"--upstream {text!r} cannot be read",
                hint="use NAME=LISTEN=TARGET, such as inventory=127.0.0.1:9102=127.0.0.1:8003",
            )
        ports[name] = _upstream(name, addresses[0], addresses[1], free_port)
    return tuple(ports.values())


def _upstream(name: str, listen_at: str, target: str, free_port: FreePort) -> UpstreamPort:
    return UpstreamPort(
        name=name,
        listen=_listen(listen_at, f"--upstream {name}", f"upstream:{name}", free_port),
        target=_endpoint(target, f"--upstream {name}"),
    )


def _from_environment(
    options: Options,
    environ: Mapping[str, str],
    peers: Mapping[str, str],
    configured: tuple[UpstreamPort, ...],
    free_port: FreePort,
) -> tuple[list[UpstreamPort], dict[str, str]]:
    """Ports for dependencies that the command is told of by a variable, and what it is told instead."""
    if options.upstream_env and not options.with_command:
        raise ConfigInvalid("--upstream-env needs a command", hint="add `-- COMMAND`, or use --upstream")
    ports = {port.target: port for port in configured}
    rewritten: dict[str, str] = {}
    for text in options.upstream_env:
        variable, _, value = text.partition("=")
        value = value or environ.get(variable, "")
        if not value:
            raise ConfigInvalid(
                f"--upstream-env {variable}: there is no such variable",
                hint=f"set it, or write --upstream-env {variable}=http://HOST:PORT",
            )
        url, target = _target(variable, value)
        if target not in ports:
            name = peers.get(host_port(target.host, target.port)) or _name_of(variable)
            if name in {port.name for port in ports.values()}:
                name = host_port(target.host, target.port)
            ports[target] = UpstreamPort(
                name=name, listen=Listen(port=free_port(f"upstream:{name}")), target=target
            )
        # Only the address changes: a user in it, and a path that every call begins with, stay.
        user, at, _ = url.netloc.rpartition("@")
        ours = url._replace(scheme="http", netloc=f"{user}{at}{ports[target].listen}").geturl()
        rewritten[variable] = ours if "://" in value else ours.removeprefix("http://")
    return [port for port in ports.values() if port not in configured], rewritten


def _target(variable: str, value: str) -> tuple[SplitResult, Endpoint]:
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        return url, endpoint(f"{url.scheme}://{url.netloc.rpartition('@')[2]}")
    except ValueError:
        # The value is not repeated: it may hold a password.
        raise ConfigInvalid(
            f"--upstream-env {variable} is no HTTP address", hint="use http://HOST:PORT"
        ) from None


_SAY_NOTHING = frozenset({"url", "uri", "host", "base", "addr", "address", "endpoint", "service"})


def _name_of(variable: str) -> str:
    """`INVENTORY_BASE_URL` names `inventory`."""
    words = variable.lower().split("_")
    while len(words) > 1 and words[-1] in _SAY_NOTHING:
        words.pop()
    return "-".join(words)


def _with_choices(settings: SidecarSettings, options: Options, service: Service) -> SidecarSettings:
    """How traffic is treated and what is kept of it."""
    return replace(
        settings,
        intercept=(*service.intercept, *options.intercept),
        intercept_all=options.with_command,
        edge=options.edge or service.edge,
        refuses_replays=service.refuses_replays,
        trace_headers=options.trace_headers,
        response_timeout=_seconds(options.response_timeout),
        max_body=_size(options.max_body),
        lane=options.lane,
    )


def _with_selection(
    settings: SidecarSettings, options: Options, service: Service, project: Project
) -> SidecarSettings:
    """What goes to the store, and stays: the option, else the service's own, else the whole file's."""
    config = project.config

    def first[T](*choices: T | None, otherwise: T) -> T:
        return next((choice for choice in choices if choice is not None), otherwise)

    return replace(
        settings,
        keep=first(options.keep, service.keep, config.keep, otherwise=Keep.ALL),
        sample=first(_share(options.sample), service.sample, config.sample, otherwise=1.0),
        ignore=first(service.ignore, config.ignore, otherwise=(DEFAULT,)),
        durability=options.durability,
        retention=_retention(project.retention, options),
    )


def _with_files(
    settings: SidecarSettings, options: Options, service: Service, config_path: Path | None
) -> SidecarSettings:
    """Certificates: those of `mesh.toml` stand relative to it."""
    folder = config_path.parent if config_path else Path()

    def chosen(option: Path | None, configured: str | None) -> Path | None:
        return option or (folder / configured if configured else None)

    cert, key = chosen(options.cert, service.cert), chosen(options.key, service.key)
    if (cert is None) != (key is None):
        raise ConfigInvalid("a certificate needs its key", hint="give both, --cert FILE and --key FILE")
    return replace(settings, cert=cert, key=key, upstream_ca=chosen(options.upstream_ca, service.upstream_ca))


def _retention(retention: Retention, options: Options) -> Retention:
    for key, (_, _, written) in KEYS.items():
        try:
            retention = with_text(retention, key, getattr(options, f"retention_{key}"))
        except ValueError as cause:
            raise ConfigInvalid(f"--retention-{key}: {cause}", hint=f"write it like {written}") from cause
    return retention


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as cause:
        raise ConfigInvalid(f"--max-body: {cause}", hint="write it like 1MiB") from cause


def _share(text: str | None) -> float | None:
    try:
        return None if text is None else parse_share(text)
    except ValueError as cause:
        raise ConfigInvalid(f"--sample: {cause}", hint="write it like 10%") from cause


def _seconds(text: str) -> float | None:
    try:
        return parse_seconds(text) or None
    except ValueError as cause:
        raise ConfigInvalid(
            f"--response-timeout: {cause}", hint="write it like 30s; 0 waits for ever"
        ) from cause
