"""A real Chromium for tests: the system's, or Debian's, installed where we may.

Playwright drives it. The browsers that Playwright would fetch itself are on no package registry.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_LOCK = Path(tempfile.gettempdir()) / "mesh-replay-chromium.lock"


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """A headless browser; the test is skipped where there is none and none can be installed."""
    program = _found() or _installed()
    if program is None:
        pytest.skip("no Chromium here, and not root on a Debian to install it: apt-get install chromium")
    # Root may not have the sandbox, and what is looked at is our own.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Watched:
    """A page, and what it did that nobody asked it for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of its console, a broken content security policy among them."""
    requested: list[str] = field(default_factory=list)
    """Every address that it asked for."""

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self._said(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requested.append(request.url))

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)


def _found() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name)) is not None), None)


def _installed() -> str | None:
    """Debian's, installed once for all workers that want it."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _found() is None:
            environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            for command in (
                ["apt-get", "update", "-qq"],
                [
                    "apt-get",
                    "install",
                    "-y",
                    "-qq",
                    "--no-install-recommends",
                    "chromium",
                    "fonts-dejavu-core",
                ],
            ):
                subprocess.run(command, env=environ, capture_output=True, check=False)
        return _found()
