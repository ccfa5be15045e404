"""What HTTP/1 has between and behind its messages: 100-continue, hints, trailers, early answers."""

import asyncio
from pathlib import Path

import pytest

from mesh_core.outcome import Outcome
from support.rig import both, caller, run
from support.talk import Talk, answering, get, ok

UPLOAD = b"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\nX-Last: 1\r\n\r\n"


def test_a_client_waits_for_the_upstreams_100(tmp_path: Path) -> None:
    """Case R9: a late body; the original header is passed on and recorded."""

    async def server(talk: Talk) -> None:
        await talk.until(b"\r\n\r\n")
        assert not talk.heard.endswith(b"body")
        await talk.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        await talk.until(b"body")
        await talk.say(ok(b"stored"))
        await talk.end()

    async def uploading(talk: Talk) -> None:
        await talk.say(UPLOAD)
        await talk.until(b"100 Continue\r\n\r\n")
        await talk.say(b"body")
        await talk.until(b"stored")

    seen = run(lambda: both(tmp_path, server, uploading))

    seen.assert_same()
    assert (b"Expect", b"100-continue") in seen.exchange.request_headers
    assert seen.rig.body(seen.exchange.request_body) == b"body"
    assert [(m.type, m.payload) for m in seen.exchange.messages] == [("informational", b"100 Continue")]


@pytest.mark.parametrize("status", [b"417 Expectation Failed", b"413 Content Too Large"])
def test_an_upload_can_be_refused_before_its_body(tmp_path: Path, status: bytes) -> None:
    """Case R9."""
    refusal = b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status

    async def server(talk: Talk) -> None:
        await talk.until(b"\r\n\r\n")
        await talk.say(refusal)

    seen = run(lambda: both(tmp_path, server, caller(UPLOAD, until=Talk.end)))

    seen.assert_same()
    assert seen.client == refusal
    assert seen.exchange.status == int(status[:3])
    assert seen.exchange.outcome is Outcome.HTTP_4XX


INFORMATIONAL = {
    "100 unasked": b"HTTP/1.1 100 Continue\r\n\r\n",
    "103 twice": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2,
}


@pytest.mark.parametrize("kind", INFORMATIONAL)
@pytest.mark.parametrize("at_once", [True, False])
def test_an_informational_response_is_not_the_last(tmp_path: Path, kind: str, at_once: bool) -> None:
    """Case R10."""
    before = INFORMATIONAL[kind]

    async def server(talk: Talk) -> None:
        await talk.until(b"\r\n\r\n")
        if at_once:
            await talk.say(before + ok(b"the answer"))
        else:
            await talk.say(before)
            await asyncio.sleep(0.05)  # so that they come apart; nothing is judged by it
            await talk.say(ok(b"the answer"))
        await talk.end()

    seen = run(lambda: both(tmp_path, server, caller(get(), until=lambda talk: talk.until(b"the answer"))))

    seen.assert_same()
    assert seen.exchange.status == 200
    assert len(seen.exchange.messages) == before.count(b"HTTP/1.1")
    assert {message.type for message in seen.exchange.messages} == {"informational"}


def test_a_response_keeps_its_trailers(tmp_path: Path) -> None:
    """Case R13."""
    response = (
        b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nx-more: 2\r\n\r\n"
    )

    async def two(talk: Talk) -> None:
        await talk.say(get(b"/1"))
        await talk.until(b"x-more: 2\r\n\r\n")
        await talk.say(get(b"/2"))
        await talk.until(b"x-more: 2\r\n\r\n", count=2)

    seen = run(lambda: both(tmp_path, answering(response), two))

    seen.assert_same()
    first, _ = seen.exchanges
    assert first.response_trailers == ((b"X-Sum", b"1"), (b"x-more", b"2"))
    assert seen.rig.body(first.response_body) == b"hello"


def test_a_request_keeps_its_trailers(tmp_path: Path) -> None:
    """Case R13."""
    request = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
    )
    server = answering(ok(b"taken"), after=b"X-Sum: 1\r\n\r\n")
    seen = run(lambda: both(tmp_path, server, caller(request, until=lambda talk: talk.until(b"taken"))))

    seen.assert_same()
    assert seen.exchange.request_trailers == ((b"X-Sum", b"1"),)
    assert seen.rig.body(seen.exchange.request_body) == b"hello"


def test_an_early_answer_reaches_a_client_that_still_uploads(tmp_path: Path) -> None:
    """Case R17."""
    refusal = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!"

    async def server(talk: Talk) -> None:
        await talk.until(b"first part")
        await talk.say(refusal)
        await talk.end()

    async def uploading(talk: Talk) -> None:
        await talk.say(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nfirst part")
        await talk.until(b"no!")

    seen = run(lambda: both(tmp_path, server, uploading))

    assert seen.client == refusal == seen.direct_client
    assert (seen.exchange.status, seen.exchange.outcome) == (413, Outcome.HTTP_4XX)
    assert seen.exchange.request_body is not None
    assert seen.exchange.request_body.truncated
