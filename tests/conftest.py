"""What all tests share."""

import signal

import pytest
from hypothesis import settings

from support.stores import postgres_server, postgres_template, sqlite_template, store, store_url

__all__ = ["long_run", "postgres_server", "postgres_template", "sqlite_template", "store", "store_url"]


settings.register_profile("ours", deadline=None)  # a busy machine is slow, and no property is about speed
settings.load_profile("ours")

# A background of a shell ignores Ctrl-C, and so would every program that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long cases, at their full count")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="a long case: make test-long"))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case by the parameter where its value is long, or packed: gzip gives each worker another."""
    packed = isinstance(val, bytes) and not val.isascii()
    return argname if packed or (isinstance(val, bytes | str) and len(val) > 40) else None


@pytest.fixture
def long_run(request: pytest.FixtureRequest) -> bool:
    """Whether cases run at their full count."""
    return bool(request.config.getoption("--long"))
