"""A pod in an Istio mesh: where its sidecar stands, and what has to name the sidecar's port too. Pure.

The path is caller, istio-proxy, mesh-record, service: mesh-record sees plain HTTP inside of the pod,
and everything that leaves the pod stays inside of mutual TLS. Nothing redirects traffic over loopback.
"""

from typing import Any

from ruamel.yaml.comments import CommentedMap

from mesh_recorder.deploy.documents import put
from mesh_recorder.deploy.kube_find import ISTIO, objects, template_of

_INCLUDE = "traffic.sidecar.istio.io/includeInboundPorts"
_EXCLUDE = "traffic.sidecar.istio.io/excludeInboundPorts"
_INJECT = "sidecar.istio.io/inject"
_STATUS = "sidecar.istio.io/status"
_REVISION = "istio.io/rev"


def injected(documents: list[Any], deployment: CommentedMap) -> bool:
    """Whether the pods are in an Istio mesh by sidecar, as far as the manifests show."""
    template = template_of(deployment)
    metadata = template.get("metadata") or {}
    marks = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
    if _INJECT in marks:
        return str(marks[_INJECT]).lower() == "true"
    pod = template["spec"]
    containers = [*pod["containers"], *(pod.get("initContainers") or [])]
    if _STATUS in marks or _REVISION in marks or any(item.get("name") == ISTIO for item in containers):
        return True
    namespace = (deployment.get("metadata") or {}).get("namespace")
    return any(_injects(thing) for thing in objects(documents) if _is_namespace(thing, namespace))


def _is_namespace(thing: CommentedMap, name: str | None) -> bool:
    return thing.get("kind") == "Namespace" and (thing.get("metadata") or {}).get("name") == name


def _injects(namespace: CommentedMap) -> bool:
    labels = (namespace.get("metadata") or {}).get("labels") or {}
    return labels.get("istio-injection") == "enabled" or _REVISION in labels


def name_port(deployment: CommentedMap, *, app: int, inbound: int) -> None:
    """Where annotations list the ports that pass Istio's proxy, or pass it by, list the sidecar's too."""
    metadata = template_of(deployment).get("metadata") or CommentedMap()
    annotations: CommentedMap = metadata.get("annotations") or CommentedMap()
    if _INCLUDE in annotations and annotations[_INCLUDE] not in ("*", ""):
        put(annotations, _INCLUDE, _with(annotations[_INCLUDE], inbound))
    if str(app) in _ports(annotations.get(_EXCLUDE, "")):
        put(annotations, _EXCLUDE, _with(annotations[_EXCLUDE], inbound))


def pass_by(deployment: CommentedMap, port: int) -> None:
    """Let a port be reached past Istio's proxy, where pods have one that the manifests do not show.

    Kubernetes' probes have no certificate: a namespace that injects by its label would refuse them.
    """
    metadata = template_of(deployment).get("metadata") or CommentedMap()
    put(template_of(deployment), "metadata", metadata, at=0)
    put(metadata, "annotations", metadata.get("annotations") or CommentedMap())
    put(metadata["annotations"], _EXCLUDE, _with(metadata["annotations"].get(_EXCLUDE, ""), port))


def _ports(text: Any) -> list[str]:
    return [port.strip() for port in str(text).split(",") if port.strip()]


def _with(text: Any, port: int) -> Any:
    ports = _ports(text)
    return text if str(port) in ports else ",".join([*ports, str(port)])
