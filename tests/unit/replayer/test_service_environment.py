"""What a service that is started for a replay gets."""

import pytest

from mesh_core.errors import ConfigInvalid
from mesh_replayer.launch.environment import StubAddresses, authority_of, parse_env, service_environment

STUBS = StubAddresses(
    ports={"inventory": 9102, "payment": 9103},
    proxy=9100,
    authorities={"inventory.internal:80": "inventory", "127.0.0.1:8004": "payment"},
)


@pytest.mark.parametrize(
    ("value", "authority"),
    [
        ("http://inventory.internal", "inventory.internal:80"),
        ("https://Inventory.internal/api", "inventory.internal:443"),
        ("localhost:8004", "127.0.0.1:8004"),
        ("http://[::1]:80/", "[::1]:80"),
        ("inventory", None),
        ("/usr/bin:/bin", None),
        ("postgresql://db:5432/x", None),
        ("", None),
    ],
)
def test_an_address_is_told_from_other_text(value: str, authority: str | None) -> None:
    assert authority_of(value) == authority


def test_variables_that_lead_to_a_dependency_lead_to_its_stub() -> None:
    environ = {
        "INVENTORY": "http://inventory.internal/v1",
        "PAY": "localhost:8004",
        "PATH": "/bin",
        "OTHER": "http://x",
    }

    found = service_environment(environ, port=7002, given={}, stubs=STUBS)

    assert found.variables["INVENTORY"] == "http://127.0.0.1:9102/v1"
    assert found.variables["PAY"] == "127.0.0.1:9103"
    assert (found.variables["PATH"], found.variables["OTHER"]) == ("/bin", "http://x")
    assert found.variables["PORT"] == "7002"
    assert found.variables["HTTP_PROXY"] == found.variables["https_proxy"] == "http://127.0.0.1:9100"
    assert found.told == (
        "INVENTORY=http://127.0.0.1:9102/v1 (inventory)",
        "PAY=127.0.0.1:9103 (payment)",
    )


def test_what_the_user_gives_stands_over_all_but_the_port() -> None:
    given = {"URL": "dep:payment/v2", "INVENTORY": "as it is", "HTTP_PROXY": "", "PORT": "1"}

    found = service_environment(
        {"INVENTORY": "http://inventory.internal"}, port=7002, given=given, stubs=STUBS
    )

    assert found.variables["URL"] == "http://127.0.0.1:9103/v2"
    assert found.variables["INVENTORY"] == "as it is"
    assert (found.variables["HTTP_PROXY"], found.variables["PORT"]) == ("", "7002")


def test_without_stubs_dependencies_are_reached_as_ever_and_our_own_variables_stay_here() -> None:
    environ = {"HTTP_PROXY": "http://corp:3128", "MESH_REDACT_KEY": "secret", "MESH_TOKEN": "secret"}

    found = service_environment(environ, port=1, given={}, stubs=None)

    assert found.variables == {"HTTP_PROXY": "http://corp:3128", "PORT": "1"}


@pytest.mark.parametrize(("stubs", "hint"), [(None, "give --stub rest"), (STUBS, "inventory, payment")])
def test_a_dependency_without_a_stub_is_said(stubs: StubAddresses | None, hint: str) -> None:
    with pytest.raises(ConfigInvalid, match=hint):
        service_environment({}, port=1, given={"URL": "dep:mail"}, stubs=stubs)


def test_env_is_key_and_value() -> None:
    assert parse_env(["A=1", "B=a=b", "C="]) == {"A": "1", "B": "a=b", "C": ""}
