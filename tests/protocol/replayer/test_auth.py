"""Fresh credentials: where they come from, where they go, and where they never go."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import Result

from mesh_core.redact import Redactor
from support.raw_server import Exchanged, RawServer, raw_server_apart
from support.replays import TRACE, Desk, recorded

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECRET = "s3cr3t-Tok/en+1"
BEARER = ((b"Host", b"shop"), (b"authorization", b"Bearer mr1_bearer_abcdefghijklmnopqrst"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def fields(server: RawServer) -> dict[str, str]:
    """The header fields of the last request that it got."""
    lines = server.requests[-1].partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def answer_ok(exchanged: Exchanged) -> None:
    await exchanged.send(OK)


def replay(desk: Desk, server: RawServer, *options: str, **environ: str) -> Result:
    target = ("--target", f"localhost:{server.port}")
    return desk.type("trace", TRACE, *target, "--trust-config", "--json", *options, **environ)


def provider(desk: Desk, text: str, *, targets: str = '["localhost"]') -> None:
    desk.config(f"[auth.shop]\ntargets = {targets}\n{text}\n")


def test_a_variable_stands_in_for_the_recorded_credential(desk: Desk) -> None:
    desk.keep([recorded(headers=BEARER)])
    provider(desk, 'kind = "environment"\nvariable = "SHOP_TOKEN"')

    with raw_server_apart(answer_ok) as server:
        by_name = replay(desk, server, "--auth", "shop", SHOP_TOKEN=f"{SECRET}\n")
        first = fields(server)["authorization"]
        word = replay(desk, server, "--auth-env", "TOKEN", TOKEN=SECRET)
        second = fields(server)["authorization"]
        replay(desk, server, "--auth-env", "TOKEN", TOKEN=f"Basic {SECRET}")

    assert (by_name.exit_code, word.exit_code) == (0, 0)
    assert first == second == f"Bearer {SECRET}"
    assert fields(server)["authorization"] == f"Basic {SECRET}"
    assert "credentials of auth.shop: Authorization by a variable" in json.loads(by_name.stdout)["notes"]


def test_a_command_is_asked_once(desk: Desk, tmp_path: Path) -> None:
    desk.keep(recorded(number, headers=BEARER) for number in range(3))
    provider(desk, f'kind = "command"\ncommand = "echo asked >> {tmp_path}/log; echo {SECRET}"')

    with raw_server_apart(answer_ok) as server:
        result = replay(desk, server, "--auth", "shop")

    assert result.exit_code == 0
    assert [f"Bearer {SECRET}".encode() in request for request in server.requests] == [True] * 3
    assert (tmp_path / "log").read_text() == "asked\n"


def test_oauth2_client_credentials_give_a_token(desk: Desk) -> None:
    desk.keep([recorded(headers=BEARER)])
    document = json.dumps({"access_token": SECRET, "token_type": "bearer", "expires_in": 300}).encode()

    async def issue(exchanged: Exchanged) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        await exchanged.send(head % len(document) + document)

    with raw_server_apart(issue) as issuer, raw_server_apart(answer_ok) as server:
        provider(
            desk,
            f'kind = "oauth2"\ntoken_url = "http://127.0.0.1:{issuer.port}/token"\nclient_id = "ci"\n'
            'variable = "CLIENT_SECRET"\nscope = ["orders", "carts"]',
        )
        result = replay(desk, server, "--auth", "shop", CLIENT_SECRET="of-the-client")

    assert result.exit_code == 0
    assert fields(server)["authorization"] == f"Bearer {SECRET}"
    assert fields(issuer)["authorization"] == "Basic " + base64.b64encode(b"ci:of-the-client").decode()
    body = issuer.requests[0].partition(b"\r\n\r\n")[2]
    assert body == b"grant_type=client_credentials&scope=orders+carts"


def test_a_jwt_is_signed_anew_with_its_recorded_claims(desk: Desk) -> None:
    key = "a-test-key-of-thirty-two-bytes-len"
    old = jwt.encode(
        {"sub": "ada", "role": "buyer", "iat": 1, "exp": 2}, "the-production-key-of-32-bytes--", "HS256"
    )
    exchange, bodies = Redactor(b"key").apply(
        *recorded(headers=((b"Host", b"shop"), (b"Authorization", f"Bearer {old}".encode())))
    )
    assert old.rpartition(".")[2].encode() not in exchange.request_headers[1][1]
    desk.keep([(exchange, bodies)])
    provider(
        desk,
        'kind = "jwt"\nalgorithm = "HS256"\nvariable = "JWT_KEY"\nkey_id = "test"\nlifetime = "10m"\n'
        'claims = { role = "admin" }',
    )

    with raw_server_apart(answer_ok) as server:
        result = replay(desk, server, "--auth", "shop", JWT_KEY=key)

    assert result.exit_code == 0
    token = fields(server)["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, key, algorithms=["HS256"])
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "test", "typ": "JWT"}
    assert claims["role"] == "admin"
    assert claims["exp"] == claims["iat"] + 600


@pytest.mark.parametrize("algorithm", ["none", "None", "HS1"])
def test_a_jwt_is_never_left_unsigned(desk: Desk, algorithm: str) -> None:
    provider(desk, f'kind = "jwt"\nalgorithm = "{algorithm}"\nvariable = "JWT_KEY"')

    result = desk.type("trace", TRACE, "--target", "localhost:1", "--trust-config", "--auth", "shop")

    assert result.exit_code == 2
    assert "auth.shop.algorithm is wrong" in result.stderr


def test_an_hmac_is_over_what_really_goes_out(desk: Desk) -> None:
    body = b'{"amount": 1}'
    headers = ((b"Host", b"shop"), (b"X-Signature", b"sha256=old"), (b"Content-Length", b"13"))
    desk.keep([recorded(headers=headers, body=body, method="POST", path="/pay?x=1")])
    provider(
        desk,
        'kind = "hmac"\nvariable = "KEY"\nheader = "X-Signature"\nvalue = "sha256={secret}"\n'
        'timestamp_header = "X-Time"\n'
        'signed = "{method} {path} {query} {timestamp} {header:mesh-replay} {body}"',
    )

    with raw_server_apart(answer_ok) as server:
        result = replay(desk, server, "--auth", "shop", KEY="k")

    sent = fields(server)
    over = f"POST /pay x=1 {sent['x-time']} {sent['mesh-replay']} ".encode() + body
    assert result.exit_code == 0
    assert sent["x-signature"] == "sha256=" + hmac.new(b"k", over, hashlib.sha256).hexdigest()
    assert int(sent["x-time"]) > 1_770_000_000


PUT_BACK: list[tuple[str, Callable[[str], dict[str, Any]], bytes]] = [
    (
        "header:X-Api-Key",
        lambda s: {"headers": ((b"Host", b"a"), (b"x-api-key", s.encode()))},
        SECRET.encode(),
    ),
    (
        "cookie:sid",
        lambda s: {"headers": ((b"Host", b"a"), (b"Cookie", f"a=1; sid={s}".encode()))},
        f"sid={SECRET}".encode(),
    ),
    (
        "query:access_token",
        lambda s: {"path": f"/x?a=1&access_token={s}&b=2"},
        b"&access_token=s3cr3t-Tok%2Fen%2B1&b=2",
    ),
    (
        "form:password",
        lambda s: {"method": "POST", "body": f"user=ada&password={s}".encode(),
                   "headers": ((b"Host", b"a"), (b"Content-Type", b"application/x-www-form-urlencoded"))},
        b"user=ada&password=s3cr3t-Tok%2Fen%2B1",
    ),
    (
        "json:$.login.password",
        lambda s: {"method": "POST", "body": json.dumps({"login": {"password": s, "pin": s}}).encode(),
                   "headers": ((b"Host", b"a"), (b"Content-Type", b"application/json"))},
        b'"password": "s3cr3t-Tok/en+1"',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("place", "made", "sent"), PUT_BACK, ids=[place for place, _, _ in PUT_BACK])
def test_a_hidden_value_is_put_back_where_it_was(
    desk: Desk, place: str, made: Callable[[str], dict[str, Any]], sent: bytes
) -> None:
    was = "the-recorded-secret-1"
    exchange, bodies = Redactor(b"key").apply(*recorded(**made(was)))
    assert was not in repr(exchange) + repr(bodies)
    desk.keep([(exchange, bodies)])
    desk.config(f"[auth.shop]\ntargets = ['localhost']\nrestore = {{ '{place}' = 'SHOP_SECRET' }}\n")

    with raw_server_apart(answer_ok) as server:
        result = replay(desk, server, "--auth", "shop", SHOP_SECRET=SECRET, MESH_REDACT_KEY="key")

    assert result.exit_code == 0, result.stdout
    assert sent in server.requests[0]
    length = fields(server).get("content-length")
    assert length is None or int(length) == len(server.requests[0].partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "environment"\nvariable = "SHOP_TOKEN"', "auth.shop needs SHOP_TOKEN, which is not set"),
        ('kind = "command"\ncommand = "exit 4"', "the command failed with exit code 4"),
        ('kind = "command"\ncommand = "true"', "the command printed nothing"),
        ('kind = "command"\ncommand = "sleep 60"\ntimeout = "100ms"', "gave nothing within 0.1 s"),
        ('kind = "jwt"\nalgorithm = "RS256"\nkey_file = "key.pem"', "there is no key in"),
        ('restore = { "json:$.a" = "SHOP_TOKEN" }', "auth.shop needs SHOP_TOKEN"),
        ("kind = 'command'\ncommand = 'printf \"a\\r\\nX: b\"'", "is more than one line of text"),
    ],
)
def test_a_missing_secret_is_exit_3_before_anything_is_sent(desk: Desk, text: str, words: str) -> None:
    """Case P13."""
    desk.keep([recorded(headers=BEARER)])
    provider(desk, text)

    with raw_server_apart(answer_ok) as server:
        result = replay(desk, server, "--auth", "shop")

    assert (result.exit_code, result.stdout, server.connections) == (3, "", 0)
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_byte_of_a_secret_is_in_plan_log_or_report(desk: Desk, tmp_path: Path) -> None:
    """Case P13: also where the service echoes it, in any spelling."""
    desk.keep([recorded(headers=BEARER)])
    provider(desk, 'kind = "environment"\nvariable = "SHOP_TOKEN"')
    echoed = json.dumps({"you_sent": SECRET, "b64": base64.b64encode(SECRET.encode()).decode()}).encode()

    async def echo(exchanged: Exchanged) -> None:
        head = (
            b"HTTP/1.1 500 No\r\nX-Echo: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        )
        await exchanged.send(head % (SECRET.encode(), len(echoed)) + echoed)

    with raw_server_apart(echo) as server:
        options = ("--target", f"localhost:{server.port}", "--trust-config", "--auth", "shop")
        result = desk.type(
            "-v", "trace", TRACE, *options, "--json",
            "--report", f"html:{tmp_path}/r.html", "--report", f"junit:{tmp_path}/r.xml",
            "--report", f"markdown:{tmp_path}/r.md", SHOP_TOKEN=SECRET,
        )  # fmt: skip
        dry = desk.type("trace", TRACE, *options, "--dry-run", SHOP_TOKEN=SECRET)

    assert result.exit_code == 1
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    everything = (result.stdout + result.stderr + dry.stdout + dry.stderr).encode() + written
    assert SECRET.encode() not in everything
    assert base64.b64encode(SECRET.encode()) not in everything
    assert b"mr1_secret" in everything


def test_a_secret_of_one_target_never_goes_to_another(desk: Desk) -> None:
    """Case P22."""
    desk.keep([recorded(headers=BEARER)])
    provider(desk, 'kind = "environment"\nvariable = "SHOP_TOKEN"', targets='["staging.internal:443"]')

    with raw_server_apart(answer_ok) as server:
        result = replay(desk, server, "--auth", "shop", SHOP_TOKEN=SECRET)

    assert (result.exit_code, server.connections) == (4, 0)
    assert f"auth.shop is for staging.internal:443, and not for localhost:{server.port}" in result.stderr


def test_providers_of_an_untrusted_file_are_not_asked(desk: Desk, tmp_path: Path) -> None:
    """Case P22."""
    desk.keep([recorded(headers=BEARER)])
    provider(desk, f'kind = "command"\ncommand = "touch {tmp_path}/asked; echo x"')

    with raw_server_apart(answer_ok) as server:
        result = desk.type("trace", TRACE, "--target", f"localhost:{server.port}", "--auth", "shop")

    assert (result.exit_code, server.connections) == (4, 0)
    assert "auth.shop: credentials" in result.stderr
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("status", [401, 403])
def test_a_target_that_turns_to_refusing_is_auth(desk: Desk, status: int) -> None:
    """Case P15."""
    desk.keep(recorded(number, headers=BEARER) for number in range(2))
    answers = [OK, b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status]

    async def rotate(exchanged: Exchanged) -> None:
        await exchanged.send(answers.pop(0))

    with raw_server_apart(rotate) as server:
        result = replay(desk, server, "--concurrency", "1")

    document = json.loads(result.stdout)
    assert (result.exit_code, document["counts"]) == (3, {"same": 1, "auth": 1})
    assert "give them with --auth-env NAME, --auth NAME or -H" in document["exchanges"][1]["reason"]


def test_what_the_user_gives_by_hand_stands(desk: Desk) -> None:
    desk.keep([recorded(headers=BEARER)])
    provider(desk, 'kind = "environment"\nvariable = "SHOP_TOKEN"')

    with raw_server_apart(answer_ok) as server:
        replay(desk, server, "--auth", "shop", "-H", "Authorization: mine", SHOP_TOKEN=SECRET)

    assert fields(server)["authorization"] == "mine"


def test_an_unknown_provider_is_said(desk: Desk) -> None:
    result = desk.type("trace", TRACE, "--target", "localhost:1", "--auth", "shop")

    assert result.exit_code == 2
    assert "there is no auth.shop; write [auth.shop] into mesh.toml" in result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "auth.shop.kind is wrong"),
        ('kind = "magic"', "auth.shop.kind is wrong"),
        ('kind = "environment"', "variable, which environment needs"),
        ('kind = "hmac"\nvariable = "K"\nheader = "X"\nencoding = "rot13"', "auth.shop.encoding is wrong"),
        ('restore = { "body:x" = "V" }', "auth.shop.restore is wrong"),
        ('kind = "environment"\nvariable = "A"\nheader = "X: a\\r\\nY"', "auth.shop.header is wrong"),
        ('kind = "environment"\nvariable = "A"\nvalue = "a\\nb"', "auth.shop.value is wrong"),
        ('kind = "environment"\nvariable = "A"\nsecret = "x"', "unknown key auth.shop.secret"),
    ],
)
def test_a_provider_that_cannot_be_is_named(desk: Desk, text: str, words: str) -> None:
    provider(desk, text)

    result = desk.type("trace", TRACE, "--target", "localhost:1", "--trust-config")

    assert result.exit_code == 2
    assert words in result.stderr
