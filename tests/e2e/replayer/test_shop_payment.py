"""The shop's failed charge, recorded by hand, replayed against the real payment service."""

import json
from pathlib import Path

import pytest

from support.replays import TRACE, Desk, recorded
from support.shop import service

CHARGE = b'{"cart_id": "c1", "amount": "1250", "currency": "JPY"}'
FAILED = json.dumps(
    {
        "error": {
            "type": "ValueError",
            "code": "internal_error",
            "message": "not enough values to unpack (expected 2, got 1)",
        }
    }
).encode()
JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    ("variant", "verdict", "code"),
    [("unfixed", "reproduced", 1), ("fixed", "not_reproduced", 0), ("broken", "fails_differently", 1)],
)
def test_a_failure_is_told_from_its_cure_and_from_another_failure(
    tmp_path: Path, variant: str, verdict: str, code: int
) -> None:
    """Case P16."""
    desk = Desk(tmp_path)
    headers = ((b"Host", b"payment"), JSON, (b"Content-Length", b"%d" % len(CHARGE)))
    desk.keep(
        [
            recorded(
                headers=headers, body=CHARGE, answer=(JSON,), answer_body=FAILED, status=500,
                service="payment", method="POST", path="/charges",
            )
        ]
    )  # fmt: skip

    with service("payment", "--variant", variant) as url:
        address = url.removeprefix("http://")
        result = desk.type("trace", TRACE, "--target", address, "--json")
        shown = desk.type("trace", TRACE, "--target", address)

    document = json.loads(result.stdout)
    assert [each["verdict"] for each in document["exchanges"]] == [verdict]
    assert (result.exit_code, shown.exit_code, document["exit_code"]) == (code, code, code)
    assert "(this machine) stands for payment, the culprit of this trace" in shown.stdout
    assert f"1 {verdict}" in shown.stdout


def test_a_charge_that_went_well_differs_in_its_id_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    charge = CHARGE.replace(b"1250", b"12.50").replace(b"JPY", b"EUR")
    answer = b'{"charge_id": "ch_0123456789abcdef", "minor_units": 1250, "currency": "EUR"}'
    headers = ((b"Host", b"payment"), JSON, (b"Content-Length", b"%d" % len(charge)))
    server = (b"Server", b"Other/1.0")
    desk.keep(
        [
            recorded(
                headers=headers, body=charge, answer=(server, JSON), answer_body=answer, status=201,
                service="payment", method="POST", path="/charges",
            )
        ]
    )  # fmt: skip

    with service("payment") as url:
        result = desk.type("trace", TRACE, "--target", url, "--json")

    [exchange] = json.loads(result.stdout)["exchanges"]
    assert (result.exit_code, exchange["verdict"]) == (1, "different")
    assert [(each["where"], each["path"]) for each in exchange["differences"]] == [
        ("header", "server"),
        ("body", "$.charge_id"),
    ]
