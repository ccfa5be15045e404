"""Where a replay goes, and whether it may. Pure: names are resolved by the caller.

1. Loopback is `localhost`, 127.0.0.0/8 and ::1 as written; nothing else that ends there.
2. All else must be in `allow_targets`; metadata and link-local addresses never.
3. An address has one spelling: decimal, octal, short and mapped forms are refused, never read.
4. What is checked is what is connected to.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mesh_core.config import is_loopback, split_address
from mesh_core.errors import ConfigInvalid, TargetNotAllowed

type _Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAMED = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?")
_LIKE_AN_ADDRESS = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+))*\.?")
_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
"""Besides 169.254.0.0/16: Alibaba, Azure, Oracle, AWS and Google over IPv6."""
_EMBEDS_IPV4 = tuple(
    ipaddress.ip_network(net) for net in ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Source: RFC 9110, section 9.2.1."""
IDEMPOTENT_METHODS = SAFE_METHODS | {"PUT", "DELETE"}
"""Source: RFC 9110, section 9.2.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A place to send requests to, as the user wrote it."""

    text: str
    service: str | None = None
    """Whom it stands for, where the user said so."""
    scheme: str = "http"
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether it is written as this machine."""
        return is_loopback(self.text)

    @property
    def authority(self) -> str:
        """`host:port`, as a Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


def parse_target(text: str) -> Target:
    """Read `[SERVICE=]HOST:PORT`, `[SERVICE=]http[s]://HOST[:PORT]` or a port of this machine.

    Raises:
        TargetNotAllowed: it is written so that one cannot tell where it leads.
        ConfigInvalid: it is no address.
    """
    named = _NAMED.fullmatch(text)
    service, address = (named[1], named[2]) if named else (None, text)
    if "@" in address:
        raise TargetNotAllowed(f"target {address!r} has user information", hint="leave out all before the @")
    try:
        scheme, host, port = split_address(address)
    except ValueError as cause:
        raise ConfigInvalid(
            f"target {cause}", hint="give --target localhost:8080, or SERVICE=HOST:PORT"
        ) from cause
    _check_spelling(address, host)
    if not 0 < port < 65_536:
        raise ConfigInvalid(f"target {address!r} has no port", hint="give --target localhost:8080")
    return Target(text=address, service=service, scheme=scheme, host=host, port=port)


def check_written(target: Target, allowed: Sequence[str]) -> None:
    """Refuse a target for what is written.

    Raises:
        TargetNotAllowed: it is neither this machine nor in `allowed`, or no target at all.
    """
    ip = _as_ip(target.host)
    if ip is not None:
        _check_never(target, ip)
    if not target.loopback and not _listed(target, allowed):
        raise TargetNotAllowed(
            f"target {target.text} is not this machine and not in allow_targets",
            hint=f'to allow it: allow_targets = ["{target.host}:{target.port}"] in mesh.toml',
        )


def check_production(target: Target, production: Sequence[str], recorded_at: Iterable[str] = ()) -> None:
    """Refuse a target that is production, whatever else allows it.

    Args:
        target: one that may be sent to as written.
        production: hosts that are, `*.example.com` for all below one.
        recorded_at: authorities where the requests were recorded: what was recorded there is real.

    Raises:
        TargetNotAllowed: it is one of these.
    """
    host = target.host.lower().rstrip(".")
    for entry in production:
        below = entry.removeprefix("*")
        if host == entry or (below != entry and host.endswith(below)):
            raise TargetNotAllowed(
                f"target {target.text} is production: {entry} in [replay] production",
                hint="no option allows it",
            )
    if not target.loopback and host in {_host_of(authority) for authority in recorded_at}:
        raise TargetNotAllowed(
            f"target {target.text} is where the requests were recorded",
            hint="if that is no production, give --allow-recorded-host",
        )


def check_addresses(target: Target, addresses: Iterable[str]) -> None:
    """Refuse a target for where its name leads.

    Raises:
        TargetNotAllowed: at least one address is not what the name promised.
    """
    for address in addresses:
        ip = ipaddress.ip_address(address.partition("%")[0])
        _check_never(target, ip)
        if target.loopback and not ip.is_loopback:
            raise TargetNotAllowed(
                f"{target.host} leads to {ip}, which is not this machine", hint="write the address"
            )
        if ip.is_loopback and not target.loopback:
            raise TargetNotAllowed(
                f"{target.host} leads to {ip}, which is this machine",
                hint=f"write localhost:{target.port} if it is meant",
            )


def unsafe_methods(target: Target, methods: Iterable[str]) -> list[str]:
    """The methods that this target gets only with consent."""
    if target.loopback:
        return []
    return [method for method in dict.fromkeys(methods) if method.upper() not in SAFE_METHODS]


def check_methods(target: Target, methods: Iterable[str]) -> None:
    """Refuse a plan that would change something elsewhere.

    Raises:
        TargetNotAllowed: a method is not safe, and the target is not this machine.
    """
    unsafe = unsafe_methods(target, methods)
    if unsafe:
        raise TargetNotAllowed(
            f"{', '.join(unsafe)} may change things at {target.text}, so nothing was sent",
            hint="look at --dry-run, then give --allow-unsafe",
        )


def _check_spelling(address: str, host: str) -> None:
    if "%" in host:
        raise TargetNotAllowed(
            f"target {address!r} names a network interface", hint="link-local addresses are no targets"
        )
    if _as_ip(host) is not None:
        return
    if _LIKE_AN_ADDRESS.fullmatch(host):
        raise TargetNotAllowed(f"target {address!r} is an address in disguise", hint="write it as 127.0.0.1")
    if not _NAME.fullmatch(host):
        raise TargetNotAllowed(
            f"target {address!r} is no plain host name", hint="write an ASCII name or an address"
        )


def _check_never(target: Target, ip: _Ip) -> None:
    why = _never(ip)
    if why is not None:
        leads = "" if target.host == str(ip) else f" leads to {ip}, which"
        raise TargetNotAllowed(
            f"target {target.text}{leads} is {why}", hint="such an address is never a target"
        )


def _never(ip: _Ip) -> str | None:
    if ip in _METADATA or ip.is_link_local:
        return "a link-local or metadata address"
    if ip.is_unspecified:
        return "every address of this machine"
    if ip.is_multicast or str(ip) == "255.255.255.255":
        return "an address of many machines"
    if ip.version == 6 and not ip.is_loopback and any(ip in net for net in _EMBEDS_IPV4):
        return "an IPv4 address in disguise"
    return None


def _as_ip(host: str) -> _Ip | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _host_of(authority: str) -> str:
    host = authority.rpartition("@")[2].lower()
    bare = host.partition("]")[0].strip("[") if host.startswith("[") else host.partition(":")[0]
    return bare.rstrip(".")


def _listed(target: Target, allowed: Sequence[str]) -> bool:
    for entry in allowed:
        _, host, port = split_address(entry)
        if port == target.port and host.lower().rstrip(".") == target.host.lower().rstrip("."):
            return True
    return False
