"""`mesh-replay list`, `failures`, `show`, `diff`, typed."""

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from mesh_core.model import Direction, Message, Sender, TraceOrigin
from support.replays import START, TRACE, Desk, recorded

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202eevil\u2066\x9b31m\r\n\x00\u200b\U000e0041"
"""Sets a terminal's title, clears it, turns text around, hides text."""
DANGEROUS = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def chain(*, failed: bool = True) -> list[object]:
    """gateway -> cart -> payment, each hop by its claim."""
    status = 500 if failed else 200
    made: list[object] = []
    claim = None
    for number, (service, direction, peer) in enumerate(
        [
            ("gateway", Direction.INBOUND, None),
            ("gateway", Direction.OUTBOUND, "cart"),
            ("cart", Direction.INBOUND, None),
            ("cart", Direction.OUTBOUND, "payment"),
            ("payment", Direction.INBOUND, None),
        ]
    ):
        exchange, bodies = recorded(
            number, status=status, service=service, instance=f"{service}-1", direction=direction, peer=peer,
            claim=claim, trace_origin=TraceOrigin.W3C, ended_at=START + 20_000_000 - number * 1_000_000,
            method="POST", path=f"/{peer or service}",
        )  # fmt: skip
        claim = exchange.id
        made.append((exchange, bodies))
    return made


def test_list_gives_a_line_each_newest_first_and_goes_on_with_a_cursor(desk: Desk) -> None:
    desk.keep(recorded(number, path=f"/{number}") for number in range(5))

    first = desk.type("list", "--json", "--limit", "3")
    cursor = re.search(r"--cursor (\S+)", first.stderr)
    assert cursor is not None
    rest = desk.type("list", "--json", "--limit", "3", "--cursor", cursor[1])
    shown = desk.type("list", "service:cart", "path:/3")

    assert [json.loads(line)["path"] for line in first.stdout.splitlines()] == ["/4", "/3", "/2"]
    assert [json.loads(line)["path"] for line in rest.stdout.splitlines()] == ["/1", "/0"]
    assert rest.stderr == ""
    assert len(shown.stdout.splitlines()) == 1
    assert "GET /3" in shown.stdout
    assert TRACE[:12] in shown.stdout


def test_nothing_that_fits_is_said_and_is_no_error(desk: Desk) -> None:
    for command in ("list", "failures"):
        result = desk.type(command, "service:none", "--json")

        assert (result.exit_code, result.stdout) == (0, "")
        assert "fits" in result.stderr


def test_a_broken_query_is_exit_2_on_one_line(desk: Desk) -> None:
    result = desk.type("list", "colour:blue")

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_failures_are_grouped(desk: Desk) -> None:
    desk.keep(
        recorded(number, status=500, path=f"/carts/{number}", trace_id=f"{number:032x}")
        for number in range(1, 4)
    )

    [group] = [json.loads(line) for line in desk.type("failures", "--json").stdout.splitlines()]
    shown = desk.type("failures").stdout
    by_fingerprint = json.loads(desk.type("show", group["fingerprint"], "--json").stdout)

    assert (group["count"], group["service"], group["status"]) == (3, "cart", 500)
    assert len(group["traces"]) == 3
    assert "3x cart: GET /carts/{id} 500" in shown
    assert by_fingerprint == group
    assert group["traces"][0] in desk.type("show", group["fingerprint"]).stdout


def test_a_trace_is_a_tree_with_its_culprit(desk: Desk) -> None:
    desk.keep(chain())  # type: ignore[arg-type]  # pairs of exchange and bodies

    lines = desk.type("show", "last", COLUMNS="100").stdout.splitlines()
    document = json.loads(desk.type("show", TRACE, "--json").stdout)

    assert lines[0].startswith(f"trace {TRACE}")
    assert "5 exchanges in 3 services" in lines[0]
    assert lines[1] == "complete"
    assert lines[2].startswith("culprit: payment POST /payment 500  exchange ")
    tree = [line[:50].rstrip() for line in lines[4:]]
    assert [line.split("  POST")[0] for line in tree] == [
        "  gateway",
        "  └─ gateway → cart",
        "     └─ cart",
        "        └─ cart → payment",
        "▶          └─ payment",
    ]
    assert all("━" in line for line in lines[4:])
    assert document["culprit"] == document["exchanges"][-1]["id"]
    assert document["complete"] == "complete"
    assert document["exchanges"][1]["parent"]["kind"] == "cause"


def test_an_inferred_link_is_dashed_and_said(desk: Desk) -> None:
    inbound = recorded(0, trace_origin=TraceOrigin.W3C, ended_at=START + 50_000_000)
    guess = recorded(
        1, direction=Direction.OUTBOUND, peer="payment", trace_id="9" * 32, trace_origin=TraceOrigin.SYNTHETIC
    )
    desk.keep([inbound, guess])

    shown = desk.type("show", TRACE).stdout

    assert "└╌ cart → payment" in shown
    assert "(inferred, " in shown


def test_an_exchange_is_shown_with_headers_bodies_and_messages(desk: Desk) -> None:
    headers = ((b"Content-Type", b"application/json"), (b"X-Latin", b"caf\xe9"))
    exchange, bodies = recorded(
        headers=headers,
        body=b'{"a":[1,2]}',
        answer=((b"Content-Type", b"image/png"),),
        answer_body=b"\x89PNG\x00",
        method="PUT",
        messages=(Message(sender=Sender.SERVER, offset=1_500_000, type="event", payload=b"tick"),),
    )
    desk.keep([(exchange, bodies)])

    shown = desk.type("show", exchange.id).stdout
    document = json.loads(desk.type("show", exchange.id, "--json").stdout)

    for expected in (
        f"exchange {exchange.id}  inbound, cart",
        "PUT / HTTP/1.1",
        "X-Latin: café",
        '  "a": [',
        "5 B of image/png",
        "1.5 ms  server event  tick",
    ):
        assert expected in shown
    assert document["request_body"]["text"] == '{"a":[1,2]}'
    assert document["response_body"]["base64"] == "iVBORwA="
    assert document["messages"][0]["text"] == "tick"


def test_what_was_captured_never_commands_a_terminal(desk: Desk) -> None:
    """Case W7."""
    raw = HOSTILE.encode()
    exchange, bodies = recorded(
        status=500, path="/" + raw.decode("latin-1"), headers=((b"X-\x1b[31m", raw),), body=raw,
        answer=((b"Content-Type", b"text/plain"), (b"[bold]", b"[link=http://evil]x[/link]")),
        answer_body=raw, service=f"cart{HOSTILE}", peer=HOSTILE, error=HOSTILE, method="GET\x1b[0m",
        messages=(Message(sender=Sender.CLIENT, offset=0, type="text", payload=raw),),
    )  # fmt: skip
    desk.keep([(exchange, bodies)])

    for command in (
        ["list"],
        ["failures"],
        ["show", "last"],
        ["show", exchange.id],
        ["diff", "last", "last"],
    ):
        for columns in ("40", "160"):
            result = desk.type(*command, COLUMNS=columns)
            assert result.exit_code == 0
            assert DANGEROUS.findall(result.stdout) == [], command
    assert "[link=http://evil]x[/link]" in desk.type("show", exchange.id).stdout
    assert "\\x1b]0;owned\\x07" in desk.type("show", exchange.id, COLUMNS="300").stdout


@pytest.mark.parametrize("columns", ["20", "40", "60", "90", "120", "200"])
def test_narrow_terminals_get_short_lines_and_no_less_sense(desk: Desk, columns: str) -> None:
    desk.keep(chain())  # type: ignore[arg-type]  # pairs of exchange and bodies

    for command in (["list"], ["failures"], ["show", "last"]):
        lines = desk.type(*command, COLUMNS=columns).stdout.splitlines()
        assert lines
        assert max(map(len, lines)) <= int(columns), command


def test_colour_is_for_terminals_alone(desk: Desk) -> None:
    desk.keep(chain())  # type: ignore[arg-type]  # pairs of exchange and bodies

    plain = desk.type("show", "last").stdout
    forced = desk.type("show", "last", FORCE_COLOR="1", TERM="xterm-256color").stdout
    refused = desk.type("show", "last", FORCE_COLOR="1", TERM="xterm-256color", NO_COLOR="1").stdout

    assert "\x1b[" not in plain
    assert "\x1b[" in forced
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", refused)


def test_two_exchanges_are_laid_side_by_side(desk: Desk) -> None:
    json_type = (b"Content-Type", b"application/json")
    one = recorded(
        0, headers=(json_type,), body=b'{"n": 1}', path="/a", answer=(json_type,), answer_body=b'{"m": 1}'
    )
    other = recorded(
        1,
        headers=(json_type,),
        body=b'{"n": 2}',
        path="/b",
        answer=(json_type,),
        answer_body=b"{}",
        status=404,
    )
    desk.keep([one, other])

    document = json.loads(desk.type("diff", one[0].id, other[0].id, "--json").stdout)
    shown = desk.type("diff", one[0].id, other[0].id)

    assert [(each["where"], each["path"]) for each in document["differences"]] == [
        ("path", None),
        ("request_body", "$.n"),
        ("status", None),
        ("body", "$.m"),
    ]
    assert "request body $.n  1 → 2" in shown.stdout
    assert shown.exit_code == 0


def test_two_traces_are_paired_call_by_call(desk: Desk) -> None:
    good = [
        (replace(exchange, id=exchange.id[:-1] + "f", trace_id="7" * 32, claim=None), bodies)
        for exchange, bodies in chain(failed=False)[:3]  # type: ignore[misc]  # pairs of exchange and bodies
    ]
    desk.keep([*chain(), *good])  # type: ignore[list-item]  # pairs of exchange and bodies

    document = json.loads(desk.type("diff", TRACE, "7" * 32, "--json").stdout)
    shown = desk.type("diff", TRACE, "7" * 32).stdout

    assert [bool(each["right"]) for each in document["exchanges"]] == [True, True, True, False, False]
    assert document["exchanges"][0]["differences"][0] == {
        "where": "status", "path": None, "kind": "value", "recorded": 500, "replayed": 200, "noise": None,
        "unsure": None, "detail": None, "template": None, "lengths": None,
    }  # fmt: skip
    assert "payment POST /payment only in the first" in shown


def test_an_exchange_and_a_trace_are_not_compared(desk: Desk) -> None:
    exchange, bodies = recorded()
    desk.keep([(exchange, bodies)])

    result = desk.type("diff", exchange.id, TRACE)

    assert (result.exit_code, "give two of either" in result.stderr) == (2, True)


@pytest.mark.parametrize("command", ["list", "failures", "show last", "trace last --target localhost:1"])
def test_a_store_that_is_none_is_exit_3_on_one_line(desk: Desk, command: str) -> None:
    (desk.folder / "mesh.db").write_bytes(b"this is no database, is it? " * 100)

    result = desk.type(*command.split())

    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)
