"""Noise learned, told from regressions, listed, explained, accepted: against a shop on real sockets."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from support.noisy_server import Running, noisy_server, shop_exchange
from support.noisy_shop import REGRESSIONS, SERVICES, Doc, Shop
from support.replays import Desk

SHOP = 7
PLAIN = '[redact]\nmode = "off"\n'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.config(PLAIN)
    return desk


def keep(desk: Desk, numbers: range, services: tuple[str, ...] = SERVICES, seed: int = 1) -> None:
    """Record the shop, as it answered some time ago."""
    shop = Shop(random.Random(f"recorded {seed}"), SHOP)
    desk.keep(
        shop_exchange(shop, service, number, place)
        for place, (service, number) in enumerate((s, n) for s in services for n in numbers)
    )


def learn(desk: Desk, running: Running, service: str, *options: str) -> str:
    result = desk.type(
        "noise", "learn", f"service:{service}", "--target", running.target, "--trust-config", *options
    )
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


def replay(desk: Desk, running: Running, service: str, *options: str) -> tuple[int, dict[str, Any]]:
    result = desk.type(
        "traffic", f"service:{service}", "--target", running.target, "--limit", "1000", "--json",
        "--trust-config", *options,
    )  # fmt: skip
    return result.exit_code, json.loads(result.stdout)


def counting(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Places and kinds of the differences that count."""
    return [
        (difference["path"], difference["kind"])
        for exchange in document["exchanges"]
        for difference in exchange["differences"]
        if not difference["noise"] and not difference["unsure"]
    ]


def test_after_five_by_five_a_clean_version_differs_nowhere_and_a_broken_one_where_it_is(desk: Desk) -> None:
    """Cases P5, P6, P7, P8: one of twenty requests is hit, on real sockets."""
    keep(desk, range(20))
    with noisy_server(1, SHOP) as running:
        for service in SERVICES:
            learn(desk, running, service)
        for service in SERVICES:
            code, document = replay(desk, running, service)
            assert (code, counting(document)) == (0, [])
            assert document["counts"].get("same", 0) >= 18, document["counts"]

        chance = random.Random(3)
        for regression in REGRESSIONS:
            if regression.name == "a reference to the recorded id":
                continue  # the server does not know it; see the unit tests

            def breaks(service: str, number: int, answer: Doc, r: Any = regression) -> None:
                if service == r.service and number == 11:
                    r.change(answer, {}, chance)

            running.breaks = breaks
            code, document = replay(desk, running, regression.service)
            wrong = [each for each in document["exchanges"] if each["verdict"] == "different"]
            assert (code, len(wrong)) == (1, 1), regression.name
            assert [
                place
                for place, kind in counting(document)
                if place.startswith(regression.path) and kind in regression.kinds
            ], (regression.name, counting(document))


def test_with_no_evidence_what_looks_made_anew_is_unsure_and_never_passes(desk: Desk) -> None:
    """Case P10."""
    keep(desk, range(1), ("sessions",))
    with noisy_server(2, SHOP) as running:
        code, document = replay(desk, running, "sessions")
        strict, _ = replay(desk, running, "sessions", "--strict")
        shown = desk.type("traffic", "--target", running.target, "--trust-config").stdout

    kinds = {each["path"]: each for each in document["exchanges"][0]["differences"]}
    assert kinds["$.session.id"]["unsure"]
    assert kinds["$.session.csrf"]["noise"] is None
    assert strict == 1
    assert "unsure" in shown
    assert code in (1, 5)  # the counter of logins is no id: without evidence it counts


def test_a_baseline_needs_no_rule(desk: Desk) -> None:
    """Diffy's case: a candidate, and a good version that is asked several times."""
    keep(desk, range(8))
    with noisy_server(3, SHOP) as good, noisy_server(4, SHOP) as candidate:
        for service in ("orders", "sessions", "shipping"):
            code, document = replay(desk, candidate, service, "--baseline", good.target)
            # The two have counters of their own, as versions with a database each.
            assert set(counting(document)) <= {("$.order.number", "value"), ("$.user.logins", "value")}

        def breaks(service: str, number: int, answer: Doc) -> None:
            if service == "shipping" and number == 5:
                answer["valid_until"] = None

        candidate.breaks = breaks
        code, document = replay(desk, candidate, "shipping", "--baseline", good.target)

    assert (code, counting(document)) == (1, [("$.valid_until", "type")])
    assert "compared with what" in document["notes"][-1]


def test_what_was_recorded_of_one_request_tells_which_shapes_vary(desk: Desk) -> None:
    shop = Shop(random.Random("several"), SHOP)
    desk.keep(shop_exchange(shop, "sessions", 3, place) for place in range(7))
    with noisy_server(9, SHOP) as running:
        _, document = replay(desk, running, "sessions", "--limit", "1")

    said = {each["path"]: each for each in document["exchanges"][0]["differences"]}
    assert "seen in 6 repeated answers" in said["$.session.id"]["noise"]
    assert said["$.session.csrf"]["noise"]
    assert said["$.user.logins"]["noise"] is None


def test_the_target_itself_tells_what_varies(desk: Desk) -> None:
    keep(desk, range(6), ("shipping",))
    with noisy_server(5, SHOP) as running:
        code, document = replay(desk, running, "shipping", "--baseline-runs", "5")
        running.breaks = lambda _, __, answer: answer.update(zone="9")
        broken, wrong = replay(desk, running, "shipping", "--baseline-runs", "5")

    assert (code, counting(document)) == (0, [])
    assert (broken, set(counting(wrong))) == (1, {("$.zone", "value")})


def test_rules_are_listed_explained_accepted_and_taken_out(desk: Desk, tmp_path: Path) -> None:
    keep(desk, range(5), ("catalog",))
    report = tmp_path / "run.json"
    with noisy_server(6, SHOP) as running:
        told = learn(desk, running, "catalog")
        running.breaks = lambda _, __, answer: answer.update(name="other")
        code, _ = replay(desk, running, "catalog", "--report", f"json:{report}")
        explained = desk.type("noise", "explain", str(report), "--trust-config")
        accepted = desk.type(
            "noise", "accept", str(report), "--path", "$.name", "--by", "Ann", "--trust-config"
        )
        after, _ = replay(desk, running, "catalog")
        listed = [
            json.loads(line)
            for line in desk.type("noise", "list", "--json", "--trust-config").stdout.splitlines()
        ]
        mine = next(rule for rule in listed if rule["author"] == "Ann")
        gone = desk.type("noise", "rm", mine["id"][:6], "--trust-config")
        again, _ = replay(desk, running, "catalog")

    file = (tmp_path / "mesh-noise.toml").read_text()
    assert f"in {tmp_path / 'mesh-noise.toml'}" in told
    assert "counts" in explained.stdout
    assert "goes with the clock" in explained.stdout or "node-<d>" in explained.stdout
    assert accepted.exit_code == 0
    assert (code, after, again) == (1, 0, 1)
    assert mine["path"] == "$.name"
    assert gone.exit_code == 0
    assert file.index("$.cache") < file.index("$.price.rate") < file.index("$.tags")
    assert "Ann" not in file


def test_a_rule_of_mesh_toml_counts_wherever_it_says(desk: Desk) -> None:
    keep(desk, range(3), ("catalog",))
    desk.config(f"{PLAIN}\n[[noise]]\npath = '$..stock'\nis = 'types'\ntypes = ['object', 'null']\n")
    with noisy_server(8, SHOP) as running:
        running.breaks = lambda _, __, answer: answer.update(stock=None)
        _, document = replay(desk, running, "catalog")

    stock = [
        each
        for exchange in document["exchanges"]
        for each in exchange["differences"]
        if each["path"] == "$.stock"
    ]
    assert {each["noise"] for each in stock} == {"object or null, by mesh.toml"}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("path = '$.a'\nis = 'anything'", "there is no 'anything'"),
        ("path = '$.a'", "'is' is missing"),
        ("path = 'a'\nis = 'order'", "a JSONPath starts with $"),
        ("path = '$.a'\nwhere = 'status'\nis = 'order'", "a status is never noise"),
        ("path = '$.a'\nis = 'number'\nlow = 'x'\nhigh = 2\njitter = 1", "low = 'x' is of the wrong type"),
        ("path = '$.a'\nis = 'order'\nhow = 1", "unknown key how"),
    ],
)
def test_a_rule_that_cannot_be_read_is_named(desk: Desk, rule: str, says: str) -> None:
    (desk.folder / "mesh-noise.toml").write_text(f"version = 1\n[[noise]]\nroute = 'GET /'\n{rule}\n")

    result = desk.type("noise", "list", "--trust-config")

    assert result.exit_code == 2
    assert "mesh-noise.toml: rule 1 of noise cannot be read: " + says in result.stderr
    assert result.stderr.count("\n") == 1


def test_what_is_no_report_is_said_in_one_line(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")

    for command in ("explain", "accept"):
        result = desk.type("noise", command, str(tmp_path / "a.json"), "--trust-config")
        assert result.exit_code == 2
        assert result.stderr.endswith("report json:FILE`\n")


def test_a_baseline_that_is_not_allowed_is_refused_before_anything_is_sent(desk: Desk) -> None:
    keep(desk, range(1), ("catalog",))
    with noisy_server(10, SHOP) as running:
        for options in (("--baseline", "10.1.2.3:80"), ("--baseline", "169.254.169.254:80")):
            result = desk.type("traffic", "--target", running.target, "--trust-config", *options)
            assert (result.exit_code, result.stderr.count("\n")) == (4, 1)
        dry = desk.type("noise", "learn", "--target", running.target, "--trust-config", "--dry-run")
        nothing = desk.type("noise", "learn", "service:none", "--target", running.target, "--trust-config")
        sent = len(running.server.requests)

    assert (dry.exit_code, nothing.exit_code, sent) == (0, 5, 0)
    assert not (desk.folder / "mesh-noise.toml").exists()


def test_files_are_replayed_without_the_store_that_cannot_be_reached(desk: Desk, tmp_path: Path) -> None:
    keep(desk, range(1), ("catalog",))
    file = str(tmp_path / "one.har")
    assert desk.type("export", "service:catalog", "-o", file, "--trust-config").exit_code == 0
    away = "postgresql://nobody@127.0.0.1:9/none"

    with noisy_server(11, SHOP) as running:
        words = ("run", file, "--target", running.target, "--trust-config", "--json")
        result = desk.type(*words, MESH_STORE=away)

    assert json.loads(result.stdout)["exchanges"][0]["replayed_status"] == 200
