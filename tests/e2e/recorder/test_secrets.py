"""Planted secrets through real sidecars into real stores, and then a raw look at all that was written.

Case R37: each kind and each place at least once, every kind in every place with `--long`.
"""

import asyncio
import base64
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h2.events
import pytest
import sqlalchemy
import zstandard
from sqlalchemy import make_url

from mesh_core.frames import decode_segment
from mesh_core.query import parse_query
from mesh_store.store import Store, open_store
from support.canaries import NEIGHBOUR, field, frame
from support.h2talk import ANSWER, H2, call, h2_client, h2_server
from support.operated import ask
from support.planted import CASE, TWIN, Planted, Traces, files_below, planted, websocket
from support.record import Record, a_closed_port, clean_environment
from support.talk import Script, Talk, client, upstream

SEED = random.SystemRandom().randrange(2**32)
REPLAY = str(Path(sys.executable).with_name("mesh-replay"))
TOGETHER = 16
"""Cases under way at once."""


def numbered(place: str) -> bytes:
    """The secret of one place of a gRPC call."""
    return f"ghp_{random.Random(f'{SEED} {place}').getrandbits(128):032x}aaaa".encode()


def answering(cases: dict[int, Planted]) -> Script:
    """Answers each case by its number, over HTTP/1.1 or a WebSocket."""

    async def script(talk: Talk) -> None:
        head = await talk.until(b"\r\n\r\n")
        found = re.search(CASE + rb": (\d+)", head, re.IGNORECASE)
        assert found is not None, head
        case = cases[int(found[1])]
        if (message := case.message) is None:
            await talk.until(b"0\r\n\r\n" if b"chunked" in head.lower() else case.body)
            await talk.say(case.answer())
            return
        await talk.say(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            + websocket(message.payload, text=message.type == "text", mask=b"")
        )
        await talk.end()

    return script


async def send(case: Planted, port: int) -> None:
    """One case, to the end of its answer."""
    async with client(port) as talk:
        if (message := case.message) is None:
            await talk.say(case.request(port))
            await talk.end()
            return
        await talk.say(
            b"GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"%b: %d\r\n\r\n" % (CASE, case.number)
        )
        await talk.until(b"\r\n\r\n")
        await talk.say(websocket(message.payload, text=message.type == "text", mask=b"mask"))
        await talk.until(b"\x88\x00")


async def grpc_service(end: H2) -> None:
    """Fails a call, with secrets in its message and its trailers."""
    stream = (await end.next(h2.events.RequestReceived)).stream_id
    await end.next(h2.events.StreamEnded, stream=stream)
    await end.headers(stream, ANSWER)
    await end.data(stream, frame(field(1, NEIGHBOUR.encode()) + field(2, numbered("response"))))
    trailers = [(b"grpc-status", b"13"), (b"grpc-message", b"no " + numbered("status"))]
    await end.headers(stream, [*trailers, (b"x-session-token", numbered("trailer"))], end=True)


async def send_grpc(port: int) -> None:
    """A call with secrets in its metadata and its message."""
    async with client(port) as talk:
        end = await h2_client(talk)
        binary = base64.b64encode(field(1, numbered("binary"))).rstrip(b"=")
        metadata = ((b"x-api-key", numbered("metadata")), (b"x-note-bin", binary))
        await end.headers(1, call(b"/shop.Cart/Get", *metadata))
        await end.data(1, frame(field(1, NEIGHBOUR.encode()) + field(2, numbered("request"))), end=True)
        await end.response(1)


GRPC = ("metadata", "binary", "request", "response", "status", "trailer")


async def broken(talk: Talk) -> None:
    """Answers what is no HTTP, with a secret in it."""
    await talk.until(b"\r\n\r\n")
    await talk.say(b"HTTP/1.1 200 OK\r\n" + numbered("broken") + b" \x01: Bearer\r\n\r\n")


async def send_broken(port: int) -> None:
    """Through the forward proxy, with a user and a password in the target."""
    target = b"http://user:" + numbered("userinfo") + b"@127.0.0.1:%d/a" % a_closed_port()
    async with client(port) as talk:
        await talk.say(b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % target)
        await talk.end()


async def recorded_by(lane: str, folder: Path, cases: list[Planted]) -> str:
    """All cases through a sidecar whose store is away; what it logged, and its metrics."""
    script = answering({case.number: case for case in cases})
    async with upstream(script) as app, upstream(h2_server(grpc_service)) as grpc, upstream(broken) as bad:
        ports = a_closed_port(), a_closed_port()
        away = f"postgresql://nobody:{numbered('store').decode()}@127.0.0.1:{a_closed_port()}/x"
        record = Record(
            folder, "--service", "cart", "--instance", "cart-1", "--lane", lane, "--json", "--store", away,
            "--app", str(app.port), "--upstream", f"grpc={ports[0]}=127.0.0.1:{grpc.port}",
            "--upstream", f"bad={ports[1]}=127.0.0.1:{bad.port}",
        )  # fmt: skip
        with record:
            ready = await asyncio.to_thread(record.event)
            inbound = int(ready["inbound"]["listen"].rpartition(":")[2])
            gate = asyncio.Semaphore(TOGETHER)

            async def one(case: Planted) -> None:
                async with gate:
                    await send(case, inbound)

            await asyncio.gather(*map(one, cases))
            await send_grpc(ports[0])
            async with client(ports[1]) as talk:
                await talk.say(b"GET / HTTP/1.1\r\nHost: bad\r\nConnection: close\r\n\r\n")
                await talk.end()
            await send_broken(int(ready["outbound"].rpartition(":")[2]))
            _, metrics = await asyncio.to_thread(ask, f"http://{ready['admin']}/metrics")
            assert await asyncio.to_thread(record.end) == 0
            return "\n".join((json.dumps(ready), metrics, record.rest("out"), record.rest("err")))


def shipped(lane: str, folder: Path, store_url: str, count: int) -> str:
    """What waited in the spool brought to a store, by the next start of the sidecar; what that logged."""
    arguments = ("--service", "cart", "--instance", "cart-1", "--lane", lane, "--app", "1", "--json")
    with Record(folder, *arguments, "--store", store_url) as record:
        record.event()
        assert record.end() == 0
        said = record.rest("out") + record.rest("err")
    with open_store(store_url) as store:
        assert store.stats().exchanges == count, said
    return said


def spooled(folder: Path) -> Iterator[bytes]:
    """What the segments of the spool hold, unpacked."""
    for path, raw in files_below(folder):
        if "spool" in path.parts and path.suffix:
            try:
                found = decode_segment(raw)
            except ValueError:
                continue
            yield repr(found.frames).encode()
            yield from _payloads(found.frames)


def _payloads(value: object) -> Iterator[bytes]:
    """Every run of bytes within a value, as it is and not as it prints."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, dict):
        for each in (*value.keys(), *value.values()):
            yield from _payloads(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _payloads(each)
    elif (
        names := getattr(value, "__slots__", None) or getattr(value, "__struct_fields__", None)
    ) is not None:
        for name in names:
            yield from _payloads(getattr(value, name, None))


def tables(store_url: str) -> Iterator[bytes]:
    """Every column of every row of every table, raw and unpacked."""
    url = make_url(store_url)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        names = sqlalchemy.inspect(connection).get_table_names()
        assert {"exchange", "body"} <= {*names}
        for name in names:
            for row in connection.execute(
                sqlalchemy.select(sqlalchemy.text("*")).select_from(sqlalchemy.table(name))
            ):
                for value in row:
                    raw = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    yield raw
                    if raw[:4] == b"\x28\xb5\x2f\xfd":
                        yield zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    engine.dispose()


def shown(folder: Path, store_url: str, store: Store) -> Iterator[bytes]:
    """What the commands print and write of it."""

    def typed(*arguments: str) -> bytes:
        done = subprocess.run(
            [REPLAY, *arguments, "--store", store_url], cwd=folder, env=clean_environment(folder),
            capture_output=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert b"Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    yield typed("list", "--limit", "500", "--json")
    yield typed("failures", "--json")
    yield typed("export", "service:cart", "-o", str(folder / "all.har"))
    yield (folder / "all.har").read_bytes()
    for exchange, form in zip(
        store.search(parse_query("", now=0), limit=2).exchanges, ((), ("--json",)), strict=True
    ):
        yield typed("show", exchange.id, *form)


def whole(exchanges: Iterator[bytes]) -> bytes:
    return b"\n".join(exchanges)


LANES_AND_STORES = (("wire", "sqlite"), ("mitmproxy", "postgres"))
OTHERS = (("wire", "postgres"), ("mitmproxy", "sqlite"))


@pytest.mark.parametrize(("lane", "store_url"), LANES_AND_STORES, indirect=["store_url"])
def test_no_secret_is_in_anything_that_a_sidecar_leaves(
    lane: str, tmp_path: Path, store_url: str, long_run: bool
) -> None:
    record_and_look(lane, tmp_path, store_url, planted(random.Random(SEED), everything=long_run))


@pytest.mark.long
@pytest.mark.parametrize(("lane", "store_url"), OTHERS, indirect=["store_url"])
def test_no_secret_is_in_the_other_kind_of_store(lane: str, tmp_path: Path, store_url: str) -> None:
    record_and_look(lane, tmp_path, store_url, planted(random.Random(SEED), everything=False))


def record_and_look(lane: str, tmp_path: Path, store_url: str, cases: list[Planted]) -> None:
    """Through a sidecar, into its spool, from there into the store; all of it is looked through."""
    secrets = [case.secret for case in cases]
    secrets += [numbered(place).decode() for place in (*GRPC, "broken", "userinfo", "store")]
    wanted = Traces(secrets)

    said = asyncio.run(recorded_by(lane, tmp_path, cases))
    look(wanted, "logs and metrics", said.encode())
    for path, raw in files_below(tmp_path):
        look(wanted, str(path), raw)
    unpacked = whole(spooled(tmp_path))
    assert NEIGHBOUR.encode() in unpacked
    look(wanted, "the spool, unpacked", unpacked)

    said = shipped(lane, tmp_path, store_url, len(cases) + 3)
    look(wanted, "logs", said.encode())
    for path, raw in files_below(tmp_path):
        look(wanted, str(path), raw)
    look(wanted, "the tables", whole(tables(store_url)))
    with open_store(store_url) as store:
        survived(store, cases)
        look(wanted, "what commands show", whole(shown(tmp_path, store_url, store)))


def look(wanted: Traces, where: str, haystack: bytes) -> None:
    left = sorted(set(wanted.within(haystack)))
    around = [
        haystack[max(0, at - 120) : at + 120]
        for each in left[:1]
        if (at := haystack.find(each.encode())) >= 0
    ]
    assert not left, f"{where}: {left[:3]}, as in {around} (seed {SEED})"


def survived(store: Store, cases: list[Planted]) -> None:
    """The neighbour of each secret is there still, and the same secret has the same token."""
    names = {str(case.number): case.name for case in cases}
    twins: list[set[bytes]] = []
    cursor = None
    while True:
        page = store.search(parse_query("service:cart", now=0), limit=200, cursor=cursor)
        for exchange in page.exchanges:
            number = next((v.decode() for n, v in exchange.request_headers if n.lower() == CASE), None)
            if number is None:
                continue
            name = names.pop(number)
            dropped = [each.rule for each in exchange.redactions if each.rule.startswith("dropped")]
            assert not dropped, f"{name}: {dropped} (seed {SEED})"
            kept = [exchange.reason.encode(), *(message.payload for message in exchange.messages)]
            kept += store.bodies([exchange]).values()
            assert NEIGHBOUR.encode() in b"\n".join(kept), name
            if name == TWIN:
                twins.append({*TOKEN.findall(repr(exchange).encode() + b"\n".join(kept))})
        cursor = page.cursor
        if cursor is None:
            break
    assert not names
    assert len(twins) == 2
    assert len(twins[0]) == 1
    assert twins[0] == twins[1]


TOKEN = re.compile(rb"mr1_secret_[a-z2-7]{20}")
