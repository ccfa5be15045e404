"""`mesh-record doctor` as people run it."""

import json
import signal
import sys
from pathlib import Path

import pytest

from support.authority import make_authority, make_certificate
from support.record import Record, a_service, run_record


def python(code: str) -> list[str]:
    return ["--", sys.executable, "-c", code]


def test_it_lets_the_runtimes_of_this_machine_call(tmp_path: Path) -> None:
    done = run_record(tmp_path, "doctor", "--json", PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin")
    found = json.loads(done.stdout)

    assert done.returncode == 0
    clients = {entry["client"]: entry for entry in found["runtimes"] if entry["runtime"] == "Python"}
    assert (clients["urllib"]["plain"], clients["urllib"]["tls"]) == ("seen", "seen")
    assert clients["urllib"]["variables"] == ["HTTP_PROXY", "HTTPS_PROXY", "SSL_CERT_FILE"]
    assert clients["urllib"]["here"] is None
    assert found["set"]["HTTP_PROXY"] == "http://OUTBOUND"
    assert Path(found["set"]["SSL_CERT_FILE"]).is_relative_to(tmp_path / "state")
    assert Path(found["set"]["SSL_CERT_FILE"]).exists()


def test_it_says_in_words_what_the_environment_here_lacks(tmp_path: Path) -> None:
    (tmp_path / "mesh.toml").write_text('[services.cart]\noutbound = "127.0.0.1:9002"\n')

    done = run_record(
        tmp_path,
        *("doctor", "--service", "cart"),
        PATH=str(Path(sys.executable).parent),
        HTTP_PROXY="http://127.0.0.1:9002",
        HTTPS_PROXY="http://127.0.0.1:9002",
        NO_PROXY="localhost",
    )

    ready, _, here = done.stdout.partition("Calls as the environment here lets them be made:")
    assert "urllib" in ready
    assert "plain seen            TLS seen            by HTTP_PROXY, HTTPS_PROXY, SSL_CERT_FILE" in ready
    assert "plain not seen        TLS not seen        take localhost out of NO_PROXY" in here
    assert "export HTTPS_PROXY" not in here  # it is set as it should be
    assert "export http_proxy=http://127.0.0.1:9002\n" in here
    assert "export NO_PROXY=''\n" in here
    assert done.stderr == ""


CALL_ALL = """
import sys, urllib.request
for url in sys.argv[1:]:
    try:
        urllib.request.urlopen(url).read()
    except OSError as error:
        print("failed:", error)
"""


def test_it_tells_which_calls_of_a_command_were_seen(tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "ca")
    cert = make_certificate(authority, tmp_path / "server.pem")
    with a_service() as plain, a_service(cert=cert, key=cert) as tls:
        urls = (f"http://localhost:{plain}/a", f"http://localhost:{plain}/b", f"https://localhost:{tls}/c")
        done = run_record(tmp_path, "doctor", "--json", *python(f"{CALL_ALL}\nsys.exit(3)"), *urls)
    found = json.loads(done.stdout.splitlines()[-1])

    assert done.returncode == 0
    assert found["exit_code"] == 3
    assert found["seen"] == {"plain": {f"localhost:{plain}": 2}, "tls": {f"localhost:{tls}": 1}}
    assert found["distrusted"] == {}
    assert not list((tmp_path / "state").rglob("*.seg"))
    assert not list(tmp_path.rglob("mesh.db"))


def test_a_client_that_distrusts_us_is_told_what_to_set(tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "ca")
    cert = make_certificate(authority, tmp_path / "server.pem")
    code = f"import os; del os.environ['SSL_CERT_FILE']\n{CALL_ALL}"
    with a_service(cert=cert, key=cert) as tls:
        done = run_record(tmp_path, "doctor", *python(code), f"https://localhost:{tls}/")

    assert done.returncode == 0
    assert "failed:" in done.stdout
    assert f"given up by the client, which does not trust our certificate: localhost:{tls} 1" in done.stdout
    assert f"SSL_CERT_FILE={tmp_path}/state" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="connections past the sidecar are told on Linux alone")
def test_calls_that_went_past_are_told_with_the_remedy(tmp_path: Path) -> None:
    code = (
        "import http.client, signal, sys\n"
        "connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))\n"
        "connection.request('GET', '/')\n"
        "print(connection.getresponse().status, flush=True)\n"
        "while True: signal.pause()"
    )
    with a_service() as plain, Record(tmp_path, "doctor", *python(code), str(plain)) as record:
        assert record.line() == "200\n"
        record.end(signal.SIGTERM)
        said = record.rest()

    assert f"past the sidecar, at least: 127.0.0.1:{plain} 1" in said
    assert "--upstream-env VAR" in said


def test_a_command_that_calls_nobody_is_nothing_to_judge(tmp_path: Path) -> None:
    done = run_record(tmp_path, "doctor", *python("pass"))

    assert done.returncode == 5
    assert "no call of it was seen" in done.stdout
