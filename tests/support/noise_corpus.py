"""Answers of the noisy shop as exchanges, clean or broken, and how well a judge tells them apart."""

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mesh_replayer.diff import Difference, Response, read_response
from mesh_replayer.noise.deciding import Noise
from mesh_replayer.noise.learning import Group, learn
from mesh_replayer.noise.rule import NoiseRules
from support.noisy_shop import REGRESSIONS, SERVICES, Doc, Regression, Shop
from support.recorded import an_exchange
from support.replays import body_of

RECORDED_AT = 1_770_000_000.0
REPLAYED_AT = RECORDED_AT + 3 * 86_400
"""Seconds since the epoch: three days lie between."""
_JSON = ((b"Content-Type", b"application/json"),)


@dataclass
class Corpus:
    """A world of one seed."""

    seed: int
    requests: int = 5
    runs: int = 5
    rules: NoiseRules = field(init=False)
    now: float = REPLAYED_AT

    def __post_init__(self) -> None:
        self.then = Shop(random.Random(f"then {self.seed}"), self.seed)
        self.shop = Shop(random.Random(f"now {self.seed}"), self.seed)
        self.chance = random.Random(f"chance {self.seed}")
        groups = [
            Group(
                [self.replayed(service, number)[0] for _ in range(self.runs)],
                self.recorded(service, number)[0],
            )
            for service in SERVICES
            for number in range(self.requests)
        ]
        self.groups = groups
        self.rules = NoiseRules(tuple(learn(groups, now=int(self.now * 1e9))))

    def recorded(self, service: str, number: int) -> tuple[Response, Doc]:
        """What was answered then."""
        at = RECORDED_AT + number
        document = self.then.answer(service, number, at)
        return self.response(service, number, document, at), document

    def replayed(self, service: str, number: int) -> tuple[Response, Doc]:
        """What is answered now."""
        self.now += self.chance.uniform(0.01, 0.4)
        document = self.shop.answer(service, number, self.now)
        return self.response(service, number, document, self.now), document

    def broken(self, regression: Regression, number: int) -> tuple[Response, Response]:
        """What was answered then, and what is answered now, with a regression."""
        then, recorded = self.recorded(regression.service, number)
        _, document = self.replayed(regression.service, number)
        regression.change(document, recorded, self.chance)
        return then, self.response(regression.service, number, document, self.now)

    def response(self, service: str, number: int, document: Doc, at: float) -> Response:
        method, path = self.shop.route(service, number)
        ref, bodies = body_of(json.dumps(document).encode(), _JSON)
        exchange = an_exchange(
            service=service, method=method, path=path, started_at=int(at * 1e9), response_headers=_JSON,
            response_body=ref, trace_id=f"{number:032x}",
        )  # fmt: skip
        return read_response(exchange, bodies)


def lower_bound(hits: int, tries: int) -> float:
    """The lower bound of the 95 % interval of a share. Source: Wilson (1927)."""
    if not tries:
        return 0.0
    z, share = 1.959964, hits / tries
    middle = share + z * z / (2 * tries)
    spread = z * math.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    return max(0.0, (middle - spread) / (1 + z * z / tries))


type Judge = Callable[[Corpus], Callable[[Response, Response], Sequence[Difference]]]
"""Learns from a corpus; then gives the differences."""


def ours(corpus: Corpus) -> Callable[[Response, Response], Sequence[Difference]]:
    """Our own judge: each answer is a trace of its own."""

    def judge(then: Response, now: Response) -> Sequence[Difference]:
        return Noise(corpus.rules).compare(then, now).differences

    return judge


@dataclass
class Score:
    """How well answers were told apart."""

    found: int = 0
    missed: int = 0
    misplaced: int = 0
    """Told to differ, but not where it does."""
    clean: int = 0
    false: int = 0
    """Clean answers that were told to differ."""
    unsure: int = 0
    """Clean answers of which it was not known."""
    unsure_broken: int = 0
    misses: dict[str, int] = field(default_factory=dict)
    alarms: dict[str, int] = field(default_factory=dict)

    @property
    def regressions(self) -> int:
        return self.found + self.missed + self.misplaced

    def add(self, other: "Score") -> None:
        for name in ("found", "missed", "misplaced", "clean", "false", "unsure", "unsure_broken"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in ((self.misses, other.misses), (self.alarms, other.alarms)):
            for key, count in theirs.items():
                mine[key] = mine.get(key, 0) + count


def score(corpus: Corpus, judge: Judge, *, clean: int, each: int) -> Score:
    """Judge `clean` unseen answers of each service, and `each` of every regression."""
    told, result = judge(corpus), Score()
    for service in SERVICES:
        for number in range(1_000, 1_000 + clean):
            found = told(corpus.recorded(service, number)[0], corpus.replayed(service, number)[0])
            counting = [difference for difference in found if difference.counts]
            result.clean += 1
            result.false += bool(counting)
            result.unsure += not counting and any(difference.unsure for difference in found)
            for difference in counting:
                key = f"{service} {difference.template} {difference.kind}"
                result.alarms[key] = result.alarms.get(key, 0) + 1
    for regression in REGRESSIONS:
        for number in range(5_000, 5_000 + each):
            found = told(*corpus.broken(regression, number))
            counting = [difference for difference in found if difference.counts]
            if any(is_at(regression, difference) for difference in counting):
                result.found += 1
                continue
            result.misses[regression.name] = result.misses.get(regression.name, 0) + 1
            if counting:
                result.misplaced += 1
            else:
                result.missed += 1
                result.unsure_broken += any(difference.unsure for difference in found)
    return result


def is_at(regression: Regression, difference: Difference) -> bool:
    """Whether a difference is what broke."""
    return (difference.path or "").startswith(regression.path) and difference.kind.value in regression.kinds
