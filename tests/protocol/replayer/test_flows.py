"""Values that flow from answers to later requests, against a server that makes all of them anew."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mesh_core.config import RedactMode
from mesh_core.model import Bodies, Exchange
from support.flow_shop import FlowShop, shop_for_a_while
from support.raw_server import raw_server, raw_server_apart
from support.replays import Desk, verdicts
from support.rig import KEY, rig


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def shopping(
    folder: Path, seed: int, *, redact: RedactMode = RedactMode.DEFAULT
) -> list[tuple[Exchange, Bodies]]:
    """What a sidecar records of one customer."""

    async def run() -> list[tuple[Exchange, Bodies]]:
        async with (
            raw_server(FlowShop(seed).script) as server,
            rig(folder, server.port, redact_mode=RedactMode.DEFAULT) as running,
        ):
            await shop_for_a_while(f"http://127.0.0.1:{running.inbound}")
            await running.recorded()
            frames = [frame for segment in running.store.segments for frame in segment.frames]
        return [(frame.exchange, frame.bodies) for frame in frames if frame.exchange is not None]

    return asyncio.run(run())


def typed(desk: Desk, port: int, *options: str) -> tuple[int, dict[str, Any]]:
    result = desk.type(
        "traffic", "--target", f"localhost:{port}", "--json", *options, MESH_REDACT_KEY=KEY.decode()
    )
    assert result.stderr == ""
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize("sessions", [1, 2])
def test_login_token_cart_item_if_match_cursor_and_csrf_replay_green(desk: Desk, sessions: int) -> None:
    """Case P11: secrets were redacted when it was recorded; equal tokens tell where the live ones go."""
    for seed in range(sessions):
        desk.keep(shopping(desk.folder / f"recorded {seed}", seed))

    with raw_server_apart(FlowShop(99).script) as server:
        code, document = typed(desk, server.port)
        blind, unlinked = typed(desk, server.port, "--no-correlate")

    judged = [(each["path"], each["verdict"], each["reason"]) for each in document["exchanges"]]
    assert (code, document["counts"]) == (0, {"same": 11 * sessions}), judged
    assert {link["name"] for link in document["links"]} == {
        "form:csrf", "cookie:sid", "header:authorization", "path:2", "path:4", "header:if-match",
        "query:cursor", "header:x-csrf-token", "body:$.cart_id",
    }  # fmt: skip
    assert blind != 0
    assert "auth" in verdicts(unlinked)


def test_links_are_told_with_their_evidence_and_can_be_left_out_singly(desk: Desk) -> None:
    """Case P11."""
    desk.keep(shopping(desk.folder / "recorded", 1))

    with raw_server_apart(FlowShop(99).script) as server:
        target = ("traffic", "--target", f"localhost:{server.port}")
        dry = desk.type(*target, "--dry-run")
        code, document = typed(desk, server.port, "--no-link", "header:if-match")

    assert dry.exit_code == 0
    assert "link cookie:sid of POST /carts from cookie:sid of the answer to POST /login" in dry.stdout
    assert "characters that no request had before the answer" in dry.stdout
    assert f"   3  POST /carts  to localhost:{server.port} once 2 was answered" in dry.stdout
    assert code == 1
    assert "header:if-match" not in {link["name"] for link in document["links"]}
    refused = [each["method"] for each in document["exchanges"] if each["replayed_status"] == 412]
    assert refused == ["POST"]
    later = next(each for each in document["exchanges"] if each["method"] == "PATCH")
    assert later["reason"] == (
        "path:4 needs body:$.item.id of the answer to POST /carts/{id}/items, which did not have it"
    )


def test_no_secret_is_in_any_report(desk: Desk) -> None:
    """Case P13: live values go out, and nowhere else."""
    desk.keep(shopping(desk.folder / "recorded", 1))
    shop = FlowShop(99)

    with raw_server_apart(shop.script) as server:
        told = json.dumps(typed(desk, server.port)[1])

    secrets = {value for what in ("session", "token") for value in shop.given[what]}
    assert secrets
    assert not [secret for secret in secrets if secret in told]


def test_where_an_answer_lacks_the_value_what_needs_it_is_skipped_with_the_reason(desk: Desk) -> None:
    desk.keep(shopping(desk.folder / "recorded", 1))
    shop = FlowShop(99)
    shop.full = True

    with raw_server_apart(shop.script) as server:
        code, document = typed(desk, server.port)

    skipped = [each for each in document["exchanges"] if each["verdict"] == "skipped"]
    assert code == 1
    assert len(skipped) == 5
    assert skipped[0]["reason"] == (
        "header:if-match needs header:etag of the answer to POST /carts, which did not have it"
    )
