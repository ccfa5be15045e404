"""Malformed HTTP by the thousand: no crash, nothing of one flow in another, the next valid request works."""

import asyncio
import random
import re
from pathlib import Path

from fuzz.fuzz_wire import TURN, seeds
from mesh_core.model import Lane
from mesh_recorder.lanes import loop_factory
from support.rig import rig
from support.talk import Talk, client, get, ok, upstream

AT_ONCE = 16
WORDS = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b"\xff", b"HTTP/1.0", b"HTTP/2.0", b"chunked",
    b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding : chunked\r\n",
    b" folded\r\n", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"\r\n\r\n",
    b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"Host: b\r\n", b"Host:\r\n",
    b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"http://x:y@[::1/", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
]  # fmt: skip
VALID = [seed[1:].split(TURN)[0] for seed in seeds()]


def _malformed(chance: random.Random, name: bytes) -> bytes:
    """A request or several with a few things put in, left out or said twice, and its name all over."""
    data = chance.choice(VALID).replace(b"Host: ", b"X-Flow: %b\r\nHost: %b" % (name, name))
    if chance.random() < 0.3:
        data += chance.choice(VALID).replace(b"Host: ", b"X-Flow: %b\r\nHost: %b" % (name, name))
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(data) + 1)
        until = min(len(data), at + chance.randrange(12))
        middle = chance.choice([chance.choice(WORDS), b"", data[at:until] * 2, chance.randbytes(3)])
        data = data[:at] + middle + data[until:]
    return data


async def _echo(talk: Talk) -> None:
    """Says all that it heard at each end of a head, and again when nothing more comes."""
    told = 0
    while await talk._hear():
        while talk.heard.count(b"\r\n\r\n") > told:
            told += 1
            await talk.say(ok(bytes(talk.heard)))
    await talk.say(bytes(talk.heard))


def test_malformed_http_harms_nobody(tmp_path: Path, lane: Lane, long_run: bool) -> None:
    """Case R35: 50,000 in the long run."""
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)  # noqa: T201  # to play it again
    chance = random.Random(seed)

    async def one(port: int, number: int) -> None:
        name = b"flow-%06d-" % number
        data = _malformed(chance, name)
        cut = chance.randrange(len(data) + 1) if chance.random() < 0.3 else 0
        async with client(port) as talk:
            try:
                for piece in (data[:cut], data[cut:]):
                    await talk.say(piece)
                    await asyncio.sleep(0)
                talk.half_close()
            except OSError:
                pass
            heard = await talk.end()
        assert _flows(heard) <= _flows(data), (data, heard)

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(note)
        async with upstream(_echo) as server, rig(tmp_path, server.port) as running:
            for at in range(0, 50_000 if long_run else 400, AT_ONCE):
                ports = (running.inbound, running.outbound)
                await asyncio.gather(*(one(ports[n % 4 == 0], n) for n in range(at, at + AT_ONCE)))
                server.talks.clear()
                async with client(running.inbound) as talk:
                    await talk.say(get(b"/valid"))
                    assert (await talk.until(b"/valid")).startswith(b"HTTP/1.1 200 ")
                assert failed == []
            counters = await running.stop()
            report = await running.sidecar.report()
        assert (report.crashes, report.in_flight) == (0, 0)
        assert counters.stored + sum(counters.dropped.values()) == counters.offered

    failed: list[dict[str, object]] = []

    def note(_: asyncio.AbstractEventLoop, told: dict[str, object]) -> None:
        if "client_connected_cb" not in str(told["message"]):  # our own upstream, whose peer has gone
            failed.append(told)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(scenario())
    assert failed == []


def _flows(data: bytes) -> set[bytes]:
    """The names in it, whole or not."""
    return set(re.findall(rb"flow-\d{6}-", data))
