"""Whatever a manifest has in the wrong place, the answer is a manifest or one line that says so."""

import io
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mesh_core.errors import MeshError
from mesh_recorder.deploy.compose import ComposeWish, compose_override
from mesh_recorder.deploy.documents import read_documents
from mesh_recorder.deploy.kube import KubeWish, kube_manifests

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, annotations: {mesh-record/before: '{}'}}
spec:
  template:
    metadata: {labels: {app: cart}, annotations: {traffic.sidecar.istio.io/includeInboundPorts: "8080"}}
    spec:
      initContainers: [{name: m, image: x, ports: [{containerPort: 1}]}]
      containers:
      - {name: cart, image: x, ports: [{name: http, containerPort: 8080}], env: [{name: A, value: b}],
         volumeMounts: [{name: v, mountPath: /v}]}
      volumes: [{name: v, emptyDir: {}}]
      terminationGracePeriodSeconds: 30
---
apiVersion: v1
kind: Service
metadata: {name: cart}
spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: http}]}
"""
COMPOSE = """\
services:
  cart:
    image: shop/cart
    ports: ["8080:80", {target: 81, published: 82}]
    expose: ["7000"]
    networks: {front: {aliases: [basket], priority: 5}, back: null}
    environment: [A=1]
    deploy: {replicas: 1}
"""


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    return [place for key in keys for place in [(*at, key), *places(value[key], (*at, key))]]


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """The text with one value replaced by another of any kind."""
    documents = read_documents(text, "x")
    *way, last = draw(st.sampled_from(places(documents)))
    scalars = st.none() | st.booleans() | st.integers() | st.text("a:1${}/", max_size=4)
    others = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.just("a"), scalars)
    parent: Any = documents
    for key in way:
        parent = parent[key]
    parent[last] = draw(others)
    out = io.StringIO()
    YAML().dump_all(documents, out)
    return out.getvalue()


def printed_or_said(make: Callable[[], str]) -> str | None:
    """What is printed; None where one line said why nothing is."""
    said = ""
    try:
        return make()
    except MeshError as error:
        said = str(error)
    assert "\n" not in said
    return None


@given(damaged(MANIFESTS))
def test_manifests(text: str) -> None:
    wish = KubeWish(service="cart", image="x")

    once = printed_or_said(lambda: kube_manifests(text, wish).text)

    assert once is None or kube_manifests(once, wish).text == once


@given(damaged(COMPOSE))
def test_a_compose_file(text: str) -> None:
    wish = ComposeWish(service="cart", file="compose.yaml", image="x", port=80)

    printed_or_said(lambda: compose_override(text, wish))
