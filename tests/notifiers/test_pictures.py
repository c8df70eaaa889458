"""Pictures of messages: made by a child that may fail, hang or be missing, and the message that goes all the same."""

import email
import email.policy
import json
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from dataclasses import replace as changed
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme

from alerter.core.charts.svg import picture_svg
from alerter.core.message.content import Format, Message
from alerter.core.message.render import compose_message
from alerter.core.notifications import Notification, NotificationItem, NotifyReason
from alerter.errors import DeliveryError
from alerter.health import ChartOutcome
from alerter.notifiers.apprise import NO_PICTURE_FOR, AppriseNotifier
from alerter.notifiers.pictures import MAX_PICTURE_BYTES, NO_LIBRARY_TEXT, NoPicture, Painter
from alerter.notifiers.plugins import SlackPlugin
from alerter.processes import module_command
from tests.messages import CONTEXT, NOW, RISING, SECOPS, an_alert, figure_of
from tests.servers import HttpSink, SmtpSink, http_sink, smtp_sink

ALERT = an_alert(612, before=212)
CHARTED = changed(SECOPS, charts=True)
FIGURE = figure_of(*RISING, 612)
MESSAGE = compose_message(
    Notification(receiver=CHARTED, items=(NotificationItem(reason=NotifyReason.FIRST, alert=ALERT),)),
    CONTEXT,
    figures={ALERT.key.subject: FIGURE},
    now=NOW,
)
#: What a child wrote that stands for ours.
PNG = b"\x89PNG\r\n\x1a\n picture"
CAPTION = "'Spam Scanning' (acme), 24 h: 40 → 612"
BOT = "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#oncall"


def child(source: str) -> list[str]:
    """Return the command of a child that runs some Python."""
    return [sys.executable, "-c", f"import sys; {source}"]


def writing(png: bytes = PNG) -> Painter:
    """Return a painter whose child always makes the same picture."""
    return Painter(command=child(f"sys.stdin.read(); sys.stdout.buffer.write({png!r})"), seconds=30)


@dataclass
class Sender:
    """A notifier with a painter that works, and what came of its pictures."""

    outcomes: list[ChartOutcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.notifier = AppriseNotifier(painter=writing(), on_chart=lambda outcome, _: self.outcomes.append(outcome))

    def send(self, url: str, message: Message = MESSAGE) -> list[ChartOutcome]:
        """Send a message, and return what has come of all pictures so far."""
        self.notifier.deliver(message, url)
        return self.outcomes


# Made by a child


@pytest.mark.parametrize(
    ("source", "outcome", "text"),
    [
        pytest.param(
            "sys.exit('no memory')", ChartOutcome.FAILED, "the picture could not be made: no memory", id="it fails"
        ),
        pytest.param(
            "sys.exit(9)", ChartOutcome.FAILED, "the picture could not be made: exit code 9", id="without a word"
        ),
        pytest.param("pass", ChartOutcome.FAILED, "the picture could not be made: exit code 0", id="it makes nothing"),
        pytest.param("sys.exit(3)", ChartOutcome.MISSING, NO_LIBRARY_TEXT, id="its library is missing"),
        pytest.param(
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            ChartOutcome.FAILED,
            "the picture could not be made: exit code -9",
            id="it is killed",
        ),
        pytest.param(
            f"sys.stdout.write('x' * {MAX_PICTURE_BYTES + 1})",
            ChartOutcome.FAILED,
            "the picture has 61,441 bytes, at most 61,440 are sent",
            id="it is too large for a mail",
        ),
    ],
)
def test_a_picture_that_cannot_be_made_says_why(source: str, outcome: ChartOutcome, text: str) -> None:
    """The log line of the message has it."""
    with pytest.raises(NoPicture) as refused:
        Painter(command=child(source), seconds=30).png("m", "<svg/>")

    assert (refused.value.outcome, str(refused.value)) == (outcome, text)


def test_a_child_that_hangs_is_stopped() -> None:
    """Nobody waits for a picture longer than its time."""
    with pytest.raises(NoPicture, match=r"the picture was stopped after 0\.05 s") as refused:
        Painter(command=child("sys.stdin.readline(); import threading; threading.Event().wait()"), seconds=0.05).png(
            "m", ""
        )

    assert refused.value.outcome is ChartOutcome.LATE


def test_a_program_that_is_not_there_is_no_picture(tmp_path: Path) -> None:
    """As after an upgrade that has moved the interpreter."""
    with pytest.raises(NoPicture, match="the picture could not be made: No such file"):
        Painter(command=[str(tmp_path / "gone")]).png("m", "<svg/>")


def test_a_picture_is_made_once_for_all_targets_of_a_message(tmp_path: Path) -> None:
    """Also where it could not be made: eight more attempts at the same would fail as well."""
    made = tmp_path / "made"
    painter = Painter(command=child(f"open({str(made)!r}, 'a').write('x'); sys.exit(1)"), seconds=30)

    for _ in range(3):
        with pytest.raises(NoPicture):
            painter.png("m", "<svg/>")
    for number in range(8):
        with pytest.raises(NoPicture):
            painter.png(f"m{number}", "<svg/>")
    with pytest.raises(NoPicture):
        painter.png("m", "<svg/>")

    assert len(made.read_text(encoding="utf-8")) == 1 + 8 + 1


def test_a_picture_that_is_being_made_is_not_waited_for_for_ever() -> None:
    """While one child takes its time, the next message goes without."""
    painter = Painter(command=child(""), seconds=0.01)

    with painter._lock, pytest.raises(NoPicture, match=r"another picture took longer than 0\.01 s"):  # noqa: SLF001 - as if another thread drew
        painter.png("m", "<svg/>")


def test_our_child_makes_a_png() -> None:
    """With the library, twice as wide as it is shown, and small enough for a mail, also of a noisy series."""
    pytest.importorskip("resvg_py")
    noisy = figure_of(*((7919 * index) % 997 for index in range(288)))

    for figure in (FIGURE, noisy):
        png = Painter(seconds=30).png("m", picture_svg(figure, CONTEXT.timezone))

        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (1280, 480)


def test_our_child_draws_letters_on_a_machine_without_fonts() -> None:
    """It brings its own: two charts that differ in their numbers alone are two pictures."""
    pytest.importorskip("resvg_py")
    painter = Painter(seconds=30)

    pictures = [painter.png(f"{top}", picture_svg(figure_of(top // 4, top), CONTEXT.timezone)) for top in (40, 80)]

    assert pictures[0] != pictures[1]


def test_our_child_refuses_what_is_no_svg() -> None:
    """Its last line says so, and no traceback goes into a log."""
    pytest.importorskip("resvg_py")

    with pytest.raises(NoPicture, match="the picture could not be made: ") as refused:
        Painter(seconds=30, command=module_command("alerter.notifiers.rasterize", "1280")).png("m", "no svg")

    assert "\n" not in str(refused.value)


# On the wire


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """Serve plain HTTP."""
    with http_sink() as serving:
        yield serving


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return the context of a server that calls itself localhost, and that is trusted."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    monkeypatch.setenv("NO_PROXY", "*")
    return context


@pytest.fixture
def slack(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpSink]:
    """Be Slack's API, and the place where files are uploaded to."""
    with http_sink(tls) as serving:
        here = f"https://localhost:{serving.port}"
        monkeypatch.setattr(SlackPlugin, "api_url", f"{here}/api/{{}}")
        monkeypatch.setattr(SlackPlugin, "webhook_url", f"{here}/services")
        monkeypatch.setattr(SlackPlugin, "request_rate_per_sec", 0)
        serving.replies = {
            "/api/chat.postMessage": answer(ok=True, channel="C0ONCALL", ts="1772413380.000100"),
            "/api/files.getUploadURLExternal": answer(ok=True, upload_url=f"{here}/upload/v1/abc", file_id="F0123"),
            "/api/files.completeUploadExternal": answer(ok=True, files=[{"id": "F0123"}]),
        }
        yield serving


@pytest.fixture
def mail_server(tls: ssl.SSLContext) -> Iterator[SmtpSink]:
    """Serve mail."""
    with smtp_sink(tls, user="alerts", password="smtp-pass") as serving:
        yield serving


def answer(**fields: object) -> bytes:
    """Return an answer of Slack's."""
    return json.dumps(fields).encode()


def mail_url(server: SmtpSink) -> str:
    """Return the URL of a mailbox."""
    return f"mailtos://alerts:smtp-pass@localhost:{server.port}?from=a@example.test&to=b@example.test&mode=starttls"


def parts_of(raw: bytes) -> list[EmailMessage]:
    """Return the parts of a mail, from the outside in."""
    return list(email.message_from_bytes(raw, policy=email.policy.default).walk())


def test_a_mail_shows_the_picture_in_its_html(mail_server: SmtpSink) -> None:
    """Inside it (RFC 2387), beside the text, which needs none; nothing is fetched from anywhere."""
    assert Sender().send(mail_url(mail_server)) == [ChartOutcome.SENT]

    [raw] = mail_server.mails
    parts = parts_of(raw)
    assert [part.get_content_type() for part in parts] == [
        "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
    ]  # fmt: skip
    _, text, _, html, image = parts
    assert image.get_content() == PNG
    assert (image.get_content_disposition(), image.get_filename()) == ("inline", "chart.png")
    assert (
        f'<img src="cid:{image["Content-ID"][1:-1]}" alt="&#x27;Spam Scanning&#x27; (acme), 24 h: 40 → 612"'
        in html.get_content()
    )
    assert text.get_content().replace("\r\n", "\n") == MESSAGE.bodies[Format.TEXT]
    assert max(len(line) for line in raw.splitlines()) <= 100


def test_a_mail_that_is_refused_with_its_picture_goes_without_at_once(mail_server: SmtpSink) -> None:
    """In the same attempt; and for an hour that mailbox gets none."""
    sender = Sender()
    mail_server.data_replies = ["552 5.3.4 message too big"]

    assert sender.send(mail_url(mail_server)) == [ChartOutcome.REFUSED]
    assert len(sender.send(mail_url(mail_server))) == 1
    later = changed(MESSAGE, created_at=NOW + NO_PICTURE_FOR)
    assert sender.send(mail_url(mail_server), later) == [ChartOutcome.REFUSED, ChartOutcome.SENT]

    kinds = [[part.get_content_type() for part in parts_of(raw)] for raw in mail_server.mails]
    assert ["image/png" in kind for kind in kinds] == [False, False, True]
    assert "<img" not in parts_of(mail_server.mails[0])[2].get_content()


def test_a_mail_that_is_refused_with_and_without_says_why_it_was_without(mail_server: SmtpSink) -> None:
    """The picture is not to blame."""
    sender = Sender()
    mail_server.data_replies = ["552 5.3.4 message too big", "554 5.7.1 no machines"]

    with pytest.raises(DeliveryError, match=r"the mail server answered 554: 5\.7\.1 no machines") as refused:
        sender.send(mail_url(mail_server))

    assert refused.value.refused
    assert sender.outcomes == []


def test_slack_gets_the_picture_in_the_thread_of_the_message(slack: HttpSink) -> None:
    """After it, with words for people who cannot see it, by the three requests that Slack wants."""
    assert Sender().send(BOT) == [ChartOutcome.SENT]

    (message, _), (ask, _), (upload, body), (done, files) = slack.posts
    assert message == "/api/chat.postMessage"
    assert ask.startswith(
        f"/api/files.getUploadURLExternal?filename=chart.png&length={len(PNG)}&alt_txt=%27Spam+Scanning"
    )
    assert (upload, body) == ("/upload/v1/abc", PNG)
    assert (done, files) == (
        "/api/files.completeUploadExternal",
        {
            "files": [{"id": "F0123", "title": CAPTION}],
            "channel_id": "C0ONCALL",
            "thread_ts": "1772413380.000100",
        },
    )


@pytest.mark.parametrize(
    ("replies", "status", "requests", "text"),
    [
        pytest.param(
            {"/api/files.getUploadURLExternal": answer(ok=False, error="missing_scope")},
            200,
            2,
            "Slack answered 200 to files.getUploadURLExternal: missing_scope",
            id="the app may not upload files",
        ),
        pytest.param(
            {"/api/files.getUploadURLExternal": b"<html>"}, 200, 2, "Slack answered 200 to files.get", id="a page"
        ),
        pytest.param(
            {"/api/files.getUploadURLExternal": answer(ok=True, upload_url="http://evil.example/")},
            200,
            2,
            "Slack gave no address for the upload",
            id="an address that is not Slack's own kind",
        ),
        pytest.param({}, 500, 3, "Slack answered 500 to the upload", id="the upload fails"),
        pytest.param(
            {"/api/files.completeUploadExternal": answer(ok=False)},
            200,
            4,
            "Slack answered 200 to files.completeUploadExternal",
            id="the end is refused",
        ),
    ],
)
def test_a_picture_that_slack_does_not_take_costs_nothing_but_the_picture(
    slack: HttpSink,
    caplog: pytest.LogCaptureFixture,
    *,
    replies: dict[str, bytes],
    status: int,
    requests: int,
    text: str,
) -> None:
    """The message is sent, once, and the log says why there is none."""
    slack.replies |= replies
    slack.status = status

    assert Sender().send(BOT) == [ChartOutcome.REFUSED]

    assert len(slack.posts) == requests
    assert f"message without its chart ref={MESSAGE.id} outcome=refused: {text}" in caplog.text


def test_a_service_that_takes_files_gets_the_picture_with_the_text(sink: HttpSink) -> None:
    """As an attachment of Apprise's, in one request where the service has it so."""
    assert Sender().send(f"json://127.0.0.1:{sink.port}/") == [ChartOutcome.SENT]

    [(_, payload)] = sink.posts
    [attachment] = payload["attachments"]
    assert (attachment["filename"], attachment["mimetype"]) == ("chart.png", "image/png")
    assert payload["alerter"]["ref"] == MESSAGE.id


def test_a_service_that_hangs_on_the_picture_gets_the_text_in_the_same_attempt(sink: HttpSink) -> None:
    """The first request is given up, the second is without."""
    sink.first = [500]

    assert Sender().send(f"json://127.0.0.1:{sink.port}/") == [ChartOutcome.REFUSED]

    assert [bool(payload["attachments"]) for _, payload in sink.posts] == [True, False]


def test_what_a_service_has_accepted_is_not_sent_again_for_its_picture(
    sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discord takes the text first and the file after it: when that fails, nobody reads the text twice."""
    from apprise.plugins.discord import NotifyDiscord  # noqa: PLC0415 - one of 183, which nothing else loads

    monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://127.0.0.1:{sink.port}/hook")
    monkeypatch.setattr(NotifyDiscord, "request_rate_per_sec", 0)
    sink.first = [200, 500]

    assert Sender().send("discord://1234567890/abcdefghijklmnop") == [ChartOutcome.REFUSED]

    texts = [body for _, body in sink.posts if isinstance(body, dict)]
    assert len(texts) == 1
    assert len(sink.posts) == 2


def test_a_message_goes_without_the_picture_that_could_not_be_made(
    sink: HttpSink, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, with a line in the log and a count."""
    outcomes: list[ChartOutcome] = []
    notifier = AppriseNotifier(
        painter=Painter(command=child("sys.exit(3)"), seconds=30), on_chart=lambda outcome, _: outcomes.append(outcome)
    )

    notifier.deliver(MESSAGE, f"json://127.0.0.1:{sink.port}/")

    [(_, payload)] = sink.posts
    assert payload["attachments"] == []
    assert outcomes == [ChartOutcome.MISSING]
    assert f"message without its chart ref={MESSAGE.id} outcome=missing: {NO_LIBRARY_TEXT}" in caplog.text


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        pytest.param(BOT, "", id="Slack with a bot token"),
        pytest.param(
            "https://hooks.slack.com/services/T0AAAAAAA/B0BBBBBBB/abcdefghijklmnopqrstuvwx",
            "Slack takes them with a bot token (slack://xoxb-…), not by a webhook",
            id="Slack by a webhook",
        ),
        pytest.param("mailto://u:p@m.example?to=a@b.example", "", id="mail"),
        pytest.param(
            "mailto://u:p@m.example?to=a@b.example&pgp=sign",
            "a mail that is signed or encrypted has none",
            id="a signed mail",
        ),
        pytest.param("workflows://h/0123456789abcdef0123456789abcdef/abcDEF-123_456", "Teams takes none", id="Teams"),
        pytest.param(
            "pagerduty://k0123456789012345678901234567890@a0123456789012345678", "PagerDuty takes none", id="PagerDuty"
        ),
        pytest.param("opsgenie://aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "Opsgenie takes none", id="Opsgenie"),
        pytest.param("gchat://workspace/key/token", "Google Chat takes none", id="Google Chat"),
        pytest.param("ntfy://topic", "", id="ntfy"),
        pytest.param("tgram://123456789:abcdefg_hijklmnop/12315544", "", id="Telegram"),
        pytest.param("discord://1234567890/abcdefghijklmnop", "", id="Discord"),
        pytest.param("json://host", "", id="a webhook"),
    ],
)
def test_what_takes_a_picture_is_known_without_sending(url: str, problem: str) -> None:
    """`check-config` says it, and nothing is drawn for a target that takes none."""
    notifier = AppriseNotifier()

    assert notifier.picture_problem(url) == problem


def test_nothing_is_drawn_for_a_target_that_takes_no_picture(slack: HttpSink) -> None:
    """A webhook of Slack's gets the message, as ever."""
    slack.replies = {}
    outcomes: list[ChartOutcome] = []
    notifier = AppriseNotifier(
        painter=Painter(command=["/nowhere"]), on_chart=lambda outcome, _: outcomes.append(outcome)
    )

    notifier.deliver(MESSAGE, "https://hooks.slack.com/services/T0AAAAAAA/B0BBBBBBB/abcdefghijklmnopqrstuvwx")

    assert outcomes == []
    assert len(slack.posts) == 1


def test_every_plugin_that_takes_files_takes_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Apprise reaches is handed a PNG that it can open, and the text as without it."""
    from apprise import Apprise  # noqa: PLC0415 - loads all of them

    from tests.notifiers.plugins import plugins  # noqa: PLC0415 - as above

    handed: list[tuple[str, list[bytes]]] = []

    def send(_: object, body: str, attach: Any = (), **__: Any) -> bool:  # noqa: ANN401 - Apprise's signature
        handed.append((body, [each.open().read() for each in attach or ()]))
        return True

    urls = {name: url for name, url in plugins().items() if name not in {"Slack", "Email"}}
    for url in urls.values():
        monkeypatch.setattr(type(Apprise.instantiate(url)), "send", send)
    sender, plain = Sender(), AppriseNotifier()
    with_picture = []
    for name, url in urls.items():
        if plain.picture_problem(url):
            continue
        handed.clear()
        sender.send(url)
        plain.deliver(changed(MESSAGE, bodies={k: v for k, v in MESSAGE.bodies.items() if k is not Format.CHART}), url)
        assert handed[0][0] == handed[1][0], name
        assert (handed[0][1], handed[1][1]) == ([PNG], []), name
        with_picture.append(name)

    assert len(with_picture) >= 30
    assert {"Discord", "Telegram", "Ntfy", "Pushover", "Matrix"} <= set(with_picture)
