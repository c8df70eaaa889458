"""Everything that a person can do on the page, done in a browser."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Service
from tests.web.test_site import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

#: What covers a page that is not up to date.
STALE = "document.documentElement.classList.contains('is-stale')"


def status_of(page: "Page") -> str:
    """Return what the page says after an action."""
    return str(page.get_by_role("status").inner_text())


def test_from_the_first_screen_to_an_alert(service: Service) -> None:
    """The worst first: the tenant without data, the alerts, and one click to each."""
    page = service.open("/")

    assert "beta" in page.locator(".notice.critical").first.inner_text()
    assert page.title().startswith("(")
    page.locator("tbody a.row").first.click()
    page.wait_for_url("**/alerts/*")
    assert page.get_by_role("heading", level=1).inner_text() == "Backlog"


def test_a_list_follows_what_is_typed_and_the_url_keeps_it(service: Service) -> None:
    """Without a button, and the field keeps its focus; the address opens the same list again."""
    page = service.open("/alerts")
    before = page.locator("tbody tr").count()
    page.get_by_label("Contains").fill("all of")
    page.locator("tbody tr").nth(before - 1).wait_for(state="detached")

    assert page.locator("tbody tr").count() == 1
    assert page.evaluate("document.activeElement.name") == "q"
    assert page.url.endswith("q=all+of")
    assert service.open(page.url.removeprefix(service.url)).locator("tbody tr").count() == 1


def test_a_chart_is_zoomed_by_dragging(service: Service) -> None:
    """And the whole comes back by a double click."""
    page = service.open("/tenants/acme/reasons/Spam?span=1d")
    plot = page.locator(".u-over")
    plot.wait_for()
    box = plot.bounding_box()
    assert box is not None
    scale = "(({ scales: { x } }) => x.max - x.min)(document.querySelector('.plot[data-zoom]').uplot)"
    whole = page.evaluate(scale)
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.7, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, middle, steps=5)
    page.mouse.up()

    assert page.evaluate(scale) < whole / 2
    plot.dblclick()
    assert page.evaluate(scale) == whole


def test_an_alert_is_acknowledged_and_taken_back(service: Service) -> None:
    """What is said stands on the alert's page, with who did it."""
    page = service.open("/alerts?severity=critical")
    page.locator("tbody a.row").first.click()
    page.get_by_placeholder("What is being done").fill("moving <b>mail</b>")
    page.get_by_role("button", name="Acknowledge").click()

    assert status_of(page).startswith("Acknowledged")
    assert "local user" in page.get_by_role("row", name="acknowledged").inner_text()
    assert "moving <b>mail</b>" in page.get_by_role("row", name="acknowledged").inner_text()
    page.get_by_role("button", name="Take the acknowledgement back").click()
    assert status_of(page) == "The acknowledgement is taken back."
    assert page.get_by_role("button", name="Acknowledge").is_visible()


def test_a_silence_is_previewed_made_and_expired(service: Service) -> None:
    """The preview follows what is typed, and changes nothing."""
    page = service.open("/silences/new")
    page.get_by_label("Hold reason").fill("Spam")
    page.get_by_text("2 alerts of this moment").wait_for()
    page.get_by_label("Why").fill("planned work")
    page.get_by_role("button", name="Silence").click()

    assert status_of(page) == "The silence holds from now on."
    assert "planned work" in page.locator("tr#s1").inner_text()
    page.get_by_role("button", name="Expire silence 1").click()
    assert status_of(page) == "The silence has ended."
    assert page.locator("tr#s1").count() == 0


def test_a_delivery_is_retried_and_a_receiver_tested(service: Service) -> None:
    """Both buttons stand beside what they are for, and what was done below."""
    page = service.open("/notifications")
    page.get_by_role("button", name="Retry delivery").first.click()
    assert status_of(page) == "The delivery is tried again."
    page.get_by_role("button", name="Send a test to secops").click()

    assert status_of(page).startswith("The test message was sent")
    assert service.scene.tests_sent == ["secops"]
    assert "tested receiver secops" in page.get_by_role("row", name="tested receiver").inner_text()


def test_explain_answers_in_a_form(service: Service) -> None:
    """Why an alert came: what each rule makes of a hold reason."""
    page = service.open("/explain")
    page.get_by_label("Tenant").fill("acme")
    page.get_by_label("Hold reason").fill("Spam")
    page.get_by_role("button", name="Explain").click()
    page.locator(".story").first.wait_for()

    assert "critical: firing since" in page.locator("main").inner_text()


def test_a_rule_is_tried_on_the_stored_history(service: Service) -> None:
    """Nothing is saved; a mistake is said with its line."""
    page = service.open("/backtest")
    rules = page.locator("textarea[name=rules]")
    rules.fill('[[rules]]\nname = "Low"\nwarning = { threshold = { above = 10 } }\n')
    page.get_by_role("button", name=re.compile("Try")).click()
    page.wait_for_load_state("networkidle")
    assert "Low" in page.locator("main").inner_text()
    page.locator("textarea[name=rules]").fill('[[rules]]\nname = "Low"\nwarning = { threshold = { higher = 10 } }\n')
    page.get_by_role("button", name=re.compile("Try")).click()
    page.wait_for_load_state("networkidle")

    assert "line 3" in page.locator("main").inner_text()
    service.expect("status of 400")


@pytest.mark.parametrize("path", ["/", "/wall", "/tenants/acme/reasons/Spam"])
def test_a_page_whose_refresh_fails_says_so_across_itself(service: Service, path: str) -> None:
    """Never green and old: also a wall display, where nobody presses a key."""
    service.page.clock.install()
    page = service.open(path)
    assert not page.evaluate(STALE)
    service.port.close()
    page.clock.fast_forward(20_000)
    page.clock.fast_forward(20_000)
    page.locator(".stale").wait_for(state="visible")

    assert page.locator(".stale").inner_text().startswith("not updated since")
    assert page.evaluate(STALE)
    assert page.title().startswith("✕")
    service.expect("ERR_CONNECTION_REFUSED", "Failed to fetch")


@pytest.mark.parametrize("path", ["/", "/wall"])
def test_a_page_whose_newest_poll_is_overdue_says_so(service: Service, path: str) -> None:
    """The service answers, but nobody polls any more."""
    service.scene.pass_minutes(60)

    assert "No poll of any tenant has succeeded since" in service.open(path).locator("main").inner_text()


def test_focus_and_open_details_survive_a_refresh(service: Service) -> None:
    """A new poll comes while somebody walks through the list by keyboard."""
    service.page.clock.install()
    page = service.open("/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = page.evaluate("document.activeElement.getAttribute('href')")
    service.scene.pass_minutes(5)
    service.scene.observe("acme", {"Spam": 1_234})
    page.clock.fast_forward(15_500)
    page.get_by_text("1,234").first.wait_for()

    assert focused
    assert page.evaluate("document.activeElement.getAttribute('href')") == focused


def test_hostile_names_do_nothing(service: Service) -> None:
    """No dialog, no request elsewhere, nothing in the console; every name has a page of its own."""
    service.scene.observe("acme", dict.fromkeys(HOSTILE, 700))
    for path in ("/", "/tenants/acme", "/alerts", "/wall", "/explain?tenant=acme", "/notifications", "/silences"):
        service.open(path)
    links = service.open("/tenants/acme").locator("tbody a.row").evaluate_all("found => found.map(each => each.href)")

    assert len(links) >= len(HOSTILE)
    for link in links:
        found = service.page.goto(link)
        assert found is not None
        assert found.status == 200
