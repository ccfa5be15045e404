"""A Compose override that puts a sidecar beside one service. Pure: text comes in, text goes out.

1. Callers keep the service's name and port: the sidecar has them now.
2. The service keeps its port, its way to everything else and its own name for logs and exec.
   Compose gives each service its name on its networks and cannot be told not to, so the service
   moves into the network of a container that does nothing but hold one.
3. Nothing but the service's own entry is changed, and all of it by what this file adds or resets:
   without the file, all is as before.
"""

from dataclasses import dataclass
from typing import Any

from ruamel.yaml.comments import CommentedMap, TaggedScalar

from mesh_core.errors import MeshError
from mesh_recorder.deploy.compose_file import ComposeService, find_service
from mesh_recorder.deploy.compose_words import heading
from mesh_recorder.deploy.documents import read_documents, tree, write_documents
from mesh_recorder.deploy.promise import (
    CONFIG,
    DRAIN,
    FOLDER,
    HEALTHY,
    TRUST_FOLDER,
    UID,
    Sidecar,
    free_port,
)
from mesh_recorder.deploy.variables import AppVariables, app_variables
from mesh_recorder.settings import Listen

OF_A_NETWORK = (
    "hostname",
    "domainname",
    "dns",
    "dns_search",
    "dns_opt",
    "extra_hosts",
    "links",
    "mac_address",
)
"""What belongs to a network rather than to a process, and goes where the network goes."""
ADDRESSES = ("aliases", "ipv4_address", "ipv6_address", "link_local_ips", "mac_address")
"""By what callers find a service on a network."""
STATE, TRUST = "mesh-replay", "mesh-trust"
"""Volumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeWish:
    """What the command line asked for."""

    service: str
    file: str
    """The Compose file's name, for people."""
    image: str
    port: int | None = None
    """Where the service listens, and callers reach it."""
    intercept: tuple[str, ...] = ()
    edge: bool = False
    java: bool = False
    config: str | None = None
    """Path of the project's `mesh.toml`, as Compose is to read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What was read, and what was decided."""

    wish: ComposeWish
    service: ComposeService
    port: int
    outbound: int
    admin: int

    @property
    def net(self) -> str:
        return f"{self.service.name}-net"

    @property
    def mesh(self) -> str:
        return f"{self.service.name}-mesh"

    @property
    def trust(self) -> str:
        return f"{self.service.name}-trust"


def compose_override(text: str, wish: ComposeWish) -> str:
    """The override for the Compose file in `text`.

    Raises:
        MeshError: no sidecar can be put there; says why and what to change.
    """
    service = find_service(read_documents(text, wish.file), wish.service, wish.file)
    port = _port(service, wish)
    taken = {*service.listens_at(), port}
    outbound = free_port(taken)
    admin = free_port({*taken, outbound})
    plan = _Plan(wish=wish, service=service, port=port, outbound=outbound, admin=admin)
    for name in (plan.net, plan.mesh, plan.trust):
        if name in service.others:
            hint = "give the file without the sidecar"
            raise MeshError(f"{wish.file} has a service {name} already", hint=hint)
    variables = app_variables(
        service.environment,
        proxy=Listen(host=plan.mesh, port=plan.outbound),
        callees=service.others,
        trust=bool(wish.intercept),
        java=wish.java,
    )
    others = [number for number in service.listens_at() if number != port]
    words = heading(service.name, port, others, variables, wish.file, wish.intercept)
    return words + write_documents([_document(plan, variables)])


def _port(service: ComposeService, wish: ComposeWish) -> int:
    if wish.port is not None:
        return wish.port
    ports = service.listens_at()
    if len(ports) == 1:
        return ports[0]
    if ports:
        raise MeshError(
            f"{service.name} has the ports {', '.join(map(str, ports))}",
            hint="say by --port which of them is HTTP and to be recorded",
        )
    raise MeshError(
        f"{wish.file} does not say where {service.name} listens",
        hint="give --port, the number that its callers use",
    )


def _document(plan: _Plan, variables: AppVariables) -> CommentedMap:
    parts = [
        (
            plan.service.name,
            "as it is, but for its network and for where its calls go",
            _app(plan, variables),
        ),
        (plan.net, "holds the network of the service, so that its name is free for the sidecar", _net(plan)),
        (plan.mesh, "the sidecar: has the service's name on its networks", _mesh(plan)),
    ]
    volumes: dict[str, Any] = {STATE: {}}
    if plan.wish.intercept:
        parts.append(
            (plan.trust, "writes the certificates that the service is to trust, and ends", _trust(plan))
        )
        volumes[TRUST] = {}
    document: CommentedMap = tree({"services": {name: part for name, _, part in parts}, "volumes": volumes})
    for name, note, _ in parts:
        document["services"].yaml_set_comment_before_after_key(name, before=note, indent=2)
    return document


def _app(plan: _Plan, variables: AppVariables) -> dict[str, Any]:
    """What changes for the service itself."""
    taken = [key for key in ("networks", "ports", "expose", *OF_A_NETWORK) if key in plan.service.table]
    app: dict[str, Any] = {
        "network_mode": f"service:{plan.net}",
        **{key: TaggedScalar(value="null", style=None, tag="!reset") for key in taken},
        "depends_on": {plan.mesh: {"condition": "service_healthy"}},
    }
    if variables.values:
        app["environment"] = dict(variables.values)
    if plan.wish.intercept:
        app["depends_on"][plan.trust] = {"condition": "service_completed_successfully"}
        app["volumes"] = [f"{TRUST}:{TRUST_FOLDER}:ro"]
    return app


def _confined(plan: _Plan) -> dict[str, Any]:
    """What every container of ours is started with: no root, no privilege, nothing to write to."""
    profiles = plan.service.table.get("profiles")
    return {
        "image": plan.wish.image,
        "user": f"{UID}:{UID}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        **({"profiles": profiles} if profiles else {}),
    }


def _net(plan: _Plan) -> dict[str, Any]:
    """The container that holds the network which the service's process lives in."""
    service = plan.service
    ports = [port.entry for port in service.ports if port.target != plan.port]
    networks = {
        network: {key: value for key, value in table.items() if key not in ADDRESSES} or None
        for network, table in service.networks.items()
    }
    return {
        **_confined(plan),
        "entrypoint": ["sleep", "infinity"],
        "init": True,
        "tmpfs": [FOLDER],
        "networks": networks,
        **({"ports": ports} if ports else {}),
        **{key: service.table[key] for key in OF_A_NETWORK if key in service.table},
        "healthcheck": {"disable": True},
        "restart": "unless-stopped",
    }


def _mesh(plan: _Plan) -> dict[str, Any]:
    """The sidecar."""
    service = plan.service
    ports = [port.entry for port in service.ports if port.target == plan.port]
    networks = {
        network: {**table, "aliases": list(dict.fromkeys([service.name, *(table.get("aliases") or [])]))}
        for network, table in service.networks.items()
    }
    return {
        **_confined(plan),
        "command": _sidecar(plan).arguments(),
        # Without a value: taken from the shell or .env where it is set there, and never printed here.
        "environment": {"MESH_STORE": None, "MESH_REDACT_KEY": None, **_config_variables(plan)},
        "volumes": [f"{STATE}:{FOLDER}", *_config_mount(plan)],
        "networks": networks,
        **({"ports": ports} if ports else {}),
        **({"sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"}} if plan.port < 1024 else {}),
        "depends_on": {plan.net: {"condition": "service_started"}},
        "healthcheck": {
            "test": ["CMD", *HEALTHY, f"127.0.0.1:{plan.admin}"],
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "start_period": "30s",
            "start_interval": "1s",
        },
        "restart": "unless-stopped",
        "stop_grace_period": f"{DRAIN}s",
    }


def _sidecar(plan: _Plan) -> Sidecar:
    return Sidecar(
        service=plan.service.name,
        app=f"{plan.net}:{plan.port}",
        inbound=f"0.0.0.0:{plan.port}",
        outbound=f"0.0.0.0:{plan.outbound}",
        # Not the container's name, which changes: what waits in its spool is found again.
        instance=plan.service.name,
        # Of the container alone: metrics are for whoever opens it on purpose.
        admin=f"127.0.0.1:{plan.admin}",
        intercept=plan.wish.intercept,
        edge=plan.wish.edge,
    )


def _config_variables(plan: _Plan) -> dict[str, str]:
    return {"MESH_TRUST_CONFIG": "1"} if plan.wish.config else {}


def _config_mount(plan: _Plan) -> list[dict[str, Any]]:
    if plan.wish.config is None:
        return []
    return [
        {
            "type": "bind",
            "source": plan.wish.config,
            "target": CONFIG,
            "read_only": True,
            # A file that is missing is an error, and no folder made in its place.
            "bind": {"create_host_path": False},
        }
    ]


def _trust(plan: _Plan) -> dict[str, Any]:
    """Writes the certificates that the service is to trust, and ends."""
    return {
        **_confined(plan),
        "command": ["trust-files", TRUST_FOLDER],
        **({"environment": _config_variables(plan)} if plan.wish.config else {}),
        "volumes": [f"{STATE}:{FOLDER}", f"{TRUST}:{TRUST_FOLDER}", *_config_mount(plan)],
        "network_mode": "none",
        "healthcheck": {"disable": True},
    }
