"""A watched page in a browser of its own for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import ViewportSize

from support.browser import Watched, running_browser

SIZE: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture
def watched() -> Iterator[Watched]:
    """It may ask for nothing and complain of nothing that its test does not look at.

    Playwright holds an event loop in this thread as long as it runs, so it ends with each test: others
    run loops of their own here.
    """
    with (
        running_browser() as browser,
        browser.new_context(viewport={"width": 1280, "height": 900}) as context,
    ):
        yield Watched(context.new_page())
