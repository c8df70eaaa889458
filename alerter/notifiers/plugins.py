"""Apprise's plugins for Slack, Teams, mail, PagerDuty and Opsgenie, with our layout.

Each is overridden in one place, so that what `core.message` has rendered goes out as it is.
"""

import re
import smtplib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_string
from email.header import Header
from email.message import Message as Part
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import parseaddr
from hashlib import sha256
from json import dumps, loads
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests
from apprise import NotifyFormat
from apprise.plugins.base import NotifyBase
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.email.base import PGP_MODE_DEFAULT, NotifyEmail
from apprise.plugins.email.smtp import AppriseSMTPController
from apprise.plugins.opsgenie import OPSGENIE_API_LOOKUP, NotifyOpsgenie
from apprise.plugins.pagerduty import PAGERDUTY_API_LOOKUP, NotifyPagerDuty
from apprise.plugins.slack import NotifySlack, SlackMode
from apprise.plugins.workflows import NotifyWorkflows
from apprise.utils.parse import parse_list

from alerter.core.message.content import EventAction, Format, Message, MessageStatus, OnCallEvent, Untrusted
from alerter.core.message.html import with_picture
from alerter.core.message.sanitize import sanitize, truncate_middle
from alerter.core.rules import Severity
from alerter.notifiers.failures import SOCKET_ERROR, one_line

#: The refused addresses that are named.
_NAMED_REFUSALS = 3
#: SMTP's codes from here on: trying the same again does not help (RFC 5321, section 4.2.1).
_PERMANENT = 500
#: SMTP's code for a mail that is larger than the server takes (RFC 1870, section 6).
_TOO_LARGE = 552


#: Seconds for each of the three requests of an upload.
_UPLOAD_TIMEOUT: Final = 5.0
#: https://docs.slack.dev/reference/methods/files.getUploadURLExternal (2026-11-30)
_MAX_ALT_TEXT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that goes along with a message.

    Attributes:
        png: The file.
        text: What it shows, in words.
        name: Of the file.
    """

    png: bytes
    text: str
    name: str = "chart.png"


def _fields(message: Message) -> dict[str, Any]:
    """Return what a message says for programs; empty where it was made before there was any."""
    fields: dict[str, Any] = loads(message.bodies.get(Format.JSON, "{}"))
    return fields


class SlackPlugin(NotifySlack):  # type: ignore[no-untyped-call] # Apprise's __init_subclass__ has no types
    """Slack, by webhook or bot token, with our blocks."""

    message: Message

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - Apprise's signature
        super().__init__(**arguments)  # type: ignore[no-untyped-call]
        #: Where the message stands by now: the channel, and what replies to it name.
        self.posted: list[tuple[str, str]] = []

    @property
    def takes_pictures(self) -> bool:
        """Whether it may upload files: a webhook cannot."""
        return self.mode is SlackMode.BOT

    def _send(self, url: str, payload: Mapping[str, object], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Apprise's signature
        if self.mode in (SlackMode.WORKFLOW, SlackMode.WORKFLOW_TRIGGER):
            # A workflow takes one variable, and puts it into a message of its own.
            text = self.message.bodies[Format.TEXT]
            ours = {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
        else:
            ours = loads(self.message.bodies[Format.SLACK])
        response = super()._send(url, {**payload, **ours}, *args, **kwargs)  # type: ignore[no-untyped-call]
        if isinstance(response, dict) and self.takes_pictures:
            self.posted.append((str(response.get("channel", "")), str(response.get("ts", ""))))
        return response

    def upload(self, picture: Picture) -> str:
        """Put a picture into the thread of each message that was sent; return why that failed, or nothing.

        https://docs.slack.dev/messaging/working-with-files (2026-11-30)
        """
        try:
            for channel, thread in self.posted:
                where = {"channel_id": channel, **({"thread_ts": thread} if thread else {})}
                size = {"filename": picture.name, "length": len(picture.png), "alt_txt": picture.text[:_MAX_ALT_TEXT]}
                place = self._call("files.getUploadURLExternal", params=size)
                url = str(place.get("upload_url", ""))
                if not url.startswith("https://"):
                    return "Slack gave no address for the upload"
                uploaded = self._request("POST", url, data=picture.png)
                if uploaded.status_code != requests.codes.ok:
                    return f"Slack answered {uploaded.status_code} to the upload"
                files = [{"id": str(place.get("file_id", "")), "title": picture.text}]
                self._call("files.completeUploadExternal", json={"files": files, **where})
        except requests.RequestException:
            return "Slack broke off the upload"
        except _UploadRefusedError as error:
            return str(error)
        return ""

    def _call(self, method: str, **arguments: Any) -> Mapping[str, object]:  # noqa: ANN401 - what requests takes
        """Return what a method of Slack's API answers."""
        headers = {"Authorization": f"Bearer {self.access_token}"}
        http_method = "POST" if "json" in arguments else "GET"
        response = self._request(http_method, self.api_url.format(method), headers=headers, **arguments)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not answer.get("ok"):
            error = answer.get("error") if isinstance(answer, dict) else ""
            reason = f": {one_line(str(error))}" if error else ""
            raise _UploadRefusedError(f"Slack answered {response.status_code} to {method}{reason}")
        return answer

    def _request(self, method: str, url: str, **arguments: Any) -> requests.Response:  # noqa: ANN401 - what requests takes
        return requests.request(
            method, url, timeout=_UPLOAD_TIMEOUT, verify=self.verify_certificate, allow_redirects=False, **arguments
        )


class _UploadRefusedError(Exception):
    """Slack does not take a picture."""


class TeamsPlugin(NotifyWorkflows):  # type: ignore[no-untyped-call]
    """Teams, through a Power Automate workflow, with our card."""

    service_name = "Teams"
    message: Message

    def gen_payload(self, *_: Any, **__: Any) -> dict[str, object]:  # noqa: ANN401 - Apprise's signature
        """Return the envelope with our card."""
        return {
            "type": "message",
            "summary": self.message.title,
            "attachments": [
                {
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "contentUrl": None,
                    "content": loads(self.message.bodies[Format.TEAMS]),
                }
            ],
        }


class MailPlugin(NotifyEmail):  # type: ignore[no-untyped-call]
    """Mail with our HTML and our text: Apprise derives the text from the HTML, one line for each cell of a table."""

    service_name = "the mail server"
    message: Message
    picture: Picture | None = None

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - Apprise's signature
        super().__init__(**arguments)  # type: ignore[no-untyped-call]
        #: Who has it already, and who takes it now.
        self.had_by: frozenset[str] = frozenset()
        self.taken_by: set[str] = set()
        self.refusals: dict[str, tuple[int, bytes]] = {}
        #: Whether it was the mail that was not wanted, rather than who it is for, or who we are.
        self.is_refused = False

    def refused(self) -> str:
        """Return which addresses were refused, and why, as the rest of a sentence that begins with the server."""
        first, *others = [
            f"{code} for {address}: {one_line(text.decode('utf-8', 'replace'))}"
            for address, (code, text) in self.refusals.items()
        ]
        more = f"; and {len(others) - _NAMED_REFUSALS + 1:,} more" if len(others) >= _NAMED_REFUSALS else ""
        return f"answered {'; '.join([first, *others[: _NAMED_REFUSALS - 1]])}{more}"

    def send(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - Apprise's signature
        """Send the mail to every addressee who does not have it."""
        self.refusals.clear()
        self.is_refused = False
        if self.pgp_mode != PGP_MODE_DEFAULT:
            # A signature covers the parts as Apprise made them, so that such a mail is plain text.
            return bool(super().send(*args, **kwargs))  # type: ignore[no-untyped-call]
        try:
            return self._is_sent()
        except (OSError, smtplib.SMTPException, RuntimeError) as error:
            # Of several addressees one may have been refused before.
            self.refusals.clear()
            self.is_refused = _is_of_the_mail(error)
            self.logger.debug("%s%s", SOCKET_ERROR, error)
            return False

    def _is_sent(self) -> bool:
        connection = _MailConnection(
            host=self.smtp_host,
            port=int(self.port or 0),
            secure_mode=str(self.secure_mode),
            user=self.user,
            password=self.password,
            verify_certificate=self.verify_certificate,
            socket_connect_timeout=self.socket_connect_timeout,
        )
        with connection:
            for mail in self._mails():
                addresses = [each for each in mail.to_addrs if _addressee(each) not in self.had_by | self.taken_by]
                if addresses:
                    refusals = connection.refusals(str(self.from_addr[1]), addresses, self._with_our_text(mail.body))
                    self.refusals |= refusals
                    self.taken_by.update(_addressee(each) for each in addresses if each not in refusals)
        return not self.refusals

    def _protocol_headers(self, _body: str) -> dict[str, str]:
        # RFC 3834: no out-of-office reply to a machine.
        return {"Auto-Submitted": "auto-generated"}

    def _mails(self) -> Iterable[Any]:
        return NotifyEmail.prepare_emails(  # type: ignore[no-any-return]
            subject=self._title(),
            body=self.message.bodies[Format.HTML],
            notify_format=NotifyFormat.HTML,
            from_addr=self.from_addr,
            to=self.targets,
            cc=self.cc,
            bcc=self.bcc,
            reply_to=self.reply_to,
            smtp_host=self.smtp_host,
            headers={"X-Application": self.app_id, **self._protocol_headers(""), **self.headers},
            names=self.names,
            tzinfo=self.tzinfo,
        )

    def _thread_headers(self) -> Iterable[tuple[str, str]]:
        """Yield what makes this mail a reply to the first ones about the same alerts (RFC 5322, section 3.6.4)."""
        yield "Message-ID", self._mail_id(self.message.id)
        threads = [self._mail_id(thread) for thread in self.message.threads]
        if threads:
            yield "In-Reply-To", "\n ".join(threads)
            # One parent only: several would be read as a chain, and tie threads together that have nothing in common.
            yield "References", threads[0]

    def _mail_id(self, message_id: str) -> str:
        """Return an id under a domain of the sender: one that does not exist looks forged to filters."""
        page = urlsplit(str(_fields(self.message).get("page", ""))).hostname
        domain = page or str(self.from_addr[1]).rpartition("@")[2] or "alerter.invalid"
        return f"<{message_id}@{domain}>"

    def _title(self) -> str:
        """Return the title on one line: a header that holds a line break is refused, or two."""
        return " ".join(self.message.title.split())

    def _with_our_text(self, mail: str) -> str:
        parsed = message_from_string(mail)
        # Apprise does not fold headers: RFC 2047 allows 75 characters for an encoded word, RFC 5322 998 for a line.
        del parsed["Subject"]
        parsed["Subject"] = _header("Subject", self._title())
        for name, value in _filter_headers(self.message):
            if name not in parsed:  # what the URL sets wins
                parsed[name] = _header(name, value)
        for name, value in self._thread_headers():
            # Apprise has set a Message-ID already, and the URL may have set any: a second one would be an error.
            del parsed[name]
            parsed[name] = value
        for part in parsed.walk():
            if part.get_content_type() == "text/plain":
                part.set_payload(MIMEText(self.message.bodies[Format.TEXT], "plain", "utf-8").get_payload())
        if self.picture is not None:
            self._add_picture(parsed, self.picture)
        return parsed.as_string()

    def _add_picture(self, mail: Part, picture: Picture) -> None:
        """Put the HTML and a picture that it shows into one part (RFC 2387), beside the text."""
        image_id = self._mail_id(f"{self.message.id}.chart")
        html = with_picture(self.message.bodies[Format.HTML], f"cid:{image_id[1:-1]}", picture.text)
        image = MIMEImage(picture.png, "png")
        image.add_header("Content-ID", image_id)
        image.add_header("Content-Disposition", "inline", filename=picture.name)
        related = MIMEMultipart("related", type="text/html")
        related.attach(MIMEText(html, "html", "utf-8"))
        related.attach(image)
        parts = mail.get_payload()
        mail.set_payload([related if part.get_content_type() == "text/html" else part for part in parts])  # type: ignore[union-attr]


def _header(name: str, text: str) -> str:
    """Return a header's value in encoded words where it needs them."""
    return Header(text, "us-ascii" if text.isascii() else "utf-8", header_name=name).encode()


def _is_of_the_mail(error: Exception) -> bool:
    """Say whether a server dislikes what is in a mail, or its size, which it may say before it has seen it."""
    if isinstance(error, smtplib.SMTPDataError):
        return error.smtp_code >= _PERMANENT
    return isinstance(error, smtplib.SMTPSenderRefused) and error.smtp_code == _TOO_LARGE


class _MailConnection(AppriseSMTPController):
    """A connection to a mail server that says who it refuses, rather than that somebody was refused."""

    def refusals(self, sender: str, addresses: Sequence[str], mail: str) -> Mapping[str, tuple[int, bytes]]:
        """Send a mail; return which of its addressees the server refuses, all others have it.

        Raises:
            OSError: The connection broke; nobody is known to have it.
            smtplib.SMTPException: The server takes it from nobody, or for nobody.
        """
        try:
            return dict(self._socket.sendmail(sender, addresses, mail))  # type: ignore[attr-defined] # without a type
        except smtplib.SMTPRecipientsRefused as error:
            return dict(error.recipients)


def _addressee(address: str) -> str:
    """Return what stands for an address where it is kept."""
    return sha256(parseaddr(address)[1].lower().encode()).hexdigest()[:12]


#: Kinds of messages that a mail client shows as important, where they are critical or about missing data.
_URGENT_KINDS = frozenset({"first", "raised", "broken"})


def _filter_headers(message: Message) -> Iterator[tuple[str, str]]:
    """Yield headers for filters of mail: what it is about, worst first, and how urgent it is."""
    fields = _fields(message)
    if not fields:
        return
    yield "X-Alerter-Severity", fields["status"]
    yield "X-Alerter-Kind", fields["kind"]
    if alerts := fields["alerts"]:
        worst = alerts[0]
        for header, key in (("Tenant", "tenant"), ("Rule", "rule"), ("Alert", "id")):
            yield f"X-Alerter-{header}", sanitize(Untrusted(worst[key]))
        if fields["alert_count"] > 1:
            yield "X-Alerter-Alerts", str(fields["alert_count"])
    yield "X-Alerter-Ref", message.id
    is_no_data = any(not each["reason"] for each in fields["alerts"][:1])
    if fields["kind"] in _URGENT_KINDS and (message.status is MessageStatus.CRITICAL or is_no_data):
        yield "Importance", "high"
        yield "X-Priority", "1"


class PagerDutyPlugin(NotifyPagerDuty):  # type: ignore[no-untyped-call]
    """PagerDuty, with one event under a key of ours: what was opened is what is closed.

    What the URL sets wins: its source, component, class, group, severity and details. Fields as of 2026-11-30:
    https://developer.pagerduty.com/docs/send-alert-event
    """

    service_name = "PagerDuty"
    # A message has several events, and PagerDuty takes far more than one in 5.5 s.
    request_rate_per_sec = 0
    event: OnCallEvent

    def __init__(self, *, source: str | None = None, component: str | None = None, **arguments: Any) -> None:  # noqa: ANN401 - Apprise's signature
        super().__init__(source=source, component=component, **arguments)
        self._own_source, self._own_component = source, component

    def send(self, *_: Any, **__: Any) -> bool:  # noqa: ANN401 - Apprise's signature
        """Send one event."""
        payload = {"routing_key": self.integration_key, "dedup_key": self.event.dedup_key}
        if self.event.action is EventAction.TRIGGER:
            payload |= self._trigger()
        else:
            payload |= {"event_action": "resolve"}
        headers = {
            "User-Agent": self.app_id,
            "Content-Type": "application/json",
            "Authorization": f"Token token={self.apikey}",
        }
        self.throttle()  # type: ignore[no-untyped-call]
        return _is_posted(self, PAGERDUTY_API_LOOKUP[str(self.region_name)], payload, headers)

    def _trigger(self) -> dict[str, Any]:
        event = self.event
        fields = {
            "summary": event.summary,
            "severity": self.severity or str(event.severity),
            "source": self._own_source or event.source or self.app_id,
            "component": self._own_component or event.component,
            "group": self.group or event.group,
            "class": self.class_id or event.rule,
            "timestamp": None if event.started_at is None else event.started_at.isoformat(timespec="seconds"),
            "custom_details": {**event.details, **self.details},
        }
        links = [{"href": href, "text": text} for text, href in event.links]
        if self.click:
            links = [{"href": self.click}, *links]
        return {
            "event_action": "trigger",
            "client": "alerter",
            **({"client_url": links[0]["href"]} if links else {}),
            "payload": {name: value for name, value in fields.items() if value},
            "links": links,
        }


def _is_posted(service: NotifyBase, url: str, payload: Mapping[str, object], headers: Mapping[str, str]) -> bool:
    """Post JSON as Apprise does, so that what goes wrong stands in the records that it attaches to its result."""
    try:
        response = requests.post(
            url,
            data=dumps(payload),
            headers=headers,
            verify=service.verify_certificate,
            timeout=service.request_timeout,
            allow_redirects=service.redirects,
        )
    except requests.RequestException as error:
        service.logger.debug("%s%s", SOCKET_ERROR, error)
        return False
    if response.status_code not in {200, 201, 202}:
        service.logger.warning("Failed to send %s notification: error=%d.", service.service_name, response.status_code)
        service.logger.debug("Response Details:\r\n%r", (response.content or b"")[:2000])
        return False
    return True


#: https://docs.opsgenie.com/docs/alert-api#create-alert (2026-11-30)
_OPSGENIE_MESSAGE, _OPSGENIE_DESCRIPTION, _OPSGENIE_FIELD, _OPSGENIE_TAG = 130, 15_000, 512, 50


class OpsgeniePlugin(NotifyOpsgenie):  # type: ignore[no-untyped-call]
    """Opsgenie, with one event under an alias of ours: what was opened is what is closed."""

    request_rate_per_sec = 0
    event: OnCallEvent
    retry_after: timedelta | None = None

    def __init__(self, *, priority: str | None = None, tags: Any = None, **arguments: Any) -> None:  # noqa: ANN401 - Apprise's signature
        super().__init__(priority=priority, tags=tags, **arguments)  # type: ignore[no-untyped-call]
        self._has_own_priority = priority is not None
        self._own_tags = list(parse_list(tags))  # type: ignore[no-untyped-call]

    def send(self, *_: Any, **__: Any) -> bool:  # noqa: ANN401 - Apprise's signature
        """Open or close one alert."""
        event = self.event
        user = {"user": self.user} if self.user else {}
        api = OPSGENIE_API_LOOKUP[str(self.region_name)]
        if event.action is EventAction.RESOLVE:
            # https://docs.opsgenie.com/docs/alert-api#close-alert
            url = f"{api}/{quote(event.dedup_key, safe='')}/close"
            words = {"source": event.source or self.app_id, "note": event.summary, **user}
            return self._fetch(requests.post, url, words, {"identifierType": "alias"})[0]
        priority = self.priority if self._has_own_priority else _PRIORITY_BY_SEVERITY[event.severity]
        tags = [tag[:_OPSGENIE_TAG] for tag in (*self._own_tags, event.rule, event.group) if tag]
        fields = {
            "message": truncate_middle(event.summary, _OPSGENIE_MESSAGE),
            "alias": event.dedup_key,
            "description": self._description(),
            # One request for all responders: a second one under the same alias would change nothing.
            "responders": self.targets,
            "tags": tags,
            "details": {**_flat(event.details), **self.details},
            "entity": (self.entity or event.component)[:_OPSGENIE_FIELD],
            "source": (event.source or self.app_id)[:100],
            "priority": f"P{priority}",
            **user,
        }
        return self._fetch(requests.post, api, {name: value for name, value in fields.items() if value})[0]

    def _description(self) -> str:
        rows = [self.event.summary, "", *(f"{name}: {text}" for name, text in _flat(self.event.details).items())]
        links = [f"{text}: {href}" for text, href in self.event.links]
        return "\n".join([*rows, *(["", *links] if links else [])])[:_OPSGENIE_DESCRIPTION]

    def _fetch(self, method: Callable[..., requests.Response], *args: Any) -> tuple[bool, str | None]:  # noqa: ANN401 - Apprise's signature
        def post(*arguments: Any, **keywords: Any) -> requests.Response:  # noqa: ANN401 - what requests takes
            response = method(*arguments, **keywords)
            self.retry_after = _retry_after(response)
            return response

        return super()._fetch(post, *args)  # type: ignore[no-untyped-call, no-any-return]


def _flat(details: Mapping[str, str | Mapping[str, str]]) -> dict[str, str]:
    """Return details with text values alone: Opsgenie takes no others."""
    flat: dict[str, str] = {}
    for name, value in details.items():
        flat |= {name: value} if isinstance(value, str) else {f"label_{label}": text for label, text in value.items()}
    return flat


class JsonPlugin(NotifyJSON):  # type: ignore[no-untyped-call]
    """A JSON webhook, with an object `alerter` beside Apprise's fields."""

    def set_message(self, message: Message) -> None:
        """Send what programs read along; a field of that name in the URL wins."""
        if fields := _fields(message):
            self.payload_extras = {"alerter": fields, **self.payload_extras}


#: The numbers of Opsgenie's own P1 (critical) to P5, which the plugin sends as they are; only its words for them, from
#: "low" for 1 to "emergency" for 5, are the wrong way round.
_PRIORITY_BY_SEVERITY: Final = {Severity.INFO: 5, Severity.WARNING: 3, Severity.CRITICAL: 1}
_SECONDS = re.compile(r"[0-9]{1,6}")


def _retry_after(response: requests.Response) -> timedelta | None:
    """Return how long a service asks us to wait; None where it does not say, or gives a date (RFC 9110, 10.2.3)."""
    found = _SECONDS.fullmatch(response.headers.get("Retry-After", ""))
    return timedelta(seconds=int(found[0])) if found else None


PLUGIN_BY_SCHEME: Final[Mapping[str, type[NotifyBase]]] = {
    "slack": SlackPlugin,
    "workflow": TeamsPlugin,
    "workflows": TeamsPlugin,
    "mailto": MailPlugin,
    "mailtos": MailPlugin,
    "json": JsonPlugin,
    "jsons": JsonPlugin,
    "pagerduty": PagerDutyPlugin,
    "opsgenie": OpsgeniePlugin,
}
