"""`mesh-replay trace` and `exchange`, typed, against servers on raw sockets."""

import asyncio
import gzip
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from msgspec.structs import replace

from mesh_core.model import Redaction, TraceOrigin
from mesh_core.outcome import Outcome
from support.authority import make_authority, make_certificate
from support.raw_server import Exchanged, RawServer, raw_server_apart
from support.replays import TRACE, Desk, answering, recorded, trace_json, verdicts

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
type Script = Callable[[Exchanged], Awaitable[None]]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_what_was_recorded_goes_out_byte_for_byte(desk: Desk) -> None:
    """Case P1."""
    headers = (
        (b"accept", b"*/*"),
        (b"HOST", b"shop.example:8002"),
        (b"X-Dup", b"2"),
        (b"x-dup", b"1"),
        (b"X-Latin", b"caf\xe9"),
        (b"Content-Length", b"4"),
    )
    path = "//a/../%2F%zz?x=a+b%20c&&\xe9"
    desk.keep([recorded(headers=headers, body=b"\x00\xffab", method="PoST", path=path)])

    with raw_server_apart(answering(OK)) as server:
        code, document = trace_json(desk, server.port)

    lines = b"".join(b"%s: %s\r\n" % field for field in headers)
    mark = b"mesh-replay: " + document["run_id"].encode() + b"\r\n"
    assert server.requests == [
        b"PoST " + path.encode("latin-1") + b" HTTP/1.1\r\n" + lines + mark + b"\r\n\x00\xffab"
    ]
    assert (code, verdicts(document)) == (0, ["same"])


def test_chunked_trailers_cookies_and_gzip_survive_both_ways(desk: Desk) -> None:
    """Case P2: the ends of chunks are not recorded, so a chunked body goes out in chunks of ours."""
    headers = ((b"Host", b"a"), (b"Transfer-Encoding", b"chunked"), (b"Trailer", b"X-Sum"))
    then, now = gzip.compress(b'{"a": 1, "b": 2}', mtime=0), gzip.compress(b'{"b":2,"a":1}', mtime=1)
    answer = (
        (b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"Content-Encoding", b"gzip"),
        (b"Content-Type", b"application/json"), (b"Transfer-Encoding", b"chunked"),
    )  # fmt: skip
    desk.config('[redact]\nmode = "off"\n')
    desk.keep(
        [
            recorded(
                headers=headers, body=b"hello", request_trailers=((b"X-Sum", b"5"),), method="POST",
                answer=answer, answer_body=then, response_trailers=((b"X-End", b"yes"),),
            )
        ]
    )  # fmt: skip
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%s: %s\r\n" % field for field in answer) + b"\r\n"
    chunks = b"3\r\n" + now[:3] + b"\r\n%x\r\n" % (len(now) - 3) + now[3:] + b"\r\n0\r\nX-End: yes\r\n\r\n"

    with raw_server_apart(answering(head + chunks)) as server:
        code, document = trace_json(desk, server.port, "--no-mark", "--trust-config")

    assert server.requests[0].partition(b"\r\n\r\n")[2] == b"5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n"
    assert document["exchanges"][0]["differences"] == []
    assert (code, verdicts(document)) == (0, ["same"])


def test_a_connection_mirrors_a_recorded_one(desk: Desk) -> None:
    desk.keep(
        recorded(number, path=f"/{number}", connection=name)
        for number, name in enumerate(["a", "b", "a", None, None])
    )

    with raw_server_apart(answering(OK)) as server:
        trace_json(desk, server.port)

    assert [request.split()[1] for request in server.requests] == [b"/0", b"/1", b"/2", b"/3", b"/4"]
    assert server.connections == 4


def test_a_connection_ends_with_its_last_request_not_with_the_run(desk: Desk) -> None:
    desk.keep([recorded(0, path="/0", connection="a"), recorded(1, path="/1", connection="b")])
    first_ended = asyncio.Event()

    async def script(exchanged: Exchanged) -> None:
        if exchanged.connection == 1:
            await exchanged.send(OK)
            assert await exchanged.reader.read() == b""
            first_ended.set()
            exchanged.ended = True
        else:
            await first_ended.wait()
            await exchanged.send(OK)

    with raw_server_apart(script) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document)) == (0, ["same", "same"])


def test_differences_name_their_place(desk: Desk) -> None:
    answer = ((b"Content-Type", b"application/json"), (b"ETag", b'"1"'), (b"Content-Length", b"38"))
    desk.keep([recorded(answer=answer, answer_body=b'{"id": 1, "rows": [{"sku": "a"}], "n": 1}')])
    body = b'{"id": 2, "rows": [{"sku": "b"}, {"sku": "a"}]}'
    reply = (
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: "2"\r\nContent-Length: %d\r\n\r\n'
        % len(body)
    )

    with raw_server_apart(answering(reply + body)) as server:
        code, document = trace_json(desk, server.port)
        shown = desk.type("trace", TRACE, "--target", f"localhost:{server.port}")

    [exchange] = document["exchanges"]
    assert (code, exchange["verdict"], document["counts"]) == (1, "different", {"different": 1})
    assert [(each["where"], each["path"], each["kind"]) for each in exchange["differences"]] == [
        ("header", "etag", "value"),
        ("body", "$.id", "value"),
        ("body", "$.rows[0]", "item_added"),
        ("body", "$.n", "missing"),
    ]
    assert (
        exchange["differences"][1] | {"recorded": 1, "replayed": 2, "noise": None}
        == exchange["differences"][1]
    )
    assert 'body $.rows[0] item is new  {"sku": "b"}' in shown.stdout
    assert "not compared: content-length (bodies are compared decoded)" in shown.stdout


def test_the_document_has_the_shape_that_is_promised(desk: Desk) -> None:
    desk.keep([recorded()])

    with raw_server_apart(answering(OK)) as server:
        _, document = trace_json(desk, server.port)

    assert document.keys() >= {"run_id", "target", "exit_code", "counts", "exchanges"}
    assert document["exchanges"][0].keys() >= {
        "exchange_id", "replayed_id", "method", "path", "verdict", "reason", "recorded_status",
        "replayed_status", "differences",
    }  # fmt: skip
    assert document["target"] == f"localhost:{server.port}"
    assert (document["service"], document["service_reason"]) == ("cart", "where this trace began")


def test_the_first_line_says_what_the_target_is_and_that_dependencies_are_live(desk: Desk) -> None:
    desk.keep([recorded()])

    with raw_server_apart(answering(OK)) as server:
        result = desk.type("trace", TRACE, "--target", f"localhost:{server.port}", "--service", "cart")

    assert result.stdout.splitlines()[0] == (
        f"target localhost:{server.port} (this machine) stands for cart, as you say; "
        "its own dependencies are live"
    )
    assert result.stdout.splitlines()[-1] == "1 same"


FAILED = b'{"error": {"code": "internal", "message": "too many values at 0x7f01"}}'


def failure(number: int = 0, **changes: object) -> Any:
    answer = ((b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(FAILED)))
    return recorded(number, status=500, answer=answer, answer_body=FAILED, **changes)  # type: ignore[arg-type]


def json_answer(status: int, body: bytes) -> bytes:
    return (
        b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % (
            status,
            len(body),
        )
        + body
    )


@pytest.mark.parametrize(
    ("answer", "options", "verdict", "code", "words"),
    [
        (json_answer(500, FAILED.replace(b"7f01", b"99aa")), [], "reproduced", 1, "500 again"),
        (json_answer(500, b'{"error": {"code": "db"}}'), [], "fails_differently", 1, "500 then, 500 now"),
        (json_answer(503, FAILED), [], "fails_differently", 1, "503 now"),
        (OK, [], "not_reproduced", 0, "200 now"),
        (json_answer(422, b"{}"), [], "fails_differently", 1, "422 now"),
        (json_answer(422, b"{}"), ["--fixed-status", "422"], "not_reproduced", 0, "the cure"),
        (json_answer(404, b"{}"), [], "fails_differently", 1, "state that it needs may be missing"),
        (json_answer(401, b"{}"), [], "auth", 3, "credentials"),
        (json_answer(500, FAILED), ["--expect", "reproduced"], "reproduced", 0, "again"),
        (OK, ["--expect", "reproduced"], "not_reproduced", 1, "now"),
        (json_answer(500, FAILED), ["--exit-zero"], "reproduced", 0, "again"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", [], "not_reproduced", 0, "302 now"),
    ],
)  # fmt: skip
def test_a_failure_is_judged_by_its_fingerprint(
    desk: Desk, answer: bytes, options: list[str], verdict: str, code: int, words: str
) -> None:
    """Case P16."""
    desk.keep([failure()])

    with raw_server_apart(answering(answer)) as server:
        exit_code, document = trace_json(desk, server.port, *options)

    assert (exit_code, verdicts(document), document["exit_code"]) == (code, [verdict], code)
    assert words in document["exchanges"][0]["reason"]


def test_a_redirect_is_an_answer_and_never_followed(desk: Desk) -> None:
    """Case P3."""
    with raw_server_apart(answering(OK)) as elsewhere:
        location = b"http://127.0.0.1:%d/" % elsewhere.port
        answer = b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
        desk.keep([recorded(status=302, answer=((b"Location", location),), answer_body=b"")])
        with raw_server_apart(answering(answer)) as server:
            code, document = trace_json(desk, server.port)

    assert (code, verdicts(document)) == (0, ["same"])
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "user@127.0.0.1",
        "http://a:b@localhost", "localhost.", "[::]",
    ],
)  # fmt: skip
def test_a_target_in_disguise_is_refused_before_a_packet_is_sent(desk: Desk, host: str) -> None:
    """Case P3."""
    desk.keep([recorded()])

    with raw_server_apart(answering(OK)) as server:
        result = desk.type("trace", TRACE, "--target", f"{host}:{server.port}", "--allow-unsafe")

    assert (result.exit_code, server.connections) == (4, 0)
    assert result.stderr.startswith("mesh-replay: target ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_post_elsewhere_needs_consent_and_a_dry_run_lists_it(desk: Desk) -> None:
    """Case P4."""
    desk.config('allow_targets = ["192.0.2.1:80"]\n')
    desk.keep(
        [recorded(0), recorded(1, method="POST", path="/orders"), recorded(2, opaque=True, path="/raw")]
    )
    command = ("trace", TRACE, "--target", "192.0.2.1:80", "--trust-config")

    refused, dry = desk.type(*command), desk.type(*command, "--dry-run")
    listed = json.loads(desk.type(*command, "--dry-run", "--json").stdout)
    agreed = desk.type(*command, "--dry-run", "--allow-unsafe")

    assert (refused.exit_code, dry.exit_code, agreed.exit_code) == (4, 4, 0)
    assert "POST may change things at 192.0.2.1:80" in refused.stderr
    assert "POST /orders  to 192.0.2.1:80  refused: needs --allow-unsafe" in dry.stdout
    assert "GET /raw  to 192.0.2.1:80  skipped: its bytes passed unread" in dry.stdout
    assert "(not this machine) stands for cart" in dry.stdout
    assert [each["refused"] for each in listed["exchanges"]] == [None, "refused: needs --allow-unsafe", None]


def test_a_dry_run_sends_nothing(desk: Desk) -> None:
    desk.keep([recorded()])

    with raw_server_apart(answering(OK)) as server:
        result = desk.type("trace", TRACE, "--target", f"localhost:{server.port}", "--dry-run")

    assert (result.exit_code, server.connections) == (0, 0)
    assert "nothing was sent" in result.stdout


def test_an_untrusted_file_that_widens_targets_is_refused(desk: Desk) -> None:
    desk.config('allow_targets = ["192.0.2.1:80"]\n')

    result = desk.type("trace", "last", "--target", "192.0.2.1:80")

    assert result.exit_code == 4
    assert "mesh-replay trust" in result.stderr


def test_a_target_that_is_not_there_is_unreachable(desk: Desk) -> None:
    desk.keep([recorded(0), recorded(1)])
    with raw_server_apart(answering(OK)) as server:
        port = server.port

    code, document = trace_json(desk, port)

    assert (code, verdicts(document)) == (3, ["unreachable", "unreachable"])
    assert document["exchanges"][0]["reason"] == (
        f"localhost:{port}: it refused the connection; is the service running?"
    )


@pytest.mark.parametrize(("first", "code"), [(OK, 3), (OK.replace(b"ok", b"no"), 1)])
def test_a_target_that_dies_in_the_middle_is_unreachable_from_there_on(
    desk: Desk, first: bytes, code: int
) -> None:
    """Case P17."""
    desk.keep(recorded(number) for number in range(3))

    async def script(exchanged: Exchanged) -> None:
        exchanged.server.listening.close()
        await exchanged.end(first)

    with raw_server_apart(script) as server:
        exit_code, document = trace_json(desk, server.port)

    assert exit_code == code
    assert verdicts(document)[1:] == ["unreachable", "unreachable"]


def test_an_interrupt_ends_with_a_partial_report(desk: Desk) -> None:
    """Case P17."""
    desk.keep(recorded(number, path=f"/{number}") for number in range(3))
    process: list[subprocess.Popen[str]] = []

    async def script(exchanged: Exchanged) -> None:
        if exchanged.request.startswith(b"GET /0"):
            await exchanged.send(OK)
            return
        process[0].send_signal(signal.SIGINT)
        await exchanged.reader.read()

    with raw_server_apart(script) as server:
        # Whoever runs the tests in the background has them ignore Ctrl-C.
        code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        code += "from mesh_replayer.cli import main; main()"
        command = [sys.executable, "-c", code, "trace", TRACE]
        environ = {key: value for key, value in (os.environ | desk.environ).items() if value is not None}
        environ.pop("COLUMNS")
        process.append(
            subprocess.Popen(
                [*command, "--target", f"localhost:{server.port}", "--json"],
                env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        stdout, stderr = process[0].communicate()

    document = json.loads(stdout)
    assert (process[0].returncode, stderr) == (130, "")
    assert (document["interrupted"], document["exit_code"]) == (True, 130)
    assert verdicts(document) == ["same", "skipped", "skipped"]
    assert "unknown" in document["exchanges"][1]["reason"]


def test_nothing_to_send_is_exit_5(desk: Desk) -> None:
    """Case P17."""
    desk.keep([recorded(opaque=True)])

    with raw_server_apart(answering(OK)) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document), server.connections) == (5, ["skipped"], 0)


def test_a_body_that_was_not_kept_whole_is_not_sent(desk: Desk) -> None:
    exchange, bodies = recorded(method="POST", body=b"abc")
    assert exchange.request_body is not None
    cut = replace(exchange.request_body, size=9, truncated=True)
    desk.keep([(replace(exchange, request_body=cut), bodies)])

    with raw_server_apart(answering(OK)) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document)) == (5, ["skipped"])
    assert "only 3 of the 9 bytes" in document["exchanges"][0]["reason"]


async def silent(exchanged: Exchanged) -> None:
    await exchanged.reader.read()


async def half(exchanged: Exchanged) -> None:
    await exchanged.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await exchanged.reader.read()


async def cut(exchanged: Exchanged) -> None:
    await exchanged.end(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (silent, "upstream timeout (no answer within 0.2 s)"),
        (half, "upstream timeout (the answer was not whole within 0.2 s)"),
        (cut, "upstream reset (the connection was closed before the body was whole)"),
        (answering(b"nonsense\r\n\r\n"), "protocol error (the answer is not HTTP"),
    ],
)
def test_what_goes_wrong_after_connecting_is_an_outcome(desk: Desk, script: Script, words: str) -> None:
    desk.keep([recorded()])

    with raw_server_apart(script) as server:
        code, document = trace_json(desk, server.port, "--timeout", "200ms")

    assert (code, verdicts(document)) == (1, ["broken"])
    assert words in document["exchanges"][0]["reason"]


def test_headers_are_set_and_host_is_chosen(desk: Desk) -> None:
    desk.keep([recorded(headers=((b"Host", b"shop.example"), (b"Authorization", b"mr1_bearer_x")))])

    with raw_server_apart(answering(OK)) as server:
        trace_json(desk, server.port, "-H", "Authorization: Bearer real", "--host", "target", "--no-mark")

    assert server.requests == [
        b"GET / HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer real\r\n\r\n" % server.port
    ]


def test_reports_go_where_they_are_sent(desk: Desk) -> None:
    desk.keep([recorded()])
    file = desk.folder / "report.json"

    with raw_server_apart(answering(OK)) as server:
        target = f"localhost:{server.port}"
        both = desk.type(
            "trace", TRACE, "--target", target, "--report", "terminal", "--report", f"json:{file}"
        )
        mixed = desk.type("trace", TRACE, "--target", target, "--report", "terminal", "--json")
        unknown = desk.type("trace", TRACE, "--target", target, "--report", "tea")

    assert "1 same" in both.stderr + both.stdout
    assert json.loads(file.read_text())["counts"] == {"same": 1}
    assert json.loads(mixed.stdout)["counts"] == {"same": 1}
    assert "1 same" in mixed.stderr
    assert (unknown.exit_code, unknown.stderr) == (
        2,
        "mesh-replay: there is no report 'tea'; there are terminal and github, and json, junit, html and "
        "markdown, which take a :FILE\n",
    )


def test_a_replay_is_a_trace_of_its_own(desk: Desk) -> None:
    headers = (
        (b"Host", b"a"),
        (b"traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode()),
        (b"tracestate", b"mesh=" + b"a" * 32 + b",other=1"),
    )
    desk.keep([recorded(number, headers=headers, trace_origin=TraceOrigin.W3C) for number in range(2)])

    with raw_server_apart(answering(OK)) as server:
        _, document = trace_json(desk, server.port)

    traces = {request.split(b"traceparent: 00-")[1][:32].decode() for request in server.requests}
    assert traces == {exchange["replayed_trace_id"] for exchange in document["exchanges"]}
    assert len(traces) == 1
    assert TRACE not in traces
    assert f"tracestate: mesh-replay={document['run_id']},other=1".encode() in server.requests[0]


def test_hidden_values_are_compared_hidden(desk: Desk) -> None:
    answer = ((b"Set-Cookie", b"session=mr1_secret_abcdefghijabcdefghij; Path=/"), (b"Content-Length", b"2"))
    fresh = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=new-secret-value; Path=/\r\nContent-Length: 2\r\n\r\nok"
    desk.keep([recorded(answer=answer)])

    with raw_server_apart(answering(fresh)) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document)) == (0, ["same"])
    assert "does not have the project's key" in document["notes"][0]
    assert "new-secret-value" not in json.dumps(document)


def test_refused_credentials_name_what_was_hidden(desk: Desk) -> None:
    exchange, bodies = recorded()
    desk.keep([(replace(exchange, redactions=(Redaction(rule="authorization", count=1),)), bodies)])

    with raw_server_apart(answering(json_answer(403, b"{}"))) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document)) == (3, ["auth"])
    assert "(authorization)" in document["exchanges"][0]["reason"]


def test_one_exchange_is_sent_alone_also_an_outbound_one(desk: Desk) -> None:
    exchanges = [recorded(number, path=f"/{number}") for number in range(2)]
    desk.keep(exchanges)

    with raw_server_apart(answering(OK)) as server:
        result = desk.type("exchange", exchanges[1][0].id, "--target", f"localhost:{server.port}")
        as_trace = desk.type("exchange", TRACE, "--target", f"localhost:{server.port}")

    assert result.exit_code == 0
    assert [request.split()[1] for request in server.requests] == [b"/1"]
    assert "stands for cart, the exchange was sent to it" in result.stdout
    assert (as_trace.exit_code, "names a trace, not an exchange" in as_trace.stderr) == (2, True)


def test_a_request_over_http2_is_sent_over_http1_and_that_is_said(desk: Desk) -> None:
    desk.keep([recorded(headers=((b"accept", b"*/*"),), http_version="HTTP/2", authority="shop.example")])

    with raw_server_apart(answering(OK)) as server:
        result = desk.type("trace", TRACE, "--target", f"localhost:{server.port}", "--no-mark")

    assert server.requests == [b"GET / HTTP/1.1\r\nhost: shop.example\r\naccept: */*\r\n\r\n"]
    assert "sent with HTTP/1.1, recorded over HTTP/2" in result.stdout


def test_tls_is_spoken_to_a_target_that_is_trusted(desk: Desk) -> None:
    authority = make_authority(desk.folder)
    cert = make_certificate(authority, desk.folder / "localhost.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert)
    desk.keep([recorded()])

    with raw_server_apart(answering(OK), context) as server:
        target = f"https://localhost:{server.port}"
        distrusted = desk.type("trace", TRACE, "--target", target)
        desk.config(f'[services.cart]\nupstream_ca = "{authority.cert}"\n')
        trusted = desk.type("trace", TRACE, "--target", target)

    assert (distrusted.exit_code, "its certificate is not trusted" in distrusted.stdout) == (3, True)
    assert (trusted.exit_code, "1 same" in trusted.stdout) == (0, True)


def test_two_hundred_that_are_alike_are_one_line(desk: Desk) -> None:
    desk.keep(recorded(number, path=f"/carts/{number}") for number in range(200))

    with raw_server_apart(answering(json_answer(404, b"{}"))) as server:
        result = desk.type("trace", TRACE, "--target", f"localhost:{server.port}")

    assert "cart GET /carts/0 and 199 like it" in result.stdout
    assert "200 different" in result.stdout
    assert len(result.stdout.splitlines()) < 15


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "nowhere"], "has no port"),
        (["--target", "localhost:1", "--timeout", "soon"], "--timeout 'soon' is not a duration"),
        (["--target", "localhost:1", "-H", "nonsense"], "is not 'Name: value'"),
        (["--target", "localhost:1", "--target", "localhost:2"], "two targets without a service's name"),
        ([], "there is no --target"),
    ],
)
def test_wrong_usage_is_exit_2(desk: Desk, arguments: list[str], words: str) -> None:
    desk.keep([recorded()])

    result = desk.type("trace", TRACE, *arguments)

    assert (result.exit_code, words in result.stderr) == (2, True), result.stderr


def only_line(result: Result) -> str:
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr.strip()


def test_an_unknown_trace_is_one_line_and_exit_5(desk: Desk) -> None:
    """Case P24."""
    desk.keep([recorded()])

    result = desk.type("trace", "nope", "--target", "localhost:8080")

    assert result.exit_code == 5
    assert only_line(result) == "mesh-replay: no trace nope is recorded; list them with `mesh-replay list`"


def test_an_empty_store_says_how_to_begin(desk: Desk) -> None:
    result = desk.type("trace", "last", "--target", "localhost:8080")

    assert (result.exit_code, "mesh-record" in only_line(result)) == (5, True)


def test_a_prefix_of_two_things_lists_them(desk: Desk) -> None:
    desk.keep([recorded(0, trace_id="abcd" + "1" * 28), recorded(1, trace_id="abcd" + "2" * 28)])

    result = desk.type("trace", "abcd", "--target", "localhost:8080")

    assert result.exit_code == 2
    assert "abcd1111" in only_line(result)


def test_every_form_of_id_names_the_trace(desk: Desk) -> None:
    """Case P24."""
    desk.keep([recorded(trace_origin=TraceOrigin.W3C, request_id="order-77", span_id="00f067aa0ba902b7")])
    forms = [
        TRACE, TRACE[:8], TRACE[16:], str(int(TRACE[16:], 16)), f"1-{TRACE[:8]}-{TRACE[8:]}", "order-77",
        f"{TRACE[:8]}-{TRACE[8:12]}-{TRACE[12:16]}-{TRACE[16:20]}-{TRACE[20:]}", "last",
        f"00-{TRACE}-00f067aa0ba902b7-01", f"https://app.datadoghq.com/apm/trace/{TRACE}",
    ]  # fmt: skip

    with raw_server_apart(answering(OK)) as server:
        codes = {
            form: desk.type("trace", form, "--target", f"localhost:{server.port}").exit_code for form in forms
        }

    assert codes == dict.fromkeys(forms, 0)


def test_a_recorded_reset_that_happens_again_is_reproduced(desk: Desk) -> None:
    desk.keep([recorded(status=None, answer=(), answer_body=b"", outcome=Outcome.UPSTREAM_RESET)])

    async def script(exchanged: Exchanged) -> None:
        exchanged.reset()

    with raw_server_apart(script) as server:
        code, document = trace_json(desk, server.port)

    assert (code, verdicts(document)) == (1, ["reproduced"])


def test_a_server_is_still_there_after_it_all(desk: Desk) -> None:
    """Connections are closed when a run is over."""
    desk.keep([recorded(connection="kept")])
    ended = asyncio.Event()

    async def script(exchanged: Exchanged) -> None:
        await exchanged.send(OK)
        assert await exchanged.reader.read() == b""
        ended.set()
        exchanged.ended = True

    def closed(server: RawServer) -> bool:
        trace_json(desk, server.port)
        return server.wait(ended)

    with raw_server_apart(script) as server:
        assert closed(server)
