import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.manifests import check_compose, check_kubernetes

COMPOSE = "services:\n  cart: {image: shop/cart, ports: ['8080:3000']}\n"
MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: cart, image: shop/cart}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart}
spec: {selector: {app: cart}, ports: [{port: 80, targetPort: 8080}]}
"""


def run(folder: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """The real command, with a home of its own."""
    environ = {"HOME": str(folder / "home"), "PATH": "/usr/bin:/bin"}
    command = [Path(sys.executable).with_name("mesh-record"), *words]
    return subprocess.run(command, cwd=folder, env=environ, input=given, capture_output=True, text=True)


def fails(result: subprocess.CompletedProcess[str], start: str, code: int = 2) -> None:
    assert result.stderr.startswith(start)
    assert result.stderr.count("\n") == 1
    assert (result.returncode, result.stdout) == (code, "")


@pytest.mark.parametrize("name", ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"])
def test_compose_finds_the_file_that_compose_would(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(COMPOSE)

    result = run(tmp_path, "compose", "cart")

    assert result.returncode == 0, result.stderr
    check_compose(COMPOSE, result.stdout)
    assert f"docker compose -f {name} " in result.stdout


def test_compose_reads_what_compose_resolved(tmp_path: Path) -> None:
    result = run(tmp_path, "compose", "cart", "--file", "-", "--image", "ours:1", given=COMPOSE)

    assert check_compose(COMPOSE, result.stdout)["services"]["cart-mesh"]["image"] == "ours:1"


def test_the_mesh_toml_goes_with_the_sidecar(tmp_path: Path) -> None:
    (tmp_path / "mesh.toml").write_text('[services.cart]\nintercept = ["api.stripe.com"]\n')
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "compose.yaml").write_text(COMPOSE)

    result = run(tmp_path, "compose", "cart", "--file", "deploy/compose.yaml", "--trust-config")

    services = check_compose(COMPOSE, result.stdout)["services"]
    assert "--intercept=api.stripe.com" in services["cart-mesh"]["command"]
    assert services["cart-mesh"]["volumes"][1]["source"] == "../mesh.toml"
    assert "subPath: mesh.toml" in run(tmp_path, "kube", "cart", "--trust-config", given=MANIFESTS).stdout


def test_a_mesh_toml_that_is_not_trusted_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "mesh.toml").write_text('[services.cart]\nintercept = ["api.stripe.com"]\n')
    (tmp_path / "compose.yaml").write_text(COMPOSE)

    fails(run(tmp_path, "compose", "cart"), "mesh-record compose: ", code=4)


def test_kube_prints_manifests_to_stdout_and_words_to_stderr(tmp_path: Path) -> None:
    result = run(tmp_path, "kube", "cart", "--edge", given=MANIFESTS)

    assert result.returncode == 0, result.stderr
    assert [thing["kind"] for thing in check_kubernetes(result.stdout)] == ["Deployment", "Service"]
    assert "the way back" in result.stderr
    assert "what stays unseen" in result.stderr


def test_what_is_wrong_is_one_line_and_exit_2(tmp_path: Path) -> None:
    fails(
        run(tmp_path, "compose", "cart"),
        "mesh-record compose: there is no Compose file here; give it by --file",
    )
    fails(
        run(tmp_path, "compose", "cart", "--file", "x.yaml"), "mesh-record compose: there is no file x.yaml; "
    )
    fails(
        run(tmp_path, "compose"),
        "mesh-record compose: Missing argument 'SERVICE'; `mesh-record compose --help`",
    )
    fails(run(tmp_path, "kube", "cart"), "mesh-record kube: the input has no Service cart; ")
    fails(
        run(tmp_path, "kube", "cart", "--part", "x", given=MANIFESTS),
        "mesh-record kube: Invalid value for '--part'",
    )
    fails(run(tmp_path, "kube", "cart", given="a: [1"), "mesh-record kube: the input:1: broken YAML: ")
    (tmp_path / "compose.yaml").write_bytes(b"\xff\xfe")
    fails(run(tmp_path, "compose", "cart"), "mesh-record compose: compose.yaml is not UTF-8 (byte 0); ")


def test_trust_files_are_for_everybody_to_read_and_hold_no_key(tmp_path: Path) -> None:
    folder = tmp_path / "trust"

    result = run(tmp_path, "trust-files", str(folder))

    assert result.returncode == 0, result.stderr
    files = [Path(line) for line in result.stdout.splitlines()]
    assert [path.name for path in files] == ["bundle.pem", "extra.pem", "truststore.p12"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o644}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert b"PRIVATE" not in b"".join(path.read_bytes() for path in files)
    fails(run(tmp_path, "trust-files", str(files[0])), "mesh-record trust-files: ")


def test_help_shows_examples_and_imports_nothing_heavy(tmp_path: Path) -> None:
    assert "Examples:" in run(tmp_path, "compose", "--help").stdout
    code = (
        "import mesh_recorder.deploy.commands, sys\n"
        "print([name for name in ('ruamel', 'mitmproxy', 'cryptography') if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"
