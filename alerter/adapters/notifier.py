"""Apprise behind one class: `deliver` sends a message to one target, or says why not.

Everything that must be known of Apprise (2.2) stands here:

- One send is one fresh object. A long-lived one throttles by the naive local clock, and sleeps an hour in autumn.
- The plugins of Slack, Teams and mail are built directly: the generic loader imports 183 of them. Each is overridden
  in one place, so that our own layout goes out; everything else gets the plain text.
- Only SUCCESS is success: a partial delivery, no match and a timeout are failures.
- Apprise logs tokens: its logger is cut off from every handler here. What went wrong is read from the records that it
  attaches to its result, and goes out without anything that stands in the URL.
- It shows no `Retry-After`, so that a failure never carries one; the outbox has its own waits.
"""

import logging
import re
import smtplib
from ast import literal_eval
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC
from email import message_from_string
from email.header import Header
from email.mime.text import MIMEText
from json import loads
from typing import Any, Final
from urllib.parse import unquote

from apprise import Apprise, AppriseAsset, AppriseResult, AppriseResultStatus, NotifyFormat, NotifyType
from apprise.common import OverflowMode
from apprise.plugins.base import NotifyBase
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.email.base import PGP_MODE_DEFAULT, NotifyEmail
from apprise.plugins.email.smtp import AppriseSMTPController
from apprise.plugins.slack import NotifySlack, SlackMode
from apprise.plugins.workflows import NotifyWorkflows

from alerter.core.messages import Format, Message, Tone
from alerter.errors import DeliveryError

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


class AppriseNotifier:
    """The way to Slack, Teams, a mailbox and wherever else Apprise can reach; safe to use from several threads.

    Args:
        app_id: What a service shows as the sender, where it shows one.
        connect_timeout: Seconds, unless the URL sets its own.
        read_timeout: Seconds, unless the URL sets its own.
        delivery_timeout: Seconds for the whole of a delivery.
    """

    def __init__(
        self,
        *,
        app_id: str = "Alerter",
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        delivery_timeout: float = DELIVERY_TIMEOUT,
    ) -> None:
        self._timeouts = {"cto": connect_timeout, "rto": read_timeout}
        self._delivery_timeout = delivery_timeout
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

    def deliver(self, message: Message, url: str) -> None:
        """Send a message to one target.

        Args:
            message: What to send; the target's kind decides in which format.
            url: An Apprise URL, or the address that Slack or Teams shows for a webhook.

        Raises:
            DeliveryError: The target did not take it, or did not say so in time, in which case it may still arrive;
                permanent if Apprise cannot make anything of the URL.
        """
        service = self._load(url)
        if isinstance(service, _Slack | _Teams | _Mail):
            service.message = message
            # Our layout is one piece: split, it would be sent once for each part.
            service.overflow_mode = OverflowMode.UPSTREAM
        apprise = Apprise(asset=self._asset)
        apprise.add(service)
        result = apprise.notify(
            body=message.bodies[Format.TEXT],
            title=message.title,
            notify_type=_TYPE_BY_TONE[message.tone],
            body_format=NotifyFormat.TEXT,
            log_level=logging.DEBUG,
        )
        if result.status is not AppriseResultStatus.SUCCESS:
            raise DeliveryError(_redacted(self._failure(result), url))

    def check(self, url: str) -> None:
        """Make sure that a URL can be used, without sending anything.

        Raises:
            DeliveryError: Apprise cannot make anything of it.
        """
        self._load(url)

    def _load(self, url: str) -> NotifyBase:
        """Return a fresh service for a URL."""
        _mute_apprise()
        try:
            service = self._direct(url) or Apprise.instantiate(url, asset=self._asset, suppress_exceptions=False)
        # Whatever a plugin's constructor makes of a bad URL: some raise TypeError, some KeyError.
        except Exception as error:  # noqa: BLE001 - plugins raise whatever they like, and it becomes ours
            reason = _redacted(str(error), url)
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

    def _failure(self, result: AppriseResult) -> str:
        """Return why a delivery failed, in one line that may still hold secrets."""
        if result.status is AppriseResultStatus.TIMEOUT:
            return f"no answer within {self._delivery_timeout:g} s; the message may still arrive"
        service = next(iter(result), None)
        if service is None:
            return f"Apprise sent nothing: {result.status.name}"
        records = [(entry.level, entry.message) for entry in service.logs()]
        return f"{service.name} {_what_failed(records)}"


def scheme(url: str) -> str:
    """Return the scheme of a URL, in lower case; empty if it has none."""
    name, separator, _ = url.partition("://")
    return name.lower() if separator else ""


# What went wrong: from the records of an attempt

_STATUS = re.compile(r"error=(\d{3})\b")
_REPLY = re.compile(r"Response Details:\s*(b['\"].*)", re.DOTALL)
_SMTP_REPLY = re.compile(r"\((\d{3}), b(['\"])(.*?)\2", re.DOTALL)
_LONGEST_REPLY = 100
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


def _what_failed(records: Iterable[tuple[str, str]]) -> str:
    """Return the rest of a sentence that begins with the service's name."""
    messages = [message for _, message in records]
    if statuses := [found[1] for message in messages if (found := _STATUS.search(message))]:
        return f"answered {statuses[-1]}{_reply(messages)}"
    errors = [message for message in messages if _SOCKET_ERROR in message or "refused" in message]
    for error in errors:
        if found := _SMTP_REPLY.search(error):
            return f"answered {found[1]}: {_one_line(found[3])}"
    for error in errors:
        for symptom, words in _WORDS_BY_SYMPTOM.items():
            if symptom in error:
                return words
    return f"failed: {_one_line(_last_warning(records))}"


def _last_warning(records: Iterable[tuple[str, str]]) -> str:
    return next(
        (message for level, message in reversed([*records]) if level in {"WARNING", "ERROR"}), "no reason given"
    )


def _reply(messages: Iterable[str]) -> str:
    """Return the beginning of what a service answered, after a colon; nothing where it is a page of HTML."""
    for message in messages:
        if found := _REPLY.search(message):
            with suppress(ValueError, SyntaxError):
                text = _one_line(literal_eval(found[1]).decode("utf-8", "replace"))
                return f": {text}" if text and not text.startswith("<") else ""
    return ""


def _one_line(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_LONGEST_REPLY]


# Secrets

_SHORTEST_SECRET = 5


def _redacted(text: str, url: str) -> str:
    """Return the text without any part of the URL but its scheme and, if it is one, its host name."""
    _, _, rest = url.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]
    parts = {part for part in re.split(r"[/?&=#@:,]+", rest) if part != host or "." not in host}
    forms = {form for part in parts for form in (part, unquote(part)) if len(form) >= _SHORTEST_SECRET}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "[redacted]")
    return text


def _mute_apprise() -> None:
    """Let Apprise's records reach its own results, and nothing else: they hold URLs, tokens and passwords."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    # Each time: whoever configures logging may have set it, and without records no failure has a reason.
    logger.setLevel(logging.DEBUG)


# Apprise's plugins, with our layout


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

    def send(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - Apprise's signature
        if self.pgp_mode != PGP_MODE_DEFAULT:
            # A signature covers the parts as Apprise made them, so that such a mail is plain text.
            return bool(super().send(*args, **kwargs))  # type: ignore[no-untyped-call]
        try:
            return self._is_sent()
        except (OSError, smtplib.SMTPException, RuntimeError) as error:
            self.logger.debug("%s%s", _SOCKET_ERROR, error)
            return False

    def _is_sent(self) -> bool:
        connection = AppriseSMTPController(
            host=self.smtp_host,
            port=int(self.port or 0),
            secure_mode=str(self.secure_mode),
            user=self.user,
            password=self.password,
            verify_certificate=self.verify_certificate,
            socket_connect_timeout=self.socket_connect_timeout,
        )
        with connection as smtp:
            sent = [
                smtp.sendmail(str(self.from_addr[1]), mail.to_addrs, self._with_our_text(mail.body))
                for mail in self._mails()
            ]
        return bool(sent) and all(sent)

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

    def _title(self) -> str:
        """Return the title on one line: a header that holds a line break is refused, or two."""
        return " ".join(self.message.title.split())

    def _with_our_text(self, mail: str) -> str:
        parsed = message_from_string(mail)
        # Apprise does not fold headers: RFC 2047 allows 75 characters for an encoded word, RFC 5322 998 for a line.
        del parsed["Subject"]
        title = self._title()
        parsed["Subject"] = Header(title, "us-ascii" if title.isascii() else "utf-8", header_name="Subject").encode()
        for part in parsed.walk():
            if part.get_content_type() == "text/plain":
                part.set_payload(MIMEText(self.message.bodies[Format.TEXT], "plain", "utf-8").get_payload())
        return parsed.as_string()


_PLUGIN_BY_SCHEME: Final[Mapping[str, type[NotifyBase]]] = {
    "slack": _Slack,
    "workflow": _Teams,
    "workflows": _Teams,
    "mailto": _Mail,
    "mailtos": _Mail,
    "json": NotifyJSON,
    "jsons": NotifyJSON,
}
