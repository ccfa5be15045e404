"""In Kubernetes manifests: the Service, the Deployments behind it, and the port that moves. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.comments import CommentedMap

from mesh_core.errors import MeshError
from mesh_recorder.deploy.kube_shape import check_shape

BEFORE = "mesh-record/before"
"""An annotation that keeps what was there before us, as JSON."""
SIDECAR = "mesh-record"
"""Name of our container, its volume and its port."""
ISTIO = "istio-proxy"

_HTTP = ("http", "grpc", "h2c", "kubernetes.io/h2c", "kubernetes.io/ws")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one run works on: nodes of the documents, to be changed in place."""

    service: CommentedMap
    deployments: list[CommentedMap]
    moved: list[CommentedMap]
    """The Service's ports whose target moves to the sidecar."""
    target: int | str
    """Where they pointed before: a number, or a container port's name."""


def objects(documents: list[Any]) -> Iterator[CommentedMap]:
    """Every object, those in a `kind: List` too."""
    for document in documents:
        if not isinstance(document, CommentedMap):
            continue  # what is no object is not ours to judge
        items = document.get("items")
        if str(document.get("kind", "")).endswith("List") and isinstance(items, list):
            yield from objects(items)
        else:
            yield document


def find(documents: list[Any], name: str, *, port: str | None, where: str) -> Found:
    """The Service `name`, the Deployments that it selects, and its port.

    Raises:
        MeshError: one of them is not there, or cannot be recorded this way.
    """
    everything = list(objects(documents))
    for thing in everything:
        check_shape(thing, where)
    service = _service(everything, name, where)
    deployments = _deployments(everything, service, name, where)
    entry = _entry(service, name, port)
    target = target_of(service, entry)
    ports = [other for other in ports_of(service) if target_of(service, other) == target]
    return Found(service=service, deployments=deployments, moved=ports, target=target)


def ports_of(service: CommentedMap) -> list[CommentedMap]:
    """The Service's TCP ports."""
    ports = service["spec"].get("ports") or []
    return [port for port in ports if "port" in port and port.get("protocol", "TCP") == "TCP"]


def key_of(entry: CommentedMap) -> str:
    """What tells a Service's port from its others."""
    return str(entry.get("name") or entry.get("port"))


def before(thing: CommentedMap) -> dict[str, Any]:
    """What the object had before an earlier run changed it."""
    annotations = (thing.get("metadata") or {}).get("annotations") or {}
    try:
        remembered = json.loads(str(annotations.get(BEFORE, "{}")))
    except ValueError:
        return {}
    return remembered if isinstance(remembered, dict) else {}


def target_of(service: CommentedMap, entry: CommentedMap) -> int | str:
    """Where that port of the Service points without us."""
    target = str(before(service).get(key_of(entry)) or entry.get("targetPort") or entry["port"])
    return int(target) if target.isdigit() else target


def _service(everything: list[CommentedMap], name: str, where: str) -> CommentedMap:
    services = [thing for thing in everything if thing.get("kind") == "Service"]
    service = next((thing for thing in services if name_of(thing) == name), None)
    if service is None:
        known = ", ".join(sorted(map(name_of, services)))
        hint = (
            f"it has {known}"
            if known
            else f"kubectl get deployment,service -o yaml | mesh-record kube {name}"
        )
        raise MeshError(f"{where} has no Service {name}", hint=hint)
    spec = service.get("spec") or {}
    if not spec.get("selector"):
        raise MeshError(
            f"Service {name} selects no pods", hint="a sidecar stands in a pod: give that pod's Service"
        )
    if spec.get("clusterIP") == "None":
        raise MeshError(
            f"Service {name} is headless: its callers go to the pods' own port",
            hint="record a Service with a cluster IP, or the callers' side",
        )
    return service


def _deployments(
    everything: list[CommentedMap], service: CommentedMap, name: str, where: str
) -> list[CommentedMap]:
    """All Deployments behind the Service: a pod without the sidecar would be cut off."""
    same = [
        thing
        for thing in everything
        if thing.get("kind") == "Deployment" and _namespace(thing) == _namespace(service)
    ]
    if not same:
        hint = f"give it too: kubectl get deployment,service -o yaml | mesh-record kube {name}"
        raise MeshError(f"{where} has no Deployment", hint=hint)
    selector = service["spec"]["selector"]
    chosen = [thing for thing in same if selector.items() <= pod_labels(thing).items()]
    if not chosen:
        other, labels = name_of(same[0]), _pairs(pod_labels(same[0])) or "nothing"
        raise MeshError(
            f"Service {name} selects {_pairs(selector)}, and the pods of Deployment {other} have {labels}",
            hint="give the Deployment behind that Service",
        )
    return chosen


def _pairs(labels: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def pod_labels(deployment: CommentedMap) -> dict[str, Any]:
    """The labels of a Deployment's pods."""
    return dict((template_of(deployment).get("metadata") or {}).get("labels") or {})


def template_of(deployment: CommentedMap) -> CommentedMap:
    """The pod template.

    Raises:
        MeshError: there is none, or it has no containers.
    """
    template: CommentedMap = (deployment.get("spec") or {}).get("template") or CommentedMap()
    spec = template.get("spec") or {}
    if not deployment.get("metadata") or not spec.get("containers"):
        raise MeshError(f"Deployment {name_of(deployment)} has no containers", hint="give it whole")
    return template


def _entry(service: CommentedMap, name: str, wanted: str | None) -> CommentedMap:
    ports = ports_of(service)
    listed = ", ".join(f"{key_of(port)} ({port.get('port')})" for port in ports)
    if not ports:
        raise MeshError(f"Service {name} has no TCP port", hint="there is nothing to record")
    if wanted is not None:
        chosen = [port for port in ports if wanted in (port.get("name"), str(port.get("port")))]
        if not chosen:
            raise MeshError(f"Service {name} has no port {wanted}", hint=f"it has {listed}")
    else:
        chosen = ports if len(ports) == 1 else [port for port in ports if _is_http(port)]
    if len(chosen) != 1:
        raise MeshError(
            f"Service {name} has the ports {listed}", hint="say by --port which is to be recorded"
        )
    if _protocol(chosen[0]).startswith(("https", "tls")):
        raise MeshError(
            f"port {key_of(chosen[0])} of Service {name} is TLS up to the service itself",
            hint="see docs/how-to/kubernetes.md on TLS inside of the pod",
        )
    return chosen[0]


def _protocol(port: CommentedMap) -> str:
    """What the port says it speaks: by `appProtocol`, else by its name, which Istio reads so too."""
    return str(port.get("appProtocol") or port.get("name") or "").lower()


def _is_http(port: CommentedMap) -> bool:
    return _protocol(port).startswith(_HTTP) and not _protocol(port).startswith("https")


def name_of(thing: CommentedMap) -> str:
    """`metadata.name`."""
    return str((thing.get("metadata") or {}).get("name", ""))


def _namespace(thing: CommentedMap) -> str | None:
    return (thing.get("metadata") or {}).get("namespace")


def namespace_option(thing: CommentedMap) -> str:
    """` -n NAMESPACE` for kubectl, where the object names one."""
    namespace = _namespace(thing)
    return f" -n {namespace}" if namespace else ""
