"""Where a URL leads to: known where it must be, and never a token in the place of a host."""

import pytest

from alerter.errors import DeliveryError
from alerter.network.probe import Endpoint, TlsMode
from alerter.notifiers.apprise import AppriseNotifier

HOOK = "T0AAAAAAA/B0BBBBBBB/abcdefghijklmnopqrstuvwx"


def https(host: str, port: int = 443, *, verifies: bool = True) -> Endpoint:
    """Return where something is sent to over HTTPS."""
    return Endpoint(host=host, port=port, security=TlsMode.TLS, verifies=verifies)


def mail(host: str, port: int, security: TlsMode, *, verifies: bool = True) -> Endpoint:
    """Return a mail server."""
    return Endpoint(host=host, port=port, security=security, is_mail=True, verifies=verifies)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        pytest.param(f"https://hooks.slack.com/services/{HOOK}", https("hooks.slack.com"), id="a webhook of Slack"),
        pytest.param(f"slack://{HOOK}", https("hooks.slack.com"), id="the same for Apprise"),
        pytest.param(f"slack://xoxb-1234-1234-{'a' * 32}/#general", https("slack.com"), id="a bot of Slack"),
        pytest.param(
            f"workflows://prod-1.logic.azure.com:443/{'0' * 32}/{'s' * 30}",
            https("prod-1.logic.azure.com"),
            id="a workflow of Teams",
        ),
        pytest.param(f"pagerduty://{'i' * 32}@{'k' * 20}", https("events.pagerduty.com"), id="PagerDuty"),
        pytest.param(
            f"pagerduty://{'i' * 32}@{'k' * 20}?region=eu", https("events.eu.pagerduty.com"), id="PagerDuty in Europe"
        ),
        pytest.param(f"opsgenie://{'a' * 36}?region=eu", https("api.eu.opsgenie.com"), id="Opsgenie in Europe"),
        pytest.param(f"tgram://123456789:{'a' * 35}/12315544", https("api.telegram.org"), id="a fixed address"),
        pytest.param("jsons://alerts.example/x", https("alerts.example"), id="JSON"),
        pytest.param("jsons://a.example:8443/x?verify=no", https("a.example", 8443, verifies=False), id="unverified"),
        pytest.param(
            "json://alerts.example/x", Endpoint(host="alerts.example", port=80, security=TlsMode.NONE), id="plain HTTP"
        ),
        pytest.param("gotifys://push.example/token", https("push.example"), id="a server of one's own"),
        pytest.param("mailto://u:p@mx.example", mail("mx.example", 25, TlsMode.NONE), id="plain mail"),
        pytest.param("mailtos://u:p@mx.example", mail("mx.example", 587, TlsMode.STARTTLS), id="mail"),
        pytest.param("mailtos://u:p@mx.example?mode=ssl", mail("mx.example", 465, TlsMode.TLS), id="mail with TLS"),
        pytest.param(
            "mailtos://u:p@mx.example:2525?verify=no",
            mail("mx.example", 2525, TlsMode.STARTTLS, verifies=False),
            id="mail, unverified",
        ),
        pytest.param("mailto://u:p@gmail.com", mail("smtp.gmail.com", 587, TlsMode.STARTTLS), id="a known provider"),
        pytest.param("ntfys://topic-that-nobody-knows", None, id="a topic in the host's place"),
        pytest.param("rsyslog://logs.example", None, id="neither HTTP nor SMTP"),
        pytest.param("syslog://", None, id="this machine"),
    ],
)
def test_a_url_leads_to_its_host(url: str, endpoint: Endpoint | None) -> None:
    """With the port and the security that the message will be sent with; or nobody says."""
    assert AppriseNotifier().endpoint(url) == endpoint


def test_a_url_that_cannot_be_used_leads_nowhere() -> None:
    """As when something is sent, and without its secret."""
    with pytest.raises(DeliveryError, match="cannot be used") as caught:
        AppriseNotifier().endpoint("slack://TokenOfSomebody")

    assert "TokenOfSomebody" not in str(caught.value)
