from dataclasses import replace
from typing import Any

import pytest

from mesh_core.errors import ExitCode, MeshError
from mesh_recorder.deploy.kube import KubeWish, Part, kube_manifests
from mesh_recorder.deploy.promise import CONFIG, FOLDER
from support.manifests import check_kubernetes

CART = KubeWish(service="cart", image="mesh-replay:1.2.3")
DEPLOYMENT = """\
# The cart of the shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  labels: {app: cart}   # ours
spec:
  replicas: 2
  selector:
    matchLabels: {app: cart}
  template:
    metadata:
      labels: {app: cart, tier: "back"}
    spec:
      # first the app
      containers:
        - name: cart
          image: shop/cart:1.2   # pinned
          ports:
            - name: http
              containerPort: 8080
          env:
            - name: DB
              value: "postgres://db/cart"
          # is it well?
          readinessProbe:
            httpGet: {path: /ready, port: http}
          livenessProbe:
            tcpSocket: {port: 8080}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: cart
spec:
  selector: {app: cart}
  ports:
    - name: web
      port: 80
      targetPort: http     # by name
      appProtocol: kubernetes.io/h2c
"""
OTHER = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
data: {mode: "0644"}
"""
BOTH = f"{DEPLOYMENT}---\n{SERVICE}"


def printed(text: str, wish: KubeWish = CART) -> str:
    """The manifests, valid, and the same when given in again."""
    out = kube_manifests(text, wish).text
    check_kubernetes(out)
    assert kube_manifests(out, wish).text == out
    return out


def objects(text: str, wish: KubeWish = CART) -> dict[str, Any]:
    return {thing["kind"]: thing for thing in check_kubernetes(printed(text, wish))}


def pod_of(text: str, wish: KubeWish = CART) -> dict[str, Any]:
    pod: dict[str, Any] = objects(text, wish)["Deployment"]["spec"]["template"]["spec"]
    return pod


def sidecar_of(text: str, wish: KubeWish = CART) -> dict[str, Any]:
    sidecar: dict[str, Any] = pod_of(text, wish)["initContainers"][-1]
    return sidecar


def notes(text: str, wish: KubeWish = CART) -> str:
    return "\n".join(kube_manifests(text, wish).notes)


def refused(text: str, wish: KubeWish = CART) -> str:
    with pytest.raises(MeshError) as caught:
        kube_manifests(text, wish)
    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_callers_keep_the_service_and_meet_the_sidecar() -> None:
    service = objects(BOTH)["Service"]["spec"]
    sidecar = sidecar_of(BOTH)

    port = sidecar["ports"][0]["containerPort"]
    assert service["ports"] == [
        {"name": "web", "port": 80, "targetPort": port, "appProtocol": "kubernetes.io/h2c"}
    ]
    assert f"--inbound=0.0.0.0:{port}" in sidecar["args"]
    assert "--app=127.0.0.1:8080" in sidecar["args"]


def test_the_sidecar_is_a_native_one() -> None:
    sidecar = sidecar_of(BOTH)

    assert (sidecar["name"], sidecar["restartPolicy"]) == ("mesh-record", "Always")


def test_the_services_own_probes_and_ports_stay() -> None:
    app = pod_of(BOTH)["containers"][0]

    assert app["readinessProbe"] == {"httpGet": {"path": "/ready", "port": "http"}}
    assert app["livenessProbe"] == {"tcpSocket": {"port": 8080}}
    assert app["ports"] == [{"name": "http", "containerPort": 8080}]


def test_the_sidecars_health_holds_the_start_back_and_nothing_else() -> None:
    sidecar = sidecar_of(BOTH)
    admin = sidecar["ports"][1]["containerPort"]

    assert f"--admin=0.0.0.0:{admin}" in sidecar["args"]
    asked = {name: sidecar[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert asked == {
        "startup": {"path": "/readyz", "port": admin},
        "readiness": {"path": "/readyz", "port": admin},
        "liveness": {"path": "/healthz", "port": admin},
    }
    assert "lifecycle" not in sidecar


def test_the_probes_reach_the_sidecar_past_a_proxy_that_the_manifests_do_not_show() -> None:
    """A namespace may inject Istio by its label; kubelet has no certificate."""
    template = objects(BOTH)["Deployment"]["spec"]["template"]

    name = "traffic.sidecar.istio.io/excludeInboundPorts"
    assert template["metadata"]["annotations"][name] == "14082"


def test_a_missing_secret_does_not_keep_a_pod_from_starting() -> None:
    env = {item["name"]: item.get("valueFrom") for item in sidecar_of(BOTH)["env"]}

    secrets = [env["MESH_STORE"], env["MESH_REDACT_KEY"]]
    assert all(source["secretKeyRef"]["optional"] for source in secrets)


def test_the_sidecar_is_confined() -> None:
    assert sidecar_of(BOTH)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_its_memory_is_bounded_and_its_cpu_never_throttled() -> None:
    resources = sidecar_of(BOTH)["resources"]

    assert set(resources["limits"]) == {"memory"}
    assert set(resources["requests"]) == {"cpu", "memory"}


def test_the_spool_is_on_a_volume_with_a_limit_beyond_what_it_can_take() -> None:
    pod = pod_of(BOTH)

    assert {"name": "mesh-record", "mountPath": FOLDER} in pod["initContainers"][-1]["volumeMounts"]
    assert pod["volumes"] == [{"name": "mesh-record", "emptyDir": {"sizeLimit": "4Gi"}}]


@pytest.mark.parametrize(("line", "grace"), [("", 55), ("      terminationGracePeriodSeconds: 90\n", 115)])
def test_there_is_time_to_drain_on_top_of_the_services_own(line: str, grace: int) -> None:
    text = BOTH.replace("      # first the app\n", line)

    assert pod_of(text)["terminationGracePeriodSeconds"] == grace


def test_its_calls_go_through_the_sidecar_and_the_api_servers_do_not() -> None:
    pod = pod_of(BOTH)
    env = {item["name"]: item["value"] for item in pod["containers"][0]["env"]}

    address = env["HTTP_PROXY"].removeprefix("http://")
    assert f"--outbound={address}" in pod["initContainers"][-1]["args"]
    assert address.startswith("127.0.0.1:")
    assert {"$(KUBERNETES_SERVICE_HOST)", "169.254.169.254"} <= set(env["NO_PROXY"].split(","))
    assert env["DB"] == "postgres://db/cart"


def test_what_was_there_stays_as_it_is_written() -> None:
    text = f"{BOTH}---\n{OTHER}"

    lines = printed(text).splitlines()

    missing = [line for line in text.splitlines() if line not in lines]
    assert missing == ["      targetPort: http     # by name"]


def test_lists_are_indented_as_they_were() -> None:
    flat = BOTH.replace("\n        - name: cart", "\n      - name: cart")
    flat = "\n".join(
        line[2:] if line.startswith("          ") else line for line in flat.splitlines() if line != ""
    ).replace("    - name: web\n      port", "  - name: web\n    port")
    flat = flat.replace("      targetPort", "    targetPort").replace("      appProtocol", "    appProtocol")

    lines = printed(f"{flat}\n").splitlines()

    assert "      initContainers:" in lines
    assert "      - name: mesh-record" in lines


@pytest.mark.parametrize(
    ("target", "port"),
    [("targetPort: http ", 8080), ("targetPort: 8080 ", 8080), ("targetPort: 9999 ", 9999), ("x-a: b #", 80)],
)
def test_the_target_is_a_name_a_number_one_that_nobody_declares_or_left_out(target: str, port: int) -> None:
    text = BOTH.replace("targetPort: http ", target).replace("      x-a: b #    # by name\n", "")

    assert f"--app=127.0.0.1:{port}" in sidecar_of(text)["args"]


def test_of_several_ports_the_one_that_says_http_is_taken_and_the_others_stay() -> None:
    raw = "    - {name: tcp-raw, port: 9000, targetPort: 9000}\n"
    text = f"{BOTH}{raw}    - {{name: dns, port: 53, protocol: UDP}}\n"

    ports = objects(text)["Service"]["spec"]["ports"]

    assert [port.get("targetPort") for port in ports] == [14080, 9000, None]
    assert "other ports of the Service: tcp-raw" in notes(text)


def test_another_port_can_be_named() -> None:
    text = f"{BOTH}    - {{name: http-b, port: 81, targetPort: 8081}}\n"

    for named in ("http-b", "81"):
        ports = objects(text, replace(CART, port=named))["Service"]["spec"]["ports"]
        assert [port["targetPort"] for port in ports] == ["http", 14080]


def test_two_ports_of_the_service_that_lead_to_one_of_the_pod_both_move() -> None:
    text = f"{BOTH}    - {{name: http-b, port: 8080, targetPort: http}}\n"

    ports = objects(text, replace(CART, port="web"))["Service"]["spec"]["ports"]

    assert [port["targetPort"] for port in ports] == [14080, 14080]


def test_every_deployment_behind_the_service_gets_a_sidecar() -> None:
    canary = DEPLOYMENT.replace("name: cart\n  labels", "name: cart-canary\n  labels")

    out = printed(f"{BOTH}---\n{canary}")

    assert out.count("restartPolicy: Always") == 2
    assert "deployment/cart && kubectl rollout status deployment/cart-canary" in notes(f"{BOTH}---\n{canary}")


def test_ports_of_the_pod_are_not_taken() -> None:
    text = BOTH.replace("containerPort: 8080", "containerPort: 8080\n            - containerPort: 14080")

    assert sidecar_of(text)["ports"][0]["containerPort"] == 14081


def test_the_container_is_the_one_with_the_port() -> None:
    text = BOTH.replace("      containers:\n", "      containers:\n        - {name: agent, image: agent}\n")

    pod = pod_of(text)

    assert [("env" in container) for container in pod["containers"]] == [False, True]
    by_name = pod_of(text.replace("targetPort: http ", "targetPort: 1 "), replace(CART, container="agent"))
    assert [("env" in container) for container in by_name["containers"]] == [True, True]


def test_other_init_containers_go_first_and_stay() -> None:
    text = BOTH.replace(
        "      # first the app\n", "      initContainers:\n        - {name: migrate, image: shop/cart}\n"
    )

    assert [item["name"] for item in pod_of(text)["initContainers"]] == ["migrate", "mesh-record"]


def test_a_list_of_kubectl_is_read_too() -> None:
    items = "".join(
        "- " + "\n  ".join(part.splitlines()) + "\n" for part in (DEPLOYMENT.partition("\n")[2], SERVICE)
    )
    text = f"apiVersion: v1\nkind: List\nitems:\n{items}"

    assert objects(text)["Service"]["spec"]["ports"][0]["targetPort"] == 14080
    alone = check_kubernetes(kube_manifests(text, replace(CART, part=Part.SERVICE)).text)
    assert [thing["kind"] for thing in alone] == ["Service"]


@pytest.mark.parametrize(("part", "kinds"), [(Part.DEPLOYMENT, ["Deployment"]), (Part.SERVICE, ["Service"])])
def test_a_part_can_be_printed_alone(part: Part, kinds: list[str]) -> None:
    text = kube_manifests(f"{BOTH}---\n{OTHER}", replace(CART, part=part)).text

    assert [thing["kind"] for thing in check_kubernetes(text)] == kinds


def test_interception_brings_certificates_by_a_container_that_ends() -> None:
    wish = replace(CART, intercept=("api.stripe.com",), java=True)
    pod = pod_of(BOTH, wish)
    app = pod["containers"][0]

    assert [item["name"] for item in pod["initContainers"]] == ["mesh-trust", "mesh-record"]
    assert pod["initContainers"][0]["args"] == ["trust-files", "/mesh-trust"]
    assert {"name": "mesh-trust", "mountPath": "/mesh-trust", "readOnly": True} in app["volumeMounts"]
    assert all(mount["name"] != "mesh-record" for mount in app["volumeMounts"]), "the key stays out of reach"
    env = {item["name"]: item["value"] for item in app["env"]}
    assert env["SSL_CERT_FILE"] == "/mesh-trust/bundle.pem"
    assert "-Dhttp.proxyHost=127.0.0.1" in env["JAVA_TOOL_OPTIONS"]


def test_what_is_not_asked_for_any_more_is_taken_out() -> None:
    more = replace(CART, intercept=("api.stripe.com",), java=True, config=True)

    assert printed(printed(BOTH, more)) == printed(BOTH)


def test_other_options_of_java_stay() -> None:
    text = BOTH.replace(
        "name: DB\n              value: ", "name: JAVA_TOOL_OPTIONS\n              value: -Xmx1g #"
    )

    env = {
        item["name"]: item["value"] for item in pod_of(text, replace(CART, java=True))["containers"][0]["env"]
    }

    assert env["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -D")
    again = printed(printed(text, replace(CART, java=True)))
    assert "value: -Xmx1g  " in again
    assert "# is it well?" in again


def test_a_mesh_toml_comes_from_a_config_map_and_must_be_there() -> None:
    pod = pod_of(BOTH, replace(CART, config=True))

    assert {"name": "mesh-record-config", "configMap": {"name": "mesh-replay"}} in pod["volumes"]
    mount = {"name": "mesh-record-config", "mountPath": CONFIG, "subPath": "mesh.toml", "readOnly": True}
    assert mount in pod["initContainers"][-1]["volumeMounts"]
    assert "create configmap mesh-replay --from-file=mesh.toml" in notes(BOTH, replace(CART, config=True))


def test_a_proxy_of_its_own_is_left_alone_and_that_is_said() -> None:
    text = BOTH.replace("name: DB", "name: HTTPS_PROXY")

    assert [item["name"] for item in pod_of(text)["containers"][0]["env"]] == ["HTTPS_PROXY"]
    assert "calls by cart: it has HTTPS_PROXY already" in notes(text)


def test_the_order_and_the_way_back_are_told_also_of_its_own_output() -> None:
    text = BOTH.replace("metadata:\n  name: cart\n", "metadata:\n  name: cart\n  namespace: shop\n")

    for given in (text, printed(text)):
        told = notes(given)
        assert told.index("--part deployment") < told.index("--part service")
        assert "kubectl rollout status -n shop deployment/cart" in told
        patch = '[{"op": "replace", "path": "/spec/ports/0/targetPort", "value": "http"}]'
        assert f"kubectl patch -n shop service cart --type=json -p '{patch}'" in told
        assert "a NetworkPolicy that names 8080 must name 14080 too" in told


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("kind: Deployment", "kind: StatefulSet"), "has no Deployment; give it too"),
        (("kind: Service", "kind: Ingress"), "has no Service cart; kubectl get"),
        (
            ("  name: cart\nspec:\n  selector", "  name: basket\nspec:\n  selector"),
            "has no Service cart; it has basket",
        ),
        (
            ("  selector: {app: cart}\n  ports", "  selector: {app: basket}\n  ports"),
            "Service cart selects app=basket,",
        ),
        (("  selector: {app: cart}\n  ports", "  ports"), "Service cart selects no pods"),
        (("  ports:\n    - name: web", "  clusterIP: None\n  ports:\n    - name: web"), "is headless"),
        (
            ("- name: http\n", "- name: other\n"),
            "no container of Deployment cart has the Service's port http",
        ),
        (("appProtocol: kubernetes.io/h2c", "appProtocol: https"), "TLS up to the service itself"),
        (("      # first the app", "      hostNetwork: true"), "live in the node's network"),
        (("      containers:", "      containers: []\n      x:"), "Deployment cart has no containers"),
        (("- name: web\n", "- name: web\n      protocol: UDP\n"), "has no TCP port"),
        (("  replicas: 2", "\treplicas: 2"), "the input:8: broken YAML: "),
        (("  replicas: 2", "  replicas: 2\n  replicas: 3"), "the input:9: broken YAML: "),
        (("  replicas: 2", "  replicas: [2"), "broken YAML: "),
    ],
)
def test_what_cannot_be_is_one_line_with_the_remedy(change: tuple[str, str], problem: str) -> None:
    assert change[0] in BOTH
    assert problem in refused(BOTH.replace(*change))


def test_a_port_or_a_container_that_is_not_there_is_refused() -> None:
    assert "Service cart has no port 99; it has web (80)" in refused(BOTH, replace(CART, port="99"))
    assert "there is no container x; the pod has cart" in refused(BOTH, replace(CART, container="x"))


def test_what_cannot_be_told_is_asked_for() -> None:
    ports = f"{BOTH}    - {{name: grpc, port: 90, targetPort: 90}}\n"
    containers = BOTH.replace(
        "      containers:\n", "      containers:\n        - {name: agent, image: agent}\n"
    )

    assert "has the ports web (80), grpc (90); say by --port" in refused(ports)
    assert "say it by --container: agent, cart" in refused(
        containers.replace("targetPort: http", "targetPort: 1")
    )


@pytest.mark.parametrize("text", ["", "5", "- a", "a: b"])
def test_what_is_no_manifest_has_no_service(text: str) -> None:
    assert "has no Service cart" in refused(text)


POD = "Deployment.spec.template.spec"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            ("     env:\n", "     env: {}\n          x:\n"),
            f"the input:22: {POD}.containers[0].env is wrong; ",
        ),
        (
            ("containerPort: 8080", "containerPort: x"),
            f"the input:21: {POD}.containers[0].ports[0].containerPort",
        ),
        (
            ("selector: {app: cart}\n  ports", "selector: cart\n  ports"),
            "spec.selector is wrong; expected a table",
        ),
        (("name: cart\n  labels", "name: 5\n  labels"), "the input:5: Deployment.metadata.name is wrong; "),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_place_and_line(change: tuple[str, str], problem: str) -> None:
    assert change[0] in BOTH
    assert problem in refused(BOTH.replace(*change))
