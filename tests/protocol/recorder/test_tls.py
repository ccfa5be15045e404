"""TLS before, behind and inside: what is looked into is recorded, what is not is opaque."""

import asyncio
import functools
import ssl
from pathlib import Path

import h2.events
import pytest

from mesh_core.model import Direction, Exchange, Synthesized
from mesh_core.outcome import Outcome
from mesh_recorder.authority import project_ca
from support import rig as rigs
from support.authority import TestAuthority, make_authority, make_certificate
from support.h2talk import H2, call, framed, h2_client, h2_server
from support.rig import Rig, rig
from support.talk import Script, Talk, answering, client, get, ok, upstream

run = functools.partial(rigs.run, loop=asyncio.new_event_loop)
"""Where anything of a sidecar speaks TLS, all of it runs on asyncio's own loop."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: TestAuthority) -> Path:
    return make_certificate(authority, authority.cert.with_name("localhost.pem"))


def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def trusting(cert: Path, *, alpn: list[str] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(cert))
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def test_an_app_that_speaks_tls_is_recorded(
    tmp_path: Path, authority: TestAuthority, certificate: Path
) -> None:
    """Case R39."""

    async def scenario() -> Exchange:
        async with (
            upstream(answering(ok()), tls=serving(certificate)) as server,
            rig(tmp_path, server.port, scheme="https", upstream_ca=authority.cert) as running,
        ):
            async with client(running.inbound) as talk:
                await talk.say(get(b"/safe"))
                await talk.until(b"hello")
            return await running.only()

    exchange = run(scenario)

    assert (exchange.path, exchange.outcome) == ("/safe", Outcome.OK)
    assert exchange.tls_time is not None


def test_an_upstream_whose_certificate_is_not_trusted_is_refused(tmp_path: Path, certificate: Path) -> None:
    """Case R29: wrong CA."""

    async def scenario() -> Exchange:
        async with (
            upstream(answering(ok()), tls=serving(certificate)) as server,
            rig(tmp_path, server.port, scheme="https") as running,
        ):
            async with client(running.inbound) as talk:
                await talk.say(get())
                assert b" 502 " in await talk.end()
            return await running.only()

    exchange = run(scenario)

    assert (exchange.outcome, exchange.synthesized) == (Outcome.TLS_FAILED, Synthesized.PROXY)


def test_a_listener_with_a_certificate_of_its_own(
    tmp_path: Path, authority: TestAuthority, certificate: Path
) -> None:
    """Case R39."""

    async def scenario() -> Exchange:
        async with (
            upstream(answering(ok())) as server,
            rig(tmp_path, server.port, cert=certificate, key=certificate) as running,
        ):
            async with client(running.inbound, tls=trusting(authority.cert)) as talk:
                await talk.say(get())
                await talk.until(b"hello")
            return await running.only()

    exchange = run(scenario)

    assert (exchange.scheme, exchange.outcome) == ("https", Outcome.OK)


def test_twenty_http2_streams_reach_an_http1_upstream_in_parallel(
    tmp_path: Path, authority: TestAuthority, certificate: Path
) -> None:
    """Case R21: no request is answered before all have arrived."""
    arrived: list[Talk] = []

    async def scenario() -> list[Exchange]:
        all_there = asyncio.Event()

        async def server(talk: Talk) -> None:
            await talk.until(b"\r\n\r\n")
            arrived.append(talk)
            if len(arrived) == 20:
                all_there.set()
            await all_there.wait()
            await talk.say(ok(b"fine"))
            await talk.end()

        async with (
            upstream(server) as behind,
            rig(tmp_path, behind.port, cert=certificate, key=certificate) as running,
        ):
            async with client(running.inbound, tls=trusting(authority.cert, alpn=["h2"])) as talk:
                end = await h2_client(talk)
                for stream in range(1, 41, 2):
                    await end.headers(stream, call(b"/%d" % stream), end=True)
                for stream in range(1, 41, 2):
                    assert (await end.response(stream)).body == b"fine"
            return await running.recorded()

    exchanges = run(scenario)

    assert len(exchanges) == 20
    assert {exchange.http_version for exchange in exchanges} == {"HTTP/2"}


def test_an_http2_upload_without_a_length_reaches_an_http1_upstream_in_chunks(
    tmp_path: Path, authority: TestAuthority, certificate: Path
) -> None:
    async def scenario() -> tuple[Exchange, bytes]:
        async with (
            upstream(answering(ok(b"taken"), after=b"0\r\n\r\n")) as server,
            rig(tmp_path, server.port, cert=certificate, key=certificate) as running,
        ):
            async with client(running.inbound, tls=trusting(authority.cert, alpn=["h2"])) as talk:
                end = await h2_client(talk)
                await end.headers(1, call(b"/up"))
                await end.data(1, b"hello", end=True)
                assert (await end.response(1)).body == b"taken"
            return await running.only(), server.heard

    exchange, heard = run(scenario)

    assert b"5\r\nhello\r\n0\r\n\r\n" in heard
    assert exchange.outcome is Outcome.OK


async def _connect(talk: Talk, port: int, host: str = "localhost") -> bytes:
    await talk.say(b"CONNECT %b:%d HTTP/1.1\r\nHost: a\r\n\r\n" % (host.encode(), port))
    return await talk.until(b"\r\n\r\n")


async def _tunnelled(
    folder: Path, server: Script, certificate: Path, trust: Path | None, **changes: object
) -> tuple[bytes, list[Exchange], Rig]:
    """A TLS request through CONNECT, as far as it comes."""
    async with (
        upstream(server, tls=serving(certificate)) as behind,
        rig(folder, **changes) as running,
    ):
        async with client(running.outbound) as talk:
            assert b" 200 " in await _connect(talk, behind.port)
            context = trusting(trust or project_ca(folder / "ca").cert)
            try:
                await talk.writer.start_tls(context, server_hostname="localhost")
            except (ssl.SSLError, ConnectionError):
                return b"", await _drained(running), running
            await talk.say(get(b"/inside"))
            await talk.until(b"hello")
        return bytes(talk.heard), await _drained(running), running


async def _drained(running: Rig) -> list[Exchange]:
    await running.seen(1)
    return await running.recorded()


def test_a_tunnel_to_a_host_that_is_not_looked_into_is_opaque(
    tmp_path: Path, authority: TestAuthority, certificate: Path
) -> None:
    """Cases R29 and R39: the client sees the host's own certificate."""
    heard, (exchange,), _ = run(lambda: _tunnelled(tmp_path, answering(ok()), certificate, authority.cert))

    assert heard.endswith(b"hello")
    assert exchange.opaque
    assert (exchange.method, exchange.status, exchange.outcome) == ("CONNECT", 200, Outcome.OK)
    assert exchange.authority.startswith("localhost:")
    assert exchange.direction is Direction.OUTBOUND


@pytest.mark.parametrize("changes", [{"intercept": ("localhost",)}, {"intercept_all": True}])
def test_a_tunnel_that_is_looked_into_is_recorded(
    tmp_path: Path, authority: TestAuthority, certificate: Path, changes: dict[str, object]
) -> None:
    """Cases R29 and R39; the authority is the project's, and private."""
    heard, (exchange,), _ = run(
        lambda: _tunnelled(
            tmp_path, answering(ok()), certificate, None, upstream_ca=authority.cert, **changes
        )
    )

    assert heard.endswith(b"hello")
    assert not exchange.opaque
    assert (exchange.method, exchange.path, exchange.scheme) == ("GET", "/inside", "https")
    files = project_ca(tmp_path / "ca")
    assert files.key.stat().st_mode & 0o777 == 0o600
    assert files.cert.stat().st_mode & 0o777 == 0o600
    assert files.key.parent.stat().st_mode & 0o777 == 0o700


def test_a_client_that_distrusts_the_authority_is_said(
    tmp_path: Path, authority: TestAuthority, certificate: Path
) -> None:
    """Case R29."""
    _, (exchange,), _ = run(
        lambda: _tunnelled(tmp_path, answering(ok()), certificate, authority.cert, intercept_all=True)
    )

    assert exchange.outcome is Outcome.TLS_FAILED
    assert "does not trust" in (exchange.error or "")


def demanding(certificate: Path, authority: TestAuthority, *, newest: bool = True) -> ssl.SSLContext:
    """A server that asks its client for a certificate."""
    context = serving(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    if not newest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(authority.cert)
    return context


def test_a_tunnel_leaves_a_clients_own_certificate_to_it(
    tmp_path: Path, authority: TestAuthority, certificate: Path
) -> None:
    """Case R29: an upstream with mutual TLS, which is not looked into."""

    async def scenario() -> tuple[bytes, Exchange]:
        async with (
            upstream(answering(ok()), tls=demanding(certificate, authority)) as behind,
            rig(tmp_path) as running,
        ):
            async with client(running.outbound) as talk:
                assert b" 200 " in await _connect(talk, behind.port)
                context = trusting(authority.cert)
                context.load_cert_chain(certificate)
                await talk.writer.start_tls(context, server_hostname="localhost")
                await talk.say(get(b"/inside"))
                heard = await talk.until(b"hello")
            await running.seen(1)
            return heard, await running.only()

    heard, exchange = run(scenario)

    assert heard.endswith(b"hello")
    assert (exchange.opaque, exchange.outcome) == (True, Outcome.OK)


@pytest.mark.parametrize("newest", [True, False])
@pytest.mark.parametrize("tunnel", [True, False])
def test_an_upstream_that_asks_the_sidecar_for_a_certificate_refuses_it(
    tmp_path: Path, authority: TestAuthority, certificate: Path, tunnel: bool, newest: bool
) -> None:
    """Case R29: mutual TLS that is looked into; the client's own certificate cannot be handed on.

    A server of TLS 1.3 says so only after the handshake, by closing.
    """

    async def scenario() -> tuple[bytes, list[Exchange]]:
        context = demanding(certificate, authority, newest=newest)
        async with upstream(answering(ok()), tls=context) as behind:
            changes: dict[str, object] = {"upstream_ca": authority.cert}
            changes |= {"intercept_all": True} if tunnel else {"scheme": "https"}
            async with rig(tmp_path, behind.port, **changes) as running:  # type: ignore[arg-type]
                async with client(running.outbound if tunnel else running.inbound) as talk:
                    if tunnel:
                        assert b" 200 " in await _connect(talk, behind.port)
                        trust = trusting(project_ca(tmp_path / "ca").cert)
                        await talk.writer.start_tls(trust, server_hostname="localhost")
                    await talk.say(get())
                    answer = await talk.end()
                await running.seen(1)
                return answer, await running.recorded()

    answer, (exchange,) = run(scenario)

    assert b" 502 " in answer
    expected = Outcome.UPSTREAM_RESET if newest else Outcome.TLS_FAILED
    assert (exchange.outcome, exchange.synthesized) == (expected, Synthesized.PROXY)


def test_plain_http_in_a_tunnel_is_recorded(tmp_path: Path) -> None:
    """Case R44: undici asks for a tunnel for plain HTTP too; also when the tunnel closes right after."""

    async def scenario() -> list[Exchange]:
        async with upstream(answering(ok())) as server, rig(tmp_path) as running:
            async with client(running.outbound) as talk:
                await _connect(talk, server.port)
                await talk.say(get(b"/1"))
                await talk.until(b"hello")
                await talk.say(get(b"/2"))
                await talk.until(b"hello", count=2)
            await running.seen(2)
            return await running.recorded()

    exchanges = run(scenario)

    assert [exchange.path for exchange in exchanges] == ["/1", "/2"]
    assert {exchange.scheme for exchange in exchanges} == {"http"}


def test_grpc_in_a_tunnel_is_recorded(tmp_path: Path) -> None:
    """Case R44: gRPC clients ask for a tunnel for HTTP/2 without TLS."""

    async def serve(end: H2) -> None:
        request = await end.next(h2.events.RequestReceived)
        await end.headers(request.stream_id, [(b":status", b"200")])
        await end.data(request.stream_id, framed(b"pong"), end=True)

    async def scenario() -> Exchange:
        async with upstream(h2_server(serve)) as server, rig(tmp_path) as running:
            async with client(running.outbound) as talk:
                await _connect(talk, server.port)
                end = await h2_client(talk)
                await end.headers(1, call(b"/shop.Stock/Get"), end=True)
                assert (await end.response(1)).body == framed(b"pong")
            return await running.only()

    exchange = run(scenario)

    assert (exchange.path, exchange.http_version) == ("/shop.Stock/Get", "HTTP/2")


def test_bytes_that_are_no_http_pass_a_tunnel(tmp_path: Path) -> None:
    """A server that speaks first, and a client that half-closes."""

    async def server(talk: Talk) -> None:
        await talk.say(b"220 welcome\r\n")
        assert (await talk.end()).endswith(b"QUIT\r\n")
        await talk.say(b"221 bye\r\n")

    async def scenario() -> Exchange:
        async with upstream(server) as behind, rig(tmp_path) as running:
            async with client(running.outbound) as talk:
                await _connect(talk, behind.port)
                await talk.until(b"220 welcome\r\n")
                await talk.say(b"\x00QUIT\r\n")
                talk.half_close()
                await talk.until(b"221 bye\r\n")
            await running.seen(1)
            return await running.only()

    exchange = run(scenario)

    assert exchange.opaque
    assert exchange.outcome is Outcome.OK


def test_a_tunnel_to_nobody_is_refused(tmp_path: Path) -> None:
    async def scenario() -> Exchange:
        async with upstream(Talk.end) as nobody:
            port = nobody.port
        async with rig(tmp_path) as running:
            async with client(running.outbound) as talk:
                answer = await _connect(talk, port)
                assert b" 502 " in answer
            return await running.only()

    exchange = run(scenario)

    assert (exchange.method, exchange.outcome) == ("CONNECT", Outcome.CONNECT_FAILED)


@pytest.mark.parametrize("tunnel", [True, False])
def test_a_request_that_would_go_round_in_circles_is_refused(tmp_path: Path, tunnel: bool) -> None:
    """Case R29: a proxy loop."""

    async def scenario() -> Exchange:
        async with rig(tmp_path) as running:
            async with client(running.outbound) as talk:
                if tunnel:
                    answer = await _connect(talk, running.outbound)
                else:
                    where = b"127.0.0.1:%d" % running.outbound
                    await talk.say(b"GET http://%b/ HTTP/1.1\r\nHost: %b\r\n\r\n" % (where, where))
                    answer = await talk.end()
                assert b" 502 " in answer
                assert b"in circles" in await talk.end()
            return await running.only()

    assert run(scenario).outcome is Outcome.CONNECT_FAILED
