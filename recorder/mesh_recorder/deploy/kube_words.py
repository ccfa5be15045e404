"""What is said about manifests with a sidecar: order, way back, what stays unseen. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mesh_recorder.deploy.kube_pod import NAMES, PodChange
from mesh_recorder.deploy.unseen import unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What there is to tell."""

    service: str
    namespace: str
    """` -n NAMESPACE`, or nothing."""
    port: int
    """The Service's port."""
    undo: Sequence[tuple[int, int | str]]
    """Which of the Service's ports pointed where, by their place in the list."""
    deployments: Sequence[str]
    changes: Sequence[PodChange]
    meshed: Sequence[bool]
    intercept: tuple[str, ...]
    others: Sequence[str]
    """Ports of the Service that are not recorded."""
    config: bool


def notes(told: Told) -> list[str]:
    """A line each."""
    return [*_what(told), *_order(told), *_settings(told), *_back(told), *_unseen(told)]


def _what(told: Told) -> list[str]:
    change = told.changes[0]
    lines = [
        f"{told.service}:{told.port} goes to the sidecar at {change.inbound} of the pod, and on to "
        f"{change.port} of {change.container}; a NetworkPolicy that names {change.port} must name "
        f"{change.inbound} too"
    ]
    if any(told.meshed):
        lines.append(
            "with Istio: caller, istio-proxy, mesh-record, service; what names the pod's port "
            f"({change.port}: portLevelMtls, AuthorizationPolicy) must name {change.inbound} too, and "
            "istio-proxy should be a native sidecar, else what is not shipped when a pod ends is lost"
        )
    return lines


def _order(told: Told) -> list[str]:
    """The Deployment first: a Service that points to a port which pods do not have yet fails requests."""
    again = f"mesh-record kube {told.service}"
    rollout = " && ".join(
        f"kubectl rollout status{told.namespace} deployment/{name}" for name in told.deployments
    )
    return [
        "apply the Deployment first, and the Service once all its pods have the sidecar:",
        f"  {again} --part deployment <MANIFESTS | kubectl apply -f - && {rollout}",
        f"  {again} --part service <MANIFESTS | kubectl apply -f -",
    ]


def _settings(told: Told) -> list[str]:
    lines = [
        f"store and key come from the Secret {NAMES}; without it each pod keeps its own store until it ends:",
        f"  kubectl create secret generic{told.namespace} {NAMES} --from-literal=store=postgresql://… "
        '--from-literal=redact-key="$(openssl rand -hex 32)"',
    ]
    if told.config:
        lines += [
            f"mesh.toml comes from the ConfigMap {NAMES}, which must be there:",
            f"  kubectl create configmap{told.namespace} {NAMES} --from-file=mesh.toml",
        ]
    return lines


def _back(told: Told) -> list[str]:
    """The Service first, for the same reason."""
    patch = [{"op": "replace", "path": f"/spec/ports/{at}/targetPort", "value": to} for at, to in told.undo]
    return [
        "the way back, without a failed request either:",
        f"  kubectl patch{told.namespace} service {told.service} --type=json -p '{json.dumps(patch)}'",
        "  then apply the Deployment as it was"
        + "".join(
            f", or: kubectl rollout undo{told.namespace} deployment/{name}" for name in told.deployments[:1]
        ),
    ]


def _unseen(told: Told) -> list[str]:
    lines = unseen(told.service, told.changes[0].variables, told.intercept)
    lines.append(
        "callers that go around the Service: to a pod's address, or by another Service of these pods"
    )
    if told.others:
        lines.append(f"other ports of the Service: {', '.join(told.others)}")
    return ["what stays unseen:", *(f"  {line}" for line in lines)]
