"""Deployment and Service with a sidecar between them. Pure: YAML comes in, YAML and notes go out.

What is printed can be given in again, and comes out the same.
"""

from dataclasses import dataclass
from enum import StrEnum

from mesh_recorder.deploy import istio
from mesh_recorder.deploy.documents import put, read_documents, write_documents
from mesh_recorder.deploy.kube_find import Found, find, key_of, name_of, namespace_option, ports_of, target_of
from mesh_recorder.deploy.kube_pod import PodChange, PodWish, add_sidecar, choose_ports, remember
from mesh_recorder.deploy.kube_words import Told, notes


class Part(StrEnum):
    """Which of the manifests are printed."""

    ALL = "all"
    DEPLOYMENT = "deployment"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeWish:
    """What the command line asked for."""

    service: str
    image: str
    port: str | None = None
    """Name or number of the Service's port."""
    container: str | None = None
    intercept: tuple[str, ...] = ()
    edge: bool = False
    java: bool = False
    config: bool = False
    part: Part = Part.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeManifests:
    """What is printed."""

    text: str
    notes: tuple[str, ...]
    """For people: the order, the way back, what stays unseen."""


def kube_manifests(text: str, wish: KubeWish, *, where: str = "the input") -> KubeManifests:
    """The manifests in `text`, with the sidecar.

    Raises:
        MeshError: it cannot be put there; says why and what to change.
    """
    documents = read_documents(text, where)
    found = find(documents, wish.service, port=wish.port, where=where)
    ports = choose_ports(found.deployments)
    pod = PodWish(
        service=wish.service,
        image=wish.image,
        target=found.target,
        container=wish.container,
        intercept=wish.intercept,
        edge=wish.edge,
        java=wish.java,
        config=wish.config,
    )
    meshed = [istio.injected(documents, deployment) for deployment in found.deployments]
    changes = [
        add_sidecar(deployment, pod, ports, meshed=injected)
        for deployment, injected in zip(found.deployments, meshed, strict=True)
    ]
    for deployment, change in zip(found.deployments, changes, strict=True):
        istio.name_port(deployment, app=change.port, inbound=ports.inbound)
    for deployment, injected in zip(found.deployments, meshed, strict=True):
        if not injected:
            istio.pass_by(deployment, ports.admin)
    told = _told(found, changes, meshed, wish)
    _move(found, ports.inbound)
    chosen = {Part.DEPLOYMENT: found.deployments, Part.SERVICE: [found.service], Part.ALL: documents}
    return KubeManifests(text=write_documents(chosen[wish.part], like=text), notes=tuple(notes(told)))


def _told(found: Found, changes: list[PodChange], meshed: list[bool], wish: KubeWish) -> Told:
    moved = {key_of(entry) for entry in found.moved}
    ports = found.service["spec"]["ports"]
    return Told(
        service=wish.service,
        namespace=namespace_option(found.service),
        port=found.moved[0]["port"],
        undo=[(number, found.target) for number, entry in enumerate(ports) if key_of(entry) in moved],
        deployments=[name_of(deployment) for deployment in found.deployments],
        changes=changes,
        meshed=meshed,
        intercept=wish.intercept,
        others=[key_of(entry) for entry in ports_of(found.service) if key_of(entry) not in moved],
        config=wish.config,
    )


def _move(found: Found, inbound: int) -> None:
    """Point the Service at the sidecar.

    By number: before Kubernetes 1.32 a Service did not find native sidecars' ports by name.
    """
    moved = {key_of(entry): target_of(found.service, entry) for entry in found.moved}
    for entry in found.moved:
        put(entry, "targetPort", inbound)
    remember(found.service, moved)
