"""Where a replay may go."""

import pytest

from mesh_core.errors import ConfigInvalid, TargetNotAllowed
from mesh_replayer.target import (
    check_addresses,
    check_methods,
    check_production,
    check_written,
    parse_target,
)


@pytest.mark.parametrize(
    ("text", "service", "scheme", "host", "port"),
    [
        ("localhost:8080", None, "http", "localhost", 8080),
        ("8080", None, "http", "127.0.0.1", 8080),
        ("cart=127.0.0.1:7002", "cart", "http", "127.0.0.1", 7002),
        ("https://staging.internal", None, "https", "staging.internal", 443),
        ("pay-ment_2.x=http://[::1]:81", "pay-ment_2.x", "http", "::1", 81),
    ],
)
def test_a_target_is_read(text: str, service: str | None, scheme: str, host: str, port: int) -> None:
    target = parse_target(text)

    assert (target.service, target.scheme, target.host, target.port) == (service, scheme, host, port)


@pytest.mark.parametrize(
    "text", ["", "localhost", "http://localhost:1/path", "localhost:x", "localhost:0", "a="]
)
def test_what_is_no_address_is_wrong_usage(text: str) -> None:
    with pytest.raises(ConfigInvalid):
        parse_target(text)


@pytest.mark.parametrize("text", ["localhost:1", "LOCALHOST:1", "127.0.0.1:1", "127.9.8.7:1", "[::1]:1", "9"])
def test_this_machine_is_allowed(text: str) -> None:
    check_written(parse_target(text), [])


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0:80",
        "[::]:80",
        "[::ffff:127.0.0.1]:80",
        "[::ffff:7f00:1]:80",
        "[::127.0.0.1]:80",
        "[64:ff9b::7f00:1]:80",
        "2130706433:80",
        "http://2130706433:80",
        "0177.0.0.1:80",
        "0x7f.0.0.1:80",
        "0x7f000001:80",
        "127.1:80",
        "127.0.0.01:80",
        "127.0.0.1.:80",
        "user@localhost:80",
        "http://user:secret@localhost:80",
        "localhost:80@evil.example:80",
        "[fe80::1%25eth0]:80",
        "169.254.169.254:80",
        "[fd00:ec2::254]:80",
        "100.100.100.200:80",
        "224.0.0.1:80",
        "255.255.255.255:80",
        "localhost.:80",
        "localhost.example:80",
        "\u2460\u2461\u2466.0.0.1:80",
        "loc\u0430lhost:80",
        "10.0.0.5:80",
        "staging.internal:443",
    ],
)
def test_all_else_is_refused_also_in_disguise(text: str) -> None:
    """Case P3."""
    with pytest.raises(TargetNotAllowed):
        check_written(parse_target(text), [])


def test_what_the_project_allows_is_allowed_at_that_port_alone() -> None:
    allowed = ["staging.internal:443", "10.0.0.5:80"]

    check_written(parse_target("https://STAGING.internal"), allowed)
    check_written(parse_target("10.0.0.5:80"), allowed)
    with pytest.raises(TargetNotAllowed, match="not in allow_targets"):
        check_written(parse_target("staging.internal:8443"), allowed)


@pytest.mark.parametrize("text", ["169.254.169.254:80", "[fd00:ec2::254]:80", "0.0.0.0:80", "224.0.0.1:80"])
def test_some_addresses_are_never_targets_also_where_allowed(text: str) -> None:
    """Case P3."""
    with pytest.raises(TargetNotAllowed, match="never a target"):
        check_written(parse_target(text), [text])


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("staging.internal:443", ["169.254.169.254"]),
        ("staging.internal:443", ["10.0.0.5", "127.0.0.1"]),
        ("staging.internal:443", ["10.0.0.5", "fe80::1%eth0"]),
        ("staging.internal:443", ["::ffff:10.0.0.5"]),
        ("staging.internal:443", ["::1"]),
        ("localhost:80", ["127.0.0.1", "10.0.0.5"]),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_whatever_else_it_leads_to(
    text: str, addresses: list[str]
) -> None:
    """Case P3: DNS rebinding."""
    with pytest.raises(TargetNotAllowed):
        check_addresses(parse_target(text), addresses)


def test_a_name_that_leads_where_it_should_is_fine() -> None:
    check_addresses(parse_target("staging.internal:443"), ["10.0.0.5", "2001:db8::5"])
    check_addresses(parse_target("localhost:443"), ["::1", "127.0.0.1"])


def test_methods_that_change_things_need_consent_elsewhere() -> None:
    """Case P4."""
    check_methods(parse_target("localhost:80"), ["POST", "DELETE"])
    check_methods(parse_target("staging.internal:443"), ["GET", "head", "OPTIONS"])
    with pytest.raises(TargetNotAllowed, match="POST, PURGE may change things"):
        check_methods(parse_target("staging.internal:443"), ["GET", "POST", "PURGE", "POST"])


@pytest.mark.parametrize("text", ["shop.example:443", "https://api.shop.example", "API.shop.example.:80"])
def test_production_is_never_a_target(text: str) -> None:
    """Case P3."""
    target = parse_target(text)
    check_written(target, [f"{target.host}:{target.port}"])

    with pytest.raises(TargetNotAllowed, match="is production"):
        check_production(target, ["shop.example", "*.shop.example"])


@pytest.mark.parametrize(
    "text", ["otherhop.example:80", "shop.example.org:80", "localhost:80", "xshop.example:1"]
)
def test_what_only_looks_like_production_is_not(text: str) -> None:
    check_production(parse_target(text), ["shop.example", "*.shop.example"])


def test_the_host_where_requests_were_recorded_is_no_target() -> None:
    with pytest.raises(TargetNotAllowed, match="--allow-recorded-host"):
        check_production(parse_target("shop.example:8443"), (), ["Shop.example"])

    check_production(parse_target("staging.example:80"), (), ["shop.example:80", "[::1]:80", ""])
    check_production(parse_target("localhost:80"), (), ["localhost:8002"])
