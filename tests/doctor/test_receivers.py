"""Whether a message could be sent to a target: with real servers, and as a table of how far a connection got."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from alerter.config import Secret, Target
from alerter.core.outbox import TargetName
from alerter.doctor.contacts import assess_contact
from alerter.doctor.findings import Finding, Group, Outcome
from alerter.doctor.receivers import check_heartbeat, check_non_mail_receiver, check_target
from alerter.network.probe import Endpoint, ProbeResult, ProbeStage, TlsMode
from alerter.notifiers.apprise import AppriseNotifier
from tests.builders import NOON
from tests.doctor.diagnoses import FAILED, NOT_APPLICABLE, OK, RECEIVER, RULE, TENANT, WARNING, a_config, only
from tests.servers import http_sink, smtp_sink

NAME = TargetName("secops/slack")


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """A certificate authority that this machine trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return authority


def tls(authority: trustme.CA, *, days: float) -> ssl.SSLContext:
    """Return the context of a server whose certificate is good for so many days from now on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    end = datetime.now(UTC) + timedelta(days=days)  # noqa: TID251 - certificates end by the real clock
    authority.issue_cert("localhost", "127.0.0.1", not_after=end).configure_cert(context)
    return context


def looked_at(url: str, *, sent: str | None = "not asked") -> list[Finding]:
    """Return what is found of a target, now; `sent` is what comes of a test message, None for nothing wrong."""
    target = Target(name=NAME, url=Secret(url))
    send = None if sent == "not asked" else lambda: sent
    now = datetime.now(UTC)  # noqa: TID251 - as above
    return list(check_target(target, AppriseNotifier(), send=send, now=now))


# -- with real servers -------------------------------------------------------------------------------------------------


def test_a_target_that_could_be_sent_to_is_well(authority: trustme.CA) -> None:
    """Nothing was sent, and how long its certificate is good is told."""
    with http_sink(tls(authority, days=61.5)) as sink:
        finding = only(looked_at(f"jsons://localhost:{sink.port}/secret-token-1234"))

    assert (finding.group, finding.subject, finding.outcome) == (Group.RECEIVERS, NAME, OK)
    assert finding.text.startswith(
        f"localhost:{sink.port}: the name resolves, it answers, its certificate is good for 61"
    )
    assert dict(finding.measured) == {"certificate_days_left": 61}
    assert "secret-token" not in finding.text
    assert sink.posts == []


def test_a_certificate_that_ends_soon_is_told(authority: trustme.CA) -> None:
    """While there is time to renew it."""
    with http_sink(tls(authority, days=13.5)) as sink:
        finding = only(looked_at(f"jsons://localhost:{sink.port}/x"))

    assert (finding.outcome, finding.text) == (WARNING, f"localhost:{sink.port}: its certificate ends in 13 days")
    assert "renewed" in finding.advice


def test_a_mail_server_whose_certificate_has_expired_has_failed(authority: trustme.CA) -> None:
    """The message says what is wrong, the advice what to do."""
    with smtp_sink(tls(authority, days=-1), user="u", password="p") as sink:
        finding = only(looked_at(f"mailtos://u:p@localhost:{sink.port}?from=a@b.example&to=c@d.example"))

    assert finding.outcome is FAILED
    assert finding.text == f"localhost:{sink.port}: certificate: certificate has expired"
    assert "renew" in finding.advice


def test_a_url_that_apprise_cannot_load_is_a_wrong_configuration() -> None:
    """A service would not start with it."""
    finding = only(looked_at("slack://TokenOfSomebody"))

    assert (finding.group, finding.outcome) == (Group.CONFIGURATION, FAILED)
    assert "TokenOfSomebody" not in finding.text


def test_where_apprise_does_not_say_nothing_is_claimed() -> None:
    """And the way to find out is named."""
    finding = only(looked_at("syslog://"))

    assert finding.outcome is NOT_APPLICABLE
    assert "--send" in finding.text


def test_a_test_message_is_sent_on_request() -> None:
    """What became of it is a finding of its own."""
    with http_sink() as sink:
        url = f"json://127.0.0.1:{sink.port}"

        _, taken = looked_at(url, sent=None)
        _, refused = looked_at(url, sent="JSON answered 500")

    assert (taken.outcome, taken.text) == (OK, "it took a test message")
    assert (refused.outcome, refused.text) == (FAILED, "not sent: JSON answered 500")
    assert refused.advice


# -- as a table --------------------------------------------------------------------------------------------------------


def endpoint(
    host: str = "hooks.example",
    *,
    security: TlsMode = TlsMode.TLS,
    is_mail: bool = False,
    verifies: bool = True,
) -> Endpoint:
    """Return an endpoint on port 443."""
    return Endpoint(host=host, port=443, security=security, is_mail=is_mail, verifies=verifies)


def good_for(days: float) -> ProbeResult:
    """Return that all is well, with a certificate that is good for so long."""
    return ProbeResult(certificate_ends_at=NOON + timedelta(days=days))


@pytest.mark.parametrize(
    ("at", "found", "outcome", "text"),
    [
        pytest.param(endpoint(), good_for(14), OK, "its certificate is good for 14 days", id="good for two weeks"),
        pytest.param(endpoint(), good_for(13.9), WARNING, "its certificate ends in 13 days", id="good for less"),
        pytest.param(
            endpoint(),
            ProbeResult(proxy="proxy.example", certificate_ends_at=NOON + timedelta(days=99)),
            OK,
            "hooks.example:443 through the proxy proxy.example: ",
            id="through a proxy",
        ),
        pytest.param(endpoint(security=TlsMode.NONE), ProbeResult(), WARNING, "without TLS anybody", id="without TLS"),
        pytest.param(
            endpoint("127.0.0.1", security=TlsMode.NONE),
            ProbeResult(),
            OK,
            "it answers",
            id="without TLS on this machine",
        ),
        pytest.param(
            endpoint("localhost", security=TlsMode.NONE), ProbeResult(), OK, "it answers", id="the same by its name"
        ),
        pytest.param(endpoint(verifies=False), ProbeResult(), WARNING, "verify=no", id="unverified"),
        pytest.param(
            endpoint("eu-smtp-outbound-1.mimecast.com", is_mail=True),
            good_for(99),
            WARNING,
            "it is sent through Mimecast",
            id="mail through the gateway that is watched",
        ),
        pytest.param(
            endpoint("smtp.notmimecast.com", is_mail=True), good_for(99), OK, "it answers", id="mail past the gateway"
        ),
        pytest.param(
            endpoint(),
            ProbeResult(failed_at=ProbeStage.PROXIED, detail="it lies behind a proxy of the kind socks5"),
            NOT_APPLICABLE,
            "socks5, which alerter cannot look through",
            id="behind another kind of proxy",
        ),
    ],
)
def test_what_a_connection_means(at: Endpoint, found: ProbeResult, outcome: Outcome, text: str) -> None:
    """One line, and what to do where something is to be done."""
    finding = only(assess_contact(NAME, at, found, now=NOON))

    assert finding.outcome is outcome
    assert text in finding.text
    assert bool(finding.advice) is (outcome is WARNING)


@pytest.mark.parametrize("step", [step for step in ProbeStage if step is not ProbeStage.PROXIED])
def test_each_way_to_fail_has_its_advice(step: ProbeStage) -> None:
    """Whoever reads it at night need not know what a handshake is."""
    found = ProbeResult(failed_at=step, detail="it broke", proxy="proxy.example")

    finding = only(assess_contact(NAME, endpoint(), found, now=NOON))

    assert finding.outcome is FAILED
    assert finding.text == f"hooks.example:443 through the proxy proxy.example: {step}: it broke"
    assert len(finding.advice) > 20


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        ("certificate has expired", "renew"),
        ("certificate is not yet valid", "clock"),
        ("Hostname mismatch, certificate is not valid for 'localhost'.", "Use the name"),
        ("IP address mismatch, certificate is not valid for '127.0.0.1'.", "Use the name"),
        ("unable to get local issuer certificate", "REQUESTS_CA_BUNDLE"),
        ("self-signed certificate in certificate chain", "a proxy that inspects TLS"),
    ],
)
def test_each_complaint_about_a_certificate_has_its_own_advice(complaint: str, words: str) -> None:
    """As OpenSSL says them: whoever is to mend it must not guess."""
    found = ProbeResult(failed_at=ProbeStage.CERTIFICATE, detail=complaint)

    assert words in only(assess_contact(NAME, endpoint(), found, now=NOON)).advice


# -- the dead man's switch ---------------------------------------------------------------------------------------------


def test_the_dead_mans_switch_is_reached_and_not_pinged(authority: trustme.CA) -> None:
    """A ping would say that all is well, which nobody knows yet."""
    with http_sink(tls(authority, days=61.5)) as sink:
        url = f"https://localhost:{sink.port}/ping/5f1c-secret"
        finding = only(check_heartbeat(url, now=datetime.now(UTC)))  # noqa: TID251 - certificates end by the real clock

    assert (finding.subject, finding.outcome) == ("heartbeat_url", OK)
    assert "secret" not in finding.text
    assert sink.posts == []


def test_a_dead_mans_switch_that_is_not_there_has_failed() -> None:
    """It would raise a false alarm."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        finding = only(check_heartbeat(f"http://127.0.0.1:{taken.getsockname()[1]}/x", now=NOON))

    assert finding.outcome is FAILED
    assert "connection refused" in finding.text


def test_without_a_dead_mans_switch_the_reason_for_one_is_told() -> None:
    """It is no failure to have none."""
    finding = only(check_heartbeat(None, now=NOON))

    assert finding.outcome is NOT_APPLICABLE
    assert "nobody outside notices" in finding.text


# -- the ways out ------------------------------------------------------------------------------------------------------

MAIL = '[receivers.mail]\nurls = ["mailtos://u:p@mx.example"]\n'


def test_what_ends_in_mail_alone_is_a_warning(tmp_path: Path) -> None:
    """Held mail cannot tell of held mail; the line of the configuration is named."""
    finding = only(check_non_mail_receiver(a_config(tmp_path, TENANT, MAIL, RULE)))

    assert (finding.group, finding.outcome) == (Group.RECEIVERS, WARNING)
    assert "everything ends in e-mail" in finding.text
    assert "rules.toml" in finding.subject
    assert "Slack" in finding.advice


def test_another_way_beside_mail_is_well(tmp_path: Path) -> None:
    """One is enough."""
    finding = only(check_non_mail_receiver(a_config(tmp_path, TENANT, MAIL, RECEIVER, RULE)))

    assert (finding.outcome, finding.subject) == (OK, "receivers")
