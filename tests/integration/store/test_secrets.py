"""`mesh-store check --secrets`: secrets that are stored are told, but for themselves."""

import io
import json
import random

import pytest
from click.testing import CliRunner, Result
from msgspec import structs
from rich.console import Console

from mesh_core.config import Places, Redact
from mesh_core.errors import ExitCode
from mesh_core.ids import uuid7
from mesh_core.redact import Redactor
from mesh_store import secrets
from mesh_store.cli import main
from mesh_store.looking import looking_through
from mesh_store.store import Store
from support.canaries import BODIES, BY_FORM, BY_NAME, LINES, NAMED, Body, Recorded, recorded, traces

SEED = random.SystemRandom().randrange(2**32)
ONE_LINE = [kind for kind in BY_FORM if not kind.startswith(("pem", "pgp"))]


def planted() -> list[tuple[str, Recorded]]:
    """An exchange for each place, with a secret of some kind in it, and the secrets."""
    rng = random.Random(SEED)
    found: list[tuple[str, Recorded]] = []
    for place in (*(lambda s, body=body: recorded(body(s)) for body in BODIES.values()), *LINES.values()):
        secret = BY_FORM[rng.choice(ONE_LINE)](rng)
        found.append((secret, place(secret)))
    for place in NAMED.values():
        secret = BY_NAME[rng.choice([*BY_NAME])](rng)
        found.append((secret, place(secret)))
    return [(secret, numbered(each, number)) for number, (secret, each) in enumerate(found)]


def numbered(each: Recorded, number: int) -> Recorded:
    exchange, bodies = each
    return structs.replace(exchange, id=uuid7((number + 1) * 1_000_000, b"\0" * 8)), bodies


def check(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", "--secrets", "--store", url, *arguments])


def test_each_place_is_told_with_its_rule_and_never_the_value(store: Store, store_url: str) -> None:
    secrets_and_exchanges = planted()
    store.add(each for _, each in secrets_and_exchanges)

    told = check(store_url)
    lines = [json.loads(line) for line in check(store_url, "--json").stdout.splitlines()]

    assert told.exit_code == ExitCode.DIFFERENT
    found = {line["exchange_id"] for line in lines}
    missed = [each[0] for _, each in secrets_and_exchanges if each[0].id not in found]
    assert not missed, f"seed {SEED}: {missed[:1]}"
    assert told.stdout.splitlines() == [" ".join(str(value) for value in line.values()) for line in lines]
    assert {"response_body", "request_headers", "path", "messages", "error"} <= {
        line["place"] for line in lines
    }
    assert f"{len(secrets_and_exchanges)} exchanges looked through, {len(lines)} places" in told.stderr
    output = (told.stdout + told.stderr).encode()
    assert not [secret for secret, _ in secrets_and_exchanges for each in traces(secret) if each in output]


def test_what_was_redacted_holds_nothing(store: Store, store_url: str) -> None:
    redactor = Redactor(b"k" * 32)
    store.add(redactor.apply(*each) for _, each in planted())

    told = check(store_url)

    assert (told.exit_code, told.stdout) == (0, ""), f"seed {SEED}"


def test_rules_of_the_project_count(store: Store) -> None:
    store.add([recorded(Body(b'{"tenant": "acme", "n": 1}', "application/json"))])

    def rules(redact: Redact) -> list[str]:
        return [leak.rule for page in store.secrets(redact) for leak in page.leaks]

    assert rules(Redact()) == []
    assert rules(Redact(hide=Places(json=("$.tenant",)))) == ["json"]


def test_all_pages_are_read_and_damage_is_said(store: Store, store_url: str) -> None:
    body = Body(b'{"email": "bob@shop.example.org"}', "application/json")
    count = 2 * secrets._PAGE + 7
    store.add(numbered(recorded(body), number) for number in range(count))

    pages = [*store.secrets(Redact())]
    assert [page.exchanges for page in pages] == [secrets._PAGE, secrets._PAGE, 7]
    assert sum(len(page.leaks) for page in pages) == count
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE body SET content = hash")

    told = check(store_url)
    assert told.exit_code == ExitCode.ENVIRONMENT
    assert f"{count} exchanges could not be read whole" in told.stderr


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_for_terminals(terminal: bool) -> None:
    shown = io.StringIO()
    with looking_through(Console(file=shown, force_terminal=terminal), 3) as advance:
        advance(3)

    assert ("looking through" in shown.getvalue()) is terminal
