from pathlib import Path

import pytest

from mesh_core.model import Direction
from mesh_core.outcome import Outcome
from mesh_recorder.doctor import advice_on, environment_here, remarks_on
from mesh_recorder.doctor_calls import Calls, advice, calls_lines, judge
from mesh_recorder.doctor_means import means_of
from mesh_recorder.doctor_probe import Way
from mesh_recorder.doctor_runtimes import Check, Runtime
from mesh_recorder.settings import Listen
from support.recorded import an_exchange

PROXY = Listen(port=9002)
NODE_20 = Runtime(kind="Node", program="/usr/bin/node", version="20.20.2")
PYTHON = Runtime(kind="Python", program=str(Path("/usr/bin/python3")), version="3.13.0")
GO = Runtime(kind="Go", program="/shop/cart", version="")
NOTHING = Calls(plain={}, tls={}, distrusted={}, opaque={}, past={})


def a_check(client: str, plain: Way, tls: Way, error: str = "") -> Check:
    return Check(runtime=PYTHON, client=client, plain=plain, tls=tls, error=error)


@pytest.mark.parametrize(
    ("version", "knows"),
    [
        ("18.0.0", False),
        ("20.20.2", False),
        ("22.20.9", False),
        ("22.21.0", True),
        ("23.9.0", False),
        ("24.4.1", False),
        ("24.5.0", True),
        ("26.0.0", True),
    ],
)
def test_a_node_knows_proxies_from_some_version_on(version: str, knows: bool) -> None:
    assert bool(means_of(f"Node {version}", "fetch").proxy) == knows


def test_a_client_that_is_seen_is_told_by_what() -> None:
    check = a_check("requests", Way.SEEN, Way.SEEN)

    assert advice_on(check, {}) == "by HTTP_PROXY, HTTPS_PROXY, REQUESTS_CA_BUNDLE"


def test_one_that_is_not_seen_is_told_the_variables_that_are_missing() -> None:
    check = a_check("httpx", Way.PAST, Way.PAST)

    assert advice_on(check, {"HTTP_PROXY": "x"}) == "set HTTPS_PROXY"
    assert advice_on(check, {"HTTP_PROXY": "x", "HTTPS_PROXY": "x", "NO_PROXY": "localhost,.corp"}) == (
        "take localhost out of NO_PROXY"
    )
    assert "trust_env=True" in advice_on(a_check("aiohttp", Way.PAST, Way.PAST), {})


def test_one_that_distrusts_us_is_told_whom_to_trust() -> None:
    check = a_check("urllib", Way.SEEN, Way.DISTRUSTED)

    assert advice_on(check, {}) == "for TLS to be looked into, set SSL_CERT_FILE"


def test_one_that_could_not_call_is_quoted() -> None:
    assert advice_on(a_check("urllib", Way.NONE, Way.NONE, "oops"), {}) == "it could not call: oops"


def test_the_environment_at_hand_is_led_to_the_probe() -> None:
    here = environment_here(
        {
            "https_proxy": "http://127.0.0.1:9999",
            "NO_PROXY": "localhost",
            "JAVA_TOOL_OPTIONS": "-Xmx1g -Dhttp.proxyHost=corp -Dhttp.proxyPort=80",
        },
        PROXY,
    )

    assert here == {
        "https_proxy": "http://127.0.0.1:9002",
        "NO_PROXY": "localhost",
        "JAVA_TOOL_OPTIONS": "-Xmx1g -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=9002",
    }
    assert environment_here({"JAVA_TOOL_OPTIONS": "-Xmx1g", "HTTP_PROXY": ""}, PROXY) is None


def test_what_surprises_in_the_environment_is_said_without_passwords() -> None:
    remarks = "\n".join(
        remarks_on({"HTTP_PROXY": "http://me:secret@corp:3128", "NO_PROXY": "127.0.0.1,x.org"})
    )

    assert "corp:3128" in remarks
    assert "secret" not in remarks
    assert "NO_PROXY keeps calls to 127.0.0.1 from any proxy" in remarks
    assert "curl reads http_proxy in small letters" in remarks
    assert list(remarks_on({})) == []


def test_calls_are_sorted_by_what_was_seen_of_them() -> None:
    def call(**changes: object) -> object:
        return an_exchange(direction=Direction.OUTBOUND, **changes)

    exchanges = [
        call(authority="a:80"),
        call(authority="a:80"),
        call(authority="b:443", scheme="https"),
        call(authority="b:443", method="CONNECT"),
        call(authority="c:443", method="CONNECT", outcome=Outcome.TLS_FAILED, status=None, error="distrusts"),
        call(authority="d:9000", method="CONNECT"),
        an_exchange(authority="to the service itself"),
    ]

    calls = judge(exchanges, {("127.0.0.1", 8003): 2, ("127.0.0.1", 5432): 1})  # type: ignore[arg-type]

    assert calls == Calls(
        plain={"a:80": 2},
        tls={"b:443": 1},
        distrusted={"c:443": 1},
        opaque={"d:9000": 1},
        past={"127.0.0.1:8003": 2, "127.0.0.1:5432 (Postgres)": 1},
    )


def test_a_command_that_called_nobody_is_told_to_be_used() -> None:
    text = "\n".join(calls_lines(NOTHING, "./cart ended with exit code 0", [], {}))

    assert text.startswith("mesh-record doctor: ./cart ended with exit code 0\n  no call of it was seen")


def test_one_whose_runtime_knows_no_proxy_is_told_so_even_where_nothing_was_seen() -> None:
    assert list(advice(NOTHING, [NODE_20], {})) == [means_of("Node 20.20.2", "fetch").otherwise]


@pytest.mark.parametrize(
    ("past", "runtimes", "says"),
    [
        ({"127.0.0.1:8003": 1}, [NODE_20], "Node knows proxies from 24.5"),
        ({"127.0.0.1:8003": 1}, [GO], "Go never sends calls to localhost"),
        ({"127.0.0.1:8003": 1}, [], "--upstream-env VAR"),
        ({"127.0.0.1:5432 (Postgres)": 1}, [PYTHON], "what is no HTTP is not recorded"),
    ],
)
def test_calls_past_the_sidecar_get_the_remedy_of_their_runtime(
    past: dict[str, int], runtimes: list[Runtime], says: str
) -> None:
    calls = Calls(plain={}, tls={}, distrusted={}, opaque={}, past=past)

    assert says in " ".join(advice(calls, runtimes, {}))


def test_calls_that_were_given_up_name_the_variable_and_its_value() -> None:
    calls = Calls(plain={}, tls={}, distrusted={"api:443": 1}, opaque={}, past={})

    (sentence,) = advice(calls, [PYTHON], {"SSL_CERT_FILE": "/b.pem", "REQUESTS_CA_BUNDLE": "/b.pem"})

    assert sentence.endswith("let it have SSL_CERT_FILE=/b.pem REQUESTS_CA_BUNDLE=/b.pem")
