"""Apprise behind one class: `deliver` sends a message to one target, or says why not.

Everything that must be known of Apprise (2.2) stands here:

- One send is one fresh object. A long-lived one throttles by the naive local clock, and sleeps an hour in autumn.
- The plugins of Slack, Teams and mail are built directly: the generic loader imports 183 of them. Each is overridden
  in one place, so that our own layout goes out; everything else gets the plain text.
- PagerDuty and Opsgenie get one request per event of a message, under a key of ours: by itself PagerDuty's plugin
  opens something new for every recovery, and Opsgenie's closes only what the same object has opened.
- Only SUCCESS is success: a partial delivery, no match and a timeout are failures.
- Apprise logs tokens: its logger is cut off from every handler here. What went wrong is read from the records that it
  attaches to its result, and goes out without anything that stands in the URL.
- It shows no headers, and its plugins call `requests` themselves: only from Opsgenie, whose plugin is handed the
  method that posts, can a failure carry a `Retry-After`; for all others the outbox has its own waits.
"""

import logging
import re
import smtplib
import sys
from ast import literal_eval
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, timedelta
from email import message_from_string
from email.header import Header
from email.mime.text import MIMEText
from email.utils import parseaddr
from hashlib import sha256
from json import loads
from typing import Any, Final
from urllib.parse import quote

import requests
from apprise import Apprise, AppriseAsset, AppriseResult, AppriseResultStatus, NotifyFormat, NotifyType
from apprise.common import OverflowMode
from apprise.conversion import convert_between
from apprise.plugins.base import NotifyBase
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.email.base import PGP_MODE_DEFAULT, NotifyEmail
from apprise.plugins.email.smtp import AppriseSMTPController
from apprise.plugins.opsgenie import OPSGENIE_API_LOOKUP, NotifyOpsgenie, OpsgenieAlertAction
from apprise.plugins.pagerduty import NotifyPagerDuty, PagerDutyAction
from apprise.plugins.slack import NotifySlack, SlackMode
from apprise.plugins.workflows import NotifyWorkflows

from alerter.core.formats import Room, fitted
from alerter.core.messages import Event, EventAction, Format, Message, Tone
from alerter.core.rules import Severity
from alerter.errors import DeliveryError
from alerter.network.probe import Endpoint
from alerter.network_settings import fault_on_the_way
from alerter.notifiers.endpoints import endpoint_of
from alerter.redaction import Redactor, parts_of_url

#: Seconds, for what waits on a socket; the URL may set its own (`?cto=`, `?rto=`).
CONNECT_TIMEOUT: Final = 5.0
READ_TIMEOUT: Final = 10.0
#: Seconds until Apprise stops waiting for a service, whatever the URL says.
DELIVERY_TIMEOUT: Final = 30.0

_TYPE_BY_TONE: Final = {
    Tone.INFO: NotifyType.INFO,
    Tone.WARNING: NotifyType.WARNING,
    Tone.CRITICAL: NotifyType.FAILURE,
    Tone.RESOLVED: NotifyType.SUCCESS,
}
_TYPE_BY_SEVERITY: Final = {
    Severity.INFO: NotifyType.INFO,
    Severity.WARNING: NotifyType.WARNING,
    Severity.CRITICAL: NotifyType.FAILURE,
}


class AppriseNotifier:
    """The way to Slack, Teams, a mailbox and wherever else Apprise can reach; safe to use from several threads.

    Args:
        app_id: What a service shows as the sender, where it shows one.
        connect_timeout: Seconds, unless the URL sets its own.
        read_timeout: Seconds, unless the URL sets its own.
        delivery_timeout: Seconds for the whole of a delivery.
        redactor: Knows what no error may show, besides all of the target's own URL.
    """

    def __init__(
        self,
        *,
        app_id: str = "Alerter",
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        delivery_timeout: float = DELIVERY_TIMEOUT,
        redactor: Redactor | None = None,
    ) -> None:
        self._timeouts = {"cto": connect_timeout, "rto": read_timeout}
        self._delivery_timeout = delivery_timeout
        self._redactor = Redactor() if redactor is None else redactor
        _mute_apprise()
        # Without the image masks, every payload points to icons on a public code host.
        self._asset = AppriseAsset(
            app_id=app_id,
            app_desc=app_id,
            app_url="",
            image_url_mask=None,
            image_url_logo=None,
            http_redirects=False,
            service_timeout=delivery_timeout,
            timezone=UTC,
        )

    def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
        """Send a message to one target.

        Args:
            message: What to send; the target's kind decides in which format, and how much of it.
            url: An Apprise URL, or the address that Slack or Teams shows for a webhook.
            had_by: The addressees that have it already, as a `DeliveryError` named them.

        Raises:
            DeliveryError: The target did not take it, or did not say so in time, in which case it may still arrive;
                permanent if Apprise cannot make anything of the URL. A message of several events may have been taken
                in part: trying again is harmless, for each has its key.
        """
        service = self._load(url)
        if isinstance(service, _Slack | _Teams | _Mail | _PagerDuty | _Opsgenie):
            # Our layout is one piece: split, it would be sent once for each part.
            service.overflow_mode = OverflowMode.UPSTREAM
        if isinstance(service, _PagerDuty | _Opsgenie):
            self._deliver_events(message, service, url)
            return
        title, text = message.title, message.bodies[Format.TEXT]
        if isinstance(service, _Slack | _Teams | _Mail):
            service.message = message
        else:
            title, text = _fitted(message, service, is_split=_SPLIT.search(url) is not None)
        if isinstance(service, _Mail):
            service.had_by |= had_by
        self._send(service, url, title, text, _TYPE_BY_TONE[message.tone])

    def _deliver_events(self, message: Message, service: "_PagerDuty | _Opsgenie", url: str) -> None:
        """Send the events of a message one after the other, until one is not taken."""
        for event in message.events or (_event_of(message),):
            service.event = event
            self._send(service, url, event.summary, event.details, _TYPE_BY_SEVERITY[event.severity])

    def _send(self, service: NotifyBase, url: str, title: str, text: str, kind: NotifyType) -> None:
        apprise = Apprise(asset=self._asset)
        apprise.add(service)
        result = apprise.notify(
            body=text, title=title, notify_type=kind, body_format=NotifyFormat.TEXT, log_level=logging.DEBUG
        )
        if result.status is AppriseResultStatus.SUCCESS:
            return
        failure = self._failure(result, url)
        is_by_http = not isinstance(service, _Mail) and " answered " not in failure
        if is_by_http and (fault := fault_on_the_way("https" if service.secure else "http")):
            failure = f"{service.service_name} cannot be reached: {fault}"
        if isinstance(service, _Mail) and service.refusals:
            failure = f"{service.service_name} {self._redactor.redacted(service.refused())}"
        raise DeliveryError(
            failure,
            refused=service.is_refused if isinstance(service, _Mail) else _REFUSED.search(failure) is not None,
            retry_after=service.retry_after if isinstance(service, _Opsgenie) else None,
            had_by=frozenset(service.had_by) if isinstance(service, _Mail) else frozenset(),
        )

    def check(self, url: str) -> None:
        """Make sure that a URL can be used, without sending anything.

        Raises:
            DeliveryError: Apprise cannot make anything of it.
        """
        self._load(url)

    def endpoint(self, url: str) -> Endpoint | None:
        """Return where a URL leads to, without sending anything; None where Apprise does not say.

        Raises:
            DeliveryError: Apprise cannot make anything of it.
        """
        return endpoint_of(self._load(url))

    def _load(self, url: str) -> NotifyBase:
        """Return a fresh service for a URL."""
        _mute_apprise()
        try:
            service = self._direct(url) or Apprise.instantiate(url, asset=self._asset, suppress_exceptions=False)
        # Whatever a plugin's constructor makes of a bad URL: some raise TypeError, some KeyError.
        except Exception as error:  # noqa: BLE001 - plugins raise whatever they like, and it becomes ours
            reason = self._without_secrets(url)(str(error))
            # Not `from error`: its text holds the token, and would stand in a traceback.
            raise DeliveryError(f"the {scheme(url)}:// URL cannot be used: {reason}", permanent=True) from None
        if service is None:
            raise DeliveryError(
                f"expected a URL that Apprise understands, found one that begins with '{scheme(url)}://'",
                permanent=True,
            )
        return service

    def _direct(self, url: str) -> NotifyBase | None:
        """Return the service of a URL whose plugin is known here; None for any other."""
        # As Apprise does, for people write a Slack channel as `/#name`.
        text = url.replace("/#", "/%23")
        plugin = _PLUGIN_BY_SCHEME.get(scheme(text))
        if plugin is not None:
            return self._built(plugin, plugin.parse_url(text))
        if scheme(text) in {"https", "http"}:
            for native in (_Slack, _Teams):
                arguments = native.parse_native_url(text)  # type: ignore[no-untyped-call]
                if arguments:
                    return self._built(native, arguments)
        return None

    def _built(self, plugin: type[NotifyBase], arguments: Mapping[str, Any] | None) -> NotifyBase | None:
        if not arguments:
            return None
        timeouts = {"cto": self._timeouts["rto"], "rto": self._timeouts["rto"]} if plugin is _Mail else self._timeouts
        return plugin(**{**timeouts, **arguments, "asset": self._asset})

    def _without_secrets(self, url: str) -> Callable[[str], str]:
        """Return what leaves out of a text all that is secret, and every part of a URL but the name of its host."""
        own = Redactor(parts_of_url(url))
        return lambda text: own.redacted(self._redactor.redacted(text))

    def _failure(self, result: AppriseResult, url: str) -> str:
        """Return why a delivery failed, in one line."""
        if result.status is AppriseResultStatus.TIMEOUT:
            return f"no answer within {self._delivery_timeout:g} s; the message may still arrive"
        service = next(iter(result), None)
        if service is None:
            return f"Apprise sent nothing: {result.status.name}"
        records = [(entry.level, entry.message) for entry in service.logs()]
        return f"{service.name} {_what_failed(records, self._without_secrets(url))}"


def _fitted(message: Message, service: NotifyBase, *, is_split: bool) -> tuple[str, str]:
    """Return what a service without a layout of ours gets as title and text: as much as it takes.

    Args:
        message: What to say.
        service: Knows its limits, which may depend on its URL.
        is_split: Whether its URL wants all of the text, in as many messages as that takes.
    """
    target = service.resolve_format(NotifyFormat.TEXT)

    def sent(text: str) -> str:
        # Apprise looks at the length before and after a service's own dialect.
        converted = convert_between(NotifyFormat.TEXT, target, text)  # type: ignore[no-untyped-call]
        return max(str(converted), str(service.dialect_convert(converted, target)), key=len)

    is_shared = bool(service.overflow_amalgamate_title)
    # Apprise keeps room for how it counts the parts, of which there is one.
    spare = int(service.overflow_buffer) + (int(service.overflow_max_display_count_width) if is_shared else 0)
    room = Room(
        title_bytes=max(int(service.title_maxlen), 0),
        body_bytes=sys.maxsize if is_split or service.body_maxlen <= 0 else int(service.body_maxlen) - spare,
        is_shared=is_shared,
        body_lines=int(service.body_max_line_count),
        sent=sent,
    )
    if not is_split:
        # The net below: what is counted otherwise than thought is sent in parts, and not refused.
        service.overflow_mode = OverflowMode.SPLIT
    return fitted(message, room)


def _event_of(message: Message) -> Event:
    """Return a message that has no events as one: nothing that is said may be lost, though nothing will close it."""
    return Event(
        dedup_key=f"alerter-{message.id}",
        action=EventAction.CLOSE if message.tone is Tone.RESOLVED else EventAction.OPEN,
        severity=Severity(message.tone) if message.tone is not Tone.RESOLVED else Severity.INFO,
        summary=message.title,
        details=message.bodies[Format.TEXT],
    )


def scheme(url: str) -> str:
    """Return the scheme of a URL, in lower case; empty if it has none."""
    name, separator, _ = url.partition("://")
    return name.lower() if separator else ""


# What went wrong: from the records of an attempt

_STATUS = re.compile(r"error=(\d{3})\b")
_REPLY = re.compile(r"Response Details:\s*(b['\"].*)", re.DOTALL)
_SMTP_REPLY = re.compile(r"\((\d{3}), b(['\"])(.*?)\2", re.DOTALL)
_LONGEST_REPLY = 100
#: So many refused addresses are named.
_NAMED_REFUSALS = 3
#: SMTP's codes from here on: trying the same again does not help (RFC 5321, section 4.2.1).
_PERMANENT = 500
#: SMTP's code for a mail that is larger than the server takes (RFC 1870, section 6).
_TOO_LARGE = 552
_SOCKET_ERROR = "Socket Exception: "
#: A socket's error text can hold the whole URL: only these words of ours go out.
_WORDS_BY_SYMPTOM: Final = {
    "CERTIFICATE_VERIFY_FAILED": "cannot be trusted: its TLS certificate was not accepted",
    "STARTTLS": "does not offer STARTTLS",
    "SSL": "cannot be reached: TLS failed",
    "timed out": "did not answer in time",
    "NameResolution": "cannot be reached: its host name cannot be resolved",
    "Name or service not known": "cannot be reached: its host name cannot be resolved",
    "name resolution": "cannot be reached: its host name cannot be resolved",
    "efused": "cannot be reached: connection refused",
    "nreachable": "cannot be reached: no route to it",
    "roxy": "cannot be reached: the proxy failed",
    "closed": "broke off the connection",
    "aborted": "broke off the connection",
    "reset": "broke off the connection",
}


def _what_failed(records: Iterable[tuple[str, str]], redacted: Callable[[str], str]) -> str:
    """Return the rest of a sentence that begins with the service's name.

    Args:
        records: Level and message of each, oldest first.
        redacted: Leaves the secrets out of a text.
    """
    messages = [message for _, message in records]
    if statuses := [found[1] for message in messages if (found := _STATUS.search(message))]:
        return f"answered {statuses[-1]}{_reply(messages, redacted)}"
    errors = [message for message in messages if _SOCKET_ERROR in message or "refused" in message]
    for error in errors:
        if found := _SMTP_REPLY.search(error):
            return f"answered {found[1]}: {_one_line(redacted(found[3]))}"
    for error in errors:
        for symptom, words in _WORDS_BY_SYMPTOM.items():
            if symptom in error:
                return words
    return f"failed: {_one_line(redacted(_last_warning(records)))}"


def _last_warning(records: Iterable[tuple[str, str]]) -> str:
    return next(
        (message for level, message in reversed([*records]) if level in {"WARNING", "ERROR"}), "no reason given"
    )


def _reply(messages: Iterable[str], redacted: Callable[[str], str]) -> str:
    """Return the beginning of what a service answered, after a colon; nothing where it is a page of HTML."""
    for message in messages:
        if found := _REPLY.search(message):
            with suppress(ValueError, SyntaxError):
                text = _one_line(redacted(literal_eval(found[1]).decode("utf-8", "replace")))
                return f": {text}" if text and not text.startswith("<") else ""
    return ""


def _one_line(text: str) -> str:
    """Return a text on one short line; without its secrets already, for half of one would not be found."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_LONGEST_REPLY]


def _mute_apprise() -> None:
    """Let Apprise's records reach its own results, and nothing else: they hold URLs, tokens and passwords."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    # Each time: whoever configures logging may have set it, and without records no failure has a reason.
    logger.setLevel(logging.DEBUG)


# Apprise's plugins, with our layout


#: HTTP's words, and Slack's, for a message that the service does not take as it is; another one may be taken.
_REFUSED: Final = re.compile(
    r" answered (?:(?:400|413|422)\b|"
    r"200: .*\b(?:invalid_blocks|invalid_attachments|too_many_attachments|msg_too_long|msg_blocks_too_long))"
)
#: How a URL says that a text which is too long is sent in parts.
_SPLIT: Final = re.compile(r"[?&]overflow=split\b", re.IGNORECASE)


class _Slack(NotifySlack):  # type: ignore[no-untyped-call] # Apprise's __init_subclass__ has no types
    """Slack, by webhook or bot token, with our blocks."""

    message: Message

    def _send(self, url: str, payload: Mapping[str, object], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Apprise's signature
        if self.mode in (SlackMode.WORKFLOW, SlackMode.WORKFLOW_TRIGGER):
            # A workflow takes one variable, and puts it into a message of its own.
            text = f"{self.message.title}\n{self.message.bodies[Format.TEXT]}"
            ours = {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
        else:
            ours = loads(self.message.bodies[Format.SLACK])
        return super()._send(url, {**payload, **ours}, *args, **kwargs)  # type: ignore[no-untyped-call]


class _Teams(NotifyWorkflows):  # type: ignore[no-untyped-call]
    """Teams, through a Power Automate workflow, with our card."""

    service_name = "Teams"
    message: Message

    def gen_payload(self, *_: Any, **__: Any) -> dict[str, object]:  # noqa: ANN401 - Apprise's signature
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


class _Mail(NotifyEmail):  # type: ignore[no-untyped-call]
    """Mail with our HTML and our text: Apprise derives the text from the HTML, one line for each cell of a table."""

    service_name = "the mail server"
    message: Message

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - Apprise's signature
        super().__init__(**arguments)  # type: ignore[no-untyped-call]
        self.had_by: set[str] = set()
        self.refusals: dict[str, tuple[int, bytes]] = {}
        #: Whether it was the mail that was not wanted, rather than who it is for, or who we are.
        self.is_refused = False

    def refused(self) -> str:
        """Return which addresses were refused, and why, as the rest of a sentence that begins with the server."""
        first, *others = [
            f"{code} for {address}: {_one_line(text.decode('utf-8', 'replace'))}"
            for address, (code, text) in self.refusals.items()
        ]
        more = f"; and {len(others) - _NAMED_REFUSALS + 1:,} more" if len(others) >= _NAMED_REFUSALS else ""
        return f"answered {'; '.join([first, *others[: _NAMED_REFUSALS - 1]])}{more}"

    def send(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - Apprise's signature
        if self.pgp_mode != PGP_MODE_DEFAULT:
            # A signature covers the parts as Apprise made them, so that such a mail is plain text.
            return bool(super().send(*args, **kwargs))  # type: ignore[no-untyped-call]
        try:
            return self._is_sent()
        except (OSError, smtplib.SMTPException, RuntimeError) as error:
            # Of several addressees one may have been refused before.
            self.refusals.clear()
            self.is_refused = _is_of_the_mail(error)
            self.logger.debug("%s%s", _SOCKET_ERROR, error)
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
                addresses = [each for each in mail.to_addrs if _addressee(each) not in self.had_by]
                if addresses:
                    refusals = connection.refusals(str(self.from_addr[1]), addresses, self._with_our_text(mail.body))
                    self.refusals |= refusals
                    self.had_by.update(_addressee(each) for each in addresses if each not in refusals)
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
        yield "Message-ID", _mail_id(self.message.id)
        threads = [_mail_id(thread) for thread in self.message.threads]
        if threads:
            yield "In-Reply-To", "\n ".join(threads)
            # One parent only: several would be read as a chain, and tie threads together that have nothing in common.
            yield "References", threads[0]

    def _title(self) -> str:
        """Return the title on one line: a header that holds a line break is refused, or two."""
        return " ".join(self.message.title.split())

    def _with_our_text(self, mail: str) -> str:
        parsed = message_from_string(mail)
        # Apprise does not fold headers: RFC 2047 allows 75 characters for an encoded word, RFC 5322 998 for a line.
        del parsed["Subject"]
        title = self._title()
        parsed["Subject"] = Header(title, "us-ascii" if title.isascii() else "utf-8", header_name="Subject").encode()
        for name, value in self._thread_headers():
            # Apprise has set a Message-ID already, and the URL may have set any: a second one would be an error.
            del parsed[name]
            parsed[name] = value
        for part in parsed.walk():
            if part.get_content_type() == "text/plain":
                part.set_payload(MIMEText(self.message.bodies[Format.TEXT], "plain", "utf-8").get_payload())
        return parsed.as_string()


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


def _mail_id(message_id: str) -> str:
    # RFC 2606: a domain that nobody will ever have, so that no mail of somebody else's has the same id.
    return f"<{message_id}@alerter.invalid>"


class _PagerDuty(NotifyPagerDuty):  # type: ignore[no-untyped-call]
    """PagerDuty, with one event under a key of ours: what was opened is what is closed."""

    service_name = "PagerDuty"
    # A message has several events, and PagerDuty takes far more than one in 5.5 s.
    request_rate_per_sec = 0
    event: Event

    def send(self, *_: Any, notify_type: NotifyType = NotifyType.INFO, **__: Any) -> bool:  # noqa: ANN401 - Apprise's signature
        is_over = self.event.action is EventAction.CLOSE
        self.action = PagerDutyAction.RESOLVE if is_over else PagerDutyAction.TRIGGER
        self.dedup = self.event.dedup_key
        self.details = {**self.details, "details": self.event.details}
        if self.source == self.template_tokens["source"]["default"]:
            self.source = self.app_id
        return bool(super().send(self.event.summary, notify_type=notify_type))


class _Opsgenie(NotifyOpsgenie):  # type: ignore[no-untyped-call]
    """Opsgenie, with one event under an alias of ours: what was opened is what is closed."""

    request_rate_per_sec = 0
    event: Event
    retry_after: timedelta | None = None

    def __init__(self, *, priority: str | None = None, **arguments: Any) -> None:  # noqa: ANN401 - Apprise's signature
        super().__init__(priority=priority, **arguments)  # type: ignore[no-untyped-call]
        self._has_own_priority = priority is not None
        # One request for all responders: a second one under the same alias would change nothing.
        self.batch_size = self.default_batch_size

    def send(
        self,
        body: str,
        title: str = "",
        notify_type: NotifyType = NotifyType.INFO,
        **kwargs: Any,  # noqa: ANN401 - Apprise's signature
    ) -> bool:
        if self.event.action is EventAction.CLOSE:
            return self._is_closed()
        self.action = OpsgenieAlertAction.NEW
        self.alias = self.event.dedup_key
        if not self._has_own_priority:
            self.priority = _PRIORITY_BY_SEVERITY[self.event.severity]
        return bool(super().send(body, title, notify_type, **kwargs))  # type: ignore[no-untyped-call]

    def _is_closed(self) -> bool:
        # https://docs.opsgenie.com/docs/alert-api#close-alert
        url = f"{OPSGENIE_API_LOOKUP[str(self.region_name)]}/{quote(self.event.dedup_key, safe='')}/close"
        words = {"source": self.app_id, "note": self.event.details, **({"user": self.user} if self.user else {})}
        is_taken, _ = self._fetch(requests.post, url, words, {"identifierType": "alias"})
        return bool(is_taken)

    def _fetch(self, method: Callable[..., requests.Response], *args: Any) -> tuple[bool, str | None]:  # noqa: ANN401 - Apprise's signature
        def post(*arguments: Any, **keywords: Any) -> requests.Response:  # noqa: ANN401 - what requests takes
            response = method(*arguments, **keywords)
            self.retry_after = _retry_after(response)
            return response

        return super()._fetch(post, *args)  # type: ignore[no-untyped-call, no-any-return]


#: The numbers of Opsgenie's own P1 (critical) to P5, which the plugin sends as they are; only its words for them, from
#: "low" for 1 to "emergency" for 5, are the wrong way round.
_PRIORITY_BY_SEVERITY: Final = {Severity.INFO: 5, Severity.WARNING: 3, Severity.CRITICAL: 1}


_SECONDS = re.compile(r"[0-9]{1,6}")


def _retry_after(response: requests.Response) -> timedelta | None:
    """Return how long a service asks us to wait; None where it does not say, or gives a date (RFC 9110, 10.2.3)."""
    found = _SECONDS.fullmatch(response.headers.get("Retry-After", ""))
    return timedelta(seconds=int(found[0])) if found else None


_PLUGIN_BY_SCHEME: Final[Mapping[str, type[NotifyBase]]] = {
    "slack": _Slack,
    "workflow": _Teams,
    "workflows": _Teams,
    "mailto": _Mail,
    "mailtos": _Mail,
    "json": NotifyJSON,
    "jsons": NotifyJSON,
    "pagerduty": _PagerDuty,
    "opsgenie": _Opsgenie,
}
