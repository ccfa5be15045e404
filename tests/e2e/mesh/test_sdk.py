"""A real SDK with a real server: Stripe's, against localstripe, through a sidecar."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import stripe

from mesh_replayer.demo.cast import program
from mesh_replayer.demo.processes import Processes
from support.behind_sidecars import PATIENCE, Place, place
from support.ports import free_ports

pytestmark = pytest.mark.xdist_group("sdk")

SERVER = Path(__file__).parents[2] / "support" / "stripe_server.py"
KEY = "sk_test_12345"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    place: Place
    target: str
    answers: dict[str, Any]
    exchanges: list[dict[str, Any]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("sdk")
    app, inbound = free_ports(2)
    with place(folder) as here:
        (folder / "logs").mkdir()
        with Processes(folder, folder / "logs", here.environ) as running:
            running.start("stripe", [sys.executable, str(SERVER), str(app)], {})
            sidecar = [*program("mesh-record"), "--service", "stripe", "--json", "--app", f"127.0.0.1:{app}"]
            running.start("mesh-record", [*sidecar, "--inbound", f"127.0.0.1:{inbound}"], {})
            running.await_ready(PATIENCE)
            answers = _use(stripe.StripeClient(KEY, base_addresses={"api": f"http://127.0.0.1:{inbound}"}))
            exchanges = here.listed("service:stripe", 5)
            yield Recorded(place=here, target=f"localhost:{app}", answers=answers, exchanges=exchanges)


def _use(client: stripe.StripeClient) -> dict[str, Any]:
    """What an application does with the SDK."""
    customer = client.v1.customers.create({"name": "Ada", "description": "engine"})
    product = client.v1.products.create({"name": "teapot"})
    again = client.v1.customers.retrieve(customer.id)
    names = [each.name for each in client.v1.customers.list().data]
    try:
        client.v1.customers.retrieve("cus_nobody")
    except stripe.StripeError as refused:
        status = refused.http_status
    else:
        status = None
    return {"customer": customer.id, "again": again.id, "product": product.name, "names": names, "no": status}


def test_the_sdk_works_unchanged(recorded: Recorded) -> None:
    answers = recorded.answers

    assert answers["again"] == answers["customer"]
    assert (answers["product"], answers["names"], answers["no"]) == ("teapot", ["Ada"], 404)


def test_all_that_it_did_is_recorded_without_its_key(recorded: Recorded) -> None:
    customer = recorded.answers["customer"]

    assert [(e["method"], e["path"], e["status"]) for e in reversed(recorded.exchanges)] == [
        ("POST", "/v1/customers", 200),
        ("POST", "/v1/products", 200),
        ("GET", f"/v1/customers/{customer}", 200),
        ("GET", "/v1/customers", 200),
        ("GET", "/v1/customers/cus_nobody", 404),
    ]
    kept = [path.read_bytes() for path in recorded.place.path.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in content for content in kept)


def _made_anew(difference: dict[str, Any], all_of_them: list[dict[str, Any]]) -> bool:
    """Whether a value differs as a new thing's time does, or by its id, alone or within an address."""
    (then, now) = next((each["recorded"], each["replayed"]) for each in all_of_them if each["path"] == "$.id")
    recorded, replayed = str(difference["recorded"]), str(difference["replayed"])
    if difference["path"] == "$.created":
        return int(recorded) <= int(replayed)
    return recorded.replace(then, now) == replayed != recorded


def test_every_difference_of_its_replay_is_one_that_is_there(recorded: Recorded) -> None:
    verdicts: dict[str, str] = {}
    for exchange in reversed(recorded.exchanges):
        (report,) = recorded.place.json(
            "exchange", exchange["id"], "--target", recorded.target, "-H", f"Authorization: Bearer {KEY}"
        )
        (judged,) = report["exchanges"]
        verdicts[f"{exchange['method']} {exchange['path']}"] = judged["verdict"]
        if exchange["method"] == "POST":
            assert not [each for each in judged["differences"] if not _made_anew(each, judged["differences"])]

    customer = recorded.answers["customer"]
    assert verdicts == {
        "POST /v1/customers": "unsure",  # a new customer has a new id, which nothing was learned of yet
        "POST /v1/products": "unsure",
        f"GET /v1/customers/{customer}": "same",
        "GET /v1/customers": "different",  # the replay itself made a second one
        "GET /v1/customers/cus_nobody": "same",
    }
