"""Plain HTTP/1 passes byte for byte, and is recorded as it was."""

from pathlib import Path

import pytest

from mesh_core.model import Direction, Lane, Synthesized, TraceOrigin
from mesh_core.outcome import Outcome
from support.rig import both, caller, run
from support.talk import Talk, answering, get, ok


def test_a_request_and_its_response_are_recorded_as_they_were(tmp_path: Path, lane: Lane) -> None:
    request = (
        b"POST /carts?a=1 HTTP/1.1\r\nHost: shop.test\r\nX-Odd: 1\r\nx-odd: 2\r\nContent-Length: 2\r\n\r\n{}"
    )
    seen = run(
        lambda: both(
            tmp_path,
            answering(ok(b"made", b"Set-Cookie2: a", b"X-Z: 1"), after=b"{}"),
            caller(request, until=lambda talk: talk.until(b"made")),
        )
    )

    seen.assert_same()
    exchange = seen.exchange
    assert (exchange.method, exchange.path, exchange.authority) == ("POST", "/carts?a=1", "shop.test")
    assert exchange.request_headers[1:3] == ((b"X-Odd", b"1"), (b"x-odd", b"2"))
    assert (exchange.status, exchange.reason, exchange.outcome) == (200, "OK", Outcome.OK)
    assert exchange.direction is Direction.INBOUND
    assert exchange.lane is lane
    assert exchange.synthesized is Synthesized.NONE
    assert exchange.trace_origin is TraceOrigin.SYNTHETIC
    assert (exchange.scheme, exchange.http_version) == ("http", "HTTP/1.1")
    assert seen.rig.body(exchange.request_body) == b"{}"
    assert seen.rig.body(exchange.response_body) == b"made"
    assert exchange.response_body is not None
    assert exchange.response_body.full_hash == exchange.response_body.hash
    moments = [exchange.started_at, exchange.request_end, exchange.first_byte, exchange.ended_at]
    assert moments == sorted(moment or 0 for moment in moments)
    assert exchange.connect_time is not None


def test_three_requests_on_one_connection_are_three_exchanges(tmp_path: Path) -> None:
    """Case R1: kept alive."""

    async def one_after_the_other(talk: Talk) -> None:
        for number in (1, 2, 3):
            await talk.say(get(b"/%d" % number))
            await talk.until(b"answer %d" % number)

    server = answering(ok(b"answer 1"), ok(b"answer 2"), ok(b"answer 3"))
    seen = run(lambda: both(tmp_path, server, one_after_the_other))

    seen.assert_same()
    assert [exchange.path for exchange in seen.exchanges] == ["/1", "/2", "/3"]
    assert len({exchange.connection for exchange in seen.exchanges}) == 1
    assert seen.exchanges[0].connect_time is not None
    assert seen.exchanges[1].connect_time is None


def test_three_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    """Case R1: pipelined."""
    server = answering(ok(b"answer 1"), ok(b"answer 2"), ok(b"answer 3"))
    pipelined = caller(get(b"/1") + get(b"/2") + get(b"/3"), until=lambda talk: talk.until(b"answer 3"))
    seen = run(lambda: both(tmp_path, server, pipelined))

    seen.assert_same()
    assert [exchange.path for exchange in seen.exchanges] == ["/1", "/2", "/3"]


BODILESS = {
    "HEAD": (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"),
    "204": (get(), b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304": (get(), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n"),
}


@pytest.mark.parametrize("kind", BODILESS)
def test_a_response_without_a_body_ends_at_its_head(tmp_path: Path, kind: str) -> None:
    """Case R11: HEAD with a length, 204, 304 with a length; the next request works."""
    request, response = BODILESS[kind]

    async def then_another(talk: Talk) -> None:
        await talk.say(request)
        await talk.until(b"\r\n\r\n")
        await talk.say(get(b"/next"))
        await talk.until(b"next one")

    seen = run(lambda: both(tmp_path, answering(response, ok(b"next one")), then_another))

    seen.assert_same()
    first, second = seen.exchanges
    assert first.response_body is None
    assert second.path == "/next"


async def _until_eof(talk: Talk) -> None:
    await talk.until(b"\r\n\r\n")
    await talk.say(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall there is")


async def _http10_with_length(talk: Talk) -> None:
    await talk.until(b"\r\n\r\n")
    await talk.say(b"HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\nall there is")


async def _http11_until_eof(talk: Talk) -> None:
    await talk.until(b"\r\n\r\n")
    await talk.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall there is")


@pytest.mark.parametrize("server", [_until_eof, _http10_with_length, _http11_until_eof])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_http_1_0_on_either_side_passes_as_it_is(tmp_path: Path, server: object, version: bytes) -> None:
    """Case R12."""
    request = b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version
    seen = run(
        lambda: both(tmp_path, server, caller(request, until=Talk.end))  # type: ignore[arg-type]  # a script
    )

    seen.assert_same()
    assert seen.exchange.http_version == f"HTTP/{version.decode()}"
    assert seen.rig.body(seen.exchange.response_body) == b"all there is"
    assert seen.exchange.outcome is Outcome.OK


NASTY = {
    "order, case and duplicates": (b"/", [b"ZZ-Last: 1", b"aa-First: 2", b"zz-last: 3", b"AA-FIRST: 4"]),
    "latin-1": (b"/", [b"X-Name: J\xfcrgen", b"X-Raw: \x80\xff"]),
    "a raw path": (b"//a/../%2F%zz;p=1?x=a+b%20c&&", []),
    "a path that is no UTF-8": (b"/\xff%ff?q=\xe9", []),
    "1,000 headers": (b"/", [b"X-%d: %d" % (n, n) for n in range(1000)]),
    "100 kB of headers": (b"/", [b"X-%d: " % n + b"v" * 1000 for n in range(100)]),
}


@pytest.mark.parametrize("kind", NASTY)
def test_heads_pass_byte_for_byte(tmp_path: Path, kind: str) -> None:
    """Case R19."""
    path, fields = NASTY[kind]
    server = answering(ok(b"fine", *fields))
    seen = run(lambda: both(tmp_path, server, caller(get(path, *fields), until=lambda t: t.until(b"fine"))))

    seen.assert_same()
    exchange = seen.exchange
    assert exchange.path.encode("latin-1") == path
    expected = tuple((name, value) for name, _, value in (f.partition(b": ") for f in fields))
    assert exchange.request_headers[1:] == expected
    assert exchange.response_headers[:-1] == expected
