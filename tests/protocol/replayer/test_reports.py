"""Reports for programs and reviewers, of real replays: read back by what will read them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import Result
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from markdown_it import MarkdownIt
from markdown_it.token import Token

from support.raw_server import raw_server_apart
from support.replays import TRACE, Desk, answering, recorded

BAD = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\nbroken"
PATH = "a`b``c|<img/src=x/onerror=1>[x](http://evil)]]>&::error::x%0A,"
HOSTILE = "a`b``c|<img src=x onerror=1>[x](http://evil) ]]> & \x1b[31m ::error::x %0A\u202e"
PEAK = """
import re, sys
from pathlib import Path
from mesh_replayer.cli import main
try:
    main(sys.argv[1:])
finally:  # what getrusage tells is as large as the process that started it
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
    print(int(peak) * 1024, file=sys.stderr)
"""
"""Our command, which tells its peak of memory in the end (bytes)."""
TEXT = (b"Content-Type", b"text/plain")
UNSEEN = 1_200
"""Exchanges that fail, of which no report can show all."""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def replayed(desk: Desk, *answers: bytes, reports: Iterable[str], **environ: str) -> Result:
    options = [word for report in reports for word in ("--report", report)]
    with raw_server_apart(answering(*answers)) as server:
        return desk.type("trace", TRACE, "--target", f"localhost:{server.port}", *options, **environ)


def answer(body: str, status: str = "200 OK", kind: str = "") -> bytes:
    content = body.encode()
    head = f"HTTP/1.1 {status}\r\n{kind}Content-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def junit(file: Path) -> tuple[TestSuite, list[TestCase]]:
    """The only suite in a file, and its cases."""
    [suite] = list(JUnitXml.fromfile(str(file)))
    return suite, list(suite)


def tokens(markdown: str) -> list[Token]:
    """All of it as GitHub's dialect has it, inline ones too."""
    blocks = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    return [token for block in blocks for token in (block, *(block.children or []))]


def test_a_ci_server_reads_what_passed_failed_and_was_not_judged(desk: Desk) -> None:
    desk.keep(
        [
            recorded(0, path="/a"),
            recorded(1, path="/b"),
            recorded(2, path="/c", status=500),
            recorded(3, path="/d", method="CONNECT"),
            recorded(4, path="/e"),
        ]
    )
    file = desk.folder / "junit.xml"

    done = replayed(
        desk,
        answer("ok"),
        answer("no"),
        answer("ok"),
        answer("", "401 Unauthorized"),
        reports=[f"junit:{file}"],
    )

    suite, cases = junit(file)
    assert done.exit_code == 1
    assert (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) == ("cart", 5, 1, 1, 1)
    assert [(case.name, [type(result) for result in case.result]) for case in cases] == [
        ("GET /a", []),
        ("GET /b", [Failure]),
        ("GET /c", []),
        ("CONNECT /d", [Skipped]),
        ("GET /e", [Error]),
    ]
    [failure] = cases[1].result
    assert failure.type == "different"
    assert failure.message.startswith("different: ")
    assert "line 1" in failure.text
    assert {each.name for each in suite.properties()} == {"run_id", "trace_id", "target"}


def test_cases_that_share_a_name_are_told_apart(desk: Desk) -> None:
    desk.keep(recorded(number, path="/a") for number in range(3))
    file = desk.folder / "junit.xml"

    replayed(desk, answer("ok"), reports=[f"junit:{file}"])

    assert [case.name for case in junit(file)[1]] == ["GET /a", "GET /a #2", "GET /a #3"]


def test_captured_text_breaks_neither_xml_nor_markdown_nor_annotations(desk: Desk) -> None:
    desk.keep([recorded(path="/" + PATH, answer=(TEXT,), answer_body=HOSTILE.encode())])
    xml, md, step = desk.folder / "junit.xml", desk.folder / "report.md", desk.folder / "step.md"

    done = replayed(
        desk,
        answer(HOSTILE[::-1], kind="Content-Type: text/plain\r\n"),
        reports=[f"junit:{xml}", f"markdown:{md}", "github"],
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(step),
    )

    assert "onerror" in junit(xml)[1][0].name
    assert md.read_text() == step.read_text()
    kinds = {token.type for token in tokens(md.read_text())}
    assert "code_inline" in kinds
    assert not kinds & {"html_inline", "html_block", "link_open", "image"}
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line[:8] for line in lines] == ["::error "]
    assert "\x1b" not in done.stdout
    assert re.fullmatch(r"::error title=[^:,]*::.*", lines[0])


def test_a_flood_of_failures_stays_within_what_github_shows(desk: Desk) -> None:
    """Case P18."""
    desk.keep(recorded(number, path=f"/{chr(97 + number % 26)}/{number}") for number in range(UNSEEN))
    xml, step = desk.folder / "junit.xml", desk.folder / "step.md"

    done = replayed(
        desk,
        BAD,
        reports=[f"junit:{xml}", "github"],
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(step),
    )

    suite, cases = junit(xml)
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert (suite.failures, len(cases)) == (UNSEEN, UNSEEN)
    assert [line.startswith("::error ") for line in lines] == [True] * 10 + [False]
    assert len({line.partition("::/")[0] for line in lines[:10]}) == 10
    assert lines[10] == "::notice title=mesh-replay::1,190 more, see the step's summary"
    assert step.stat().st_size < 1024 * 1024


def test_a_body_of_100_mb_stays_within_memory(desk: Desk) -> None:
    """Case P18."""
    desk.keep([recorded(path="/big")])
    size = 100 * 1024 * 1024
    body = answer("x" * size)
    files = [f"{kind}:{desk.folder}/report.{kind}" for kind in ("json", "junit", "html", "markdown")]

    with raw_server_apart(answering(body)) as server:
        words = ["trace", TRACE, "--target", f"localhost:{server.port}"]
        words += [word for file in files for word in ("--report", file)]
        code, peak = peak_of(desk, words)

    assert code == 1
    assert peak < 300 * 1024 * 1024
    assert json.loads((desk.folder / "report.json").read_text())["counts"] == {"different": 1}


def peak_of(desk: Desk, words: list[str]) -> tuple[int, int]:
    """Exit code and the most memory (bytes) of our command in a process of its own."""
    environ = {name: value for name, value in (os.environ | desk.environ).items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *words], env=environ, cwd=desk.folder, capture_output=True, check=False
    )
    return done.returncode, int(done.stderr.splitlines()[-1])


def test_outside_github_the_github_report_says_what_to_take(desk: Desk) -> None:
    desk.keep([recorded()])

    done = replayed(desk, answer("ok"), reports=["github"], GITHUB_ACTIONS="")

    assert (done.exit_code, done.stderr) == (
        2,
        "mesh-replay: --report github works inside GitHub Actions only; "
        "take --report markdown:FILE elsewhere\n",
    )


def test_two_documents_on_one_stdout_are_refused_before_anything_is_sent(desk: Desk) -> None:
    desk.keep([recorded()])

    with raw_server_apart(answering(answer("ok"))) as server:
        done = desk.type(
            "trace", TRACE, "--target", f"localhost:{server.port}", "--report", "junit", "--json"
        )

    assert (done.exit_code, done.stderr, server.requests) == (
        2,
        "mesh-replay: junit and json cannot share stdout; give a file, such as json:FILE\n",
        [],
    )


def test_an_old_failure_that_fails_nothing_is_no_failure_in_a_report_either(desk: Desk) -> None:
    """Case P25."""
    desk.keep([recorded(status=500, answer_body=b"broken")])
    file = desk.folder / "junit.xml"

    with raw_server_apart(answering(BAD)) as server:
        words = ("--target", f"localhost:{server.port}", "--report", f"junit:{file}")
        counted = desk.type("traffic", "service:cart", *words)
        passed, _ = junit(file)
        failing = desk.type("traffic", "service:cart", "--fail-on", "reproduced", *words)
        failed, _ = junit(file)

    assert (counted.exit_code, passed.failures) == (0, 0)
    assert (failing.exit_code, failed.failures) == (1, 1)
