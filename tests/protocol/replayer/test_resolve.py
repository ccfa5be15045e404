"""A target's name is resolved once, and what it leads to is checked."""

import asyncio
import hashlib
import socket
from typing import Any

import pytest

from mesh_core.errors import ConfigInvalid, TargetNotAllowed
from mesh_core.outcome import Outcome
from mesh_replayer.plan import Step
from mesh_replayer.reply import Received
from mesh_replayer.resolve import Route, resolve
from mesh_replayer.send import Sender
from mesh_replayer.target import parse_target
from mesh_replayer.wire.request import WireRequest
from support.raw_server import Exchanged, raw_server
from support.replays import recorded

GET = WireRequest(method=b"GET", target=b"/", headers=((b"Host", b"a"),))


class Names(asyncio.SelectorEventLoop):
    """An event loop whose resolver gives one answer after the other."""

    def __init__(self, *answers: list[str]) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked = 0

    async def getaddrinfo(self, _: Any, port: Any, **__: Any) -> list[Any]:  # type: ignore[override]  # of ours alone
        self.asked += 1
        if not self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in self.answers.pop(0)]


def resolved(loop: Names, text: str) -> Route:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(resolve(parse_target(text)))


@pytest.mark.parametrize("ip", ["127.0.0.1", "169.254.169.254", "0.0.0.0", "::ffff:10.0.0.5", "fe80::1"])
def test_a_name_that_turns_elsewhere_is_refused(ip: str) -> None:
    """Case P3: DNS rebinding."""
    with pytest.raises(TargetNotAllowed):
        resolved(Names(["10.0.0.5", ip]), "staging.internal:80")


def test_localhost_that_leads_elsewhere_is_refused() -> None:
    """Case P3."""
    with pytest.raises(TargetNotAllowed, match="not this machine"):
        resolved(Names(["127.0.0.1", "10.0.0.5"]), "localhost:80")


def test_a_name_is_resolved_once_however_many_requests_there_are() -> None:
    """Case P3: an answer that changes after it was checked changes nothing."""
    loop = Names(["127.0.0.1"], ["10.0.0.5"], ["10.0.0.5"])

    async def answer(exchanged: Exchanged) -> None:
        await exchanged.end(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def run() -> list[int | None]:
        async with raw_server(answer) as server:
            target = parse_target(f"localhost:{server.port}")
            sender = Sender({target.text: await resolve(target)}, 10)
            steps = [Step(exchange=recorded(number)[0], target=target) for number in range(3)]
            found = [(await sender.send(step, GET)).status for step in steps]
            await sender.aclose()
            return found

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(run()) == [204, 204, 204]
    assert loop.asked == 1


def test_a_body_is_counted_and_hashed_whole() -> None:
    body = bytes(range(256)) * 2_000

    async def answer(exchanged: Exchanged) -> None:
        await exchanged.end(b"HTTP/1.1 200 OK\r\n\r\n" + body)

    async def run() -> Received:
        async with raw_server(answer) as server:
            target = parse_target(f"localhost:{server.port}")
            sender = Sender({target.text: await resolve(target)}, 10)
            received = await sender.send(Step(exchange=recorded()[0], target=target), GET)
            await sender.aclose()
            return received

    received = asyncio.run(run())
    assert received.body == body
    assert (received.body_size, received.body_hash) == (len(body), hashlib.sha256(body).hexdigest())
    assert received.connect_time is not None
    assert (
        received.started_at <= (received.request_end or 0) <= (received.first_byte or 0) <= received.ended_at
    )


def test_a_name_that_leads_nowhere_is_an_outcome() -> None:
    loop = Names()
    target = parse_target("staging.internal:80")

    async def run() -> tuple[Outcome | None, str | None]:
        sender = Sender({target.text: await resolve(target)}, 10)
        received = await sender.send(Step(exchange=recorded()[0], target=target), GET)
        return received.failure, received.error

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        failure, error = runner.run(run())
    assert failure is Outcome.DNS_FAILED
    assert error == "the name staging.internal leads nowhere: Name or service not known"


def test_a_ca_file_that_is_none_is_said(tmp_path: Any) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")

    async def run() -> None:
        await resolve(parse_target("https://localhost:1"), ca=tmp_path / "ca.pem")

    with pytest.raises(ConfigInvalid, match="holds no certificates"):
        asyncio.run(run())
