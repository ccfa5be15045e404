"""One sidecar beside one service that nobody else records is useful by itself."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from mesh_replayer.demo.cast import program
from mesh_replayer.demo.processes import Processes
from support.behind_sidecars import PATIENCE, Place, place
from support.ports import free_ports

pytestmark = pytest.mark.xdist_group("single")

IN_YEN = {"cart_id": "c-1", "amount": "1250", "currency": "JPY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    place: Place
    url: str
    """Where callers reach it."""
    ports: dict[str, int]
    """Where each variant listens itself."""


@pytest.fixture(scope="module")
def payment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Payment]:
    folder = tmp_path_factory.mktemp("single")
    inbound, *ports = free_ports(4)
    variants = dict(zip(("unfixed", "fixed", "broken"), ports, strict=True))
    with place(folder) as here:
        (folder / "logs").mkdir()
        with Processes(folder, folder / "logs", here.environ) as running:
            for variant, port in variants.items():
                command = [sys.executable, "-m", "mesh_shop.payment", "--variant", variant]
                running.start(variant, [*command, "--port", str(port)], {})
            sidecar = [*program("mesh-record"), "--service", "payment", "--json"]
            addresses = ["--app", f"127.0.0.1:{ports[0]}", "--inbound", f"127.0.0.1:{inbound}"]
            running.start("mesh-record", [*sidecar, *addresses], {})
            running.await_ready(PATIENCE)
            url = f"http://127.0.0.1:{inbound}"
            for currency in ("EUR", "USD", "JPY", "JPY"):
                amount = "1250" if currency == "JPY" else "12.50"
                body = IN_YEN | {"amount": amount, "currency": currency}
                httpx.post(f"{url}/charges", json=body, trust_env=False, timeout=60)
            here.listed("service:payment", 4)
            yield Payment(place=here, url=url, ports=variants)


def test_its_failures_are_found_as_one_group(payment: Payment) -> None:
    (group,) = payment.place.json("failures", "service:payment")

    assert group["count"] == 2
    assert (group["outcome"], group["status"]) == ("http_5xx", 500)
    assert "POST /charges" in group["title"]


def test_its_failure_is_shown_with_what_was_sent_and_answered(payment: Payment) -> None:
    (failed, *_) = payment.place.json("list", "service:payment is:failure")

    (shown,) = payment.place.json("show", failed["id"])
    drawn = payment.place.replay("show", failed["id"])

    assert json.loads(shown["request_body"]["text"]) == IN_YEN
    assert json.loads(shown["response_body"]["text"])["error"]["type"] == "ValueError"
    assert "ValueError" in drawn.stdout
    assert "1250" in drawn.stdout


@pytest.mark.parametrize(
    ("variant", "verdict", "code"),
    [("unfixed", "reproduced", 1), ("fixed", "not_reproduced", 0), ("broken", "fails_differently", 1)],
)
def test_its_failure_is_replayed(payment: Payment, variant: str, verdict: str, code: int) -> None:
    (failed, *_) = payment.place.json("list", "service:payment is:failure")
    target = ("--target", f"localhost:{payment.ports[variant]}")

    typed = payment.place.replay("trace", failed["trace_id"], *target, "--json")

    assert typed.code == code, typed.stderr
    (report,) = typed.documents()
    assert [exchange["verdict"] for exchange in report["exchanges"]] == [verdict]
    assert report["exit_code"] == code


def test_last_names_the_newest_trace(payment: Payment) -> None:
    typed = payment.place.replay("trace", "last", "--target", f"localhost:{payment.ports['unfixed']}")

    assert (typed.code, "reproduced" in typed.stdout) == (1, True), typed.stderr


def test_a_wrong_id_and_a_target_that_is_away_are_one_line_each(payment: Payment, tmp_path: Path) -> None:
    nothing = payment.place.replay("trace", "feedfacefeedface", "--target", "localhost:8080")
    (port,) = free_ports(1)
    away = payment.place.replay("trace", "last", "--target", f"localhost:{port}")

    assert (nothing.code, away.code) == (5, 3)
    assert nothing.stderr.startswith("mesh-replay: ")
    assert nothing.stderr.count("\n") == 1
    assert "Traceback" not in away.stderr
