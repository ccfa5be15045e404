import re
from collections import Counter

import pytest

from mesh_core.config import RedactMode
from mesh_core.model import Headers, Redaction
from mesh_core.redact import TOKEN, Redactor, find_secrets
from support.recorded import an_exchange

REDACTOR = Redactor(b"k" * 32)
JWT = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


def header(name: bytes, value: bytes) -> bytes:
    [(_, after)] = REDACTOR.headers(((name, value),), Counter())
    return after


def path(text: str) -> str:
    return REDACTOR.apply(an_exchange(path=text), {})[0].path


@pytest.mark.parametrize(
    ("name", "value", "pattern"),
    [
        (b"Authorization", b"Bearer hunter2", rb"Bearer T"),
        (b"authorization", b"Basic dXNlcjpwYXNz", rb"Basic T"),
        (b"Proxy-Authorization", b"hunter2", rb"T"),
        (b"X-Api-Key", b"hunter2", rb"T"),
        (b"X-CSRF-Token", b"hunter2", rb"T"),
        (b"x-amz-security-token", b"hunter2", rb"T"),
        (b"X-Client-Secret", b"hunter2", rb"T"),
        (b"Cookie", b'sid=hunter2; theme="dark"; empty=', rb'sid=T; theme="T"; empty='),
        (b"Set-Cookie", b"sid=hunter2; Path=/a; HttpOnly", rb"sid=T; Path=/a; HttpOnly"),
        (b"Set-Cookie", b"sid=; Max-Age=0", rb"sid=; Max-Age=0"),
        (b"Location", b"https://u:p@h/x?token=hunter2&a=1#top", rb"https://T@h/x\?token=T&a=1#top"),
        (b"Location", b"/done#access_token=hunter2&expires=9", rb"/done#access_token=T&expires=9"),
        (b"Referer", b"https://h/?q=1&api_key=hunter2", rb"https://h/\?q=1&api_key=T"),
        (b"Sec-WebSocket-Protocol", b"chat, " + JWT, rb"chat, J"),
        (b"X-Anything", b"id=" + JWT + b";x", rb"id=J;x"),
    ],
)  # fmt: skip
def test_a_well_known_secret_becomes_a_token_and_its_surroundings_stay(
    name: bytes, value: bytes, pattern: bytes
) -> None:
    assert re.fullmatch(_with_tokens(pattern), header(name, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        (b"tracestate", b"mesh=token,a=b"),
        (b"X-Request-ID", b"eyJhbGciOi.eyJzdWIi.sig"),
        (b"X-B3-TraceId", b"80f198ee56343ba8"),
        (b"Accept", b"text/html;q=0.8,*/*;q=0.5"),
        (b"Content-Type", b"multipart/form-data; boundary=abc"),
        (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64)"),
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"Idempotency-Key", b"4711"),
        (b"ETag", b'"33a64df5"'),
        (b"X-Next-Page-Token", b"cursor"),
        (b"Link", b'</items?page_token=abc>; rel="next"'),
    ],
)
def test_what_is_no_secret_stays(name: bytes, value: bytes) -> None:
    assert header(name, value) == value


@pytest.mark.parametrize(
    ("before", "pattern"),
    [
        ("/a?password=hunter2&x=1", r"/a\?password=T&x=1"),
        ("/a?x=1&Access-Token=hunter2", r"/a\?x=1&Access-Token=T"),
        ("/a?client%5Fsecret=hunter2", r"/a\?client%5Fsecret=T"),
        ("/a;jsessionid=hunter2?x=1", r"/a;jsessionid=T\?x=1"),
        ("/cb?code=hunter2&state=xyz", r"/cb\?code=T&state=xyz"),
        ("/cb?code=EUR", r"/cb\?code=EUR"),
        ("/list?page_token=abc&token_type=bearer", r"/list\?page_token=abc&token_type=bearer"),
        ("/verify/" + JWT.decode(), r"/verify/J"),
        ("http://user:hunter2@h/x", r"http://T@h/x"),
        ("/a?sig=a?b", r"/a\?sig=T"),
        ("/\xff?x=\xe9&token=hunter2", "/\xff\\?x=\xe9&token=T"),
    ],
)
def test_secrets_in_a_path_become_tokens(before: str, pattern: str) -> None:
    assert re.fullmatch(_with_tokens(pattern.encode("latin-1")).decode("latin-1"), path(before))


def test_a_secret_is_the_same_token_wherever_it_stands() -> None:
    tokens = {
        header(b"Authorization", b"Bearer s3cr+t").split()[1],
        header(b"X-Api-Key", b"s3cr+t"),
        header(b"Cookie", b"sid=s3cr+t").partition(b"=")[2],
        path("/?token=s3cr%2Bt").partition("=")[2].encode(),
    }

    assert len(tokens) == 1
    assert tokens != {header(b"X-Api-Key", b"another")}


def test_another_key_gives_another_token_and_no_key_gives_one_for_all() -> None:
    other, none = Redactor(b"o" * 32), Redactor(None)

    assert other.token(b"hunter2") != REDACTOR.token(b"hunter2")
    assert none.token(b"hunter2") == none.token(b"hunter3") == b"mr1_secret"
    assert TOKEN.fullmatch(REDACTOR.token(b"hunter2"))


def test_a_token_of_ours_stays_as_it_is() -> None:
    once = header(b"Authorization", b"Bearer hunter2")

    assert header(b"Authorization", once) == once
    assert path("/?token=" + once.decode().split()[1]).endswith(once.decode().split()[1])


def test_an_exchange_says_how_many_values_which_rule_replaced() -> None:
    headers: Headers = ((b"Authorization", b"Bearer hunter2"), (b"Cookie", b"a=1; b=2"), (b"Host", b"x"))
    exchange = an_exchange(
        request_headers=headers,
        response_trailers=((b"x-auth-token", b"hunter2"),),
        path="/?token=hunter2",
        authority="user:pw@host:1",
        error="GET http://h/?token=hunter2 failed",
    )

    after, _ = REDACTOR.apply(exchange, {})

    assert after.redactions == (
        Redaction(rule="cookie", count=2),
        Redaction(rule="header", count=2),
        Redaction(rule="query", count=2),
        Redaction(rule="userinfo", count=1),
    )
    assert "hunter2" not in repr(after)
    assert after.authority.endswith("@host:1")


def test_an_exchange_without_secrets_is_not_copied() -> None:
    exchange = an_exchange(request_headers=((b"Host", b"x"), (b"Accept", b"*/*")), path="/a?b=1")

    assert REDACTOR.apply(exchange, {})[0] is exchange


def test_mode_off_leaves_everything() -> None:
    exchange = an_exchange(request_headers=((b"Authorization", b"Bearer hunter2"),))

    assert Redactor(None, RedactMode.OFF).apply(exchange, {})[0] is exchange


@pytest.mark.parametrize(
    "text",
    [
        "connect to https://user:hunter2@db/x failed",
        "Authorization: Bearer hunter2",
        "bad request: password=hunter2, try again",
        'rejected {"token": "hunter2"}',
        f"token expired: {JWT.decode()}",
    ],
)
def test_messages_lose_their_secrets(text: str) -> None:
    after = REDACTOR.text(text)

    assert "hunter2" not in after
    assert JWT.decode() not in after
    assert "mr1_" in after


def test_an_ordinary_message_stays() -> None:
    text = "cart's app at 127.0.0.1:7002 refused the connection; is it running?"

    assert REDACTOR.text(text) == text


def _with_tokens(pattern: bytes) -> bytes:
    """`T` is a token, `J` the token that a JWT becomes."""
    pattern = re.sub(rb"(?<![A-Za-z])T(?![A-Za-z])", rb"mr1_[a-z]+_[a-z2-7]{20}", pattern)
    return re.sub(
        rb"(?<![A-Za-z])J(?![A-Za-z])", JWT.rpartition(b".")[0] + rb"\.mr1_jwt_[a-z2-7]{20}", pattern
    )


@pytest.mark.parametrize(
    "place",
    [
        {"request_headers": ((b"ghp_a1b2c3d4e5f6g7h8i9j0k1l2", b"Bearer"),)},
        {"request_headers": ((b"Cookie", b"theme=dark; ghp_a1b2c3d4e5f6g7h8i9j0k1l2"),)},
        {"request_headers": ((b"Cookie", b'a=b"ghp_a1b2c3d4e5f6g7h8i9j0k1l2"'),)},
        {"response_headers": ((b"Set-Cookie", b"ghp_a1b2c3d4e5f6g7h8i9j0k1l2; Path=/"),)},
        {"response_headers": ((b"Set-Cookie", b"a=b; Path=/r/ghp_a1b2c3d4e5f6g7h8i9j0k1l2"),)},
        {"method": "ghp_a1b2c3d4e5f6g7h8i9j0k1l2"},
        {"authority": "ghp_a1b2c3d4e5f6g7h8i9j0k1l2.example"},
        {"peer": "ghp_a1b2c3d4e5f6g7h8i9j0k1l2.example:80"},
    ],
)
def test_a_secret_where_none_belongs_is_hidden_too(place: dict[str, object]) -> None:
    after, _ = REDACTOR.apply(an_exchange(**place), {})

    assert "ghp_a1b2c3d4e5f6g7h8i9j0k1l2" not in repr(after)
    assert find_secrets(an_exchange(**place), {})
    assert not find_secrets(after, {})
