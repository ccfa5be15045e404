"""A browser for each worker, a watched page for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from support.browser import Watched, running_browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page of its own; it may ask for nothing and complain of nothing that its test does not look at."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield Watched(context.new_page())
