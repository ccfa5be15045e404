"""What a Compose file says of one service: ports, networks, environment. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mesh_core.errors import MeshError

RESOLVED = "docker compose config | mesh-record compose SERVICE --file -"

_PROTOCOL = re.compile(r"/(tcp|udp)$")
_INTERPOLATED = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One entry of `ports`."""

    target: int | None
    """The port in the container; None for a range, for UDP, and for what only Compose can tell."""
    entry: Any
    """As it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeService:
    """One service of a Compose file."""

    name: str
    table: Mapping[str, Any]
    others: frozenset[str]
    """Names of the other services."""
    ports: tuple[Port, ...]
    exposed: frozenset[int]
    """TCP ports of `expose`."""
    networks: Mapping[str, Mapping[str, Any]]
    environment: Mapping[str, str | None]

    def listens_at(self) -> list[int]:
        """The TCP ports of the container that the file names."""
        return sorted({port.target for port in self.ports if port.target is not None} | self.exposed)


def find_service(documents: list[Any], name: str, where: str) -> ComposeService:
    """The service of that name.

    Raises:
        MeshError: it is not there, or its network cannot be taken over.
    """
    file = documents[0] if documents and isinstance(documents[0], dict) else {}
    services = file.get("services")
    if not isinstance(services, dict) or not services:
        raise MeshError(f"{where} has no services", hint="give a Compose file by --file")
    table = services.get(name)
    if name not in services:
        known = ", ".join(sorted(map(str, services)))
        more = f"; what it includes is seen by `{RESOLVED}`" if "include" in file else ""
        raise MeshError(f"{where} has no service {name}", hint=f"it has {known}{more}")
    if not isinstance(table, dict):
        raise MeshError(
            f"{where}: services.{name} is no service", hint="expected a table with an image or build"
        )
    _check(name, table, where)
    _check_guests(name, services, where)
    return ComposeService(
        name=name,
        table=table,
        others=frozenset(map(str, services)) - {name},
        ports=tuple(_port(entry) for entry in _items(table, "ports", name, where)),
        exposed=frozenset(_numbers(_items(table, "expose", name, where))),
        networks=_networks(table.get("networks"), name, where),
        environment=_environment(table.get("environment"), name, where),
    )


def _check(name: str, table: Mapping[str, Any], where: str) -> None:
    if "extends" in table:
        raise MeshError(f"{where}: {name} extends another service", hint=f"give it resolved: {RESOLVED}")
    mode = table.get("network_mode")
    if mode is not None:
        hint = "a service with a network of its own is needed; on the host's, run mesh-record on the host"
        if str(mode).startswith("service:"):
            hint = "is the sidecar there already? give the file without it"
        raise MeshError(f"{where}: {name} has network_mode {mode}", hint=hint)
    deploy = table.get("deploy")
    replicas = table.get("scale", deploy.get("replicas") if isinstance(deploy, dict) else None)
    if replicas not in (None, 1, "1"):
        raise MeshError(
            f"{where}: {name} runs {replicas} times, and a sidecar stands beside one",
            hint="set it to 1 while recording",
        )


def _check_guests(name: str, services: Mapping[str, Any], where: str) -> None:
    mode = f"service:{name}"
    guests = [
        str(other)
        for other, table in services.items()
        if isinstance(table, dict) and table.get("network_mode") == mode
    ]
    if guests:
        raise MeshError(
            f"{where}: {guests[0]} lives in the network of {name}",
            hint=f"give {guests[0]} a network of its own first",
        )


def _items(table: Mapping[str, Any], key: str, name: str, where: str) -> list[Any]:
    value = table.get(key) or []
    if not isinstance(value, list):
        raise MeshError(f"{where}: services.{name}.{key} is wrong", hint="expected a list")
    return value


def _port(entry: Any) -> Port:
    if isinstance(entry, dict):
        tcp = entry.get("protocol", "tcp") == "tcp"
        return Port(target=_number(str(entry.get("target"))) if tcp else None, entry=entry)
    # What stands in ${…} may hold a colon, and is Compose's to fill in.
    last = _INTERPOLATED.sub("$", str(entry)).rpartition(":")[2]
    return Port(target=_number(last), entry=entry)


def _numbers(entries: list[Any]) -> list[int]:
    return [port for entry in entries if (port := _number(str(entry))) is not None]


def _number(text: str) -> int | None:
    if text.endswith("/udp"):
        return None
    digits = _PROTOCOL.sub("", text)
    return int(digits) if digits.isdigit() else None


def _networks(value: Any, name: str, where: str) -> dict[str, Mapping[str, Any]]:
    if value is None:
        return {"default": {}}
    if isinstance(value, list):
        return {str(network): {} for network in value}
    if isinstance(value, dict) and all(_is_network(inner) for inner in value.values()):
        return {str(network): inner or {} for network, inner in value.items()}
    raise MeshError(f"{where}: services.{name}.networks is wrong", hint="expected a list or a table")


def _is_network(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is None
    aliases = value.get("aliases") or []
    return isinstance(aliases, list) and all(isinstance(alias, str) for alias in aliases)


def _environment(value: Any, name: str, where: str) -> dict[str, str | None]:
    if value is None:
        return {}
    if isinstance(value, dict):
        return {str(key): None if inner is None else str(inner) for key, inner in value.items()}
    if isinstance(value, list):
        pairs = [str(entry).partition("=") for entry in value]
        return {key: text if equals else None for key, equals, text in pairs}
    raise MeshError(f"{where}: services.{name}.environment is wrong", hint="expected a list or a table")
