"""Only the payment service of the shop, from its source, against the shop's own recording."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.behind_sidecars import Mesh, mesh
from support.shop import SHOP

BUG = 'whole, cents = amount.split(".")  # the bug: 1250 JPY is written without a point'
FIX = 'whole, _, cents = amount.partition(".")'


@pytest.fixture(scope="module")
def failed() -> Iterator[tuple[Mesh, dict[str, Any]]]:
    with mesh() as shop:
        assert shop.order("JPY")["status"] >= 500
        trace = shop.failed_trace(sides=12 if shop.cast.node else 6)
        shop.processes.end()
        yield shop, trace


@pytest.fixture
def source(tmp_path: Path) -> Path:
    shutil.copytree(SHOP, tmp_path / "mesh_shop", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.xdist_group("payment-alone")
@pytest.mark.parametrize(("line", "verdict", "code"), [(BUG, "reproduced", 1), (FIX, "not_reproduced", 0)])
def test_the_failure_is_reproduced_until_its_line_is_fixed(
    failed: tuple[Mesh, dict[str, Any]], source: Path, line: str, verdict: str, code: int
) -> None:
    shop, trace = failed
    payment = source / "mesh_shop" / "payment.py"
    assert BUG in payment.read_text()
    payment.write_text(payment.read_text().replace(BUG, line))

    typed = shop.type(
        "mesh-replay", "trace", trace["trace_id"], "--stub", "rest", "--json",
        "--", sys.executable, "-m", "mesh_shop.payment",
        PYTHONPATH=str(source),
    )  # fmt: skip

    (document,) = typed.documents()
    assert [each["verdict"] for each in document["exchanges"]] == [verdict], typed.stderr
    assert (typed.code, document["service"], document["dependencies"]) == (code, "payment", "stubs")
    assert document["stubs"]["misses"] == []
