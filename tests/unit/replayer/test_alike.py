"""Values that were hidden under a key that this machine does not have."""

import json

import pytest

from mesh_core.model import Exchange
from mesh_core.redact import Redactor
from mesh_replayer.alike import by_class
from mesh_replayer.diff import Comparison, compare
from support.recorded import an_exchange
from support.replays import TRACE, body_of

PERSON = {
    "email": "ada@shop.test",
    "card": "4111 1111 1111 1111",
    "phone": "+44 20 7946 0958",
    "n": 7,
    "password": "x",
}


def answer(document: object) -> tuple[Exchange, dict[str, bytes]]:
    headers = ((b"Content-Type", b"application/json"), (b"Set-Cookie", b"sid=abcdef; Path=/"))
    ref, bodies = body_of(json.dumps(document).encode(), headers)
    return an_exchange(trace_id=TRACE, response_headers=headers, response_body=ref), dict(bodies)


def compared(then: object, now: object, *, key_now: bytes | None) -> Comparison:
    recorded, old = Redactor(b"the project's own key").apply(*answer(then))
    replayed, new = Redactor(key_now).apply(*answer(now))
    if key_now is None:
        (recorded, old), (replayed, new) = by_class(recorded, old), by_class(replayed, new)
    return compare(recorded, replayed, {**old, **new})


@pytest.mark.parametrize("key", [None, b"the project's own key"])
def test_the_same_secrets_are_no_difference(key: bytes | None) -> None:
    assert compared(PERSON, PERSON, key_now=key).differences == ()


def test_without_the_key_other_secrets_of_a_class_are_none_either_but_all_else_is() -> None:
    other = PERSON | {"email": "bob@shop.test", "card": "5500 0000 0000 0004", "n": 8}

    assert [each.path for each in compared(PERSON, other, key_now=None).differences] == ["$.n"]
    assert {each.path for each in compared(PERSON, other, key_now=b"the project's own key").differences} == {
        "$.email",
        "$.card",
        "$.n",
    }


def test_what_is_no_secret_any_more_is_a_difference() -> None:
    changed = compared(PERSON, PERSON | {"email": None, "card": "none"}, key_now=None)

    assert {each.path for each in changed.differences} == {"$.email", "$.card"}
