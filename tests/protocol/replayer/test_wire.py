"""The wire against servers on raw sockets."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from mesh_replayer.wire.connection import Address
from mesh_replayer.wire.transport import WireTransport
from support.raw_server import Exchanged, RawServer, raw_server, read_chunked

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Pieces(httpx.AsyncByteStream):
    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # a generator of bytes
        for piece in self.pieces:
            yield piece


def a_request(
    *pieces: bytes,
    method: bytes = b"GET",
    target: bytes = b"/",
    headers: list[tuple[bytes, bytes]] | None = None,
    **extensions: object,
) -> httpx.Request:
    return httpx.Request(
        method.decode(),
        "http://nowhere.invalid",
        headers=[(b"Host", b"a")] if headers is None else headers,
        stream=Pieces(*pieces),
        extensions={"method": method, "target": target, **extensions},
    )


def against[T](
    script: Callable[[Exchanged], Awaitable[None]],
    use: Callable[[WireTransport, RawServer], Awaitable[T]],
) -> T:
    async def run() -> T:
        async with raw_server(script) as server:
            transport = WireTransport([Address("127.0.0.1", server.port)])
            try:
                return await use(transport, server)
            finally:
                await transport.aclose()

    return asyncio.run(run())


async def fetch(transport: WireTransport, request: httpx.Request) -> tuple[httpx.Response, bytes]:
    response = await transport.handle_async_request(request)
    return response, b"".join([piece async for piece in response.stream])  # type: ignore[union-attr]


def answering(answer: bytes, *, close: bool = False) -> Callable[[Exchanged], Awaitable[None]]:
    async def script(exchanged: Exchanged) -> None:
        await (exchanged.end(answer) if close else exchanged.send(answer))

    return script


def one(answer: bytes, request: httpx.Request, *, close: bool = False) -> tuple[httpx.Response, bytes]:
    return against(answering(answer, close=close), lambda transport, _: fetch(transport, request))


LATIN = bytes(range(0xA0, 0x100))
CORPUS: list[tuple[bytes, bytes, list[tuple[bytes, bytes]]]] = [
    (b"GET", path, headers)
    for path in (
        b"/",
        b"//a/../%2F%zz?x=a+b%20c&&",
        b'/"{}|\\^`<>',
        b"/\xff\xfe/\xc3\xa9",
        b"*",
        b"http://absolute.example:81/x?y#z",
        b"/a;b=c/./..//",
        b"/?" + b"q" * 8_000,
    )
    for headers in (
        [(b"Host", b"a")],
        [(b"accept", b"*/*"), (b"HOST", b"last:80"), (b"x-A", b"1"), (b"X-a", b"2"), (b"x-A", b"1")],
        [(b"X-Latin", LATIN), (b"Host", b""), (b"Empty", b""), (b"Cookie", b'a=1; b="2"; c==')],
        [(b"User-Agent", b"  inner  blanks\t"), (b"Connection", b"keep-alive, X-Y"), (b"X-Y", b"z")],
        [(b"Host", b"one"), (b"Host", b"two"), (b"Accept-Encoding", b"br;q=1, gzip"), (b"TE", b"trailers")],
    )
] + [(method, b"/m", [(b"Host", b"a")]) for method in (b"get", b"PROPFIND", b"M-SEARCH", b"x!#$%&'*+.^_`|~-")]


@pytest.mark.parametrize(("method", "target", "headers"), CORPUS)
def test_what_goes_out_is_what_was_given_and_nothing_else(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """Case P1."""

    async def use(transport: WireTransport, server: RawServer) -> bytes:
        await fetch(transport, a_request(method=method, target=target, headers=headers))
        return server.requests[0]

    sent = against(answering(OK), use)

    lines = b"".join(b"%s: %s\r\n" % field for field in headers)
    assert sent == b"%s %s HTTP/1.1\r\n%s\r\n" % (method, target, lines)


def test_a_body_goes_out_as_it_is_and_chunked_where_the_headers_say_so() -> None:
    """Case P2."""

    async def use(transport: WireTransport, server: RawServer) -> list[bytes]:
        body = b"\x00\xff\r\n\r\n"
        plain = [(b"Host", b"a"), (b"Content-Length", b"6")]
        chunked = [(b"Host", b"a"), (b"transfer-ENCODING", b"Chunked")]
        await fetch(transport, a_request(body, method=b"POST", headers=plain))
        await fetch(
            transport,
            a_request(b"one", b"", b"and two", method=b"POST", headers=chunked, trailers=((b"X-Sum", b"9"),)),
        )
        return [request.partition(b"\r\n\r\n")[2] for request in server.requests]

    plain, chunked = against(answering(OK), use)

    assert plain == b"\x00\xff\r\n\r\n"
    assert chunked == b"3\r\none\r\n7\r\nand two\r\n0\r\nX-Sum: 9\r\n\r\n"


def test_a_chunked_answer_keeps_its_trailers_duplicates_and_case() -> None:
    """Case P2."""
    answer = (
        b"HTTP/1.1 200 Fine, thanks\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-L: \xe9\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 6\r\nx-sum: 7\r\n\r\n"
    )

    response, body = one(answer, a_request())

    assert body == b"hello!"
    assert response.headers.raw == [
        (b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"X-L", b"\xe9"),
        (b"Transfer-Encoding", b"chunked"),
    ]  # fmt: skip
    assert response.extensions["reason_phrase"] == b"Fine, thanks"
    assert response.extensions["trailing_headers"] == [(b"X-Sum", b"6"), (b"x-sum", b"7")]


def test_informational_answers_come_before_the_final_one_and_are_kept() -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK

    response, body = one(answer, a_request())

    assert (response.status_code, body) == (200, b"ok")
    assert [each.status for each in response.extensions["informational"]] == [100, 103]
    assert response.extensions["informational"][1].headers == ((b"Link", b"</a>"),)


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b""),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", 200, b"x"),
        (b"HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n", 599, b""),
    ],
)
def test_answers_of_odd_framing_end_where_they_should(answer: bytes, status: int, body: bytes) -> None:
    response, got = one(answer, a_request())

    assert (response.status_code, got) == (status, body)


def test_an_answer_to_head_has_no_body_and_the_connection_goes_on() -> None:
    async def use(transport: WireTransport, server: RawServer) -> tuple[bytes, int]:
        _, body = await fetch(transport, a_request(method=b"HEAD"))
        await fetch(transport, a_request(method=b"HEAD"))
        return body, server.connections

    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"

    assert against(answering(answer), use) == (b"", 1)


def test_an_answer_without_length_ends_with_the_connection() -> None:
    response, body = one(b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nall of it", a_request(), close=True)

    assert body == b"all of it"
    assert response.extensions["http_version"] == b"HTTP/1.0"


def test_one_connection_carries_requests_one_after_the_other() -> None:
    async def use(transport: WireTransport, server: RawServer) -> int:
        for _ in range(3):
            assert (await fetch(transport, a_request()))[1] == b"ok"
        return server.connections

    assert against(answering(OK), use) == 1


@pytest.mark.parametrize("how", ["told", "silently"])
def test_a_connection_that_the_server_ends_is_made_anew(how: str) -> None:
    answer = OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n") if how == "told" else OK
    gone = asyncio.Event()

    async def script(exchanged: Exchanged) -> None:
        await exchanged.end(answer)
        exchanged.writer.close()
        await exchanged.writer.wait_closed()
        gone.set()

    async def use(transport: WireTransport, server: RawServer) -> int:
        assert (await fetch(transport, a_request()))[1] == b"ok"
        await gone.wait()
        assert (await fetch(transport, a_request()))[1] == b"ok"
        return server.connections

    assert against(script, use) == 2


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"", httpx.ReadError, "closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nConte", httpx.ReadError, "closed in the head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", httpx.ReadError, "before the body was whole"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nha", httpx.ReadError, "before the body"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", httpx.RemoteProtocolError, "not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            httpx.RemoteProtocolError,
            "not",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            httpx.RemoteProtocolError,
            "not HTTP",
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_100_000, httpx.RemoteProtocolError, "bytes of headers"),
    ],
)
def test_what_is_cut_short_or_is_no_http_is_said(
    answer: bytes, error: type[httpx.TransportError], words: str
) -> None:
    with pytest.raises(error, match=words):
        one(answer, a_request(), close=True)


def test_a_reset_is_told_from_a_close() -> None:
    async def script(exchanged: Exchanged) -> None:
        exchanged.reset()

    with pytest.raises(httpx.ReadError):
        against(script, lambda transport, _: fetch(transport, a_request()))


def test_a_body_waits_for_100_continue() -> None:
    headers = [(b"Host", b"a"), (b"Expect", b"100-continue"), (b"Content-Length", b"4")]
    got: list[bytes] = []

    async def script(exchanged: Exchanged) -> None:
        await exchanged.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        got.append(await exchanged.reader.readexactly(4))
        await exchanged.send(OK)

    response, _ = against(
        script, lambda transport, _: fetch(transport, a_request(b"body", method=b"PUT", headers=headers))
    )

    assert response.status_code == 200
    assert got == [b"body"]


def test_a_body_that_is_refused_early_is_not_sent() -> None:
    headers = [(b"Host", b"a"), (b"Expect", b"100-continue"), (b"Content-Length", b"4")]

    async def script(exchanged: Exchanged) -> None:
        await exchanged.end(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        assert await exchanged.reader.read() == b""

    response, _ = against(
        script, lambda transport, _: fetch(transport, a_request(b"body", method=b"PUT", headers=headers))
    )

    assert response.status_code == 417


def test_large_bodies_go_both_ways_under_backpressure() -> None:
    piece = bytes(range(256)) * 256
    headers = [(b"Host", b"a"), (b"Transfer-Encoding", b"chunked")]

    async def script(exchanged: Exchanged) -> None:
        chunks = exchanged.request.partition(b"\r\n\r\n")[2]
        await exchanged.end(b"HTTP/1.1 200 OK\r\n\r\n" + chunks)

    async def use(transport: WireTransport, _: RawServer) -> bytes:
        request = a_request(*[piece] * 200, method=b"POST", headers=headers)
        return (await fetch(transport, request))[1]

    async def unchunked() -> bytes:
        reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
        reader.feed_data(echoed)
        reader.feed_eof()
        return await read_chunked(reader)

    echoed = against(script, use)

    assert asyncio.run(unchunked()) == echoed
    assert echoed.count(piece) == 200


def test_a_slow_reader_holds_the_sender_back() -> None:
    body = bytes(1024) * 20_000

    async def script(exchanged: Exchanged) -> None:
        await exchanged.end(b"HTTP/1.1 200 OK\r\n\r\n" + body)

    async def use(transport: WireTransport, _: RawServer) -> tuple[int, int]:
        response = await transport.handle_async_request(a_request())
        connection = transport.connection
        assert connection is not None
        got = most = 0
        async for piece in response.stream:  # type: ignore[union-attr]  # an async transport's is async
            got += len(piece)
            for _ in range(8):
                await asyncio.sleep(0)
                most = max(most, connection.unread)
        return got, most

    got, most = against(script, use)

    assert got == len(body)
    assert most < 2 * 1024 * 1024


def test_nobody_there_is_a_connect_error_in_words() -> None:
    async def run() -> None:
        async with raw_server(answering(OK)) as server:
            port = server.port
        with pytest.raises(httpx.ConnectError, match="refused the connection"):
            await WireTransport([Address("127.0.0.1", port)]).handle_async_request(a_request())

    asyncio.run(run())


def test_the_next_checked_address_is_tried_where_one_does_not_answer() -> None:
    async def use(_: WireTransport, server: RawServer) -> bytes:
        transport = WireTransport([Address("::1", server.port), Address("127.0.0.1", server.port)])
        _, body = await fetch(transport, a_request())
        await transport.aclose()
        return body

    assert against(answering(OK), use) == b"ok"


def test_time_outs_are_httpx_own() -> None:
    async def script(exchanged: Exchanged) -> None:
        await exchanged.reader.read()

    with pytest.raises(httpx.ReadTimeout, match="no answer within"):
        against(script, lambda transport, _: fetch(transport, a_request(timeout={"read": 0.05})))


def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    async def use(transport: WireTransport, server: RawServer) -> int:
        await fetch(transport, a_request())
        await fetch(transport, a_request())
        return server.connections

    assert against(answering(OK + b"surplus"), use) == 2


def test_an_httpx_client_works_over_it_too() -> None:
    async def use(transport: WireTransport, _: RawServer) -> tuple[int, str]:
        async with httpx.AsyncClient(transport=transport) as client:
            response = await client.get("http://a/x")
            return response.status_code, response.text

    assert against(answering(OK), use) == (200, "ok")
