"""`mesh-replay traffic QUERY` and `run FILE…`, typed, against servers on raw sockets."""

import json
from pathlib import Path
from typing import Any

import pytest

from mesh_core.model import Direction
from support.raw_server import Exchanged, raw_server_apart
from support.replays import START, TRACE, Desk, recorded, verdicts

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BROKEN = b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nwrong"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def as_recorded(exchanged: Exchanged) -> None:
    """The same answers, also those that failed."""
    await exchanged.send(BROKEN if b"/broken" in exchanged.request else OK)


def seen(number: int, path: str, *, status: int = 200, **changes: object) -> Any:
    answer = ((b"Content-Length", b"5" if status == 500 else b"2"),)
    body = b"wrong" if status == 500 else b"ok"
    trace = f"{number:032x}"
    return recorded(
        number, path=path, status=status, trace_id=trace, answer=answer, answer_body=body, **changes
    )  # type: ignore[arg-type]  # as `recorded`


def typed(desk: Desk, *command: str) -> tuple[int, dict[str, Any]]:
    result = desk.type(*command, "--json")
    assert result.stderr == ""
    return result.exit_code, json.loads(result.stdout)


def test_of_ten_thousand_two_hundred_are_sent_and_old_failures_are_counted(desk: Desk) -> None:
    """Case P25."""
    desk.keep(
        seen(number, "/broken", status=500) if number % 1_000 == 7 else seen(number, f"/items/{number}")
        for number in range(1, 10_001)
    )

    with raw_server_apart(as_recorded) as server:
        target = f"localhost:{server.port}"
        code, document = typed(desk, "traffic", "--target", target)
        shown = desk.type("traffic", "service:cart", "--target", target, "--seed", "5", "--limit", "12")
        failing, _ = typed(desk, "traffic", "--target", target, "--fail-on", "reproduced")

    assert (code, failing) == (0, 1)
    assert document["counts"] == {"same": 190, "reproduced": 10}
    selection = document["selection"]
    assert (selection["found"], selection["chosen"], selection["kinds"]) == (10_000, 200, 2)
    assert len(server.requests) == 412
    assert "chosen: 12 of 10000, spread over 2 kinds" in shown.stdout
    assert "9988 are not sent" in shown.stdout
    assert "--seed 5 chooses the same again" in shown.stdout
    assert "6 same, 6 reproduced; reproduced are old failures" in shown.stdout


def test_a_seed_chooses_the_same_again(desk: Desk) -> None:
    desk.keep(seen(number, f"/items/{number}") for number in range(1, 100))

    with raw_server_apart(as_recorded) as server:
        command = ("traffic", "--target", f"localhost:{server.port}", "--limit", "5", "--seed", "9")
        runs = [typed(desk, *command)[1] for _ in range(2)]

    paths = [[exchange["path"] for exchange in run["exchanges"]] for run in runs]
    assert paths[0] == paths[1]
    assert len(set(paths[0])) == 5


def test_the_target_stands_for_the_only_service_that_was_called_else_it_is_asked_for(desk: Desk) -> None:
    desk.keep([seen(1, "/a"), seen(2, "/b", service="stock"), seen(3, "/c", direction=Direction.OUTBOUND)])

    with raw_server_apart(as_recorded) as server:
        target = f"localhost:{server.port}"
        unclear = desk.type("traffic", "--target", target)
        named = typed(desk, "traffic", "--target", target, "--service", "stock")
        queried = typed(desk, "traffic", "service:cart", "--target", target)
        both = typed(desk, "traffic", "--target", f"cart={target}", "--target", f"stock={target}")

    assert unclear.exit_code == 2
    assert "these requests went to stock, cart" in unclear.stderr or "cart, stock" in unclear.stderr
    assert [exchange["path"] for exchange in named[1]["exchanges"]] == ["/b"]
    assert queried[1]["service_reason"] == "all of these requests went to it"
    assert [exchange["path"] for exchange in both[1]["exchanges"]] == ["/a", "/b"]


def test_a_query_that_finds_nothing_is_exit_5(desk: Desk) -> None:
    """Case P17."""
    desk.keep([seen(1, "/a")])

    result = desk.type("traffic", "status:5xx", "--target", "localhost:1")

    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr.startswith("mesh-replay: no request to a service fits 'status:5xx'")


def test_a_file_of_one_trace_is_looked_into_and_one_of_many_is_counted(desk: Desk) -> None:
    """Case P25: what a query exported, and a saved trace."""
    desk.keep([seen(1, "/broken", status=500), seen(2, "/broken", status=500), seen(3, "/ok")])
    many, one = str(desk.folder / "many.har"), str(desk.folder / "one.har.zst")
    assert desk.type("export", "service:cart", "-o", many).exit_code == 0
    assert desk.type("export", f"{1:032x}", "-o", one).exit_code == 0

    with raw_server_apart(as_recorded) as server:
        target = f"localhost:{server.port}"
        all_of_them = typed(desk, "run", many, "--target", target)
        asked = typed(desk, "run", many, "--target", target, "--fail-on", "reproduced")
        single = typed(desk, "run", one, "--target", target)
        both = typed(desk, "run", many, one, "--target", target)

    assert (all_of_them[0], verdicts(all_of_them[1])) == (0, ["reproduced", "reproduced", "same"])
    assert (asked[0], single[0], both[0]) == (1, 1, 0)
    assert single[1]["trace_id"] == f"{1:032x}"
    assert len(both[1]["exchanges"]) == 3  # what two files hold is sent once


def test_a_browser_s_file_is_one_session_in_its_order(desk: Desk) -> None:
    """Case P20: a file of Chrome's shape."""
    entries = [
        {
            "startedDateTime": f"2026-02-03T10:00:0{number}.000Z",
            "time": 100,
            "request": {
                "method": "GET", "url": f"http://shop.test/{number}", "headers": [],
                "httpVersion": "HTTP/1.1",
            },
            "response": {
                "status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "headers": [],
                "content": {"size": 2, "mimeType": "text/plain", "text": "ok"},
            },
        }
        for number in range(5)
    ]  # fmt: skip
    file = desk.folder / "browser.har"
    file.write_text(
        json.dumps({"log": {"version": "1.2", "creator": {"name": "WebInspector"}, "entries": entries}})
    )

    with raw_server_apart(as_recorded) as server:
        _, document = typed(desk, "run", str(file), "--target", f"localhost:{server.port}")

    assert [request.split()[1] for request in server.requests] == [b"/0", b"/1", b"/2", b"/3", b"/4"]
    assert document["service"] == "shop.test"


def test_a_file_that_is_none_is_one_line(desk: Desk) -> None:
    result = desk.type("run", str(desk.folder / "nothing.har"), "--target", "localhost:1")

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_a_trace_still_fails_where_its_failure_is_reproduced(desk: Desk) -> None:
    """Case P25: `trace` looks into a failure."""
    desk.keep([recorded(0, path="/broken", status=500, answer_body=b"wrong", started_at=START)])

    with raw_server_apart(as_recorded) as server:
        code, _ = typed(desk, "trace", TRACE, "--target", f"localhost:{server.port}")

    assert code == 1
