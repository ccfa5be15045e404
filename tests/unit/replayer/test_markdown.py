"""Markdown within its bound, and code spans that hold what is in them."""

import pytest
from markdown_it import MarkdownIt

from mesh_core.errors import ExitCode
from mesh_replayer.diff import Difference, Kind, Where
from mesh_replayer.events import Judged, RunFinished, RunStarted
from mesh_replayer.plan import Choice, Plan
from mesh_replayer.reports.markdown import code, markdown
from mesh_replayer.target import parse_target
from mesh_replayer.verdict import Verdict
from support.recorded import an_exchange

STARTED = RunStarted(
    run_id="run",
    plan=Plan(
        choices=(Choice(target=parse_target("localhost:1"), service="cart", reason="as you said"),), steps=()
    ),
)


def different(at: int) -> Judged:
    """Unlike all others."""
    where = Difference(where=Where.BODY, kind=Kind.VALUE, path=f"$.field{at}", recorded=at, replayed=-at)
    return Judged(
        exchange=an_exchange(path=f"/{'x' * 100}"),
        replayed=an_exchange(),
        verdict=Verdict.DIFFERENT,
        wrong=True,
        differences=(where,),
    )


def test_it_tells_what_it_has_no_room_for() -> None:
    finished = RunFinished(exit_code=ExitCode.DIFFERENT, counts={"different": 500})

    text = markdown(STARTED, [different(at) for at in range(500)], finished, most=20_000)

    shown = text.count("### ")
    assert len(text.encode()) <= 20_000
    assert 0 < shown < 500
    assert f"and {500 - shown:,} more" in text


@pytest.mark.parametrize("text", ["plain", "`", "a``b`c", "``", " ", "", "<b>", "a|b", "\\", "*x*", "_y_"])
def test_a_code_span_gives_back_what_it_was_given(text: str) -> None:
    [inline] = [
        block
        for block in MarkdownIt("gfm-like", {"linkify": False}).parse(f"x{code(text)}y")
        if block.children
    ]

    [span] = [token for token in inline.children or [] if token.type == "code_inline"]
    assert span.content.strip() == text.strip()
