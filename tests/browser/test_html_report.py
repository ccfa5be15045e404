"""The HTML report, written by a real replay and looked at in a real browser."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.browser import Watched
from support.raw_server import raw_server_apart
from support.replays import TRACE, Desk, answering, json_answer, recorded

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
JSON = (b"Content-Type", b"application/json")


def kept(desk: Desk, *documents: object) -> None:
    desk.keep(
        recorded(number, path=f"/carts/{number}", answer=(JSON,), answer_body=json.dumps(document).encode())
        for number, document in enumerate(documents)
    )


def report(desk: Desk, *answers: bytes) -> Path:
    file = desk.folder / "report.html"
    with raw_server_apart(answering(*answers)) as server:
        words = ("trace", TRACE, "--target", f"localhost:{server.port}", "--report", f"html:{file}")
        with ThreadPoolExecutor(1) as apart:  # Playwright has an event loop in this thread
            done = apart.submit(desk.type, *words).result()

    assert done.exit_code == 1
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_responses_are_seen_side_by_side(watched: Watched, tmp_path: Path, scheme: str) -> None:
    desk = Desk(tmp_path)
    kept(desk, {"total": 10, "currency": "EUR"}, {"total": 7})
    file = report(desk, json_answer({"total": 12, "currency": "EUR"}), json_answer({"total": 7}))

    watched.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    watched.page.goto(file.as_uri())

    page = watched.page
    assert page.locator("h1").inner_text().startswith("Failed")
    wrong = page.locator("details.exchange.failed")
    assert "GET /carts/0" in wrong.locator("summary").first.inner_text()
    changed = wrong.locator("table.side tr.changed", has_text="total")
    assert [cell.strip() for cell in changed.locator("td").all_inner_texts()] == [
        '"total": 10,',
        '"total": 12,',
    ]
    assert "$['total']" in wrong.inner_text() or "$.total" in wrong.inner_text()
    page.locator("details.exchange.passed > summary").click()
    assert "/carts/1" in page.locator("details.exchange.passed").inner_text()
    assert (watched.complaints, watched.requested) == ([], [file.as_uri()])


def test_what_was_captured_is_text_and_nothing_else(watched: Watched, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    kept(desk, {HOSTILE: HOSTILE, "x": 1})
    file = report(desk, json_answer({HOSTILE: f"{HOSTILE}\u202e", "x": HOSTILE}))

    watched.page.goto(file.as_uri())

    shown = watched.page.locator("details.exchange.failed").inner_text()
    assert HOSTILE.replace('"', '\\"') in shown
    assert "\\u202e" in shown
    assert watched.page.title().startswith("mesh-replay: failed")
    assert watched.page.locator("script, img, link, iframe").count() == 0
    assert (watched.complaints, watched.requested) == ([], [file.as_uri()])


def test_it_fits_a_small_screen(watched: Watched, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    kept(desk, {"long": "a" * 3_000})
    file = report(desk, json_answer({"long": "b" * 3_000}))

    watched.page.set_viewport_size({"width": 390, "height": 800})
    watched.page.goto(file.as_uri())

    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390
