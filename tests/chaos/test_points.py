"""kill -9 at named points of the way from spool to store: nothing is lost, nothing is there twice."""

import signal
import subprocess
import sys
from pathlib import Path

from mesh_core.query import parse_query
from mesh_store.store import open_store
from support.lanes import one

pytestmark = one("mitmproxy")  # what carries the bytes is not there any more

RECORD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from mesh_core.config import Keep
from mesh_recorder.keep import Keeping
from mesh_recorder.pipeline import Pipeline
from mesh_core.frames import Run
from mesh_store.store import Store, open_store
from support.recorded import FakeCapture, finish

_, _, url, folder, point, run, first = sys.argv

def die(owner, name, when):
    real = getattr(owner, name)
    def stand_in(*args, **kwargs):
        # What earlier runs left behind is treated as ever: this run is to write its own first.
        ours = name == "fdatasync" or any(run * 32 in str(arg) for arg in args)
        if ours and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **kwargs)
        if ours:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(owner, name, stand_in)

when, _, what = point.partition(" ")
if what == "commit":
    die(Store, "ingest", when)
elif what == "acknowledgement":
    die(Path, "unlink", when)
elif what == "seal":
    die(Path, "rename", when)
elif what == "sync":
    die(os, "fdatasync", when)

pipeline = Pipeline(
    finish=finish,
    redact=lambda exchange, bodies: (exchange, bodies),
    run=Run(run_id=run * 32, project="shop", service="cart", instance="cart-1", recorder="0", started_at=1),
    spool_dir=Path(folder),
    open_sink=lambda: open_store(url, busy_seconds=60),
)
for number in range(int(first), int(first) + 20):
    pipeline.offer(FakeCapture(number, body=b"%d" % number))
pipeline.start()
counters = pipeline.drain(60)
assert counters.balanced, counters
print(counters.stored, counters.resumed)
"""
POINTS = [
    f"{when} {what}" for what in ("sync", "seal", "commit", "acknowledgement") for when in ("before", "after")
]
SUPPORT = str(Path(__file__).parents[1])


def test_killed_at_each_point_between_spool_and_store(store_url: str, tmp_path: Path) -> None:
    """Case R26: the next run of each killed one ships what was left, and the store knows what it has."""
    first = 1
    for number, point in enumerate(POINTS):
        killed = _record(store_url, tmp_path, point, f"{number + 1:x}", first)
        assert killed.returncode == -signal.SIGKILL, (point, killed.stderr)
        first += 20
    last = _record(store_url, tmp_path, "never", "f", first)

    assert last.returncode == 0, last.stderr
    assert last.stdout.split()[0] == "20"
    with open_store(store_url) as store:
        page = store.search(parse_query("", now=0), limit=1000)
        checked = store.check()
    assert sorted(int(exchange.path[1:]) for exchange in page.exchanges) == list(range(1, first + 20))
    assert (checked.problems, checked.missing) == ((), 0)
    assert checked.stored == first + 19
    assert [path.name for path in tmp_path.glob("spool/*") if path.name != "lock"] == []


def _record(url: str, folder: Path, point: str, run: str, first: int) -> subprocess.CompletedProcess[str]:
    arguments = [SUPPORT, url, str(folder / "spool"), point, run, str(first)]
    return subprocess.run(
        [sys.executable, "-c", RECORD, *arguments], capture_output=True, text=True, check=False
    )
