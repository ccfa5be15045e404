from typing import Any

import pytest

from mesh_recorder.deploy.kube import KubeWish, kube_manifests
from mesh_recorder.deploy.promise import HEALTHY
from support.manifests import check_kubernetes

CART = KubeWish(service="cart", image="mesh-replay:1.2.3")
MESHED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata:
      labels:
        app: cart
      annotations:
        kept: "yes"
    spec:
      containers:
      - name: cart
        image: shop/cart
        ports: [{containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec:
  selector: {app: cart}
  ports:
  - {name: http, port: 80, targetPort: 8080, appProtocol: http}
"""
INJECTED = '        app: cart\n        sidecar.istio.io/inject: "true"\n'


def template_of(text: str) -> dict[str, Any]:
    out = kube_manifests(text, CART).text
    assert kube_manifests(out, CART).text == out
    template: dict[str, Any] = check_kubernetes(out)[0]["spec"]["template"]
    return template


def says_istio(text: str) -> bool:
    return any(note.startswith("with Istio: ") for note in kube_manifests(text, CART).notes)


@pytest.mark.parametrize(
    ("before", "after", "meshed"),
    [
        ("", "", False),
        ("        app: cart\n", INJECTED, True),
        ("        app: cart\n", INJECTED.replace("true", "false"), False),
        ("        app: cart\n", "        app: cart\n        istio.io/rev: canary\n", True),
        ('        kept: "yes"\n', '        sidecar.istio.io/inject: "true"\n', True),
        ('        kept: "yes"\n', "        sidecar.istio.io/status: '{}'\n", True),
        ("      containers:\n", "      containers:\n      - {name: istio-proxy, image: proxyv2}\n", True),
    ],
)
def test_istio_is_seen_where_the_manifests_show_it(before: str, after: str, meshed: bool) -> None:
    assert says_istio(MESHED.replace(before, after, 1) if before else MESHED) is meshed


@pytest.mark.parametrize(("name", "meshed"), [("shop", True), ("elsewhere", False)])
def test_a_namespace_that_injects_counts_for_its_own_pods(name: str, meshed: bool) -> None:
    namespace = (
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{istio-injection: enabled}}}}\n"
    )

    assert says_istio(f"{namespace}---\n{MESHED}") is meshed


def test_the_sidecar_starts_after_istios_proxy_and_ends_before_it() -> None:
    native = (
        "      initContainers:\n"
        "      - {name: istio-init, image: proxyv2}\n"
        "      - {name: istio-proxy, image: proxyv2, restartPolicy: Always}\n"
    )

    pod = template_of(MESHED.replace("      containers:\n", f"{native}      containers:\n"))["spec"]

    assert [item["name"] for item in pod["initContainers"]] == ["istio-init", "istio-proxy", "mesh-record"]


def test_a_proxy_of_the_old_kind_is_not_taken_for_the_service() -> None:
    text = MESHED.replace(
        "      containers:\n", "      containers:\n      - {name: istio-proxy, image: proxyv2}\n"
    )
    text = text.replace("ports: [{containerPort: 8080}]", "imagePullPolicy: Always")

    pod = template_of(text)["spec"]

    assert ["env" in container for container in pod["containers"]] == [False, True]


def test_nothing_on_the_way_into_the_sidecar_needs_the_network_while_istio_is_not_up() -> None:
    sidecar = template_of(MESHED.replace("        app: cart\n", INJECTED, 1))["spec"]["initContainers"][0]

    for name, path in {"startup": "/readyz", "readiness": "/readyz", "liveness": "/healthz"}.items():
        probe = sidecar[f"{name}Probe"]
        assert set(probe) & {"exec", "httpGet", "tcpSocket", "grpc"} == {"exec"}
        assert probe["exec"]["command"] == [*HEALTHY, "127.0.0.1:14082", path]
    assert sidecar["securityContext"]["runAsUser"] != 1337, "whose traffic Istio lets pass unseen"


@pytest.mark.parametrize(
    ("annotation", "value", "becomes"),
    [
        ("includeInboundPorts", "8080", "8080,14080"),
        ("includeInboundPorts", "*", "*"),
        ("excludeInboundPorts", "9464", "9464,14082"),
        ("excludeInboundPorts", "9464, 8080", "9464,8080,14080,14082"),
    ],
)
def test_where_ports_are_listed_the_sidecars_is_too(annotation: str, value: str, becomes: str) -> None:
    name = f"traffic.sidecar.istio.io/{annotation}"

    template = template_of(MESHED.replace('        kept: "yes"\n', f'        {name}: "{value}"\n'))

    assert template["metadata"]["annotations"][name] == becomes


def test_the_protocol_that_istio_reads_is_kept() -> None:
    service = check_kubernetes(kube_manifests(MESHED, CART).text)[1]

    assert service["spec"]["ports"] == [
        {"name": "http", "port": 80, "targetPort": 14080, "appProtocol": "http"}
    ]
