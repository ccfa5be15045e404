"""A screen skips nothing that a close look would have found: the outcome is the same."""

import json
import random
import string

from hypothesis import given
from hypothesis import strategies as st

from mesh_core.config import Places, Redact
from mesh_core.redact import Redactor, screen
from mesh_core.redact.names import TELLING_ENDS, TELLING_NAMES
from support import clean
from support.canaries import BODIES, BY_FORM, BY_NAME, LINES, NAMED, Body, Recorded, plain, recorded, seen

SEED = random.SystemRandom().randrange(2**32)
RULES = Redact(
    hide=Places(query=("tenant",), form=("note",), pattern=("cust-*",), json=("$.near", "$..pwd", "$..deep"))
)
PAIRS = [
    (Redactor(b"k" * 32, redact=each), Redactor(b"k" * 32, redact=each, closely=True))
    for each in (None, RULES)
]


def same(before: Recorded) -> None:
    """Whatever it is, a close look finds the same."""
    for quick, close in PAIRS:
        for _ in range(2):  # what was learnt of it changes nothing
            assert quick.apply(*before) == close.apply(*before), f"seed {SEED}: {seen(before)!r}"


def test_every_kind_of_secret_in_every_place_comes_out_alike() -> None:
    for kind, make in (BY_FORM | BY_NAME).items():
        secret = make(random.Random(f"{SEED} {kind}"))
        for body in BODIES.values():
            same(recorded(body(secret)))
        for place in (LINES | NAMED if kind in BY_FORM else NAMED).values():
            if "\n" not in secret:
                same(place(secret))


def test_ordinary_traffic_comes_out_alike_and_nearly_all_of_it_is_screened() -> None:
    rng = random.Random(SEED)
    documents = [clean.as_json(clean.document(rng)) for _ in range(300)]
    for document in documents:
        same(recorded(Body(document, "application/json")))

    orders = [
        json.dumps({"id": n, "lines": [{"sku": f"s-{n}", "note": clean.sentence(rng)}]}).encode()
        for n in range(99)
    ]
    assert sum(screen.SECRETS.excludes(order) for order in orders) >= 80


WORDS = st.sampled_from(
    [
        *(name.decode() for name in TELLING_NAMES | TELLING_ENDS),
        "code",
        "state",
        "grant_type",
        "near",
        "tenant",
        "cust-1",
    ]
)
GAPS = st.text(string.punctuation + " \té", max_size=2)


@st.composite
def names(draw: st.DrawFn) -> str:
    """A name that may tell, in any spelling."""
    letters = "".join(
        draw(st.sampled_from([each, each.upper()])) + draw(GAPS | st.just("")) for each in draw(WORDS)
    )
    return (
        draw(st.sampled_from(["", "", "x", "my_", "_", '"']))
        + letters
        + draw(st.sampled_from(["", "", "s", "_", "1"]))
    )


VALUES = (
    st.sampled_from(
        [
            "Zq9vLmsecretvalue", "bob@shop.example.org", "4539578763621486", "+49 170 1234567", "a/b", "{}",
            "DE89370400440532013000", "ghp_" + "a1" * 18, "(415) 555-0100", "123-45-6789", "Bearer abcdef1",
            "password: x9y8z7w6", "token=abc", "Ym9iQHNob3AuZXhhbXBsZS5vcmc=", "%62ob@shop.org", "a+b",
            "https://u:p@h/?sig=abc&x=1", "2026-11-25", "0af76519-16cd-43dd-8448-eb211c80319c", "&#64;",
            "\\u0040", "x\ny",
        ]
    )
    | st.text(max_size=20)
    | st.integers()
)  # fmt: skip


@given(
    st.dictionaries(names(), VALUES | st.dictionaries(names(), VALUES, max_size=3), max_size=5),
    st.booleans(),
    st.sampled_from([None, 2]),
)
def test_documents_of_all_spellings_come_out_alike(
    document: dict[str, object], ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    same(recorded(Body(text, "application/json")))
    same(recorded(Body(text, "text/plain")))
    same(recorded(Body(json.dumps({"inner": text.decode("utf-8", "replace")}).encode(), "application/json")))


@given(
    st.lists(st.tuples(names(), VALUES.map(str)), max_size=5),
    st.sampled_from("=:"),
    st.sampled_from(["&", "; ", ", ", "\n"]),
)
def test_pairs_of_all_spellings_come_out_alike(pairs: list[tuple[str, str]], sign: str, between: str) -> None:
    text = between.join(f"{name}{sign}{value}" for name, value in pairs)
    raw = text.encode("utf-8", "surrogatepass")
    same(recorded(Body(raw, "text/plain")))
    same(recorded(Body(raw, "application/x-www-form-urlencoded")))
    same(plain(path="/a?" + raw.decode("latin-1"), error=text, request_headers=((b"x-note", raw),)))


@given(
    st.lists(
        st.binary(max_size=12) | VALUES.map(lambda value: str(value).encode("utf-8", "replace")), max_size=8
    )
)
def test_bytes_come_out_alike(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    for content_type in (
        "text/plain",
        "application/json",
        "text/event-stream",
        "multipart/form-data; boundary=X",
        "application/xml",
        "",
    ):
        same(recorded(Body(raw, content_type)))


KEYS = st.sampled_from(["near", "deep", "a", "near ", "[near", "{"])
TREES = st.recursive(
    st.sampled_from(["x", "near", "}{][", "a, b", "", "near:"])
    | st.integers(0, 99)
    | st.none()
    | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(TREES, st.sampled_from([None, 1]))
def test_places_that_a_project_names_come_out_alike(tree: object, indent: int | None) -> None:
    same(recorded(Body(json.dumps(tree, indent=indent).encode(), "application/json")))


def test_where_the_automaton_is_missing_or_fails_all_is_looked_at() -> None:
    blind = screen.Screen([b"a"])
    blind._match = lambda _: None  # as it answers where it ran out of memory

    assert not blind.excludes(b"b")
