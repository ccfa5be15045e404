"""Fifty kinds of secrets, in every place, in every encoding: none is left, and what stands beside them is."""

import random

import pytest

from mesh_core.redact import Redactor, find_secrets
from support import canaries
from support.canaries import (
    BODIES,
    BODY,
    BY_FORM,
    BY_NAME,
    LEAF,
    LINES,
    NAMED,
    Recorded,
    recorded,
    seen,
    traces,
)

REDACTOR = Redactor(b"k" * 32)
SEED = random.SystemRandom().randrange(2**32)
ONE_LINE = frozenset(name for name in BY_FORM if not name.startswith(("pem", "pgp")))


def checked(secret: str, before: Recorded, where: str) -> None:
    """Nothing of the secret is left, its neighbour is, and a second pass changes nothing."""
    after = REDACTOR.apply(*before)
    out = seen(after)

    left = [trace for trace in traces(secret) if trace in out]
    assert not left, f"{where}: {left[0]!r} is left of {secret!r} (seed {SEED})"
    assert canaries.NEIGHBOUR.encode() in out.replace(b"%20", b" ") or "text" in where, (
        f"{where}: neighbour lost (seed {SEED})"
    )
    assert REDACTOR.apply(*after)[0] == after[0], f"{where}: twice is not once (seed {SEED})"
    assert not find_secrets(*after), f"{where}: the scan finds what redaction left (seed {SEED})"
    assert find_secrets(*before), f"{where}: the scan finds nothing (seed {SEED})"


def fits(place: str, value: str) -> bool:
    """Whether a value can stand there: on one line, and in one segment of a path."""
    return "\n" not in value and not (place == "path plain" and "/" in value)


@pytest.mark.parametrize("kind", BY_FORM)
def test_a_secret_told_by_its_form_is_left_in_no_place(kind: str) -> None:
    secret = BY_FORM[kind](random.Random(f"{SEED} {kind}"))

    for name, body in BODIES.items():
        checked(secret, recorded(body(secret)), f"{kind} in {name}")
    for name, place in LINES.items():
        if kind in ONE_LINE or name in ("path", "query", "query twice", "ws json", "ws text", "ws binary"):
            checked(secret, place(secret), f"{kind} in {name}")


@pytest.mark.parametrize("kind", [*BY_FORM, *BY_NAME])
def test_a_secret_told_by_its_name_is_left_in_no_place(kind: str) -> None:
    secret = (BY_FORM | BY_NAME)[kind](random.Random(f"{SEED} {kind}"))

    for name, place in NAMED.items():
        if kind in ONE_LINE or kind in BY_NAME:
            checked(secret, place(secret), f"{kind} in {name}")


@pytest.mark.parametrize("encoding", LEAF)
def test_a_secret_in_an_encoding_is_left_in_no_place(encoding: str) -> None:
    rng = random.Random(f"{SEED} {encoding}")
    for kind, make in BY_FORM.items():
        secret = make(rng)
        value = LEAF[encoding](secret)
        name, body = rng.choice([*BODIES.items()])
        checked(secret, recorded(body(value)), f"{kind} as {encoding} in {name}")
        name, place = rng.choice([*LINES.items()])
        if fits(name, value):
            checked(secret, place(value), f"{kind} as {encoding} in {name}")


@pytest.mark.parametrize("encoding", BODY)
def test_a_secret_in_a_compressed_body_is_left_in_none(encoding: str) -> None:
    rng = random.Random(f"{SEED} {encoding}")
    for name, body in BODIES.items():
        kind = rng.choice([*BY_FORM])
        secret = BY_FORM[kind](rng)
        before = recorded(body(secret), encoding=encoding)

        checked(secret, before, f"{kind} in {encoding} {name}")
        ref = REDACTOR.apply(*before)[0].response_body
        assert ref is not None
        assert ref.full_hash is None
        assert ref.decoded == (encoding != "identity")


def test_a_secret_in_utf_16_is_left_in_no_body() -> None:
    rng = random.Random(f"{SEED} utf-16")
    for name, body in BODIES.items():
        kind = rng.choice([*BY_FORM])
        secret = BY_FORM[kind](rng)
        if body(secret).text and "multipart" not in name:
            after = REDACTOR.apply(*recorded(body(secret), wide=True))
            out = seen(after)
            assert not [trace for trace in traces(secret) if trace in out], f"{kind} in {name} (seed {SEED})"
            near = canaries.NEIGHBOUR.replace(" ", "%20") if name == "form" else canaries.NEIGHBOUR
            assert near.encode("utf-16-le") in out, f"{name} (seed {SEED})"


@pytest.mark.long
def test_every_kind_in_every_place_in_every_encoding() -> None:
    for encoding, encode in LEAF.items():
        for kind, make in BY_FORM.items():
            secret = make(random.Random(f"{SEED} {kind}"))
            value = encode(secret)
            for name, body in BODIES.items():
                checked(secret, recorded(body(value)), f"{kind} as {encoding} in {name}")
            for name, place in LINES.items():
                if fits(name, value):
                    checked(secret, place(value), f"{kind} as {encoding} in {name}")
