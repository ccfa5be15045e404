from pathlib import Path

import pytest

from mesh_core.proxies import kept_of_no_proxy
from mesh_recorder.runtimes import TrustFiles, service_environment
from mesh_recorder.settings import Listen

TRUST = TrustFiles(bundle=Path("/t/bundle.pem"), extra=Path("/t/extra.pem"), java_store=Path("/t/trust.p12"))
PROXY = Listen(port=9002)


def environment(before: dict[str, str], **more: object) -> dict[str, str]:
    return service_environment(before, proxy=PROXY, trust=TRUST, **more)  # type: ignore[arg-type]  # as given


def test_every_means_of_a_runtime_is_set() -> None:
    found = environment({"HOME": "/me"}, port=7002)

    assert found["HOME"] == "/me"
    assert found["PORT"] == "7002"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        assert found[name] == "http://127.0.0.1:9002"
    assert found["NODE_USE_ENV_PROXY"] == "1"
    assert found["NODE_EXTRA_CA_CERTS"] == "/t/extra.pem"
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        assert found[name] == "/t/bundle.pem"
    assert "PIP_CERT" not in found
    assert "-Dhttp.proxyPort=9002" in found["JAVA_TOOL_OPTIONS"]


def test_what_is_there_already_is_kept_or_led_to_us() -> None:
    found = environment({"PORT": "1", "PIP_CERT": "/mine.pem", "JAVA_TOOL_OPTIONS": "-Xmx64m"})

    assert found["PORT"] == "1"
    assert found["PIP_CERT"] == "/t/bundle.pem"
    assert found["JAVA_TOOL_OPTIONS"].startswith("-Xmx64m -Dhttp.proxyHost=127.0.0.1 ")


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("", []),
        ("localhost,127.0.0.1,::1,.corp.example", [".corp.example"]),
        ("*", []),
        ("127.0.0.0/8, 10.0.0.0/8", ["10.0.0.0/8"]),
        ("inventory,example.org", ["example.org"]),
        (".internal,localhost:8003", []),
        ("*.internal", []),
        ("ternal", ["ternal"]),
    ],
)
def test_exclusions_that_hide_a_callee_are_taken_back(before: str, kept: list[str]) -> None:
    callees = frozenset({"inventory", "stock.internal"})

    assert kept_of_no_proxy(before, callees) == kept
    assert environment({"no_proxy": before}, callees=callees)["NO_PROXY"] == ",".join(kept)
