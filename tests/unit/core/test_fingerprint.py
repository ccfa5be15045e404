"""When two failures are the same failure."""

import hashlib
from typing import Any

import pytest

from mesh_core.fingerprint import VERSION, fingerprint
from mesh_core.model import BodyRef, Direction
from mesh_core.outcome import Outcome
from support.recorded import an_exchange

FAILS: dict[str, Any] = {
    "service": "payment", "method": "POST", "path": "/charge/1", "status": 500, "outcome": Outcome.HTTP_5XX,
}  # fmt: skip


REFUSED = {
    "direction": Direction.OUTBOUND,
    "peer": "bank",
    "status": None,
    "outcome": Outcome.CONNECT_FAILED,
}
GRPC = {"outcome": Outcome.GRPC_ERROR, "grpc_status": 14, "status": 200}


def of(content: bytes = b'{"error": "no rate for JPY"}', **changes: Any) -> str:
    return made(content, **changes).hash


def made(content: bytes = b'{"error": "no rate for JPY"}', **changes: Any) -> Any:
    ref = BodyRef(hash=hashlib.sha256(content).hexdigest(), size=len(content), stored=len(content))
    return fingerprint(an_exchange(**({**FAILS, "response_body": ref} | changes)), {ref.hash: content})


def test_time_ids_caller_trace_and_reason_do_not_matter() -> None:
    again = {
        "id": "9" * 32, "trace_id": "8" * 32, "started_at": 10**18, "instance": "payment-7", "peer": "laptop",
        "path": "/charge/2?x=1", "authority": "localhost:8080", "request_headers": ((b"a", b"b"),),
        "reason": "x",
    }  # fmt: skip

    assert of(**again) == of()


@pytest.mark.parametrize(
    "changes",
    [
        {"service": "cart"},
        {"method": "GET"},
        {"path": "/refund/1"},
        {"status": 503},
        {"outcome": Outcome.GRPC_ERROR, "grpc_status": 13},
        {"direction": Direction.OUTBOUND},
        {"content": b'{"error": "no stock"}'},
        {"content": b""},
    ],
)
def test_what_a_person_would_call_another_failure_is_another(changes: dict[str, Any]) -> None:
    assert of(**changes) != of()


def test_the_peer_counts_for_an_outbound_exchange_alone() -> None:
    def outbound(peer: str) -> str:
        return of(direction=Direction.OUTBOUND, peer=peer)

    assert outbound("bank") != outbound("rates")
    assert of(peer="bank") == of(peer="rates")


def test_where_the_service_never_answered_the_outcome_stands_alone() -> None:
    """Whatever a proxy says of it: a replay meets no such proxy."""
    gone = {"outcome": Outcome.UPSTREAM_RESET}

    assert of(b"bad gateway", status=502, **gone) == of(b"", status=None, response_body=None, **gone)
    assert of(outcome=Outcome.UPSTREAM_TIMEOUT) != of(**gone)


def test_parts_cannot_run_into_each_other() -> None:
    assert of(service="a", method="bc") != of(service="ab", method="c")


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "payment: POST /charge/{id} 500 no rate for JPY"),
        ({"content": b""}, "payment: POST /charge/{id} 500"),
        ({"content": b'{"keys": 1}'}, "payment: POST /charge/{id} 500"),
        ({"content": b'{"reason": "late"}'}, "payment: POST /charge/{id} 500 late"),
        (REFUSED, "payment -> bank: POST /charge/{id} connect failed"),
        (GRPC, "payment: POST /charge/{id} grpc 14 no rate for JPY"),
        ({"path": "/a\x1b[31m\n"}, "payment: POST /a?[31m? 500 no rate for JPY"),
        ({"path": "/" + "z" * 500}, ("payment: POST /" + "z" * 500)[:120]),
    ],
)  # fmt: skip
def test_the_title_is_one_printable_line(changes: dict[str, Any], title: str) -> None:
    assert made(**changes).title == title


def test_a_text_that_is_no_unicode_has_a_fingerprint_too() -> None:
    assert len(of(service="\ud800")) == 16


def test_the_first_version_never_changes() -> None:
    """Stored fingerprints are compared for years: whoever has to change this raises VERSION."""
    assert (VERSION, of()) == (1, "7b9c2cf67f9bdbf7")
