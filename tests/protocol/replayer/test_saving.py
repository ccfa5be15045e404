"""`save` and `accept`, typed: files for git that change only where somebody said so."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from support.raw_server import raw_server_apart
from support.replays import TRACE, Desk, answering, json_answer, recorded

JSON = (b"Content-Type", b"application/json")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


def saved(desk: Desk, *documents: object) -> Path:
    desk.keep(
        recorded(number, path=f"/carts/{number}", answer=(JSON,), answer_body=json.dumps(document).encode())
        for number, document in enumerate(documents)
    )
    assert desk.type("save", TRACE, "--as", "carts").exit_code == 0
    return desk.folder / "traces" / "carts.har"


def accept(desk: Desk, *answers: bytes, options: tuple[str, ...] = ()) -> tuple[int, str]:
    with raw_server_apart(answering(*answers)) as server:
        done = desk.type("accept", "carts", "--target", f"localhost:{server.port}", *options)
    return done.exit_code, done.stderr


def bodies(file: Path) -> list[Any]:
    log = json.loads(file.read_text())["log"]
    return [json.loads(entry["response"]["content"]["text"]) for entry in log["entries"]]


def test_a_saved_trace_is_sorted_readable_and_only_ours(desk: Desk) -> None:
    desk.keep([recorded(number, path=f"/{number}") for number in (2, 0, 1)])

    first = desk.type("save", TRACE, "--as", "one")
    second = desk.type("save", TRACE, "--as", "two", "--json")

    one, two = (desk.folder / "traces" / f"{name}.har" for name in ("one", "two"))
    assert (first.exit_code, first.stdout) == (0, "3 exchanges in traces/one.har\n")
    assert json.loads(second.stdout) == {"file": "traces/two.har", "exchanges": 3}
    assert one.read_bytes() == two.read_bytes()
    assert [entry["request"]["url"][-2:] for entry in json.loads(one.read_text())["log"]["entries"]] == [
        "/0", "/1", "/2"
    ]  # fmt: skip
    assert stat.S_IMODE(one.stat().st_mode) == 0o600


def test_a_saved_trace_lies_beside_mesh_toml(desk: Desk) -> None:
    desk.config('project = "shop"\n')
    desk.keep([recorded()])

    desk.type("save", TRACE, "--as", "one")

    assert (desk.folder / "traces" / "one.har").exists()


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b", "a\n"])
def test_a_name_leads_nowhere_else(desk: Desk, name: str) -> None:
    desk.keep([recorded()])

    done = desk.type("save", TRACE, "--as", name)

    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert not (desk.folder / "traces").exists()


def test_a_file_that_is_there_is_replaced_only_by_force(desk: Desk) -> None:
    file = saved(desk, 1)
    before = file.read_bytes()

    again = desk.type("save", TRACE, "--as", "carts")
    forced = desk.type("save", TRACE, "--as", "carts", "--force")

    assert (again.exit_code, again.stderr) == (
        2,
        "mesh-replay: traces/carts.har is there already; give another name, or --force\n",
    )
    assert (forced.exit_code, file.read_bytes()) == (0, before)


def test_what_is_accepted_is_what_is_expected_next_time(desk: Desk) -> None:
    file = saved(desk, {"total": 10}, {"total": 7})
    untouched = json.loads(file.read_text())["log"]["entries"][1]
    answers = json_answer({"total": 12}), json_answer({"total": 7})

    code, said = accept(desk, *answers)
    with raw_server_apart(answering(*answers)) as server:
        again = desk.type("run", str(file), "--target", f"localhost:{server.port}")

    assert (code, said.splitlines()[-1]) == (0, "1 answer accepted in traces/carts.har")
    assert bodies(file) == [{"total": 12}, {"total": 7}]
    assert json.loads(file.read_text())["log"]["entries"][1] == untouched
    assert again.exit_code == 0


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (json_answer({"total": 10}, "404 Not Found"), "200 then, 404 now"),
        (json_answer({"total": "10"}), "another type at $['total']"),
        (json_answer({"sum": 10}), "gone: $['total']"),
        (json_answer({}, "500 Internal Server Error"), "200 then, 500 now"),
    ],
)
def test_what_breaks_callers_is_taken_only_when_asked_for(desk: Desk, now: bytes, why: str) -> None:
    file = saved(desk, {"total": 10})
    before = file.read_bytes()

    refused, said = accept(desk, now)
    kept = file.read_bytes()
    taken, _ = accept(desk, now, options=("--breaking",))

    assert refused == 1
    assert f"not accepted: GET /carts/0: {why}" in said.replace("$.total", "$['total']")
    assert kept == before
    assert (taken, file.read_bytes() == before) == (0, False)


def test_what_was_not_reached_is_never_accepted(desk: Desk) -> None:
    file = saved(desk, {"total": 10})
    before = file.read_bytes()

    done = desk.type("accept", "carts", "--target", "localhost:1", "--breaking")

    assert (done.exit_code, file.read_bytes()) == (3, before)


def test_a_dry_run_accepts_nothing(desk: Desk) -> None:
    file = saved(desk, {"total": 10})
    before = file.read_bytes()

    code, _ = accept(desk, json_answer({"total": 11}), options=("--dry-run",))

    assert (code, file.read_bytes()) == (0, before)


def test_what_is_older_than_allowed_is_not_sent(desk: Desk) -> None:
    file = saved(desk, {"total": 10})

    with raw_server_apart(answering(json_answer({"total": 10}))) as server:
        words = ("run", str(file), "--target", f"localhost:{server.port}", "--max-age")
        old, fine, wrong = (desk.type(*words, most) for most in ("30d", "36500d", "soon"))

        assert len(server.requests) == 1
    assert (old.exit_code, fine.exit_code, wrong.exit_code) == (5, 0, 2)
    assert "longer than --max-age 30d; record and save it again" in old.stderr
    assert wrong.stderr.count("\n") == 1
