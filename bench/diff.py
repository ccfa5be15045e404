"""How well regressions are told from noise, and how fast documents are compared, beside other ways.

Precision and recall are of `different`, on answers that were not learned from: 20 fresh seeds, five requests
of a route by five runs, three days between recording and replay; about as many broken answers as clean ones.
"""

import argparse
import copy
import json
import platform
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deepdiff import DeepDiff

from mesh_replayer.diff import Difference, Response, compare_responses
from mesh_replayer.diff.documents import differences, parse
from mesh_replayer.noise.deciding import decide
from mesh_replayer.noise.rule import NoiseRules

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.noise_corpus import Corpus, Score, lower_bound, ours, score
from support.noisy_shop import REGRESSIONS, SERVICES

ROUNDS = 5
_RAW, _ABSOLUTE = 20.0, 0.03
"""Diffy's thresholds: relative, and absolute, in per cent."""


def plain(_: Corpus) -> Callable[[Response, Response], Sequence[Difference]]:
    """Every difference counts."""
    return lambda then, now: compare_responses(then, now).differences


def with_deepdiff(then: Response, now: Response) -> bool:
    """Whether deepdiff finds anything."""
    assert then.body.document is not None
    assert now.body.document is not None
    return bool(DeepDiff(then.body.document.tree, now.body.document.tree, ignore_order=True))


class Diffy:
    """Counts for each field how often candidate and primary differ, and how often primary and secondary do.

    A field is reported where the first is more often, by 20 % of both and 0.03 % of all. A port of what
    opendiffy's JoinedDifferences does.
    """

    def __init__(self) -> None:
        self.raw: Counter[str] = Counter()
        self.noise: Counter[str] = Counter()
        self.total = 0

    def take(self, primary: Response, secondary: Response, candidate: Response) -> None:
        self.total += 1
        for counts, other in ((self.raw, candidate), (self.noise, secondary)):
            found = compare_responses(primary, other).differences
            counts.update({f"{each.template} {each.kind}" for each in found})

    def reported(self) -> set[str]:
        return {
            name
            for name, raw in self.raw.items()
            if raw > (noise := self.noise[name])
            and abs(raw - noise) / (raw + noise) * 100 > _RAW
            and abs(raw - noise) / self.total * 100 > _ABSOLUTE
        }


def diffy(corpus: Corpus, hit: int) -> tuple[int, int, int]:
    """Regressions found, clean sets of a service with a field reported, and clean sets: 20 requests each."""
    found = 0
    for regression in REGRESSIONS:
        counters = Diffy()
        for number in range(9_000, 9_020):
            primary, secondary = (corpus.replayed(regression.service, number)[0] for _ in range(2))
            broken = number < 9_000 + hit
            candidate = (
                corpus.broken(regression, number)[1]
                if broken
                else corpus.replayed(regression.service, number)[0]
            )
            counters.take(primary, secondary, candidate)
        found += any(name.startswith(regression.path.rstrip("[")) for name in counters.reported())
    false = 0
    sets = [(service, first) for service in SERVICES for first in range(10_000, 10_180, 20)]
    for service, first in sets:
        counters = Diffy()
        for number in range(first, first + 20):
            counters.take(*(corpus.replayed(service, number)[0] for _ in range(3)))
        false += bool(counters.reported())
    return found, false, len(sets)


def table(seeds: Sequence[int], clean: int, each: int) -> list[str]:
    """Precision and recall of all ways, with the lower bounds of their 95 % intervals."""
    mine, raw = Score(), Score()
    counters = {hit: [0, 0, 0] for hit in (20, 1)}
    deep_found = deep_false = deep_clean = deep_all = 0
    for at, seed in enumerate(seeds):
        corpus = Corpus(seed)
        mine.add(score(corpus, ours, clean=clean, each=each))
        raw.add(score(corpus, plain, clean=clean, each=each))
        for hit, counts in counters.items():
            for place, count in enumerate(diffy(corpus, hit)):
                counts[place] += count
        if at < 2:
            for service in SERVICES:
                for number in range(1_000, 1_010):
                    deep_false += with_deepdiff(
                        corpus.recorded(service, number)[0], corpus.replayed(service, number)[0]
                    )
                    deep_clean += 1
            for regression in REGRESSIONS:
                deep_found += with_deepdiff(*corpus.broken(regression, 5_000))
                deep_all += 1
        print(
            f"seed {seed}: {mine.found}/{mine.regressions} found, {mine.false}/{mine.clean} false",
            file=sys.stderr,
        )
    regressions = len(REGRESSIONS) * len(seeds)
    lines = [
        "| way | regressions found | recall, at least | clean answers told to differ | precision, at least |",
        "|---|---|---|---|---|",
        _row("predicates, 5 requests x 5 runs", mine.found, mine.regressions, mine.false, mine.clean),
        _row("plain comparison", raw.found, raw.regressions, raw.false, raw.clean),
        _row("deepdiff, order ignored", deep_found, deep_all, deep_false, deep_clean),
        _row("Diffy's counters, all of 20 requests hit", counters[20][0], regressions, *counters[20][1:]),
        _row("Diffy's counters, one of 20 hit", counters[1][0], regressions, *counters[1][1:]),
        "",
        f"Unsure: {mine.unsure} of {mine.clean} clean answers,"
        f" {mine.unsure_broken} of {mine.regressions} broken ones.",
    ]
    if mine.misses or mine.alarms:
        lines += ["", f"Missed: {mine.misses}. False: {mine.alarms}."]
    return lines


def _row(name: str, found: int, regressions: int, false: int, clean: int) -> str:
    recall = lower_bound(found, regressions)
    precision = lower_bound(found, found + false)
    return f"| {name} | {found} of {regressions} | {recall:.4f} | {false} of {clean} | {precision:.4f} |"


def big_document(chance: random.Random, rows: int = 4_000) -> Any:
    """About a megabyte, all noise made anew by chance."""
    return {
        "generated": f"2026-11-25T07:{chance.randrange(60):02d}:{chance.randrange(60):02d}Z",
        "rows": [
            {
                "sku": f"SKU-{row:05d}",
                "id": f"{chance.getrandbits(128):032x}",
                "at": f"2026-11-25T07:00:{chance.randrange(60):02d}.{chance.randrange(1000):03d}Z",
                "token": f"{chance.getrandbits(144):036x}"[:24],
                "latency": chance.randint(1, 400),
                "name": "a blue widget of steel",
                "price": {"amount": row * 3.5, "currency": "EUR"},
                "tags": ["a", "b", "c"],
            }
            for row in range(rows)
        ],
    }


def speed(rounds: int) -> list[str]:
    """CPU milliseconds of one comparison; ours and deepdiff in turn."""
    then, now = big_document(random.Random(1)), big_document(random.Random(2))
    few = copy.deepcopy(then)
    for row in few["rows"][::107]:
        row["price"]["amount"] += 1
    shuffled = copy.deepcopy(then)
    random.Random(3).shuffle(shuffled["rows"])
    unkeyed_then, unkeyed_now, unkeyed_shuffled = (
        [{name: value for name, value in row.items() if name != "sku"} for row in document["rows"]]
        for document in (then, now, shuffled)
    )
    lines = [
        "| document of 1 MB | differ, ms | and noise decided, ms | deepdiff, ms | deepdiff to the differ |",
        "|---|---|---|---|---|",
    ]
    cases = (
        ("every noisy field changed", then, now),
        ("30 changes", then, few),
        ("rows shuffled", then, shuffled),
        ("every noisy field changed, rows without a key", unkeyed_then, unkeyed_now),
        ("rows without a key shuffled", unkeyed_then, unkeyed_shuffled),
    )
    for name, old, new in cases:
        mine, decided, theirs = [], [], []
        for at in range(rounds):
            mine.append(_ms(lambda old=old, new=new: list(differences(old, new))))
            decided.append(_ms(lambda old=old, new=new: _decided(old, new)))
            if at < max(1, rounds // 3):
                theirs.append(_ms(lambda old=old, new=new: DeepDiff(old, new)))
        best, other = min(mine), min(theirs)
        lines.append(f"| {name} | {best:.0f} | {min(decided):.0f} | {other:.0f} | {other / best:.0f} |")
    size = len(json.dumps(then))
    parsing = min(_ms(lambda: parse(json.dumps(then).encode())) for _ in range(rounds))
    return [*lines, "", f"The document has {size:,} bytes; writing and parsing it takes {parsing:.0f} ms."]


def _decided(old: Any, new: Any) -> None:
    from support.recorded import an_exchange

    rules, replayed = NoiseRules(), an_exchange()
    for difference in differences(old, new):
        decide(difference, rules.of(difference, ("cart", "GET /")), 0, replayed)


def _ms(call: Callable[[], object]) -> float:
    start = time.process_time_ns()
    call()
    return (time.process_time_ns() - start) / 1e6


def main(options: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="bench diff")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="fewer answers of each seed")
    given = parser.parse_args(options)
    seeds = [secrets.randbits(32) for _ in range(given.seeds)]
    clean, each = (20, 2) if given.quick else (200, 20)
    kinds = f"{len(REGRESSIONS)} kinds of regression in {len(SERVICES)} services"
    lines = [
        "# Noise and regressions",
        "",
        f"Python {platform.python_version()}, {platform.machine()}, {sys.platform}. {kinds};"
        f" {len(seeds)} seeds: {', '.join(map(str, seeds))}.",
        "",
        *table(seeds, clean, each),
        "",
        "# Speed",
        "",
        f"CPU time, best of {ROUNDS} rounds in turn.",
        "",
        *speed(1 if given.quick else ROUNDS),
        "",
    ]
    text = "\n".join(lines)
    print(text)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "diff.md").write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
