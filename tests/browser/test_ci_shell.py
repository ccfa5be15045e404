"""The demo's failure replayed as a CI job would, and its reports read by what reads them."""

import sys
from pathlib import Path

from junitparser import JUnitXml

from support.behind_sidecars import mesh
from support.browser import Watched
from support.shop import SHOP


def test_a_jobs_reports_tell_of_the_demos_failure(watched: Watched, tmp_path: Path) -> None:
    xml, page, summary = tmp_path / "junit.xml", tmp_path / "replay.html", tmp_path / "summary.md"
    with mesh() as shop:
        assert shop.order("JPY")["status"] >= 500
        trace = shop.failed_trace(sides=12 if shop.cast.node else 6)
        shop.processes.end()
        job = shop.type(
            "mesh-replay", "trace", trace["trace_id"], "--stub", "rest",
            "--report", f"junit:{xml}", "--report", f"html:{page}", "--report", "github",
            "--", sys.executable, "-m", "mesh_shop.payment",
            CI="true", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary), PYTHONPATH=str(SHOP.parent),
        )  # fmt: skip
    watched.page.goto(page.as_uri())

    [suite] = list(JUnitXml.fromfile(str(xml)))
    [case] = list(suite)
    assert job.code == 1, job.stderr
    assert (suite.name, case.name, case.result[0].type) == ("payment", "POST /charges", "reproduced")
    [annotation] = [line for line in job.stdout.splitlines() if line.startswith("::")]
    assert annotation.startswith("::error title=reproduced%3A payment POST /charges::")
    assert "### reproduced: `payment` `POST /charges`" in summary.read_text()
    assert watched.page.locator("h1").inner_text() == "Failed exit code 1"
    assert "payment POST /charges" in watched.page.locator("details.failed > summary").inner_text()
    assert (watched.complaints, watched.requested) == ([], [page.as_uri()])
