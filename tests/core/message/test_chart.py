"""The picture of a message: drawn from the counts of its sparkline, for receivers that want one."""

import json
from dataclasses import replace

import pytest

from alerter.core.alerts import Alert
from alerter.core.charts.svg import picture_svg
from alerter.core.message.content import Format, Message, Missed
from alerter.core.message.digest import build_digest_message
from alerter.core.message.html import with_picture
from alerter.core.message.render import compose_message, compose_test_message, short
from alerter.core.notifications import Notification, NotificationItem, NotifyReason
from alerter.core.series import ALL_REASONS, ALL_TENANTS, HoldReason, Tenant
from tests.messages import CONTEXT, NOW, RISING, SECOPS, an_alert, figure_of

CHARTED = replace(SECOPS, charts=True)
FIGURE = figure_of(*RISING, 612)
SPAM = an_alert(612)


def message(*alerts: Alert, charts: bool = True, known: int | None = None) -> Message:
    """Return a message about alerts, of which the last ones, or all, have counts."""
    items = tuple(NotificationItem(reason=NotifyReason.FIRST, alert=alert) for alert in alerts)
    figures = {alert.key.subject: FIGURE for alert in alerts[-len(alerts) if known is None else -known :]}
    receiver = CHARTED if charts else SECOPS
    return compose_message(Notification(receiver=receiver, items=items), CONTEXT, figures=figures, now=NOW)


def caption(message: Message) -> str:
    """Return what the picture of a message shows, in words."""
    return str(json.loads(message.bodies[Format.CHART])["text"])


def test_only_who_wants_pictures_has_one_in_the_message() -> None:
    """It is drawn from the very counts of the sparkline, and is no part of what is sent in short."""
    plain, charted = message(SPAM, charts=False), message(SPAM)

    assert Format.CHART not in plain.bodies
    assert json.loads(charted.bodies[Format.CHART])["svg"] == picture_svg(FIGURE, CONTEXT.timezone)
    assert Format.CHART not in short(charted).bodies


@pytest.mark.parametrize(
    ("tenant", "reason", "expected"),
    [
        pytest.param("acme", "Spam Scanning", "'Spam Scanning' (acme), 24 h: 40 → 612", id="one hold reason"),
        pytest.param("acme", ALL_REASONS, "all hold reasons (acme), 24 h: 40 → 612", id="a tenant"),
        pytest.param(ALL_TENANTS, ALL_REASONS, "all hold reasons (all tenants), 24 h: 40 → 612", id="all"),
    ],
)
def test_a_picture_says_in_words_what_it_shows(tenant: str, reason: str, expected: str) -> None:
    """For people who cannot see it, and because no name stands in it."""
    alert = replace(SPAM, key=replace(SPAM.key, tenant=Tenant(tenant), reason=HoldReason(reason)))

    assert caption(message(alert)) == expected


def test_of_several_alerts_the_first_one_with_counts_has_the_picture() -> None:
    """Within its own card, so that nobody takes it for another one's."""
    others = [an_alert(300, "Graymail"), an_alert(299, "Phishing")]

    both, second = message(SPAM, *others), message(SPAM, *others, known=2)

    assert caption(both).startswith("'Spam Scanning'")
    assert caption(second).startswith("'Graymail'")
    html = with_picture(second.bodies[Format.HTML], "cid:x", "x")
    assert html.index("Graymail</b>") < html.index("<img") < html.index("Phishing</b>")


def test_a_message_without_known_counts_has_no_picture() -> None:
    """As of a hold reason that was never polled."""
    assert (
        Format.CHART
        not in compose_message(
            Notification(receiver=CHARTED, items=(NotificationItem(reason=NotifyReason.FIRST, alert=SPAM),)),
            CONTEXT,
            now=NOW,
        ).bodies
    )


def test_the_html_has_the_picture_only_if_it_is_sent_along() -> None:
    """A picture that is not there would be a broken one."""
    html = message(SPAM).bodies[Format.HTML]

    shown = with_picture(html, 'cid:a"b', 'a "word" <b>')

    assert "<img" not in html
    assert shown.count("<img") == 1
    assert 'src="cid:a&quot;b" alt="a &quot;word&quot; &lt;b&gt;"' in shown
    assert with_picture(message(SPAM, charts=False).bodies[Format.HTML], "cid:x", "x").count("<img") == 0


def test_a_digest_has_a_picture_of_what_fires_now() -> None:
    """The message of the longest outage is the one that needs it most."""
    missed = Missed(target="secops/slack", since=NOW, error="404", messages=(message(SPAM),), firing=(SPAM,))

    digest = build_digest_message(missed, CHARTED, CONTEXT, figures={SPAM.key.subject: FIGURE}, now=NOW)

    assert caption(digest) == "'Spam Scanning' (acme), 24 h: 40 → 612"


def test_a_test_message_carries_an_example_where_pictures_are_wanted() -> None:
    """`alerter test-notify` shows whether they arrive."""
    plain, charted = (compose_test_message(receiver, CONTEXT, now=NOW) for receiver in (SECOPS, CHARTED))

    assert Format.CHART not in plain.bodies
    assert caption(charted) == "An example, 24 h: 40 → 212"
