"""Exchanges to replay, a store that has them, and our command typed beside it."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from mesh_core.ids import uuid7
from mesh_core.model import Bodies, BodyRef, Exchange, Headers, header
from mesh_core.outcome import outcome_of_status
from mesh_replayer.cli import main
from mesh_store.store import open_store
from support.raw_server import Exchanged
from support.recorded import an_exchange

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
START = 1_770_000_000_000_000_000
"""Nanoseconds since the epoch, when the first exchange began."""


def recorded(
    number: int = 0,
    *,
    headers: Headers = ((b"Host", b"shop.example"),),
    body: bytes = b"",
    answer: Headers = ((b"Content-Length", b"2"),),
    answer_body: bytes = b"ok",
    status: int | None = 200,
    **changes: object,
) -> tuple[Exchange, Bodies]:
    """An inbound exchange of cart, the number-th of one trace, with its bodies."""
    started = START + number * 1_000_000
    request_body, content = body_of(body, headers)
    response_body, answered = body_of(answer_body, answer)
    fields: dict[str, object] = {
        "id": uuid7(started, number.to_bytes(8)),
        "trace_id": TRACE,
        "started_at": started,
        "ended_at": started + 500_000,
        "request_headers": headers,
        "request_body": request_body,
        "response_headers": answer,
        "response_body": response_body,
        "status": status,
    }
    if status is not None:
        fields["outcome"] = outcome_of_status(status)
    return an_exchange(**(fields | changes)), {**content, **answered}


def body_of(content: bytes, fields: Headers) -> tuple[BodyRef | None, Bodies]:
    """A body whose type and coding the headers tell."""
    if not content:
        return None, {}
    digest = hashlib.sha256(content).hexdigest()
    kind, coding = header(fields, b"content-type"), header(fields, b"content-encoding")
    ref = BodyRef(
        hash=digest,
        full_hash=digest,
        size=len(content),
        stored=len(content),
        content_type=None if kind is None else kind.decode(),
        content_encoding=None if coding is None else coding.decode(),
    )
    return ref, {digest: content}


@dataclass(frozen=True)
class Desk:
    """A folder with a store, where `mesh-replay` is typed."""

    folder: Path

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder}/mesh.db"

    @property
    def environ(self) -> dict[str, str | None]:
        state = str(self.folder / "state")
        return {
            "HOME": str(self.folder), "XDG_STATE_HOME": state, "XDG_DATA_HOME": state,
            "MESH_STORE": self.store,
            "MESH_CONFIG": None, "MESH_REDACT_KEY": None, "MESH_TRUST_CONFIG": None, "COLUMNS": "120",
            "NO_COLOR": None, "FORCE_COLOR": None, "TERM": "dumb",
        }  # fmt: skip

    def keep(self, exchanges: Iterable[tuple[Exchange, Bodies]]) -> None:
        """Put exchanges into the store."""
        with open_store(self.store) as store:
            store.add(exchanges)

    def config(self, text: str) -> None:
        """Write the `mesh.toml` that MESH_CONFIG names."""
        (self.folder / "mesh.toml").write_text(text)

    def type(self, *arguments: str, **environ: str) -> Result:
        """Type `mesh-replay ARGUMENTS`."""
        config = self.folder / "mesh.toml"
        named = {"MESH_CONFIG": str(config)} if config.exists() else {}
        given = self.environ | named | environ
        return CliRunner().invoke(main, list(arguments), env=given, catch_exceptions=False)


def trace_json(desk: Desk, port: int, *options: str) -> tuple[int, dict[str, Any]]:
    """Type `trace … --json` against a port of this machine; its exit code and document."""
    result = desk.type("trace", TRACE, "--target", f"localhost:{port}", "--json", *options)
    assert result.stderr == ""
    return result.exit_code, json.loads(result.stdout)


def verdicts(document: dict[str, Any]) -> list[str]:
    """Of each exchange, in the order of the report."""
    return [exchange["verdict"] for exchange in document["exchanges"]]


type Script = Callable[[Exchanged], Awaitable[None]]


def answering(*answers: bytes) -> Script:
    """One answer after the other, the last one for ever."""
    left = list(answers)

    async def script(exchanged: Exchanged) -> None:
        await exchanged.send(left.pop(0) if len(left) > 1 else left[0])

    return script


def json_answer(document: object, status: str = "200 OK") -> bytes:
    """A whole response with a JSON document, as it is on the wire."""
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
