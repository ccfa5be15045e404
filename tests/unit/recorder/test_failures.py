"""Error texts become outcomes, and sentences for the client."""

import pytest

from mesh_core.outcome import Outcome
from mesh_recorder import failures

OUTCOMES = {
    "Client disconnected.": Outcome.CLIENT_DISCONNECTED,
    failures.CLIENT_CUT: Outcome.CLIENT_DISCONNECTED,
    "stream reset by client (CANCEL)": Outcome.CLIENT_DISCONNECTED,
    f"{failures.CLIENT_BODY}: illegal chunk header": Outcome.PROTOCOL_ERROR,
    f"10.0.0.1:80 {failures.REFUSED}": Outcome.CONNECT_FAILED,
    f"10.0.0.1:80 {failures.NO_HEAD} 3 s": Outcome.UPSTREAM_TIMEOUT,
    f"10.0.0.1:80 {failures.SLOW_CONNECT} 3 s": Outcome.UPSTREAM_TIMEOUT,
    f"nowhere.invalid {failures.UNKNOWN_NAME}": Outcome.DNS_FAILED,
    f"10.0.0.1:80 {failures.UPSTREAM_CUT}": Outcome.UPSTREAM_RESET,
    f"10.0.0.1:80 {failures.STALE}": Outcome.UPSTREAM_RESET,
    f"10.0.0.1:80 {failures.BAD_RESPONSE}": Outcome.PROTOCOL_ERROR,
    "server closed connection": Outcome.UPSTREAM_RESET,
    "[Errno 111] Connect call failed": Outcome.CONNECT_FAILED,
    "[Errno -2] Name or service not known": Outcome.DNS_FAILED,
    "Certificate verify failed: self-signed certificate": Outcome.TLS_FAILED,
    "HTTP/1 protocol error: peer closed connection without sending": Outcome.UPSTREAM_RESET,
    "HTTP/2 protocol error: bad frame": Outcome.PROTOCOL_ERROR,
    failures.STOPPED: Outcome.REJECTED,
    "something that nobody has seen yet": Outcome.PROTOCOL_ERROR,
}


@pytest.mark.parametrize("error", OUTCOMES)
def test_an_error_has_an_outcome(error: str) -> None:
    assert failures.classify(error) is OUTCOMES[error]


def test_a_timeout_is_504_and_another_failure_502() -> None:
    late = failures.reply_to(f"a:1 {failures.NO_HEAD} 3 s", client_at_fault=False)
    gone = failures.reply_to(f"a:1 {failures.REFUSED}", client_at_fault=False)
    wrong = failures.reply_to(failures.NO_HOST, client_at_fault=True)

    assert (late.status, gone.status, wrong.status) == (504, 502, 400)
    assert gone.body == b"mesh-record: a:1 refused the connection; is it running?\n"
    assert (b"Content-Length", b"%d" % len(gone.body)) in gone.headers


def test_what_mitmproxy_says_of_itself_is_left_out() -> None:
    text = "Received multiple content-length headers from client, refusing to prevent request smuggling"

    assert failures.sentence(text) == "Received multiple content-length headers from client"
    assert "mitmproxy" not in failures.sentence("mitmproxy received an HTTP CONNECT request even though")


@pytest.mark.parametrize(
    "error",
    [failures.CLIENT_GONE, failures.STOPPED, f"a:1 {failures.STALE}", "a:1 cancelled the request (CANCEL)"],
)
def test_nobody_is_told_what_nobody_hears(error: str) -> None:
    assert not failures.is_answered(error)
