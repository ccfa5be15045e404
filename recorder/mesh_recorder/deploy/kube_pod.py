"""A pod template with a sidecar in it. Pure: the nodes that are given are changed in place.

1. Only what the sidecar needs is changed, and what is there already is left as it stands, comments too.
2. Nothing about the sidecar may hold the service back for long: it is ready whatever becomes of the
   store, no limit evicts the pod in normal work, and secrets may be missing.
3. The service's own probes stay what they are, and go to the service.
"""

import json
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from mesh_core.errors import MeshError
from mesh_recorder.deploy.documents import drop_named, put, put_named, tree
from mesh_recorder.deploy.kube_find import BEFORE, ISTIO, SIDECAR, before, name_of, template_of
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
from mesh_recorder.deploy.variables import AppVariables, app_variables, without_java_options
from mesh_recorder.settings import Listen

TRUST = "mesh-trust"
NAMES = "mesh-replay"
"""The Secret with store and key, and the ConfigMap with mesh.toml."""
ADMIN_PORT = "mesh-admin"
"""Health and metrics."""
GRACE = 30
"""Seconds that Kubernetes gives a pod that names no others."""
API_SERVER = "$(KUBERNETES_SERVICE_HOST)"
"""Filled in by Kubernetes; its calls carry credentials, and are not service to service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodWish:
    """What is to stand beside the service."""

    service: str
    image: str
    target: int | str
    """The service's own port: a number, or a container port's name."""
    container: str | None = None
    intercept: tuple[str, ...] = ()
    edge: bool = False
    java: bool = False
    config: bool = False
    """Whether there is a `mesh.toml`, to be mounted from a ConfigMap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarPorts:
    """Where the sidecar listens."""

    inbound: int
    outbound: int
    admin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PodChange:
    """What came of it."""

    container: str
    port: int
    """The service's own port."""
    inbound: int
    """The sidecar's."""
    variables: AppVariables


def add_sidecar(deployment: CommentedMap, wish: PodWish, ports: SidecarPorts, *, meshed: bool) -> PodChange:
    """Put the sidecar into the Deployment's pods; `meshed`: they are in an Istio mesh.

    Raises:
        MeshError: the container or the port cannot be told.
    """
    pod = template_of(deployment)["spec"]
    if pod.get("hostNetwork"):
        raise MeshError(
            f"the pods of Deployment {name_of(deployment)} live in the node's network",
            hint="run mesh-record on the node, or give them a network of their own",
        )
    container, port = _container(deployment, pod, wish)
    variables = app_variables(
        {str(item.get("name")): _value(item) for item in container.get("env") or []},
        proxy=Listen(host="127.0.0.1", port=ports.outbound),
        direct=(API_SERVER,),
        trust=bool(wish.intercept),
        java=wish.java,
    )
    sidecar = Sidecar(
        service=wish.service,
        app=f"127.0.0.1:{port}",
        inbound=f"0.0.0.0:{ports.inbound}",
        outbound=f"127.0.0.1:{ports.outbound}",
        instance="$(POD_NAME)",
        admin=f"0.0.0.0:{ports.admin}",
        intercept=wish.intercept,
        edge=wish.edge,
    )
    _change_app(container, variables, trust=bool(wish.intercept))
    _change_volumes(pod, wish)
    _change_init_containers(pod, [*_trust(wish), sidecar_container(sidecar, wish, ports, meshed=meshed)])
    _change_grace(deployment, pod)
    return PodChange(
        container=str(container.get("name")), port=port, inbound=ports.inbound, variables=variables
    )


def choose_ports(deployments: list[CommentedMap]) -> SidecarPorts:
    """Ports that no container of those pods names, the same in every pod."""
    taken: set[int] = set()
    for deployment in deployments:
        pod = template_of(deployment)["spec"]
        for container in [*pod["containers"], *(pod.get("initContainers") or [])]:
            if container.get("name") != SIDECAR:
                ports = container.get("ports") or []
                taken |= {port["containerPort"] for port in ports if port.get("containerPort")}
    inbound = free_port(taken)
    outbound = free_port({*taken, inbound})
    return SidecarPorts(inbound=inbound, outbound=outbound, admin=free_port({*taken, inbound, outbound}))


def _container(deployment: CommentedMap, pod: CommentedMap, wish: PodWish) -> tuple[CommentedMap, int]:
    """The service's container and the port that it listens at."""
    containers = [
        container for container in pod["containers"] if container.get("name") not in (ISTIO, SIDECAR)
    ]
    names = ", ".join(str(container.get("name")) for container in containers)
    if wish.container is not None:
        containers = [container for container in containers if container.get("name") == wish.container]
        if not containers:
            raise MeshError(f"there is no container {wish.container}", hint=f"the pod has {names}")
    for container in containers:
        for port in container.get("ports") or []:
            if port.get("containerPort") and wish.target in (port.get("name"), port["containerPort"]):
                return container, int(port["containerPort"])
    if isinstance(wish.target, str):
        raise MeshError(
            f"no container of Deployment {name_of(deployment)} has the Service's port {wish.target}",
            hint="name that port in the Deployment, or correct the Service's targetPort",
        )
    if len(containers) != 1:
        raise MeshError(
            f"which container of Deployment {name_of(deployment)} listens at {wish.target} cannot be told",
            hint=f"say it by --container: {names}",
        )
    return containers[0], wish.target


def _value(item: dict[str, Any]) -> str | None:
    value = item.get("value")
    return None if value is None else str(value)


def _change_app(container: CommentedMap, variables: AppVariables, *, trust: bool) -> None:
    if variables.values:
        put(container, "env", container.get("env") or CommentedSeq(), at=_after(container, "image"))
        for name, value in reversed(list(variables.values.items())):
            put_named(container["env"], {"name": name, "value": value})
    _forget(container, variables, trust=trust)
    if trust:
        put(container, "volumeMounts", container.get("volumeMounts") or CommentedSeq())
        put_named(container["volumeMounts"], {"name": TRUST, "mountPath": TRUST_FOLDER, "readOnly": True})


def _forget(container: CommentedMap, variables: AppVariables, *, trust: bool) -> None:
    """Take out what an earlier run added and this one does not: nothing may point to files that are gone."""
    env: CommentedSeq = container.get("env") or CommentedSeq()
    for item in list(env):
        name, value = str(item.get("name")), str(item.get("value", ""))
        if name in variables.values:
            continue
        if name == "JAVA_TOOL_OPTIONS" and without_java_options(value) != value:
            put(item, "value", without_java_options(value))
        if value.startswith(f"{TRUST_FOLDER}/") or (
            name == "JAVA_TOOL_OPTIONS" and not item.get("value", value)
        ):
            drop_named(env, name)
    if not trust and container.get("volumeMounts"):
        drop_named(container["volumeMounts"], TRUST)
        if not container["volumeMounts"]:
            del container["volumeMounts"]


def _after(table: CommentedMap, key: str) -> int:
    return list(table).index(key) + 1 if key in table else len(table)


def _change_volumes(pod: CommentedMap, wish: PodWish) -> None:
    put(pod, "volumes", pod.get("volumes") or CommentedSeq(), at=list(pod).index("containers"))
    volumes: CommentedSeq = pod["volumes"]
    for wanted, volume in (
        (wish.config, {"name": f"{SIDECAR}-config", "configMap": {"name": NAMES}}),
        (bool(wish.intercept), {"name": TRUST, "emptyDir": {"sizeLimit": "16Mi"}}),
    ):
        if wanted:
            put_named(volumes, volume)
        else:
            drop_named(volumes, str(volume["name"]))
    # The spool takes 1 GiB at most, a store of the pod's own 2 GiB: far from where Kubernetes evicts.
    put_named(volumes, {"name": SIDECAR, "emptyDir": {"sizeLimit": "4Gi"}})


def _change_init_containers(pod: CommentedMap, ours: list[dict[str, Any]]) -> None:
    """Ours stand last: the others go on without us, and Istio's proxy starts before and ends after."""
    there = list(pod.get("initContainers") or [])
    if there[len(there) - len(ours) :] == ours and len(there) >= len(ours):
        return
    names = {SIDECAR, TRUST}
    kept = [item for item in there if item.get("name") not in names]
    if not pod.get("initContainers"):
        put(pod, "initContainers", CommentedSeq(), at=list(pod).index("containers"))
    items: CommentedSeq = pod["initContainers"]
    for number in reversed(range(len(items))):
        if items[number] not in kept:
            del items[number]
    items.extend(tree(item) for item in ours)


def _change_grace(deployment: CommentedMap, pod: CommentedMap) -> None:
    """Time to drain and ship after the service has ended, on top of what the service has."""
    named = [values.get("terminationGracePeriodSeconds") for values in (before(deployment), pod)]
    grace = next((seconds for seconds in named if isinstance(seconds, int)), GRACE)
    put(pod, "terminationGracePeriodSeconds", grace + DRAIN, at=list(pod).index("containers"))
    remember(deployment, {"terminationGracePeriodSeconds": grace})


def remember(thing: CommentedMap, values: dict[str, Any]) -> None:
    """Note in an annotation what the object had before us."""
    metadata = thing["metadata"]
    put(metadata, "annotations", metadata.get("annotations") or CommentedMap(), at=_after(metadata, "name"))
    put(metadata["annotations"], BEFORE, json.dumps(values), at=0)


def _trust(wish: PodWish) -> list[dict[str, Any]]:
    """Writes the certificates that the service is to trust, before it starts."""
    if not wish.intercept:
        return []
    mounts = [{"name": TRUST, "mountPath": TRUST_FOLDER}, *_mounts(wish)]
    return [
        {
            "name": TRUST,
            "image": wish.image,
            "args": ["trust-files", TRUST_FOLDER],
            **({"env": _config_env(wish)} if wish.config else {}),
            "resources": _resources(),
            "securityContext": _confined(),
            "volumeMounts": mounts,
        }
    ]


def _probes(admin: int, *, meshed: bool) -> dict[str, Any]:
    """The start waits until traffic is taken, and readiness goes by that; who answers at all, lives."""

    def probe(path: str, **often: int) -> dict[str, Any]:
        # Under Istio by exec: over the network it would have to pass its proxy, which may not have started.
        over_loopback = {"exec": {"command": [*HEALTHY, f"127.0.0.1:{admin}", path]}}
        ask = over_loopback if meshed else {"httpGet": {"path": path, "port": admin}}
        return {**ask, "timeoutSeconds": 5, **often}

    return {
        "startupProbe": probe("/readyz", periodSeconds=1, failureThreshold=60),
        "readinessProbe": probe("/readyz", periodSeconds=5, failureThreshold=3),
        "livenessProbe": probe("/healthz", periodSeconds=10, failureThreshold=6),
    }


def sidecar_container(
    sidecar: Sidecar, wish: PodWish, ports: SidecarPorts, *, meshed: bool
) -> dict[str, Any]:
    """The sidecar: a native one, so it starts before the service and ends after it."""
    return {
        "name": SIDECAR,
        "image": wish.image,
        "restartPolicy": "Always",
        "args": sidecar.arguments(),
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            _secret("MESH_STORE", "store"),
            _secret("MESH_REDACT_KEY", "redact-key"),
            *_config_env(wish),
        ],
        "ports": [
            {"name": SIDECAR, "containerPort": ports.inbound, "protocol": "TCP"},
            {"name": ADMIN_PORT, "containerPort": ports.admin, "protocol": "TCP"},
        ],
        **_probes(ports.admin, meshed=meshed),
        "resources": _resources(),
        "securityContext": _confined(),
        "volumeMounts": _mounts(wish),
    }


def _secret(variable: str, key: str) -> dict[str, Any]:
    reference = {"name": NAMES, "key": key, "optional": True}
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def _config_env(wish: PodWish) -> list[dict[str, Any]]:
    return [{"name": "MESH_TRUST_CONFIG", "value": "1"}] if wish.config else []


def _mounts(wish: PodWish) -> list[dict[str, Any]]:
    config = {"name": f"{SIDECAR}-config", "mountPath": CONFIG, "subPath": "mesh.toml", "readOnly": True}
    return [{"name": SIDECAR, "mountPath": FOLDER}, *([config] if wish.config else [])]


def _resources() -> dict[str, Any]:
    # No limit of CPU: to be throttled would delay every request.
    return {"requests": {"cpu": "50m", "memory": "192Mi"}, "limits": {"memory": "512Mi"}}


def _confined() -> dict[str, Any]:
    return {
        "runAsNonRoot": True,
        "runAsUser": UID,
        "runAsGroup": UID,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
