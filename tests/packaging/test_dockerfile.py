"""What the image promises, as far as it can be known without a daemon."""

import fnmatch
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from mesh_recorder.deploy.promise import ADMIN, CONFIG, FOLDER, HEALTHY, TRUST_FOLDER, UID

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def dockerfile() -> Iterator[DockerfileParser]:
    with DOCKERFILE.open("rb") as file:
        yield DockerfileParser(fileobj=file)


def values(dockerfile: DockerfileParser, instruction: str) -> list[str]:
    return [line["value"] for line in dockerfile.structure if line["instruction"] == instruction]


def copied(dockerfile: DockerfileParser) -> list[str]:
    """What is copied from the build's folder."""
    words = [shlex.split(value) for value in values(dockerfile, "COPY")]
    return [source for line in words if not line[0].startswith("--from=") for source in line[:-1]]


def test_every_base_is_named_by_version_and_distribution(dockerfile: DockerfileParser) -> None:
    assert set(dockerfile.parent_images) == {"python:3.13-slim-trixie"}
    assert len(dockerfile.parent_images) == 2, "what builds it is not in it"


def test_what_is_copied_is_there_or_is_what_the_build_makes(dockerfile: DockerfileParser) -> None:
    wheel = f"dist/{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}-py3-none-any.whl"

    assert copied(dockerfile) == ["requirements/run.txt", "dist/mesh_replay-*.whl"]
    assert (ROOT / "requirements" / "run.txt").is_file()
    assert fnmatch.fnmatch(wheel, copied(dockerfile)[1])


def test_nothing_else_is_sent_to_the_builder(dockerfile: DockerfileParser) -> None:
    lines = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert rules == ["*", *(f"!{source}" for source in copied(dockerfile))]


def test_what_is_installed_is_locked_by_hash(dockerfile: DockerfileParser) -> None:
    from_index = [
        value for value in values(dockerfile, "RUN") if "pip" in value and "--no-index" not in value
    ]

    (install,) = [json.loads(value) for value in from_index if "venv" not in json.loads(value)]
    assert {"--require-hashes", "--no-deps", "/build/run.txt"} <= set(install)


def test_it_runs_as_nobody_in_particular_and_by_number(dockerfile: DockerfileParser) -> None:
    lines = [line["instruction"] for line in dockerfile.structure]

    assert values(dockerfile, "USER") == [f"{UID}:{UID}"]
    assert "RUN" not in lines[lines.index("USER") :]


def test_it_is_started_without_a_shell_so_that_signals_reach_it(dockerfile: DockerfileParser) -> None:
    (entrypoint,) = values(dockerfile, "ENTRYPOINT")
    (health,) = values(dockerfile, "HEALTHCHECK")

    assert json.loads(entrypoint)[0] in PROJECT["scripts"]
    assert json.loads(health.partition("CMD ")[2]) == list(HEALTHY)
    assert values(dockerfile, "STOPSIGNAL") == ["SIGTERM"]
    assert dockerfile.envs["MESH_ADMIN"] == f"127.0.0.1:{ADMIN}"


def test_it_keeps_what_the_generated_files_count_on(dockerfile: DockerfileParser) -> None:
    made = " ".join(values(dockerfile, "RUN"))

    assert values(dockerfile, "VOLUME") == [FOLDER]
    assert values(dockerfile, "WORKDIR") == [FOLDER] == [str(Path(CONFIG).parent)]
    assert f"-o {UID} -g {UID} -m 0700 {FOLDER}" in made
    assert f"-o {UID} -g {UID} -m 0755 {TRUST_FOLDER}" in made


def test_no_secret_is_baked_in(dockerfile: DockerfileParser) -> None:
    assert [name for name in dockerfile.envs if name.startswith("MESH_")] == ["MESH_ADMIN"]
    assert "ARG" not in {line["instruction"] for line in dockerfile.structure}


CONFINED = f"""
set -e
user=$1; shift
mount -t tmpfs none {Path(FOLDER).parent}
install -d -o $user -g $user -m 0700 {FOLDER}
mount --bind {FOLDER} {FOLDER}
mount -o remount,ro,bind {Path(FOLDER).parent}
mount -o remount,ro,bind /
cd {FOLDER}
exec setpriv --reuid $user --regid $user --clear-groups --no-new-privs --bounding-set=-all "$@"
"""
"""As a container would be started: no capabilities, and nothing to write to but the volume."""


def confined(user: int, program: str, *arguments: str, environ: dict[str, str]) -> list[str]:
    variables = [f"{name}={value}" for name, value in environ.items()]
    start = ["unshare", "--mount", "sh", "-c", CONFINED, "sh", str(user), "env", "-i", *variables]
    return [*start, str(Path(sys.executable).with_name(program)), *arguments]


def a_user() -> int:
    """The image's, or root without its powers, where this Python lies in root's home."""
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in ("unshare", "setpriv")):
        pytest.skip("needs root, to become somebody else")
    for user in (UID, 0):
        tried = subprocess.run(
            confined(user, "mesh-record", "--version", environ={}), capture_output=True, text=True
        )
        if tried.returncode == 0:
            return user
    pytest.skip(f"nothing can be confined here: {tried.stderr.strip()}")


def test_the_sidecar_runs_by_the_images_rules(dockerfile: DockerfileParser) -> None:
    user = a_user()
    environ = {**dockerfile.envs, "PATH": os.environ["PATH"]}
    arguments = ["--service", "cart", "--app", "127.0.0.1:9", "--inbound", "0", "--outbound", "0", "--json"]

    with subprocess.Popen(
        confined(user, "mesh-record", *arguments, environ=environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        check = [sys.executable, *HEALTHY[1:]]
        healthy = subprocess.run(check, env={"MESH_ADMIN": dockerfile.envs["MESH_ADMIN"]}).returncode
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate()

    assert json.loads(ready)["event"] == "ready", errors
    assert f"sqlite:///{FOLDER}/mesh.db" in ready
    assert healthy == 0
    assert (process.returncode, errors) == (0, "")
    assert json.loads(rest)["event"] == "stopped"
