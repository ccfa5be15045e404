"""The GitHub Action and the GitLab template: valid by schema, and their scripts run as the runners do."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml
from ruamel.yaml import YAML

from support.raw_server import raw_server_apart
from support.replays import TRACE, Desk, answering, recorded

DEPLOY = Path(__file__).parents[2] / "deploy" / "ci"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NO = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"
SERVER = (
    "import http.server, os\n"
    "class Answer(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response_only(200); self.send_header('Content-Length', '2'); self.end_headers()\n"
    "        self.wfile.write(b'ok')\n"
    "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Answer).serve_forever()\n"
)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A checkout with a saved trace."""
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path)
    desk.keep([recorded()])
    assert desk.type("save", TRACE, "--as", "cart").exit_code == 0
    return desk


def load(name: str) -> Any:
    return YAML(typ="safe").load(DEPLOY / name)


@pytest.mark.parametrize(
    ("name", "schema"), [("action.yml", "vendor.github-actions"), ("gitlab-ci.yml", "vendor.gitlab-ci")]
)
def test_they_fit_the_schemas_of_their_servers(name: str, schema: str) -> None:
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, DEPLOY / name]

    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def run_action(desk: Desk, **inputs: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Its replay step as a runner carries it out; the output that it sets."""
    action = load("action.yml")
    [step] = [step for step in action["runs"]["steps"] if step.get("id") == "replay"]
    given = {name: each.get("default", "") for name, each in action["inputs"].items()} | inputs
    variables = {
        name: given[text.removeprefix("${{ inputs.").removesuffix(" }}")]
        for name, text in step["env"].items()
    }
    output = desk.folder / "output"
    output.touch()
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(desk.folder / "summary.md"),
        "GITHUB_OUTPUT": str(output),
    }
    words = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
    done = run(desk, words, variables | github)
    return done, dict(line.split("=", 1) for line in output.read_text().splitlines())


def run_job(desk: Desk, **variables: str) -> subprocess.CompletedProcess[str]:
    """GitLab's script, in the shell of a slim image."""
    job = load("gitlab-ci.yml")[".mesh-replay"]
    script = "\n".join(["set -e", *job["script"]])
    return run(desk, ["sh", "-c", script], job["variables"] | variables)


def run(desk: Desk, words: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in desk.environ.items() if value is not None}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = os.environ | ours | {"PATH": path} | variables
    return subprocess.run(words, cwd=desk.folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("now", "code"), [(OK, 0), (NO, 1)])
def test_the_action_replays_reports_and_fails_by_the_verdict(desk: Desk, now: bytes, code: int) -> None:
    with raw_server_apart(answering(now)) as server:
        done, output = run_action(
            desk, files="traces/*.har", target=f"cart=localhost:{server.port}", options="--timeout 5s"
        )

    reports = desk.folder / "mesh-replay-report"
    assert (done.returncode, output) == (code, {"exit-code": str(code)}), done.stderr
    assert ("::error " in done.stdout) == bool(code)
    assert JUnitXml.fromfile(str(reports / "junit.xml")).failures == code
    assert "mesh-replay:" in (desk.folder / "summary.md").read_text()
    assert {file.name for file in reports.iterdir()} == {"junit.xml", "replay.html", "replay.json"}


def test_the_action_starts_the_service(desk: Desk) -> None:
    (desk.folder / "server.py").write_text(SERVER)

    done, output = run_action(desk, files="traces/*.har", command=f"{sys.executable} server.py")

    assert (done.returncode, output) == (0, {"exit-code": "0"}), done.stderr


def test_no_input_becomes_part_of_the_script(desk: Desk) -> None:
    hostile = '"; touch owned; $(touch owned) `touch owned`'

    done, _ = run_action(desk, files=f"traces/*.har {hostile}", target=hostile, options=hostile)

    assert done.returncode != 0
    assert not (desk.folder / "owned").exists()


@pytest.mark.parametrize(("now", "code"), [(OK, 0), (NO, 1)])
def test_the_gitlab_job_replays_reports_and_fails_by_the_verdict(desk: Desk, now: bytes, code: int) -> None:
    with raw_server_apart(answering(now)) as server:
        done = run_job(desk, MESH_TARGETS=f"cart=localhost:{server.port}", MESH_OPTIONS="--timeout 5s")

    reports = desk.folder / "mesh-replay-report"
    assert done.returncode == code, done.stderr
    assert JUnitXml.fromfile(str(reports / "junit.xml")).failures == code
    assert {file.name for file in reports.iterdir()} == {"junit.xml", "replay.html", "replay.md"}


def test_the_gitlab_job_starts_the_service(desk: Desk) -> None:
    (desk.folder / "server.py").write_text(SERVER)

    done = run_job(desk, MESH_COMMAND=f"{sys.executable} server.py")

    assert done.returncode == 0, done.stderr
