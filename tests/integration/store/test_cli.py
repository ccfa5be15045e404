"""`mesh-store` as it is typed."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mesh_core.errors import ExitCode
from mesh_core.query import parse_query
from mesh_migrations import HEAD
from mesh_store.cli import main
from mesh_store.store import open_store
from support.postgres import a_database
from support.recorded import FakeCapture, finish
from support.segments import a_gap, a_segment, captured

pytestmark = pytest.mark.usefixtures("_elsewhere")


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MESH_STORE", "MESH_CONFIG", "MESH_TRUST_CONFIG", "MESH_RETENTION_SIZE"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def filled(store_url: str) -> str:
    """A store with three exchanges, one of them a failure, and a gap."""
    with open_store(store_url) as store:
        recorded = [*captured(1, 2, body=b"fine"), *captured(3, failed=True, body=b"broken"), a_gap(7)]
        store.ingest(a_segment(recorded))
    return store_url


def test_stats_say_what_is_there(filled: str) -> None:
    told = run("stats", "--store", filled)
    found = json.loads(run("stats", "--store", filled, "--json").stdout)

    assert (told.exit_code, told.stderr) == (0, "")
    assert "exchanges       3\n" in told.stdout
    assert "dropped         7 queue_full\n" in told.stdout
    assert {"exchanges": 3, "failures": 1, "bodies": 2, "recorder_runs": 1}.items() <= found.items()
    assert found["services"] == ["cart"]
    assert found["last"] == "1970-01-01T00:00:00.003000000Z"
    assert found["dropped"] == {"queue_full": 7}


def test_check_is_sound_or_says_what_is_not(filled: str) -> None:
    told = run("check", "--store", filled)
    assert (told.exit_code, told.stdout.splitlines()[-1]) == (0, "sound")
    with open_store(filled) as store, store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE body SET size = size + 1 WHERE id = (SELECT min(id) FROM body)")
        connection.exec_driver_sql("DELETE FROM exchange WHERE failed = 1")

    broken = run("check", "--store", filled)
    found = json.loads(run("check", "--store", filled, "--json").stdout)

    assert broken.exit_code == ExitCode.ENVIRONMENT
    assert broken.stdout.splitlines()[-1] == "3 problems"
    assert any(line.startswith("body ") and line.endswith(" is damaged") for line in found["problems"])
    assert "1 bodies belong to no exchange" in found["problems"]
    assert any(line.endswith(": 2 exchanges are there, 3 should be") for line in found["problems"])
    assert (found["offered"], found["stored"], found["gaps"], found["missing"]) == (4, 3, 1, 0)


def test_prune_takes_times_and_sizes(filled: str) -> None:
    assert run("prune", "--store", filled).stdout == "0 exchanges erased\n"
    # They are all of one trace, which failed.
    assert run("prune", "--store", filled, "--older-than", "0s").stdout == "0 exchanges erased\n"
    gone = run("prune", "--store", filled, "--max-size", "0", "--json")
    assert json.loads(gone.stdout) == {"erased": 3}


def test_prune_keeps_to_what_is_configured(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option stands over the environment, that over mesh.toml."""
    (tmp_path / "mesh.toml").write_text(f'store = "{filled}"\n[retention]\nsize = "0"\n')
    trusted = ("--trust-config",)
    assert run("prune", *trusted, "--max-size", "unlimited").stdout == "0 exchanges erased\n"
    monkeypatch.setenv("MESH_RETENTION_SIZE", "1GiB")
    assert run("prune", *trusted).stdout == "0 exchanges erased\n"
    monkeypatch.setenv("MESH_RETENTION_SIZE", "much")
    assert run("prune", *trusted).exit_code == ExitCode.USAGE
    monkeypatch.delenv("MESH_RETENTION_SIZE")
    assert run("prune", *trusted).stdout == "3 exchanges erased\n"


def test_prune_says_that_it_does_not_believe_the_clock(filled: str) -> None:
    """Case R33."""
    with open_store(filled) as store, store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bookkeeping SET value = 1 WHERE name = 'clock_seen'")

    told = run("prune", "--store", filled)
    sure = run("prune", "--store", filled, "--older-than", "0s", "--failures-older-than", "0s")

    assert (told.exit_code, told.stdout) == (0, "0 exchanges erased\n")
    assert told.stderr.startswith("mesh-store: nothing was stored for more than a day")
    assert (sure.stdout, sure.stderr) == ("3 exchanges erased\n", "")


def test_pin_takes_every_form_of_id_and_is_idempotent(filled: str) -> None:
    with open_store(filled) as store:
        exchange = store.search(parse_query("", now=0)).exchanges[0]
    trace = exchange.trace_id
    forms = ["last", trace, trace[:12], trace.upper(), exchange.id, f"00-{trace}-{'b' * 16}-01"]

    first = run("pin", "--store", filled, *forms)
    assert (first.exit_code, first.stdout) == (0, f"{trace} pinned (3 exchanges)\n")
    assert run("pin", "--store", filled, "last").stdout == f"{trace} pinned, as before (3 exchanges)\n"
    assert json.loads(run("stats", "--store", filled, "--json").stdout)["pinned"] == [trace]
    assert f"pinned          {trace}\n" in run("stats", "--store", filled).stdout
    assert run("prune", "--store", filled, "--max-size", "0").stdout == "0 exchanges erased\n"

    gone = json.loads(run("unpin", "--store", filled, "last", "--json").stdout)
    assert gone == {"trace_id": trace, "pinned": False, "changed": True, "exchanges": 3}
    assert run("prune", "--store", filled, "--max-size", "0").stdout == "3 exchanges erased\n"


def test_pin_says_what_it_cannot_pin_and_pins_nothing_then(filled: str) -> None:
    with open_store(filled) as store:
        group = store.failures(parse_query("", now=0))[0]

    nothing = run("pin", "--store", filled, "last", "f" * 32)
    several = run("pin", "--store", filled, group.fingerprint)

    assert nothing.exit_code == ExitCode.NOTHING
    assert nothing.stderr.count("\n") == 1
    assert several.exit_code == ExitCode.USAGE
    assert group.traces[0] in several.stderr
    assert json.loads(run("stats", "--store", filled, "--json").stdout)["pinned"] == []


def test_forget_erases_what_a_query_finds(filled: str) -> None:
    looked = run("forget", "is:failure", "--store", filled, "--dry-run")
    asked = run("forget", "is:failure", "--store", filled)
    done = run("forget", 'body~"broken"', "--store", filled, "--yes", "--json")
    again = run("forget", "is:failure", "--store", filled, "--yes")

    assert looked.stdout == "1 exchanges would be erased\n"
    assert (asked.exit_code, asked.stderr) == (
        ExitCode.USAGE,
        "mesh-store: 1 exchanges would be erased for good; add --yes to do it\n",
    )
    assert json.loads(done.stdout) == {"erased": 1, "found": 1}
    assert (again.exit_code, again.stderr.count("\n")) == (ExitCode.NOTHING, 1)


@pytest.mark.parametrize("query", ["", "   "])
def test_forget_takes_no_query_that_finds_everything(filled: str, query: str) -> None:
    refused = run("forget", query, "--store", filled, "--yes")

    assert refused.exit_code == ExitCode.USAGE
    assert "an empty query finds everything" in refused.stderr


def test_upgrade_makes_a_postgres_store(postgres_server: str) -> None:
    with a_database(postgres_server) as url:
        before = run("stats", "--store", url)
        made = run("upgrade", "--store", url)
        again = run("upgrade", "--store", url, "--json")
        after = run("stats", "--store", url)

    assert before.exit_code == ExitCode.ENVIRONMENT
    assert before.stderr.endswith("has no tables of ours yet; run `mesh-store upgrade`\n")
    assert made.stdout == f"schema {HEAD}: made\n"
    assert json.loads(again.stdout) == {"before": HEAD, "version": HEAD}
    assert after.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["stats", "--store", "https://mesh.example"], ExitCode.ENVIRONMENT),
        (["stats", "--store", "postgresql://u:secret@127.0.0.1:1/d"], ExitCode.ENVIRONMENT),
        (["check", "--store", "nonsense"], ExitCode.USAGE),
        (["prune", "--older-than", "soon"], ExitCode.USAGE),
        (["prune", "--max-size", "much"], ExitCode.USAGE),
        (["forget", "colour:red", "--yes"], ExitCode.USAGE),
        (["stats", "--config", "nothing.toml"], ExitCode.USAGE),
    ],
)
def test_what_is_wrong_is_one_line(arguments: list[str], code: ExitCode) -> None:
    result = run(*arguments)

    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("mesh-store: ")
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.stderr


def test_without_settings_the_store_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    assert run("stats").exit_code == 0
    assert (tmp_path / "data" / "mesh-replay" / "mesh.db").exists()


@pytest.mark.parametrize("command", ["upgrade", "stats", "prune", "pin", "unpin", "forget", "check"])
def test_help_has_examples(command: str) -> None:
    told = run(command, "--help").stdout

    assert "Examples:" in told
    assert f"mesh-store {command}" in told


def test_the_reference_has_every_command_and_every_option() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "mesh-store.md").read_text()
    for name, command in main.commands.items():
        assert f"`mesh-store {name}" in text or f"`{name} " in text, name
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert option in text, (name, option)


@pytest.mark.parametrize(
    "heavy", ["sqlalchemy", "alembic", "psycopg", "pandas", "mitmproxy", "fastapi", "httpx"]
)
def test_help_does_not_import(heavy: str) -> None:
    code = f"import mesh_store.cli, sys; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_store_that_was_filled_by_a_file_is_sound(store_url: str) -> None:
    with open_store(store_url) as store:
        store.add([finish(FakeCapture(n, body=b"%d" % n)) for n in range(1, 30)])

    assert run("check", "--store", store_url).stdout.splitlines()[-1] == "sound"
