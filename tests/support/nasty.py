"""Exchanges and searches with what databases take differently: wildcards, case, NUL, bytes not UTF-8."""

import hashlib
import random

from hypothesis import strategies as st

from mesh_core.ids import uuid7
from mesh_core.model import Bodies, BodyRef, Direction, Exchange, Lane
from mesh_core.outcome import FAILURES, Outcome
from mesh_core.query import And, Field, Node, Not, Number, Op, Or, Text
from support.recorded import an_exchange

WIRE = ["a", "A", "b", "%", "_", "*", "?", "[", "]", "^", "\\", "\0", "é", "ÿ", "'", '"', "\n", "/", "-"]
NAMES = [*WIRE, "ß", "İ", "\uffff", "😀"]
METHODS = ["GET", "get", "PÔST", "p_t"]
BODIES = [b"", b"abc", b"A%b", b"\xff\xfe a", "é😀".encode(), b'{"sku": "sku-9"}']
NUMBERS = [-1, 0, 1, 3, 5, 200, 404, 500, 10**6, 10**9, 2**63 - 1, -(2**63)]
STATUSES = [None, 0, 200, 404, 500, 503]


def exchanges(count: int, *, seed: int) -> list[tuple[Exchange, Bodies]]:
    """As many, always the same for one seed; no two with one id."""
    chance = random.Random(seed)
    return [_one(chance, number) for number in range(count)]


def _one(chance: random.Random, number: int) -> tuple[Exchange, Bodies]:
    def text(alphabet: list[str], least: int = 0) -> str:
        return "".join(chance.choices(alphabet, k=chance.randint(least, 4)))

    def maybe(value: str) -> str | None:
        return value if chance.random() < 0.6 else None

    def body() -> tuple[BodyRef | None, Bodies]:
        content = chance.choice(BODIES)
        if chance.random() < 0.3:
            return None, {}
        digest = hashlib.sha256(content).hexdigest()
        ref = BodyRef(hash=digest, size=chance.choice([len(content), 5, 10**6]), stored=len(content))
        return ref, {digest: content}

    (request, sent), (response, got) = body(), body()
    started_at = chance.choice([10**18, 10**18 + number, 10**18 + 10**9 * chance.randint(0, 5)])
    headers = tuple((chance.choice([b"X-A", b"x-b"]), text(WIRE).encode("latin-1")) for _ in range(2))
    exchange = an_exchange(
        id=uuid7(started_at, chance.randbytes(8)),
        trace_id=chance.randbytes(16).hex() if chance.random() < 0.5 else f"{chance.randint(1, 9):032x}",
        service=text(NAMES, 1),
        instance=text(NAMES),
        peer=maybe(text(NAMES)),
        direction=chance.choice(list(Direction)),
        started_at=started_at,
        ended_at=started_at + chance.choice([0, 1, 10**6, 20 * 10**9]),
        scheme=chance.choice(["http", "https", "HTTP"]),
        method=chance.choice(METHODS),
        authority=text(WIRE),
        path="/" + text(WIRE),
        request_id=maybe(text(WIRE)),
        request_headers=headers[:1],
        response_headers=headers[1:],
        status=chance.choice(STATUSES),
        grpc_status=chance.choice([None, 0, 5, 14]),
        outcome=chance.choice(list(Outcome)),
        error=maybe(text(NAMES)),
        lane=chance.choice(list(Lane)),
        request_body=request,
        response_body=response,
    )
    return exchange, {**sent, **got}


def nodes(known: list[Exchange]) -> st.SearchStrategy[Node]:
    """Searches made of what some of the `known` have, and of what is nearly that."""
    failing = st.just(Text(Field.OUTCOME, Op.EQUALS, tuple(o.value for o in FAILURES)))
    times = [e.started_at for e in known[:10]]
    bound = st.one_of(st.none(), st.sampled_from(NUMBERS + times))
    number = st.builds(Number, st.sampled_from(sorted(_NUMERIC)), bound, bound)
    return st.recursive(
        st.one_of(_texts(known), _texts(known), number, failing),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda found: And(tuple(found))),
            st.lists(inner, min_size=1, max_size=3).map(lambda found: Or(tuple(found))),
            inner.map(Not),
        ),
        max_leaves=6,
    )


def _texts(known: list[Exchange]) -> st.SearchStrategy[Text]:
    @st.composite
    def text(draw: st.DrawFn) -> Text:
        field = draw(st.sampled_from([f for f in Field if f not in _NUMERIC]))
        of = [known[draw(st.integers(0, len(known) - 1))] for _ in range(draw(st.integers(1, 3)))]
        values = tuple(_near(draw, field, each) for each in of)
        return Text(field, draw(st.sampled_from(Op)), values, draw(st.sampled_from(["x-a", "x-b", "x-c"])))

    return text()


def _near(draw: st.DrawFn, field: Field, one: Exchange) -> str:
    """The text of a field, or a part of it, or with a character that databases may take for another."""
    text = _text_of(field, one)
    change = draw(st.sampled_from(["", "part", "instead", "instead", "between", "case"]))
    at = draw(st.integers(0, len(text)))
    if change == "part":
        text = text[at : at + draw(st.integers(0, 3))]
    elif change == "instead":
        text = text[:at] + draw(_CHARACTERS) + text[at + 1 :]
    elif change == "between":
        text = text[:at] + draw(_CHARACTERS) + text[at:]
    elif change == "case":
        text = text.swapcase()
    return text.replace("\0", "\uffff")


def _text_of(field: Field, one: Exchange) -> str:
    if field is Field.HEADER:
        return one.request_headers[0][1].decode("latin-1")
    if field is Field.BODY:
        return "sku"
    name = {Field.TRACE: "trace_id", Field.EXCHANGE: "id"}.get(field, field.value)
    return getattr(one, name) or ""


_CHARACTERS = st.sampled_from(["*", "*", "?", "_", "%", "[", "[a]", "\\", "^", "a", "A", ""])
_NUMERIC = {Field.STATUS, Field.GRPC_STATUS, Field.STARTED, Field.DURATION, Field.SIZE}
