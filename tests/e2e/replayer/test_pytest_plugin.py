"""The pytest plugin as its users have it: a pytest of its own, with tests and capture files of theirs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.raw_server import raw_server_apart
from support.replays import TRACE, Desk, answering, json_answer, recorded

JSON = (b"Content-Type", b"application/json")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A folder with a saved trace: cart answers `{"total": 10}`."""
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path)
    desk.keep([recorded(answer=(JSON,), answer_body=b'{"total": 10}')])
    assert desk.type("save", TRACE, "--as", "cart").exit_code == 0
    return desk


def run_pytest(desk: Desk, *arguments: str, test: str = "") -> subprocess.CompletedProcess[str]:
    if test:
        (desk.folder / "test_theirs.py").write_text(f"import pytest\n\n{test}")
    (desk.folder / "pytest.ini").write_text("[pytest]\n")
    environ = {name: value for name, value in (os.environ | desk.environ).items() if value is not None}
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(words, cwd=desk.folder, env=environ, capture_output=True, text=True, check=False)


MARKED = """
@pytest.mark.mesh_trace("traces/cart.har")
def test_cart(mesh_replay):
    run = mesh_replay.run(target="localhost:{port}")
    assert run.ok, run.explain()
    assert [each.verdict for each in run.exchanges] == ["same"]
"""


def test_a_marked_test_passes_where_answers_are_as_recorded(desk: Desk) -> None:
    with raw_server_apart(answering(json_answer({"total": 10}))) as server:
        done = run_pytest(desk, "--strict-markers", test=MARKED.format(port=server.port))

    assert done.returncode == 0, done.stdout


def test_a_marked_test_says_what_is_different(desk: Desk) -> None:
    with raw_server_apart(answering(json_answer({"total": 11}))) as server:
        done = run_pytest(desk, test=MARKED.format(port=server.port))

    assert done.returncode == 1
    assert "10 → 11" in done.stdout


def test_a_run_that_nobody_looked_at_fails_in_the_end(desk: Desk) -> None:
    careless = (
        '@pytest.mark.mesh_trace("traces/cart.har")\ndef test_cart(mesh_replay):\n    mesh_replay.run()\n'
    )

    with raw_server_apart(answering(json_answer({"total": 11}))) as server:
        done = run_pytest(desk, "--mesh-target", f"localhost:{server.port}", test=careless)

    assert done.returncode == 1
    assert "10 → 11" in done.stdout


def test_it_works_in_a_test_that_has_an_event_loop(desk: Desk) -> None:
    inside = """
import asyncio

@pytest.mark.mesh_trace("traces/cart.har", "--timeout", "5s")
def test_cart(mesh_replay):
    async def main():
        assert mesh_replay.run(target="localhost:{port}").ok
    asyncio.run(main())
"""
    with raw_server_apart(answering(json_answer({"total": 10}))) as server:
        done = run_pytest(desk, test=inside.format(port=server.port))

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (
            '@pytest.mark.mesh_trace("traces/none.har")\ndef test_cart(mesh_replay): pass\n',
            "traces/none.har; mesh-replay save makes one",
        ),
        ("def test_cart(mesh_replay): pass\n", "mark the test with @pytest.mark.mesh_trace(FILE)"),
        (
            '@pytest.mark.mesh_trace("traces/cart.har")\ndef test_cart(mesh_replay): mesh_replay.run()\n',
            "no target is given",
        ),
    ],
)
def test_what_is_missing_is_named(desk: Desk, test: str, words: str) -> None:
    done = run_pytest(desk, test=test)

    assert done.returncode == 1
    assert words in done.stdout


def test_a_folder_of_capture_files_is_a_folder_of_tests(desk: Desk) -> None:
    desk.keep([recorded(1, trace_id="a" * 32, path="/b", answer=(JSON,), answer_body=b'{"b": 1}')])
    assert desk.type("save", "a" * 32, "--as", "second").exit_code == 0

    with raw_server_apart(answering(json_answer({"total": 10}))) as server:
        target = f"localhost:{server.port}"
        done = run_pytest(desk, "--mesh-traces", "traces", "--mesh-target", target, "-rA")

    assert done.returncode == 1
    assert "PASSED traces/cart.har::replay" in done.stdout
    assert "FAILED traces/second.har::replay" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_folder_may_be_outside_what_is_collected(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (desk.folder / "traces" / "cart.har").rename(elsewhere / "cart.har")

    with raw_server_apart(answering(json_answer({"total": 10}))) as server:
        target = f"localhost:{server.port}"
        done = run_pytest(desk, "--mesh-traces", str(elsewhere), "--mesh-target", target)

    assert (done.returncode, "1 passed" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("now", "code", "kept"),
    [
        (json_answer({"total": 11}), 0, {"total": 11}),
        (json_answer({"total": 11}, "404 Not Found"), 1, {"total": 10}),
    ],
)
def test_answers_are_accepted_unless_they_break_callers(
    desk: Desk, now: bytes, code: int, kept: object
) -> None:
    with raw_server_apart(answering(now)) as server:
        target = f"localhost:{server.port}"
        done = run_pytest(desk, "--mesh-traces", "traces", "--mesh-target", target, "--mesh-accept")

    log = json.loads((desk.folder / "traces" / "cart.har").read_text())["log"]
    assert done.returncode == code, done.stdout
    assert json.loads(log["entries"][0]["response"]["content"]["text"]) == kept


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mesh-traces", "traces"), "--mesh-traces needs --mesh-target"),
        (("--mesh-traces", "none", "--mesh-target", "localhost:1"), "there is no such folder"),
    ],
)
def test_wrong_options_are_one_line(desk: Desk, arguments: tuple[str, ...], words: str) -> None:
    done = run_pytest(desk, *arguments)

    assert (done.returncode, len(done.stderr.strip().splitlines())) == (4, 1), done.stderr
    assert words in done.stderr


def test_a_target_that_is_not_there_is_told_without_a_traceback(desk: Desk) -> None:
    done = run_pytest(desk, "--mesh-traces", "traces", "--mesh-target", "localhost:1")

    assert done.returncode == 1
    assert "is the service running?" in done.stdout
    assert "Traceback" not in done.stdout
