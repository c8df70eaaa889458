"""What goes over the wire to Slack, Teams, a mail server and any other service, and what comes back."""

import email
import email.policy
import json
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
import trustme
from apprise.plugins.opsgenie import OPSGENIE_API_LOOKUP
from apprise.plugins.pagerduty import PAGERDUTY_API_LOOKUP

from alerter.core.message.content import EventAction, Format, Message, MessageContext, MessageStatus, OnCallEvent
from alerter.core.message.render import compose_test_message
from alerter.core.routes import Receiver, ReceiverName
from alerter.core.rules import Severity
from alerter.errors import DeliveryError
from alerter.notifiers.apprise import AppriseNotifier, scheme
from alerter.notifiers.plugins import SlackPlugin
from alerter.redaction import Redactor
from tests.messages import MESSAGES
from tests.raw_servers import RawServer, read_request
from tests.servers import HttpSink, SmtpSink, http_sink, smtp_sink

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
CONTEXT = MessageContext(timezone=UTC, console_url="https://login.example/held", runbook_by_rule={})
MESSAGE = compose_test_message(Receiver(name=ReceiverName("secops")), CONTEXT, now=NOON)
HOOK = "T0AAAAAAA/B0BBBBBBB/abcdefghijklmnopqrstuvwx"
SLACK = f"https://hooks.slack.com/services/{HOOK}"
WORKFLOW = "0123456789abcdef0123456789abcdef"
SIGNATURE = "abcDEF-123_456"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return a certificate authority of our own."""
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """Return the context of a server that calls itself localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def _trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make our authority the one that is trusted, as an administrator would."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """Serve plain HTTP."""
    with http_sink() as serving:
        yield serving


@pytest.fixture
def secure_sink(tls: ssl.SSLContext, _trusted: None) -> Iterator[HttpSink]:
    """Serve HTTPS with a trusted certificate."""
    with http_sink(tls) as serving:
        yield serving


@pytest.fixture
def slack(secure_sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> HttpSink:
    """Be Slack: its plugin has the addresses as attributes."""
    here = f"https://localhost:{secure_sink.port}"
    monkeypatch.setattr(SlackPlugin, "webhook_url", f"{here}/services")
    monkeypatch.setattr(SlackPlugin, "api_url", f"{here}/api/{{}}")
    monkeypatch.setattr(SlackPlugin, "workflow_trigger_url", f"{here}/triggers")
    return secure_sink


@pytest.fixture
def pagerduty(sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> HttpSink:
    """Be PagerDuty: its plugin has the addresses in a table."""
    monkeypatch.setitem(PAGERDUTY_API_LOOKUP, "us", f"http://127.0.0.1:{sink.port}/v2/enqueue")
    sink.status, sink.reply = 202, b'{"status": "success"}'
    return sink


@pytest.fixture
def opsgenie(sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> HttpSink:
    """Be Opsgenie: its plugin has the addresses in a table."""
    monkeypatch.setitem(OPSGENIE_API_LOOKUP, "us", f"http://127.0.0.1:{sink.port}/v2/alerts")
    sink.status, sink.reply = 202, b'{"result": "Request will be processed", "requestId": "43a29c5c"}'
    return sink


@pytest.fixture
def mail_server(tls: ssl.SSLContext, _trusted: None) -> Iterator[SmtpSink]:
    """Serve SMTP with STARTTLS and a login."""
    with smtp_sink(tls, user="alerts", password="smtp-pass") as serving:
        yield serving


def mail_url(server: SmtpSink, *, login: str = "alerts:smtp-pass", more: str = "") -> str:
    """Return the URL of a mailbox behind the server."""
    return f"mailtos://{login}@localhost:{server.port}/?from=alerts@example.test&to=oncall@example.test{more}"


PAGERDUTY = "pagerduty://integration-key@api-key"
OPSGENIE = "opsgenie://api-key"


def an_event(
    key: str = "k1", action: EventAction = EventAction.TRIGGER, severity: Severity = Severity.CRITICAL
) -> OnCallEvent:
    """Return what is to be opened or closed about an alert."""
    return OnCallEvent(
        dedup_key=key,
        action=action,
        severity=severity,
        summary=f"512 held ({key})",
        details={"limit": "above 500", "labels": {"customer": "Acme Ltd"}},
        source="acme",
        component="Spam Scanning",
        rule="Backlog",
        group="Acme Ltd",
        started_at=NOON,
        links=(("Details", "https://alerts.example/alerts/292672b7"), ("Held mail", "https://login.example")),
    )


def with_events(*events: OnCallEvent) -> Message:
    """Return a message of these events."""
    return replace(MESSAGE, events=events)


def refusal(
    url: str,
    message: Message = MESSAGE,
    *,
    notifier: AppriseNotifier | None = None,
    had_by: frozenset[str] = frozenset(),
) -> DeliveryError:
    """Return the error of a delivery that fails."""
    with pytest.raises(DeliveryError) as caught:
        (notifier or AppriseNotifier()).deliver(message, url, had_by=had_by)
    return caught.value


def test_slack_gets_our_blocks(slack: HttpSink) -> None:
    """The address that Slack shows is enough, and what it gets is our own layout."""
    AppriseNotifier().deliver(MESSAGE, SLACK)

    [(path, payload)] = slack.posts
    assert path == f"/services/{HOOK}"
    assert payload["text"] == MESSAGE.title
    assert payload["attachments"][0]["blocks"][0]["type"] == "section"
    assert MESSAGE.id in str(payload)


def test_slack_gets_a_channel_with_a_bot_token(slack: HttpSink) -> None:
    """A channel that is written with a number sign reaches Slack's API together with our blocks."""
    slack.reply = b'{"ok": true, "channel": "C0"}'

    AppriseNotifier().deliver(MESSAGE, "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#oncall")

    [(path, payload)] = slack.posts
    assert path == "/api/chat.postMessage"
    assert payload["channel"] == "#oncall"
    assert payload["attachments"][0]["blocks"]


def test_a_slack_workflow_gets_escaped_text(slack: HttpSink) -> None:
    """A workflow takes one text, which it puts into a message of its own."""
    message = replace(MESSAGE, bodies={**MESSAGE.bodies, Format.TEXT: "<!channel>"})

    AppriseNotifier().deliver(message, "https://hooks.slack.com/triggers/T0AAA/123456/abcdef0123")

    [(path, payload)] = slack.posts
    assert path == "/triggers/T0AAA/123456/abcdef0123"
    assert payload == {"text": "&lt;!channel&gt;"}


def test_our_layout_is_sent_in_one_piece(slack: HttpSink) -> None:
    """A URL that asks for long texts to be split does not multiply the message."""
    message = replace(MESSAGE, bodies={**MESSAGE.bodies, Format.TEXT: "long " * 20_000})

    AppriseNotifier().deliver(message, f"slack://{HOOK}?overflow=split")

    assert len(slack.posts) == 1


def test_teams_gets_our_card(secure_sink: HttpSink) -> None:
    """The address that Power Automate shows is enough, and what it gets is our own card."""
    secure_sink.status, secure_sink.reply = 202, b""
    url = (
        f"https://localhost:{secure_sink.port}/workflows/{WORKFLOW}/triggers/manual/paths/invoke"
        f"?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SIGNATURE}"
    )

    AppriseNotifier().deliver(MESSAGE, url)
    AppriseNotifier().deliver(MESSAGE, f"workflows://localhost:{secure_sink.port}/{WORKFLOW}/{SIGNATURE}")

    for path, payload in secure_sink.posts:
        assert path.startswith(f"/workflows/{WORKFLOW}/triggers/manual/paths/invoke?")
        assert (payload["type"], payload["summary"]) == ("message", MESSAGE.title)
        [attachment] = payload["attachments"]
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        assert attachment["content"]["fallbackText"] == MESSAGE.title


def test_a_mail_has_our_text_and_our_html(mail_server: SmtpSink) -> None:
    """Both parts are ours, the headers are folded and say that a machine wrote them, after STARTTLS and a login."""
    message = replace(MESSAGE, title="CRITICAL: 512 held for '" + "🔥" * 60 + "' (acme), above 500")

    AppriseNotifier().deliver(message, mail_url(mail_server))

    [raw] = mail_server.mails
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content().replace("\r\n", "\n") for part in mail.iter_parts()] == [
        MESSAGE.bodies[Format.TEXT],
        MESSAGE.bodies[Format.HTML],
    ]
    assert (mail["Subject"], mail["To"], mail["Auto-Submitted"]) == (
        message.title,
        "oncall@example.test",
        "auto-generated",
    )
    assert len(mail.get_all("Message-ID", [])) == 1
    assert max(len(line) for line in raw.splitlines()) <= 100


def mail_of(raw: bytes) -> EmailMessage:
    """Return a mail, parsed."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def test_a_first_mail_begins_a_thread(mail_server: SmtpSink) -> None:
    """Its Message-ID is made of the message's own id, so that a mail that arrives twice is recognised."""
    AppriseNotifier().deliver(MESSAGE, mail_url(mail_server))

    [raw] = mail_server.mails
    mail = mail_of(raw)
    assert mail.get_all("Message-ID") == [f"<{MESSAGE.id}@example.test>"]
    assert (mail["In-Reply-To"], mail["References"]) == (None, None)


def test_a_later_mail_is_a_reply_to_the_first(mail_server: SmtpSink) -> None:
    """Raised, repeated and resolved stand in the thread of the alert; with several alerts, in that of the worst."""
    AppriseNotifier().deliver(replace(MESSAGE, threads=("aaaaaaaaaa", "bbbbbbbbbb")), mail_url(mail_server))

    [raw] = mail_server.mails
    mail = mail_of(raw)
    assert mail["In-Reply-To"].split() == ["<aaaaaaaaaa@example.test>", "<bbbbbbbbbb@example.test>"]
    assert mail.get_all("References") == ["<aaaaaaaaaa@example.test>"]


def test_a_mail_has_one_header_of_each_name(mail_server: SmtpSink) -> None:
    """A URL that sets the headers of a thread itself does not double them, and a long thread is folded."""
    url = mail_url(mail_server, more="&%2BMessage-ID=<x@y>&%2Breferences=<x@y>&%2BX-Team=secops")

    AppriseNotifier().deliver(replace(MESSAGE, threads=tuple(f"thread{number:04}" for number in range(20))), url)

    [raw] = mail_server.mails
    mail = mail_of(raw)
    assert [len(mail.get_all(name, [])) for name in ("Message-ID", "In-Reply-To", "References")] == [1, 1, 1]
    assert len(mail["In-Reply-To"].split()) == 20
    assert mail["X-Team"] == "secops"
    assert max(len(line) for line in raw.splitlines()) <= 100


def headers_of(mail: EmailMessage) -> dict[str, str]:
    """Return the headers of a mail that filters look at."""
    return {
        name.removeprefix("X-Alerter-"): str(value)
        for name, value in mail.items()
        if name.startswith("X-Alerter-") or name in {"Importance", "X-Priority"}
    }


def test_a_mail_can_be_filtered_by_what_it_is_about(mail_server: SmtpSink) -> None:
    """How bad, why it is sent, whose, which rule, which alert; urgent only where something begins to be critical."""
    kinds = ("first", "several", "reminder", "no data", "test")
    for kind in kinds:
        AppriseNotifier().deliver(MESSAGES[kind], mail_url(mail_server))

    first, several, reminder, no_data, test = (headers_of(mail_of(mail)) for mail in mail_server.mails)
    urgent = {"Importance": "high", "X-Priority": "1"}
    assert first == {
        "Severity": "critical",
        "Kind": "first",
        "Tenant": "acme",
        "Rule": "Backlog",
        "Alert": MESSAGES["first"].alert_ids[0],
        "Ref": MESSAGES["first"].id,
        **urgent,
    }
    assert (several["Alert"], several["Alerts"]) == (MESSAGES["several"].alert_ids[0], "5")
    assert (reminder["Kind"], reminder.get("Importance")) == ("repeat", None)
    assert urgent.items() <= no_data.items()
    assert test == {"Severity": "info", "Kind": "test", "Ref": MESSAGES["test"].id}


def test_a_name_cannot_break_a_header(mail_server: SmtpSink) -> None:
    """It is one line, in encoded words where it needs them, and what the URL sets wins."""
    body = json.loads(MESSAGES["first"].bodies[Format.JSON])
    body["alerts"][0] |= {"tenant": "é\r\nBcc: x@example.test", "rule": "r" * 2000}
    message = replace(MESSAGES["first"], bodies={**MESSAGES["first"].bodies, Format.JSON: json.dumps(body)})

    AppriseNotifier().deliver(message, mail_url(mail_server, more="&%2BX-Alerter-Kind=mine"))

    [sent] = mail_server.mails
    mail = mail_of(sent)
    assert mail["Bcc"] is None
    assert mail["X-Alerter-Tenant"] == "é Bcc: x@\u200bexample\u200b.test"
    assert mail["X-Alerter-Kind"] == "mine"
    assert max(len(line) for line in sent.splitlines()) <= 998


def test_pagerduty_opens_and_closes_under_the_same_key(pagerduty: HttpSink) -> None:
    """One request for each alert of a message; what was opened is what is closed, and nothing is opened by an end."""
    AppriseNotifier().deliver(with_events(an_event("k1"), an_event("k2", severity=Severity.WARNING)), PAGERDUTY)
    AppriseNotifier().deliver(with_events(an_event("k1", EventAction.RESOLVE)), PAGERDUTY)

    first, second, end = [payload for _, payload in pagerduty.posts]
    assert (first["event_action"], first["dedup_key"]) == ("trigger", "k1")
    assert first["payload"] == {
        "summary": "512 held (k1)",
        "severity": "critical",
        "source": "acme",
        "component": "Spam Scanning",
        "group": "Acme Ltd",
        "class": "Backlog",
        "timestamp": NOON.isoformat(),
        "custom_details": {"limit": "above 500", "labels": {"customer": "Acme Ltd"}},
    }
    details = "https://alerts.example/alerts/292672b7"
    assert (first["client"], first["client_url"]) == ("alerter", details)
    assert first["links"] == [
        {"href": details, "text": "Details"},
        {"href": "https://login.example", "text": "Held mail"},
    ]
    assert (second["dedup_key"], second["payload"]["severity"]) == ("k2", "warning")
    assert end == {"routing_key": "integration-key", "event_action": "resolve", "dedup_key": "k1"}


def test_a_pagerduty_url_keeps_its_own_fields(pagerduty: HttpSink) -> None:
    """Source, component and severity of the URL stay; a key or an action of its own would mix up the alerts."""
    url = f"{PAGERDUTY}/gateway/mail?severity=error&action=resolve&dedup=all&%2Bteam=secops&overflow=split&class=spam&group=mail&click=https://w.example"

    AppriseNotifier().deliver(with_events(replace(an_event(), details={"limit": "long " * 1000})), url)

    [(_, payload)] = pagerduty.posts
    assert (payload["event_action"], payload["dedup_key"]) == ("trigger", "k1")
    assert [payload["payload"][name] for name in ("source", "component", "severity")] == ["gateway", "mail", "error"]
    assert [payload["payload"][name] for name in ("class", "group")] == ["spam", "mail"]
    assert payload["payload"]["custom_details"]["team"] == "secops"
    assert payload["links"][0] == {"href": "https://w.example"}


def test_what_a_message_closes_is_tried_until_all_is_taken(pagerduty: HttpSink) -> None:
    """A failure in the middle is a failure of the message; trying again repeats what was taken, which is harmless."""
    message = with_events(an_event("k1"), an_event("k2"), an_event("k3"))
    pagerduty.first = [202, 500]

    reason = str(refusal(PAGERDUTY, message))
    AppriseNotifier().deliver(message, PAGERDUTY)

    assert reason.startswith("PagerDuty answered 500")
    assert [payload["dedup_key"] for _, payload in pagerduty.posts] == ["k1", "k2", "k1", "k2", "k3"]


def test_opsgenie_opens_and_closes_under_the_same_alias(opsgenie: HttpSink) -> None:
    """The alias opens an alert and closes the same one; a new process has nothing to remember for that."""
    AppriseNotifier().deliver(with_events(an_event()), f"{OPSGENIE}/%23oncall/@anna?tags=mail")
    AppriseNotifier().deliver(with_events(an_event(action=EventAction.RESOLVE)), "opsgenie://bob@api-key")
    AppriseNotifier().deliver(with_events(an_event(action=EventAction.RESOLVE)), OPSGENIE)

    [(path, opened), (close_path, closed), (_, closed_by_nobody)] = opsgenie.posts
    assert path == "/v2/alerts"
    assert [opened[name] for name in ("alias", "message", "priority", "tags", "source", "entity")] == [
        "k1",
        "512 held (k1)",
        "P1",
        ["mail", "Backlog", "Acme Ltd"],
        "acme",
        "Spam Scanning",
    ]
    assert opened["details"] == {"limit": "above 500", "label_customer": "Acme Ltd"}
    assert opened["description"].splitlines() == [
        "512 held (k1)", "", "limit: above 500", "label_customer: Acme Ltd", "",
        "Details: https://alerts.example/alerts/292672b7", "Held mail: https://login.example",
    ]  # fmt: skip
    assert [responder["type"] for responder in opened["responders"]] == ["team", "user"]
    assert close_path == "/v2/alerts/k1/close?identifierType=alias"
    assert closed == {"source": "acme", "note": "512 held (k1)", "user": "bob"}
    assert "user" not in closed_by_nobody


def test_an_opsgenie_url_keeps_its_own_priority(opsgenie: HttpSink) -> None:
    """Without one, the severity decides."""
    for severity, more in ((Severity.WARNING, ""), (Severity.INFO, ""), (Severity.INFO, "?priority=p2")):
        AppriseNotifier().deliver(with_events(an_event(severity=severity)), OPSGENIE + more)

    assert [payload["priority"] for _, payload in opsgenie.posts] == ["P3", "P5", "P2"]


@pytest.mark.parametrize(
    ("header", "retry_after"),
    [("90", timedelta(seconds=90)), ("Wed, 01 Jul 2026 12:05:00 GMT", None), ("-1", None), ("9" * 30, None)],
)
@pytest.mark.parametrize("action", EventAction)
def test_opsgenie_may_ask_for_patience(
    opsgenie: HttpSink, header: str, retry_after: timedelta | None, action: EventAction
) -> None:
    """Where the plugin lets us see the answer, a Retry-After in seconds goes to the outbox."""
    opsgenie.status, opsgenie.headers = 429, {"Retry-After": header}

    error = refusal(OPSGENIE, with_events(an_event(action=action)))

    assert str(error).startswith("Opsgenie answered 429")
    assert (error.permanent, error.retry_after) == (False, retry_after)


def test_opsgenie_that_cannot_be_reached_asks_for_nothing(opsgenie: HttpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer there is no Retry-After."""
    with http_sink() as gone:
        monkeypatch.setitem(OPSGENIE_API_LOOKUP, "us", f"http://127.0.0.1:{gone.port}/")

    error = refusal(OPSGENIE, with_events(an_event()))

    assert (str(error), error.retry_after) == ("Opsgenie cannot be reached: connection refused", None)
    assert opsgenie.posts == []


@pytest.mark.parametrize(
    ("status", "action"), [(MessageStatus.WARNING, "trigger"), (MessageStatus.RESOLVED, "resolve")]
)
def test_a_message_without_events_is_not_lost(pagerduty: HttpSink, status: MessageStatus, action: str) -> None:
    """A message that was written before there were events goes out as one, under its own id."""
    AppriseNotifier().deliver(replace(MESSAGE, events=(), status=status), PAGERDUTY)

    [(_, payload)] = pagerduty.posts
    assert (payload["event_action"], payload["dedup_key"]) == (action, f"alerter-{MESSAGE.id}")


def test_a_test_message_closes_what_it_opens(pagerduty: HttpSink) -> None:
    """Nobody has to tidy up after `alerter test-notify`."""
    AppriseNotifier().deliver(MESSAGE, PAGERDUTY)

    assert [payload["event_action"] for _, payload in pagerduty.posts] == ["trigger", "resolve"]
    assert len({payload["dedup_key"] for _, payload in pagerduty.posts}) == 1


def test_a_title_cannot_add_headers(mail_server: SmtpSink) -> None:
    """Even a title with a line break is one header."""
    AppriseNotifier().deliver(replace(MESSAGE, title="one\r\nBcc: evil@example.test"), mail_url(mail_server))

    [raw] = mail_server.mails
    assert email.message_from_bytes(raw)["Bcc"] is None


def test_a_mail_that_is_to_be_signed_is_left_to_apprise(mail_server: SmtpSink) -> None:
    """What cannot be signed is not sent without a signature."""
    assert "the mail server" in str(refusal(mail_url(mail_server, more="&pgp=sign")))
    assert mail_server.mails == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (MessageStatus.INFO, "info"),
        (MessageStatus.WARNING, "warning"),
        (MessageStatus.CRITICAL, "failure"),
        (MessageStatus.RESOLVED, "success"),
    ],
)
def test_any_other_service_gets_plain_text_and_the_tone(sink: HttpSink, status: MessageStatus, kind: str) -> None:
    """What has no layout of its own here gets the text, and how bad it is in Apprise's words."""
    AppriseNotifier().deliver(replace(MESSAGE, status=status), f"json://127.0.0.1:{sink.port}/hook")

    [(path, payload)] = sink.posts
    assert path == "/hook"
    assert (payload["title"], payload["type"]) == (MESSAGE.title, kind)
    assert payload["message"].startswith(
        "There is nothing to do. Alerts will arrive here, and will look like this.\n\n"
    )
    assert payload["alerter"] == {
        "version": 1,
        "kind": "test",
        "status": "info",
        "ref": MESSAGE.id,
        "receiver": "secops",
        "page": "",
        "alert_count": 0,
        "alerts": [],
    }


def test_a_service_that_only_apprise_knows_is_loaded_by_it(sink: HttpSink) -> None:
    """Every Apprise URL works."""
    with suppress(DeliveryError):  # the sink does not answer as ntfy does
        AppriseNotifier().deliver(MESSAGE, f"ntfy://127.0.0.1:{sink.port}/topic?priority=high")

    assert sink.posts


def test_what_a_service_answers_is_the_reason(slack: HttpSink) -> None:
    """The status and the beginning of the answer tell an administrator what to mend."""
    slack.status, slack.reply = 404, b"no_service\n"

    error = refusal(SLACK)

    assert str(error) == "Slack answered 404: no_service"
    assert (error.permanent, error.retry_after) == (False, None)


@pytest.mark.parametrize(
    ("status", "reply", "is_refused"),
    [
        pytest.param(400, b"invalid_blocks", True, id="by a web hook"),
        pytest.param(200, b'{"ok": false, "error": "msg_blocks_too_long"}', True, id="by the API, with HTTP 200"),
        pytest.param(413, b"", True, id="for its size"),
        pytest.param(200, b'{"ok": false, "error": "channel_not_found"}', False, id="the channel, not the message"),
        pytest.param(500, b"", False, id="an error"),
    ],
)
def test_a_message_that_slack_does_not_want_is_refused_as_such(
    slack: HttpSink, status: int, reply: bytes, *, is_refused: bool
) -> None:
    """Then it is sent in short, and holds up no other."""
    slack.status, slack.reply = status, reply
    url = "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#oncall" if status == 200 else SLACK

    assert refusal(url).refused is is_refused


def test_a_page_of_html_is_not_quoted(slack: HttpSink) -> None:
    """The login page of a proxy says nothing in a log line, and is no success."""
    slack.reply = b"<html>log in</html>"

    assert str(refusal(SLACK)) == "Slack answered 200"


def test_an_echoed_secret_is_redacted(slack: HttpSink) -> None:
    """A service that repeats the token does not bring it into our log."""
    slack.status, slack.reply = 403, HOOK.encode()

    assert str(refusal(SLACK)) == "Slack answered 403: [redacted]/[redacted]/[redacted]"


def test_half_of_an_echoed_secret_is_not_shown(slack: HttpSink) -> None:
    """What is told of an answer is short, and a token is left out before it is cut."""
    slack.status, slack.reply = 403, b"x" * 90 + b" " + HOOK.rpartition("/")[2].encode()

    assert str(refusal(SLACK)) == f"Slack answered 403: {'x' * 90} [redacted"


def test_a_secret_of_another_target_is_not_shown(slack: HttpSink) -> None:
    """A proxy that mixes up its answers does not bring one receiver's password into the other's error."""
    slack.status, slack.reply = 403, b"denied: other-password"
    notifier = AppriseNotifier(redactor=Redactor(["other-password"]))

    assert str(refusal(SLACK, notifier=notifier)) == "Slack answered 403: denied: [redacted]"


def test_a_wrong_password_is_the_mail_servers_answer(mail_server: SmtpSink) -> None:
    """A refused login is told with the code, and without the password."""
    reason = str(refusal(mail_url(mail_server, login="alerts:wrong-pass")))

    assert reason.startswith("the mail server answered 535: ")
    assert "wrong-pass" not in reason


def test_a_refused_recipient_is_a_failure(mail_server: SmtpSink) -> None:
    """A mailbox that does not exist is no success."""
    mail_server.rcpt_reply = "550 5.1.1 no such user"

    assert (
        str(refusal(mail_url(mail_server)))
        == "the mail server answered 550 for oncall@example.test: 5.1.1 no such user"
    )


ALICE, BOB, CAROL = (f"{name}@example.test" for name in ("alice", "bob", "carol"))


@pytest.mark.parametrize("more", [f"&to={ALICE},{BOB},{CAROL}", f"&to={ALICE}&cc={BOB}&bcc={CAROL}"])
def test_of_several_addressees_the_refused_one_is_named(mail_server: SmtpSink, more: str) -> None:
    """Whoever takes the mail has it; when it is sent again it goes to nobody but the one who refused it."""
    url = mail_url(mail_server).replace("&to=oncall@example.test", more)
    mail_server.rcpt_replies[BOB] = "550 5.1.1 no such user"

    error = refusal(url)
    again = refusal(url, had_by=error.had_by)
    mail_server.rcpt_replies.clear()
    AppriseNotifier().deliver(MESSAGE, url, had_by=error.had_by | again.had_by)

    assert str(error) == str(again) == f"the mail server answered 550 for {BOB}: 5.1.1 no such user"
    assert (error.permanent, error.refused) == (False, False)
    assert again.had_by == frozenset()
    assert sorted(address for addresses in mail_server.recipients for address in addresses) == [ALICE, BOB, CAROL]
    assert mail_server.recipients[-1] == [BOB]


def test_many_refused_addressees_are_counted(mail_server: SmtpSink) -> None:
    """The error stays one line, and holds no secret that stands in an address."""
    names = ",".join(f"user{number}@example.test" for number in range(9))
    mail_server.rcpt_reply = "450 4.2.1 user1 is busy"
    url = mail_url(mail_server).replace("oncall@example.test", names)

    error = refusal(url, notifier=AppriseNotifier(redactor=Redactor(["user1@example.test"])))

    assert str(error) == (
        "the mail server answered 450 for user0@example.test: 4.2.1 user1 is busy; 450 for [redacted]: 4.2.1 user1 is "
        "busy; 450 for user2@example.test: 4.2.1 user1 is busy; and 6 more"
    )
    assert error.had_by == frozenset()


def test_a_mail_that_is_not_wanted_is_refused_as_such(mail_server: SmtpSink) -> None:
    """A server that dislikes what is in it may take it in short; one that is busy is only busy."""
    mail_server.data_replies = ["552 5.3.4 message too big", "452 4.3.1 no room"]

    too_big, busy = refusal(mail_url(mail_server)), refusal(mail_url(mail_server))

    assert (str(too_big), too_big.refused) == ("the mail server answered 552: 5.3.4 message too big", True)
    assert (str(busy), busy.refused) == ("the mail server answered 452: 4.3.1 no room", False)


@pytest.mark.parametrize(("reply", "is_refused"), [("552 5.3.4 too big", True), ("550 5.7.1 not you", False)])
def test_a_mail_that_is_refused_for_its_size_is_refused_as_such(
    mail_server: SmtpSink, reply: str, *, is_refused: bool
) -> None:
    """A server may say so before it has seen the mail; that it does not want its sender is something else."""
    mail_server.mail_reply = reply

    error = refusal(mail_url(mail_server))

    assert (str(error), error.refused) == (f"the mail server answered {reply[:3]}: {reply[4:]}", is_refused)


def test_an_untrusted_certificate_is_named(tls: ssl.SSLContext) -> None:
    """A certificate that is not trusted is told as such."""
    with http_sink(tls) as stranger:
        reason = str(refusal(f"jsons://localhost:{stranger.port}/"))

    assert reason == "JSON cannot be trusted: its TLS certificate was not accepted"


def test_a_closed_port_is_named(sink: HttpSink) -> None:
    """Nobody at home is told as such, and never with the address."""
    port = sink.port
    with http_sink() as gone:
        port = gone.port

    assert str(refusal(f"json://127.0.0.1:{port}/secret-path")) == "JSON cannot be reached: connection refused"


def test_a_service_that_hangs_is_given_up(sink: HttpSink) -> None:
    """The read timeout ends the wait for an answer."""
    sink.hold.clear()

    reason = str(refusal(f"json://127.0.0.1:{sink.port}/", notifier=AppriseNotifier(read_timeout=0.1)))

    assert reason == "JSON did not answer in time"


def test_nothing_to_send_is_a_failure(sink: HttpSink) -> None:
    """What Apprise does not even try is no success."""
    empty = replace(MESSAGE, title="", bodies={**MESSAGE.bodies, Format.TEXT: ""})

    assert str(refusal(f"json://127.0.0.1:{sink.port}/", empty)) == "Apprise sent nothing: FAILURE"


def test_a_url_may_set_its_own_timeouts(sink: HttpSink) -> None:
    """`?rto=` wins over ours."""
    sink.hold.clear()

    reason = str(refusal(f"json://127.0.0.1:{sink.port}/?rto=0.1"))

    assert reason == "JSON did not answer in time"


def test_a_delivery_without_an_end_may_still_arrive(sink: HttpSink) -> None:
    """When Apprise stops waiting the message may be on its way, and the reason says so."""
    sink.hold.clear()

    reason = str(refusal(f"json://127.0.0.1:{sink.port}/", notifier=AppriseNotifier(delivery_timeout=0.1)))
    sink.hold.set()

    assert reason == "no answer within 0.1 s; the message may still arrive"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param(
            "slack://T0AAAAAAA/B0BBBBBBB/bad-token-!",
            "the slack:// URL cannot be used: expected the URL of an incoming webhook as Slack shows it, "
            "https://hooks.slack.com/services/T…/B…/…, or slack://BOT_TOKEN/#channel",
            id="a malformed token",
        ),
        pytest.param(
            "https://hooks.slack.com/services/T0",
            "the https:// URL cannot be used: expected the URL of an incoming webhook as Slack shows it, "
            "https://hooks.slack.com/services/T…/B…/…, or slack://BOT_TOKEN/#channel",
            id="a webhook of which a part is missing",
        ),
        pytest.param(
            "mailtos://smtp.example.test",
            "the mailtos:// URL cannot be used: expected "
            "mailtos://USER:PASSWORD@smtp.example.com?from=ADDRESS&to=ADDRESS; in USER and PASSWORD write @ as %40, "
            "/ as %2F and : as %3A",
            id="a mail from nobody",
        ),
        pytest.param(
            "foo://bar/secret",
            "expected a URL of a service that Apprise knows, found one that begins with 'foo://'",
            id="foo",
        ),
        pytest.param(
            "slak://bar/secret",
            "expected a URL of a service that Apprise knows, found one that begins with 'slak://', "
            "did you mean 'slack://'?",
            id="a misspelt service",
        ),
        pytest.param(
            "nonsense",
            "expected a URL of a service that Apprise knows, found one that begins with '://'",
            id="no scheme",
        ),
        pytest.param(
            "https://example.test/hook/secret",
            "expected a URL of a service that Apprise knows, found 'https://'; a webhook of yours is jsons://HOST/PATH",
            id="a web page that is no known webhook",
        ),
        pytest.param(
            "json://",
            "the json:// URL cannot be used: expected jsons://HOST/PATH, or json://HOST:PORT/PATH without TLS",
            id="empty",
        ),
    ],
)
def test_a_url_that_cannot_be_used_is_a_permanent_failure(url: str, reason: str) -> None:
    """Trying again cannot help, and the reason holds nothing of the URL but its scheme."""
    with pytest.raises(DeliveryError) as caught:
        AppriseNotifier().check(url)

    assert caught.value.permanent
    assert str(caught.value) == reason
    assert refusal(url).permanent


@pytest.mark.parametrize("url", [SLACK, "discord://1234567890/abcdefghijklmnop", "json://localhost/x"])
def test_a_good_url_passes_the_check_without_a_message(url: str) -> None:
    """The configuration check sends nothing."""
    AppriseNotifier().check(url)


class Records(logging.Handler):
    """Keeps what the root logger gets; pytest's own handler listens to loggers that do not propagate as well."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)


@pytest.fixture
def root_log() -> Iterator[Records]:
    """Listen to everything that reaches the root logger."""
    root = logging.getLogger()
    handler = Records()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


def test_no_secret_reaches_a_log(slack: HttpSink, root_log: Records) -> None:
    """Apprise logs tokens at several levels; none of its records gets to a handler of ours."""
    slack.status = 404
    with pytest.raises(DeliveryError):
        AppriseNotifier().deliver(MESSAGE, SLACK)
    with pytest.raises(DeliveryError):
        AppriseNotifier().check("slack://T0AAAAAAA/B0BBBBBBB/bad-token-!")

    assert not [record for record in root_log.records if record.name.startswith("apprise")]


@pytest.mark.parametrize(("url", "expected"), [("MailTos://x", "mailtos"), ("x", ""), (SLACK, "https")])
def test_a_url_has_a_scheme(url: str, expected: str) -> None:
    """The scheme is all of a URL that may be shown."""
    assert scheme(url) == expected


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        pytest.param(
            "HTTPS_PROXY", "htp://proxy.example:1", "HTTPS_PROXY cannot be used: expected a proxy", id="a proxy"
        ),
        pytest.param(
            "HTTPS_PROXY", "http://127.0.0.1:port", "HTTPS_PROXY cannot be used: expected a proxy", id="a port"
        ),
        pytest.param("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem", "REQUESTS_CA_BUNDLE names /nowhere/ca.pem", id="no file"),
        pytest.param("REQUESTS_CA_BUNDLE", __file__, f"REQUESTS_CA_BUNDLE names {__file__}, which holds", id="no PEM"),
    ],
)
def test_a_setting_of_the_environment_that_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, name: str, value: str, said: str
) -> None:
    """It is not the target that cannot be reached."""
    with http_sink(tls) as target:
        monkeypatch.setenv(name, value)
        host = "hooks.invalid" if "PROXY" in name else f"127.0.0.1:{target.port}"
        error = refusal(f"jsons://{host}")

    assert str(error).startswith(f"JSON cannot be reached: {said}")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        pytest.param(
            b"HTTP/1.1 407 Who\r\n\r\n",
            "cannot be reached: {proxy}, answers HTTP 407: it wants a user name and a password",
            id="one that asks for a login",
        ),
        pytest.param(
            b"HTTP/1.1 403 No\r\n\r\n", "cannot be reached: {proxy}, answers HTTP 403", id="one that forbids it"
        ),
        pytest.param(
            b"", "broke off the connection ({proxy} is in between)", id="one that hangs up, or the service does"
        ),
    ],
)
@pytest.mark.parametrize("url", ["jsons://hook.example/x", "slack://T0AAAAAAA/B0BBBBBBB/cccccccccccccccccccccccc"])
def test_a_proxy_that_lets_nothing_through_is_named_in_place_of_the_service(
    monkeypatch: pytest.MonkeyPatch, url: str, reply: bytes, said: str
) -> None:
    """Whoever reads it looks at the right machine; the proxy's password is not shown."""

    def play(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(reply)

    with RawServer(play) as proxy:
        address = proxy.url.removeprefix("http://")
        monkeypatch.setenv("https_proxy", f"http://someone:secret@{address}")
        error = refusal(url)

    name = "Slack" if url.startswith("slack") else "JSON"
    assert str(error) == f"{name} {said.format(proxy=f'the proxy of https_proxy, {address}')}"


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        pytest.param("http://127.0.0.1:1", "the proxy of http_proxy, 127.0.0.1:1, refuses the connection", id="nobody"),
        pytest.param(
            "http://proxy.invalid:1", "the proxy of http_proxy, proxy.invalid:1, has a name that does not", id="no name"
        ),
    ],
)
def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str, said: str) -> None:
    """It is the proxy that refuses, or has no address."""
    monkeypatch.setenv("http_proxy", proxy)

    assert str(refusal("json://hook.example")).startswith(f"JSON cannot be reached: {said}")


def test_a_proxy_that_hides_behind_the_status_of_a_service_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TLS a proxy answers in the service's place; 407 is a proxy's word alone."""
    with http_sink() as proxy:
        proxy.status = 407
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        error = refusal("json://hook.example")

    assert "the proxy of http_proxy" in str(error)
    assert "answers HTTP 407" in str(error)


def test_a_proxy_is_not_blamed_where_none_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment excepts the host."""
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    assert str(refusal("json://127.0.0.1:1")) == "JSON cannot be reached: connection refused"


@pytest.mark.parametrize("url", ["json://127.0.0.1:1", "ntfy://127.0.0.1:1/topic", "rocket://u:p@127.0.0.1:1/room"])
def test_what_a_hold_reason_is_called_is_not_read_as_a_failure(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Apprise records what it sends beside what went wrong."""
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    title = "9 held for 'error=500 Tunnel connection failed: 407 ProxyError( Socket Exception: timed out'"
    message = replace(MESSAGE, title=title, bodies={**MESSAGE.bodies, Format.TEXT: title})

    assert str(refusal(url, message)).endswith("cannot be reached: connection refused")
