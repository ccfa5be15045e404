"""Tokens keep the form of what they stand for, and are told as ours."""

import base64
import json
import random
import re

import pytest

from mesh_core.redact import Redactor, is_ours, token_class
from mesh_core.redact.tokens import Tokens, iban_valid, luhn_valid, only_digits
from support.canaries import pem
from support.recorded import an_exchange

TOKENS = Tokens(b"k" * 32)
TRACE = b"1" * 32


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        (b"4111111111111111", b"4"),
        (b"4111 1111 1111 1111", b"4"),
        (b"5500-0055-5555-5559", b"5"),
        (b"340000099900036", b"37"),
        (b"6011000990139424", b"65"),
        (b"2223003122003222", b"22"),
        (b"3530111333300000", b"3530"),
        (b"36700102000000", b"36"),
        (b"4222222222222", b"4"),
        (b"6304000000000000", b"6"),
        (b"630400000000", b"6"),
    ],
)
def test_a_card_keeps_length_punctuation_issuer_and_check_digit(number: bytes, prefix: bytes) -> None:
    token = TOKENS.card(number, TRACE)

    assert re.sub(rb"\d", b"9", token) == re.sub(rb"\d", b"9", number)
    assert only_digits(token).startswith(prefix)
    assert luhn_valid(only_digits(token)) == luhn_valid(only_digits(number))
    assert token != number
    assert token_class(token) == "card"


def test_a_wrong_check_digit_stays_wrong() -> None:
    assert not luhn_valid(TOKENS.card(b"4111111111111112", TRACE))
    assert not iban_valid(TOKENS.iban(b"DE00370400440532013000"))


@pytest.mark.parametrize(
    "iban",
    [
        b"DE89370400440532013000",
        b"GB82 WEST 1234 5698 7654 32",
        b"NO9386011117947",
        b"MT84MALT011000012345MTLCAST001S",
    ],
)
def test_an_iban_keeps_country_length_and_checksum(iban: bytes) -> None:
    token = TOKENS.iban(iban)

    assert len(token) == len(iban)
    assert token[:2] == iban[:2]
    assert iban_valid(token.replace(b" ", b""))
    assert re.sub(rb"[A-Z]", b"A", re.sub(rb"\d", b"9", token)) == re.sub(
        rb"[A-Z]", b"A", re.sub(rb"\d", b"9", iban)
    )
    assert token_class(token) == "iban"


@pytest.mark.parametrize(
    "number", [b"+491701234567", b"+1 (415) 555-2671", b"0170 1234567", b"5552671", b"+4420794609"]
)
def test_a_phone_keeps_length_and_punctuation(number: bytes) -> None:
    token = TOKENS.phone(number, TRACE)

    assert re.sub(rb"\d", b"9", token) == re.sub(rb"\d", b"9", number)
    assert token != number
    assert token_class(token) == "phone"


def test_an_email_stays_an_address_and_case_does_not_matter() -> None:
    token = TOKENS.email(b"Bob@Shop.org")

    assert re.fullmatch(rb"[a-z0-9_]+@[a-z]+\.com", token)
    assert token == TOKENS.email(b"bob@shop.org")
    assert token_class(token) == "email"


def test_a_jwt_keeps_header_and_claims_and_has_no_valid_signature() -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {
        "sub": "17",
        "email": "bob@shop.org",
        "name": "Bob",
        "exp": 1764041995,
        "roles": ["a"],
        "api_key": "hunter2",
    }
    token = Redactor(b"k" * 32).token(f"{part({'alg': 'HS256'})}.{part(claims)}.c2ln".encode())

    head, body, signature = token.split(b".")
    shown = json.loads(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)))
    assert head == part({"alg": "HS256"}).encode()
    assert {key: shown[key] for key in ("sub", "exp", "roles")} == {
        "sub": "17",
        "exp": 1764041995,
        "roles": ["a"],
    }
    assert is_ours(shown["email"])
    assert is_ours(shown["name"])
    assert is_ours(shown["api_key"])
    assert signature.startswith(b"mr1_jwt_")
    assert token_class(token) == "jwt"


def test_an_encrypted_jwt_keeps_its_five_parts() -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"dir","enc":"A256GCM"}').rstrip(b"=")

    token = Redactor(b"k" * 32).token(head + b"..aaaa.bbbb.cccc")

    assert token.startswith(head + b".mr1_jwt_")
    assert token.count(b".") == 4
    assert is_ours(token)


def test_a_key_keeps_the_lines_around_it() -> None:
    key = pem(random.Random(1), "RSA PRIVATE KEY").encode()

    token = TOKENS.pem(key)

    assert token.startswith(b"-----BEGIN RSA PRIVATE KEY-----\nmr1_pem_")
    assert token.endswith(b"-----END RSA PRIVATE KEY-----")
    assert token_class(token) == "pem"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "hunter2",
        "mr1_",
        "mr1_secret_short",
        "4111111111111111",
        "+491701234567",
        "bob@example.com",
        "a.b.c",
        "1500001234",
        "DE89370400440532013000",
        "123-45-6789",
        "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
    ],
)
def test_what_is_not_ours_is_not_taken_for_ours(value: str) -> None:
    assert token_class(value) is None


def test_cards_and_phones_are_equal_within_one_trace_only() -> None:
    redactor = Redactor(b"k" * 32)
    headers = ((b"X-A", b"4111111111111111"), (b"X-B", b"bob@shop.org"))

    one, same, other = (
        redactor.apply(an_exchange(trace_id=digit * 32, request_headers=headers), {})[0].request_headers
        for digit in "112"
    )

    assert one == same
    assert one[0] != other[0]
    assert one[1] == other[1]


def test_without_a_key_a_class_has_one_token_in_its_form() -> None:
    none = Tokens(None)

    assert none.email(b"bob@shop.org") == none.email(b"eve@x.org") == b"mr1_email@example.com"
    assert none.card(b"4111111111111111", TRACE) == none.card(b"4012888888881881", TRACE)
    assert all(
        map(
            is_ours,
            (
                none.email(b"a@b.cd"),
                none.card(b"4111111111111111", b""),
                none.iban(b"DE89370400440532013000"),
            ),
        )
    )
