import pytest

from mesh_recorder.deploy.variables import app_variables, without_java_options
from mesh_recorder.settings import Listen

PROXY = Listen(host="127.0.0.1", port=14081)


def test_a_runtime_finds_the_proxy_in_both_cases_of_letters() -> None:
    values = app_variables({}, proxy=PROXY).values

    assert {values[name] for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")} == {
        "http://127.0.0.1:14081"
    }
    assert values["NODE_USE_ENV_PROXY"] == "1"


@pytest.mark.parametrize("value", ["http://corp:3128", "http://127.0.0.1:3128", "", None])
def test_a_proxy_of_the_services_own_stays(value: str | None) -> None:
    variables = app_variables({"https_proxy": value}, proxy=PROXY)

    assert (variables.foreign, variables.values) == ("https_proxy", {})


def test_a_proxy_that_an_earlier_run_set_is_renewed() -> None:
    variables = app_variables({"HTTP_PROXY": "http://127.0.0.1:14080"}, proxy=PROXY)

    assert variables.values["HTTP_PROXY"] == "http://127.0.0.1:14081"


def test_what_is_not_proxied_stays_so_unless_it_is_to_be_seen() -> None:
    present = {"NO_PROXY": "localhost,.internal,inventory,169.254.169.254"}

    once = app_variables(present, proxy=PROXY, callees=frozenset({"inventory"})).values
    again = app_variables(once, proxy=PROXY).values

    assert once["NO_PROXY"].split(",")[-1] == ".internal"
    assert "inventory" not in once["NO_PROXY"]
    assert again == once


def test_java_gets_its_own_words_behind_those_that_are_there() -> None:
    present = {"JAVA_TOOL_OPTIONS": "-Xmx1g"}

    once = app_variables(present, proxy=PROXY, java=True, trust=True).values
    again = app_variables(once, proxy=PROXY, java=True).values["JAVA_TOOL_OPTIONS"]

    assert "-Dhttps.proxyPort=14081" in once["JAVA_TOOL_OPTIONS"]
    assert "|[::1]|" in once["JAVA_TOOL_OPTIONS"]
    assert again.startswith("-Xmx1g -D")
    assert "trustStore" not in again
    assert without_java_options(again) == "-Xmx1g"


def test_variables_that_name_certificates_already_would_hide_the_projects() -> None:
    values = app_variables({"AWS_CA_BUNDLE": "/etc/theirs.pem"}, proxy=PROXY, trust=True).values

    assert values["AWS_CA_BUNDLE"] == "/mesh-trust/bundle.pem"
    assert "PIP_CERT" not in values
