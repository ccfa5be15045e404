"""`export --as`: what is written is run by the tool that it is written for."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.raw_server import raw_server_apart
from support.replays import TRACE, Desk, answering, json_answer, recorded

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
JSON = (b"Content-Type", b"application/json")
HOSTILE = "$(touch owned)`touch owned`';touch owned;'\"\\\x1b[31m"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def exported(desk: Desk, kind: str, name: str) -> Path:
    file = desk.folder / name
    done = desk.type("export", TRACE, "--as", kind, "-o", str(file))
    assert (done.exit_code, done.stderr) == (0, "")
    return file


def run_curl(script: Path, port: int) -> subprocess.CompletedProcess[bytes]:
    environ = os.environ | {"TARGET": f"http://127.0.0.1:{port}"}
    return subprocess.run(["bash", script], env=environ, cwd=script.parent, capture_output=True, check=False)


def run_pytest(file: Path, port: int) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"TARGET": f"http://127.0.0.1:{port}"}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
    return subprocess.run(words, env=environ, cwd=file.parent, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("GET", "//a/../%2F%zz?x=a+b%20c&&", (), b""),
        ("POST", "/x", ((b"X-Dup", b"2"), (b"x-dup", b"1"), (b"X-Empty", b"")), b"a=1&b=2"),
        ("PUT", "/x", (JSON,), b'{"it\'s": "\xc3\xa9", "$(touch owned)": "`touch owned`"}'),
        ("POST", "/x", ((b"X-Latin", b"caf\xe9"),), bytes(range(256))),
        ("POST", "/x", (), b"@/etc/passwd"),
        ("POST", "/x", (), b"x" * 200_000),
        ("GET", "/" + HOSTILE.replace(" ", "+").replace("\x1b", ""), ((b"X", HOSTILE.encode()[:-6]),), b""),
        ("DELETE", "/x", ((b"User-Agent", b"mine/1"), (b"Accept", b"a/b")), b""),
    ],
)
def test_curl_sends_what_was_recorded(
    desk: Desk, method: str, path: str, headers: tuple[tuple[bytes, bytes], ...], body: bytes
) -> None:
    fields = ((b"Host", b"shop.example:8002"), *headers)
    length = ((b"Content-Length", b"%d" % len(body)),) if body else ()
    desk.keep([recorded(method=method, path=path, headers=(*fields, *length), body=body)])
    script = exported(desk, "curl", "it.sh")

    with raw_server_apart(answering(OK)) as server:
        done = run_curl(script, server.port)

    [request] = server.requests
    head, _, sent = request.partition(b"\r\n\r\n")
    lines = b"\r\n".join(b"%s: %s" % field for field in fields)
    assert done.returncode == 0, done.stderr
    assert head.replace(b"X-Empty:\r\n", b"X-Empty: \r\n").startswith(
        f"{method} {path} HTTP/1.1\r\n".encode("latin-1") + lines
    )
    assert sent == body
    assert not (desk.folder / "owned").exists()
    assert script.read_text(encoding="ascii").isprintable() or "\x1b" not in script.read_text()


def test_a_pytest_file_passes_where_ids_differ_and_fails_where_something_else_does(desk: Desk) -> None:
    token, new = "tok_8f3a9c2e7b1d4f60", "tok_0011223344556677"
    login = {"token": token, "user": {"name": "Ada", "admin": True}, "at": "2026-02-02T02:40:00Z"}
    desk.keep(
        [
            recorded(0, method="POST", path="/login", headers=(JSON,), body=b'{"user": "ada"}',
                     answer=(JSON,), answer_body=json.dumps(login).encode()),
            recorded(1, path=f"/carts/{token}?x=1", headers=((b"X-Session", token.encode()),),
                     answer=(JSON,), answer_body=b'{"total": 10, "currency": "EUR"}'),
        ]
    )  # fmt: skip
    file = exported(desk, "pytest", "test_shop.py")
    other_login = login | {"token": new, "at": "2026-05-05T05:50:00Z"}

    def run(*answers: bytes) -> tuple[subprocess.CompletedProcess[str], list[bytes]]:
        with raw_server_apart(answering(*answers)) as server:
            done = run_pytest(file, server.port)
            return done, list(server.requests)

    good, requests = run(json_answer(other_login), json_answer({"total": 10, "currency": "EUR"}))
    bad, _ = run(json_answer(other_login), json_answer({"total": 10, "currency": "USD"}))

    assert good.returncode == 0, good.stdout
    assert requests[0].endswith(b'\r\n\r\n{"user": "ada"}')
    assert requests[1].startswith(f"GET /carts/{new}?x=1 HTTP/1.1\r\n".encode())
    assert f"X-Session: {new}".encode() in requests[1]
    assert bad.returncode == 1
    assert "USD" in bad.stdout


def test_a_pytest_file_takes_no_code_from_what_was_captured(desk: Desk) -> None:
    hostile = '"""\nimport os; os.mkdir("owned")\n{os.mkdir("owned")}' + HOSTILE
    desk.keep(
        [
            recorded(method="POST", path="/x", headers=(JSON,), body=json.dumps(hostile).encode(),
                     answer=(JSON,), answer_body=json.dumps({hostile: hostile}).encode(), error=hostile),
        ]
    )  # fmt: skip
    file = exported(desk, "pytest", "test_shop.py")

    compile(file.read_text(), str(file), "exec")
    with raw_server_apart(answering(json_answer({hostile: hostile}))) as server:
        done = run_pytest(file, server.port)

    assert done.returncode == 0, done.stdout
    assert not (desk.folder / "owned").exists()


def test_wiremock_answers_equal_calls_one_after_the_other(desk: Desk) -> None:
    desk.keep(
        [
            recorded(0, path="/poll", answer_body=b"PENDING"),
            recorded(1, path="/poll", answer_body=b"DONE"),
            recorded(2, method="POST", path="/pay", headers=(JSON,), body=b'{"a": 1}', status=503),
            recorded(3, path="/image", answer_body=b"\x89PNG\xff"),
        ]
    )

    mappings = json.loads(exported(desk, "wiremock", "mappings.json").read_text())["mappings"]

    assert [each["response"].get("body") for each in mappings[:2]] == ["PENDING", "DONE"]
    assert mappings[0]["scenarioName"] == mappings[1]["scenarioName"]
    assert [each["requiredScenarioState"] for each in mappings[:2]] == ["Started", "call 2"]
    assert mappings[0]["newScenarioState"] == "call 2"
    assert "newScenarioState" not in mappings[1]
    assert mappings[2]["request"]["bodyPatterns"] == [{"equalToJson": '{"a": 1}'}]
    assert mappings[2]["response"]["status"] == 503
    assert mappings[3]["response"]["base64Body"] == "iVBORyf/" or "base64Body" in mappings[3]["response"]
