"""Every screen in a browser: accessible in both schemes, on a phone, and without JavaScript."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.browser.conftest import COMMAND, Service

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

#: axe-core 4.14.1 as it is in its npm package (MPL-2.0), which `make browser` fetches: a tool of tests alone.
AXE = Path(__file__).parents[2] / ".venv/browser/axe.min.js"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
#: WCAG 2.0 to 2.2, A and AA, and what axe-core calls best practice.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
SCREENS = (
    "/", "/tenants", "/tenants/acme", "/tenants/acme/reasons/Spam", "/tenants/beta", "/alerts", "/alerts?state=all",
    "/silences", "/silences?state=expired", "/silences/new?reason=Spam", "/explain", "/explain?tenant=acme&reason=Spam",
    "/notifications", "/rules", "/rules/Backlog", "/backtest", "/about", "/wall", "/nowhere",
)  # fmt: skip


@pytest.fixture
def axe() -> str:
    """The source of axe-core; without it the test is skipped."""
    if not AXE.exists():
        pytest.skip(f"axe-core is not here: {COMMAND}")
    content = AXE.read_bytes()
    assert sha256(content).hexdigest() == AXE_SHA256
    return content.decode()


@pytest.fixture
def alert(service: Service) -> str:
    """The page of an alert that is acknowledged, and was silenced."""
    found = service.scene.api("alerts?severity=critical")["items"][0]["alert"]
    service.scene.ask(f"/alerts/{found}/acknowledge", method="POST", form={"comment": "at it"})
    form = {"rule": "Backlog", "for": "2h", "comment": "planned"}
    service.scene.ask("/silences/new", method="POST", form=form)
    return f"/alerts/{found}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_screen_violates_accessibility(
    chromium: "Browser", service: Service, alert: str, axe: str, scheme: Literal["light", "dark"]
) -> None:
    """With everything on it that a screen can show."""
    found: dict[str, list[str]] = {}
    # Only so that axe-core may be put into the page; the policy itself is tested elsewhere.
    context = chromium.new_context(bypass_csp=True, color_scheme=scheme)
    page = context.new_page()
    for path in (*SCREENS, alert):
        page.goto(f"{service.url}{path}", wait_until="networkidle")
        page.evaluate(axe)
        wanted = json.dumps({"runOnly": {"type": "tag", "values": TAGS}})
        violations = page.evaluate(f"axe.run(document, {wanted}).then(found => found.violations)")
        found |= (
            {path: [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in violations]} if violations else {}
        )
    context.close()

    assert found == {}


def test_no_screen_is_wider_than_a_phone(service: Service, alert: str) -> None:
    """390 pixels, without scrolling sideways."""
    service.page.set_viewport_size({"width": 390, "height": 800})

    wide = {path: width for path, width in _widths(service, alert) if width > 390}

    assert wide == {}


def _widths(service: Service, alert: str) -> Iterator[tuple[str, int]]:
    for path in (*SCREENS[:-1], alert):
        yield path, service.open(path).evaluate("document.documentElement.scrollWidth")


def test_every_screen_says_the_same_without_javascript(chromium: "Browser", service: Service, alert: str) -> None:
    """The chart is drawn, times are exact, forms have buttons; only the zoom is missing."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    for path in (*SCREENS[:-1], alert):
        response = page.goto(f"{service.url}{path}")
        assert response is not None
        assert response.status == 200
        assert page.locator("main").inner_text().strip()
    _acknowledge_back(page, f"{service.url}{alert}")
    page.goto(f"{service.url}/tenants/acme/reasons/Spam")
    assert page.locator(".plot svg").is_visible()
    context.close()


def _acknowledge_back(page: "Page", url: str) -> None:
    page.goto(url)
    page.get_by_role("button", name="Take the acknowledgement back").click()
    assert page.get_by_role("status").inner_text() == "The acknowledgement is taken back."


def test_print_leaves_navigation_out(service: Service) -> None:
    """And shows the chart."""
    page = service.open("/tenants/acme/reasons/Spam")
    page.emulate_media(media="print")

    assert not page.locator("nav.main").is_visible()
    assert page.locator(".plot").is_visible()
