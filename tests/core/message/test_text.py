"""Plain text, as long as a service takes it."""

import pytest

from alerter.core.alerts import Alert
from alerter.core.message.content import MAX_TITLE, Format, UntrustedName
from alerter.core.message.sanitize import ZERO_WIDTH_SPACE
from alerter.core.message.text import Room, fit, fit_title
from tests.core.message.rendered import a_no_data_alert, an_alert, composed, storm

TEXT = """\
CRITICAL: 512 held for 'Impersonation' (acme), above 500

  Limit  above 500
  Since  11:50 UTC (10m ago)

Runbook:    https://wiki.example/backlog
Held mail:  https://login.example/held?a=1&b=2
id ea0aac55 · acknowledge: alerter ack ea0aac55
alerter · Wed 1 Jul 2026 12:00 UTC · rule Backlog · ref {id}
"""
NO_DATA_TEXT = """\
CRITICAL: no data from Mimecast for 25m (acme), API keys refused

  Last successful poll  11:35 UTC (25m ago)
  Cause                 wrong keys: HTTP 401
  Limit                 no data for 15m

  What to do: Mimecast refuses the keys. Compare client_id and client_secret
  (API 1.0: app_id, app_key, access_key and secret_key, and the region) with
  the Mimecast console, and look for spaces that came along when pasting.

  Until then acme's counts may be old, and none of its other alerts can fire
  or resolve.

Held mail:  https://login.example/held?a=1&b=2
id 9e371604 · acknowledge: alerter ack 9e371604
alerter · Wed 1 Jul 2026 12:00 UTC · rule No data · ref {id}
"""


@pytest.mark.parametrize(
    ("alert", "text"),
    [
        pytest.param(an_alert(), TEXT, id="held messages"),
        pytest.param(a_no_data_alert(), NO_DATA_TEXT, id="a tenant without data"),
    ],
)
def test_plain_text_reads_well_in_a_terminal(alert: Alert, text: str) -> None:
    """The first two lines say it; the numbers, what to do and the id follow."""
    message = composed(alert)

    assert message.bodies[Format.TEXT] == text.format(id=message.id)


def test_several_alerts_in_plain_text() -> None:
    """The worst in detail, a line for each of the next, and how many more."""
    message = composed(*(an_alert(f"reason {number}") for number in range(40)))

    lines = message.bodies[Format.TEXT].splitlines()
    assert lines[0] == message.title == "CRITICAL: 512 held for 'reason 0' (acme), above 500; + 39 critical"
    assert lines.count("  Limit  above 500") == 3
    assert any(line.startswith("CRITICAL: 512 held · above 500 · 'reason 24' · since 11:50 · id ") for line in lines)
    assert "and 15 more: alerter alerts" in lines


def test_a_text_that_fits_is_left_whole() -> None:
    """Without its title, which stands above it; or with it, once, where a service has none."""
    message = storm(3)

    title, body = fit(message, Room(title_bytes=250, body_bytes=9000))
    untitled, whole = fit(message, Room(title_bytes=0, body_bytes=9000))

    assert (title, untitled) == (message.title, "")
    assert message.bodies[Format.TEXT].rstrip() == f"{title}\n\n{body}"
    assert whole == f"{title}\n{body}"


def test_the_rows_of_a_single_alert_are_not_indented_for_a_service() -> None:
    """Services cut the space before a text, so that the first row would stand apart from the others."""
    _, body = fit(composed(a_no_data_alert()), Room(title_bytes=250, body_bytes=9000))

    assert body.splitlines()[:3] == [
        "Last successful poll  11:35 UTC (25m ago)",
        "Cause                 wrong keys: HTTP 401",
        "Limit                 no data for 15m",
    ]
    assert "\nWhat to do: " in body


@pytest.mark.parametrize(
    ("body_bytes", "lines"),
    [
        pytest.param(600, 7, id="as many lines as fit, the worst first"),
        pytest.param(200, 2, id="two lines"),
        pytest.param(60, 0, id="how many there are"),
        pytest.param(20, 0, id="what names it"),
    ],
)
def test_a_storm_is_shortened_to_what_fits(body_bytes: int, lines: int) -> None:
    """It says how many more there are, and ends with the message's own name."""
    message = storm(40)

    title, body = fit(message, Room(title_bytes=250, body_bytes=body_bytes))

    assert title == message.title
    assert len(body.encode()) <= body_bytes
    assert [line.split("'")[1] for line in body.splitlines() if "held" in line] == [
        f"Policy {number}" for number in range(lines)
    ]
    assert (f"and {40 - lines} more: alerter alerts" in body) == bool(lines)
    assert ("40 alerts: 1 critical, 24 warning, 15 more" in body) == (body_bytes == 60)
    assert body.endswith(f"ref {message.id}")


def test_what_has_no_room_for_anything_gets_the_ends_of_the_title() -> None:
    """A pager with 67 characters is not refused, nor one that counts the title with the rest."""
    message = composed(an_alert("An impersonation policy of considerable length", tenant="some tenant"))

    _, body = fit(message, Room(title_bytes=0, body_bytes=50))
    title, rest = fit(message, Room(title_bytes=99, body_bytes=50, is_shared=True))

    assert body.startswith("CRITICAL: 512 held for") and body.endswith("above 500")  # noqa: PT018 - both ends of one text
    assert "…" in body
    assert len(title) + len(rest) <= 50
    assert rest == f"ref {message.id}"


def test_a_service_that_shows_few_lines_gets_no_more() -> None:
    """What it would drop is left out in a way that says so."""
    _, body = fit(storm(40), Room(title_bytes=250, body_bytes=9000, body_lines=5))

    assert len(body.splitlines()) == 5
    assert "and 37 more" in body


def test_what_is_sent_is_what_is_measured() -> None:
    """A service that escapes what it sends has less room."""
    message = storm(40)

    _, plain = fit(message, Room(title_bytes=250, body_bytes=900))
    _, escaped = fit(message, Room(title_bytes=250, body_bytes=900, sent=lambda text: text.replace("'", "&#x27;")))

    assert len(escaped) < len(plain)
    assert len(escaped.replace("'", "&#x27;")) <= 900


@pytest.mark.parametrize(
    "name", ['<at user_id="all">', "[CQ:at,qq=all]", "[a](b)", "(met)all(met)", "<!here>", "[~admin]"]
)
def test_markup_of_services_is_broken(name: str) -> None:
    """An invisible character is put where each of them would see the beginning of a mention or a link."""
    title, body = fit(composed(an_alert(name)), Room(title_bytes=250, body_bytes=9000))

    assert name not in title + body
    assert name in (title + body).replace(ZERO_WIDTH_SPACE, "")


def test_a_title_of_ours_that_is_too_long_is_cut_in_its_middle() -> None:
    """Names are cut first, and the longer ones the more."""
    name = UntrustedName("n" * 60, 60)

    assert fit_title(("CRITICAL: ", name, "x" * 70)) == ("CRITICAL: ", name, "x" * 70)
    assert fit_title(("CRITICAL: ", name, "x" * 90))[1] == UntrustedName("n" * 60, 40)
    [whole] = fit_title(("x" * 300,))
    assert isinstance(whole, str)
    assert len(whole) == MAX_TITLE
