"""An HTTP/1 client before an HTTP/2 upstream, and the other way round."""

from pathlib import Path

import h2.events

from mesh_core.model import Exchange
from mesh_core.outcome import Outcome
from support.h2talk import ANSWER, H2, Response, call, framed, h2_client, h2_server
from support.lanes import one
from support.rig import rig, run
from support.talk import Talk, client, get, upstream

BAD = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


async def _http1(talk: Talk) -> None:
    await talk.until(b"\r\n\r\n")
    await talk.say(BAD)


@one("mitmproxy")
def test_http2_that_an_upstream_does_not_speak_is_said(tmp_path: Path) -> None:
    """Case R21: prior knowledge that is none; over TLS, where it is negotiated, HTTP/2 is translated."""

    async def scenario() -> tuple[Response, list[Exchange]]:
        async with upstream(_http1) as behind, rig(tmp_path, behind.port) as running:
            async with client(running.inbound) as talk:
                end = await h2_client(talk)
                await end.headers(1, call(b"/a"), end=True)
                response = await end.response(1)
            assert behind.heard.startswith(b"PRI * HTTP/2.0\r\n\r\n")
            return response, await running.recorded()

    response, (exchange,) = run(scenario)

    assert (b":status", b"502") in response.fields
    assert exchange.failed


@one("wire")
def test_http2_before_an_http1_upstream_is_as_it_is_directly(tmp_path: Path) -> None:
    """Case R21: the upstream reads a request that it does not know, and its answer goes back."""

    async def scenario() -> tuple[bytes, list[Exchange]]:
        async with upstream(_http1) as behind, rig(tmp_path, behind.port) as running:
            async with client(running.inbound) as talk:
                end = H2(talk, client=True)
                end.frames.send_headers(1, call(b"/a"), end_stream=True)
                sent = end.frames.data_to_send()
                await talk.say(sent)
                answer = await talk.end()
            assert behind.heard == sent[: len(behind.heard)]
            assert behind.heard.startswith(b"PRI * HTTP/2.0\r\n\r\n")
            return answer, await running.recorded()

    answer, (exchange,) = run(scenario)

    assert answer == BAD
    assert exchange.failed


def test_an_http1_client_before_an_http2_upstream_is_told_what_it_would_be_told_directly(
    tmp_path: Path,
) -> None:
    """Case R21: an upstream that speaks HTTP/2 alone sends its settings, and closes."""

    async def serve(end: H2) -> None:
        await end.next(h2.events.RequestReceived)
        await end.headers(1, ANSWER)
        await end.data(1, framed(b"never"), end=True)

    async def server(talk: Talk) -> None:
        heard = await talk.until(b"\r\n\r\n")
        if not heard.startswith(b"PRI "):
            await talk.say(b"\0\0\0\4\0\0\0\0\0\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\1")  # SETTINGS and GOAWAY
            return
        await h2_server(serve)(talk)

    async def scenario() -> tuple[bytes, Exchange]:
        async with upstream(server) as behind, rig(tmp_path, behind.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(get())
                answer = await talk.end()
            await running.seen(1)
            return answer, await running.only()

    answer, exchange = run(scenario)

    assert answer.startswith((b"\0\0\0\4", b"HTTP/1.1 502 "))
    assert exchange.outcome is Outcome.PROTOCOL_ERROR
