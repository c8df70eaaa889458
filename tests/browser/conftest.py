"""A Chromium, and a service whose page it opens."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alerter.web.server import HttpServer
from tests.web.test_agreement import REASONS, Scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

#: What gets all that these tests need.
COMMAND = "run `make browser`, and install Chromium: apt install chromium, or name it: CHROMIUM=/path/to/chromium"
#: What a browser runs without a sandbox of its own, as root in a container.
_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """A Chromium; without one the tests are skipped."""
    named = os.environ.get("CHROMIUM")  # noqa: TID251 - a setting of the tests
    program = named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only these tests need it
    except ImportError:
        pytest.skip(f"Playwright is not installed: {COMMAND}")
    if program is None:
        pytest.skip(f"Chromium is not installed: {COMMAND}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_OPTIONS)
        yield browser
        browser.close()


@dataclass
class Service:
    """A service with a page at a port, and what a browser complained of on it."""

    scene: Scene
    port: HttpServer
    context: "BrowserContext"
    page: "Page"
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port.number}"

    def open(self, path: str) -> "Page":
        """Open a path, and return the page once everything is there."""
        self.page.goto(f"{self.url}{path}", wait_until="networkidle")
        return self.page

    def expect(self, *parts: str) -> None:
        """Take back what a test is about: complaints that have one of these parts in them."""
        self.complaints[:] = [each for each in self.complaints if not any(part in each for part in parts)]

    def watch(self, page: "Page") -> None:
        """Note what goes wrong on a page, and what it asks of others."""
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda asked: None if asked.url.startswith(self.url) else self.foreign.append(asked.url))


@pytest.fixture
def service(chromium: "Browser", migrated_file: Path, tmp_path: Path) -> Iterator[Service]:
    """Two tenants, of which one has alerts and the other cannot be polled; everybody may act.

    Afterwards nothing must have gone wrong in the browser, and nothing have been asked of anybody else.
    """
    shutil.copy(migrated_file, tmp_path / "alerter.db")
    scene = Scene(tmp_path, ("acme", "beta"), lambda *_: pytest.fail("no command is run here"))
    for minutes, held in ((0, 40), (5, 80), (5, 640), (5, 660), (5, 700)):
        scene.pass_minutes(minutes)
        scene.observe("acme", dict.fromkeys(REASONS, 12) | {"Spam": held})
    scene.observe("beta", None)
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    port = HttpServer("127.0.0.1", 0)
    port.serve(scene.pages, has_forms=True)
    found = Service(scene, port, context, context.new_page())
    found.watch(found.page)
    with closing(scene.store), closing(scene.site):
        yield found
        context.close()
        port.close()
    assert found.complaints == []
    assert found.foreign == []
