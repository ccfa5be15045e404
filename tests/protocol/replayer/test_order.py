"""Order, pace and repetition of a replay, typed, against servers on raw sockets."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from support.raw_server import Exchanged, raw_server_apart
from support.replays import START, TRACE, Desk, recorded, trace_json, verdicts

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MS = 1_000_000


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def at(number: int, start: int, end: int, **changes: object):  # type: ignore[no-untyped-def]  # as `recorded`
    """An exchange that was recorded from one millisecond to another."""
    return recorded(
        number, path=f"/{number}", started_at=START + start * MS, ended_at=START + end * MS, **changes
    )  # type: ignore[arg-type]  # as `recorded`


def path_of(request: bytes) -> bytes:
    return request.split()[1]


@pytest.mark.parametrize("pace", ["fast", "x1000"])
def test_what_overlapped_overlaps_again_and_what_followed_follows(desk: Desk, pace: str) -> None:
    """Case P14: happens-before holds in the server's log; the capture is out of order."""
    desk.keep([at(3, 500, 600), at(0, 0, 100), at(2, 200, 400), at(1, 50, 300)])
    log: list[tuple[str, bytes]] = []
    both = asyncio.Event()

    async def script(exchanged: Exchanged) -> None:
        path = path_of(exchanged.request)
        log.append(("began", path))
        if path == b"/2":
            both.set()
        elif path == b"/1":
            await both.wait()  # only an overlapping request ends this
        log.append(("ended", path))
        await exchanged.send(OK)

    with raw_server_apart(script) as server:
        code, document = trace_json(desk, server.port, "--pace", pace)

    assert (code, verdicts(document)) == (0, ["same"] * 4)
    assert [exchange["path"] for exchange in document["exchanges"]] == ["/0", "/1", "/2", "/3"]
    assert log.index(("ended", b"/0")) < log.index(("began", b"/2"))
    assert log.index(("ended", b"/1")) < log.index(("began", b"/3"))
    assert log.index(("ended", b"/2")) < log.index(("began", b"/3"))
    assert (document["lateness"] is None) == (pace == "fast")


def test_one_at_a_time_where_that_is_asked_for(desk: Desk) -> None:
    desk.keep([at(number, number, 100) for number in range(6)])
    open_now = [0]
    most: list[int] = []

    async def script(exchanged: Exchanged) -> None:
        open_now[0] += 1
        most.append(open_now[0])
        await asyncio.sleep(0)
        open_now[0] -= 1
        await exchanged.send(OK)

    with raw_server_apart(script) as server:
        code, _ = trace_json(desk, server.port, "--concurrency", "1")

    assert (code, max(most), len(most)) == (0, 1, 6)


def test_results_come_in_the_plan_s_order_whichever_answer_comes_first(desk: Desk) -> None:
    desk.keep([at(0, 0, 100), at(1, 1, 100)])
    second = asyncio.Event()

    async def script(exchanged: Exchanged) -> None:
        if path_of(exchanged.request) == b"/0":
            await second.wait()
        await exchanged.send(OK)
        second.set()

    with raw_server_apart(script) as server:
        _, document = trace_json(desk, server.port)

    assert [exchange["path"] for exchange in document["exchanges"]] == ["/0", "/1"]


def dying(after: int, answer: Callable[[int], bytes]):  # type: ignore[no-untyped-def]  # a script
    """Answers so many requests, then stops listening for good."""
    served = [0]

    async def script(exchanged: Exchanged) -> None:
        served[0] += 1
        await exchanged.send(answer(served[0]))
        if served[0] == after:
            exchanged.server.listening.close()
            exchanged.ended = True

    return script


@pytest.mark.parametrize(("first", "code"), [(OK, 3), (OK.replace(b"ok", b"no"), 1)])
def test_a_target_that_dies_is_unreachable_from_there_on(desk: Desk, first: bytes, code: int) -> None:
    """Case P17: exit 3, and 1 where something had been different before."""
    desk.keep([at(number, number * 10, number * 10 + 1) for number in range(6)])

    with raw_server_apart(dying(2, lambda number: first if number == 1 else OK)) as server:
        exit_code, document = trace_json(desk, server.port)

    judged = ["same" if code == 3 else "different", "same", *["unreachable"] * 4]
    assert (exit_code, verdicts(document)) == (code, judged)
    assert "is the service running?" in document["exchanges"][-1]["reason"]


def test_a_service_that_fails_three_times_in_ten_is_flaky(desk: Desk) -> None:
    """Case P19."""
    desk.keep([at(0, 0, 1), at(1, 10, 11)])
    calls = [0]

    async def script(exchanged: Exchanged) -> None:
        if path_of(exchanged.request) == b"/1":
            calls[0] += 1
        failing = path_of(exchanged.request) == b"/1" and calls[0] in (2, 5, 9)
        await exchanged.send(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n" if failing else OK)

    with raw_server_apart(script) as server:
        code, document = trace_json(desk, server.port, "--repeat", "10")

    assert (code, verdicts(document), document["counts"]) == (1, ["same", "flaky"], {"same": 1, "flaky": 1})
    assert document["exchanges"][1]["reason"].startswith("3/10 runs broken")
    assert document["exchanges"][1]["runs"] == {"broken": 3, "same": 7}
    assert len(server.requests) == 20
    assert len({request.partition(b"mesh-replay: ")[2] for request in server.requests}) == 1


def test_a_run_that_always_fails_is_not_flaky(desk: Desk) -> None:
    """Case P19."""
    desk.keep([at(0, 0, 1)])

    async def script(exchanged: Exchanged) -> None:
        await exchanged.send(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")

    with raw_server_apart(script) as server:
        code, document = trace_json(desk, server.port, "--repeat", "3")

    assert (code, verdicts(document)) == (1, ["broken"])


def test_a_pace_that_is_none_is_one_line_and_nothing_is_sent(desk: Desk) -> None:
    desk.keep([at(0, 0, 1)])

    result = desk.type("trace", TRACE, "--target", "localhost:1", "--pace", "quick")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "mesh-replay: --pace 'quick' is no pace; give recorded, fast, or x4\n"


def test_the_report_says_how_late_requests_were(desk: Desk) -> None:
    desk.keep([at(0, 0, 1), at(1, 10, 11)])

    async def script(exchanged: Exchanged) -> None:
        await exchanged.send(OK)

    with raw_server_apart(script) as server:
        shown = desk.type("trace", TRACE, "--target", f"localhost:{server.port}", "--pace", "recorded")

    assert "late" in shown.stdout.splitlines()[-2]
