"""What was redacted on the way in, replayed against a service that checks what it is given.

Case P26: e-mail, IBAN, card and JWT pass validation; with the project's key, and without it.
"""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mesh_core.redact import Redactor
from mesh_core.redact.tokens import iban_valid, luhn_valid
from support.raw_server import Exchanged, raw_server_apart
from support.replays import TRACE, Desk, recorded, trace_json, verdicts

KEY = "a-key-of-the-project-that-is-long"
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"RS256"}', b'{"sub":"17","email":"bob@shop.example.org"}', b"signature" * 4)
)
CUSTOMER = {
    "email": "bob@shop.example.org",
    "iban": "DE89 3704 0044 0532 0130 00",
    "card": "4539578763621486",
    "id_token": JWT,
    "note": "leave at the door",
}
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")


def problems(customer: dict[str, str]) -> list[str]:
    """What a service's own validation would say."""
    head, claims, _ = customer["id_token"].split(".")
    for part in (head, claims):
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    found = {
        "email": EMAIL.fullmatch(customer["email"]) is not None,
        "iban": iban_valid(customer["iban"].replace(" ", "").encode()),
        "card": luhn_valid(customer["card"].encode()) and len(customer["card"]) == 16,
        "note": customer["note"] == CUSTOMER["note"],
    }
    return [name for name, right in found.items() if not right]


def answered(customer: dict[str, str]) -> tuple[bytes, bytes]:
    """What the service says to a customer that it takes: status line and body."""
    wrong = problems(customer)
    body = json.dumps({"wrong": wrong} if wrong else {"customer": customer, "iban": customer["iban"]})
    return (b"HTTP/1.1 422 Unprocessable Content" if wrong else b"HTTP/1.1 200 OK"), body.encode()


def response(line: bytes, body: bytes) -> bytes:
    return line + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def validating(exchanged: Exchanged) -> None:
    """Reads the body as the headers say that it is to be read."""
    head, _, body = exchanged.request.partition(b"\r\n\r\n")
    if b"content-encoding: gzip" in head.lower():
        body = gzip.decompress(body)
    await exchanged.send(response(*answered(json.loads(body))))


async def signed_only(exchanged: Exchanged) -> None:
    """No token of ours has a signature that is valid."""
    await exchanged.send(response(b"HTTP/1.1 401 Unauthorized", b'{"error": "invalid_token"}'))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Has the customer's request, gzipped on the wire, as a sidecar with the key stored it."""
    desk = Desk(tmp_path)
    sent = gzip.compress(json.dumps(CUSTOMER).encode())
    headers = (
        (b"Host", b"shop.example"),
        (b"Authorization", b"Bearer " + JWT.encode()),
        (b"Content-Type", b"application/json"),
        (b"Content-Encoding", b"gzip"),
        (b"Content-Length", b"%d" % len(sent)),
    )
    _, body = answered(CUSTOMER)
    answer = ((b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body)))
    exchange = recorded(method="POST", headers=headers, body=sent, answer=answer, answer_body=body)
    desk.keep([Redactor(KEY.encode()).apply(*exchange)])
    return desk


def replayed(desk: Desk, port: int, key: str | None) -> tuple[int, dict[str, Any]]:
    if key is None:
        return trace_json(desk, port)
    result = desk.type("trace", TRACE, "--target", f"localhost:{port}", "--json", MESH_REDACT_KEY=key)
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize("key", [KEY, None])
def test_what_stands_for_them_passes_validation_and_comes_back_the_same(desk: Desk, key: str | None) -> None:
    with raw_server_apart(validating) as server:
        code, document = replayed(desk, server.port, key)

    assert (code, verdicts(document)) == (0, ["same"])
    said = " ".join(document["notes"])
    assert ("does not have the project's key" in said) is (key is None)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert b"content-encoding" not in head.lower()
    assert b"content-length: %d" % len(body) in head.lower()
    sent = json.loads(body)
    assert not [name for name in ("email", "iban", "card", "id_token") if sent[name] == CUSTOMER[name]]


def test_where_a_signature_is_needed_the_verdict_is_auth(desk: Desk) -> None:
    with raw_server_apart(signed_only) as server:
        _, document = replayed(desk, server.port, KEY)

    assert verdicts(document) == ["auth"]
    assert JWT not in json.dumps(document)


def test_a_changed_value_beside_them_is_a_difference_with_and_without_the_key(desk: Desk) -> None:
    async def changed(exchanged: Exchanged) -> None:
        customer = json.loads(exchanged.request.partition(b"\r\n\r\n")[2])
        body = {"customer": customer | {"note": "ring twice"}, "iban": customer["iban"]}
        await exchanged.send(response(b"HTTP/1.1 200 OK", json.dumps(body).encode()))

    with raw_server_apart(changed) as server:
        for key in (KEY, None):
            code, document = replayed(desk, server.port, key)
            (exchange,) = document["exchanges"]
            assert (code, exchange["verdict"]) == (1, "different")
            assert [each["path"] for each in exchange["differences"]] == ["$.customer.note"]
