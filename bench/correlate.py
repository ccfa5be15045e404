"""Correlation: how many of the places where values flow are found, and how many of those found are right."""

import json
import sys
import time
from pathlib import Path

from mesh_replayer.correlate import Session, correlate

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.worlds import World

WORLDS = 30
RESULTS = Path(__file__).parent / "results" / "correlate.json"


def main() -> None:
    """Print precision and recall from one, two and three sessions of each world."""
    print(f"{WORLDS} worlds, sessions of 14 requests\n")
    print(f"{'sessions':>8}  {'places':>6}  {'precision':>9}  {'recall':>6}  {'CPU ms a session':>16}")
    rows = [_measured(sessions) for sessions in (1, 2, 3)]
    for row in rows:
        print(
            f"{row['sessions']:>8}  {row['places']:>6}  {row['precision']:>9.4f}  {row['recall']:>6.4f}"
            f"  {row['cpu_ms']:>16.1f}"
        )
    RESULTS.write_text(json.dumps({"worlds": WORLDS, "rows": rows}, indent=2) + "\n")


def _measured(sessions: int) -> dict[str, float]:
    right = found_all = true_all = 0
    spent = 0.0
    for seed in range(WORLDS):
        made = [World(seed).session(number) for number in range(sessions)]
        bodies = {name: content for calls, _ in made for _, own in calls for name, content in own.items()}
        parts = [
            Session([exchange for exchange, _ in calls], range(14 * at, 14 * at + len(calls)))
            for at, (calls, _) in enumerate(made)
        ]
        truth = {(14 * at + step, name) for at, (_, linked) in enumerate(made) for step, name in linked}
        began = time.process_time()
        links = correlate(parts, lambda _, known=bodies: known)
        spent += time.process_time() - began
        found = {(link.step, link.name) for link in links}
        right, found_all, true_all = right + len(found & truth), found_all + len(found), true_all + len(truth)
    return {
        "sessions": sessions,
        "places": true_all,
        "precision": right / found_all,
        "recall": right / true_all,
        "cpu_ms": 1_000 * spent / WORLDS / sessions,
    }
