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
- A picture goes with the first attempt of its call, and not with the second: what a service has accepted by then is
  not sent again. To Slack it goes after the message, into its thread.
- It shows no headers, and its plugins call `requests` themselves: only from Opsgenie, whose plugin is handed the
  method that posts, can a failure carry a `Retry-After`; for all others the outbox has its own waits.
"""

import logging
import re
import sys
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from json import loads
from typing import Any, Final

from apprise import (
    Apprise,
    AppriseAsset,
    AppriseAttachment,
    AppriseResult,
    AppriseResultStatus,
    NotifyFormat,
    NotifyType,
)
from apprise.attachment.memory import AttachMemory
from apprise.common import OverflowMode
from apprise.conversion import convert_between
from apprise.manager_plugins import NotificationManager
from apprise.plugins.base import NotifyBase
from apprise.plugins.email.base import PGP_MODE_DEFAULT
from apprise.result import NotifyAttempt

from alerter.core.message.content import EventAction, Format, Message, MessageStatus, OnCallEvent
from alerter.core.message.text import Room, fit
from alerter.core.rules import Severity
from alerter.errors import DeliveryError
from alerter.health import ChartOutcome
from alerter.network.probe import Endpoint
from alerter.network.proxies import proxy_to
from alerter.network_settings import fault_on_the_way
from alerter.notifiers.endpoints import apprise_endpoint
from alerter.notifiers.failures import REFUSED, failure_text
from alerter.notifiers.pictures import NoPicture, Painter
from alerter.notifiers.plugins import (
    PLUGIN_BY_SCHEME,
    JsonPlugin,
    MailPlugin,
    OpsgeniePlugin,
    PagerDutyPlugin,
    Picture,
    SlackPlugin,
    TeamsPlugin,
)
from alerter.notifiers.url_forms import expected_form, unknown_scheme_text
from alerter.redaction import Redactor, url_parts

log = logging.getLogger(__name__)

#: Seconds, for what waits on a socket; the URL may set its own (`?cto=`, `?rto=`).
CONNECT_TIMEOUT: Final = 5.0
READ_TIMEOUT: Final = 10.0
#: Seconds until Apprise stops waiting for a service, whatever the URL says.
DELIVERY_TIMEOUT: Final = 30.0
#: A target that refused a picture gets none for so long: it may have got that message twice.
NO_PICTURE_FOR: Final = timedelta(hours=1)
#: Characters of a text message to a phone, which takes no picture.
MAX_SHORT_BODY: Final = 320
_TYPE_BY_STATUS: Final = {
    MessageStatus.INFO: NotifyType.INFO,
    MessageStatus.WARNING: NotifyType.WARNING,
    MessageStatus.CRITICAL: NotifyType.FAILURE,
    MessageStatus.RESOLVED: NotifyType.SUCCESS,
}
_TYPE_BY_SEVERITY: Final = {
    Severity.INFO: NotifyType.INFO,
    Severity.WARNING: NotifyType.WARNING,
    Severity.CRITICAL: NotifyType.FAILURE,
}


def _cannot_be_used(url: str, reason: str) -> str:
    """Return what is wrong with a URL and how to write it: in our words where its service is a usual one."""
    if form := expected_form(url, scheme(url)):
        return f"the {scheme(url)}:// URL cannot be used: expected {form}"
    schemas: Collection[str] = NotificationManager().schemas()  # type: ignore[no-untyped-call]
    if scheme(url) not in schemas:
        return unknown_scheme_text(scheme(url), schemas)
    return f"the {scheme(url)}:// URL cannot be used: {reason}; https://appriseit.com/services/ has its form"


class AppriseNotifier:
    """The way to Slack, Teams, a mailbox and wherever else Apprise can reach; safe to use from several threads.

    Args:
        app_id: What a service shows as the sender, where it shows one.
        connect_timeout: Seconds, unless the URL sets its own.
        read_timeout: Seconds, unless the URL sets its own.
        delivery_timeout: Seconds for the whole of a delivery.
        redactor: Knows what no error may show, besides all of the target's own URL.
        painter: Makes the pictures; None for our own.
        on_chart: Called with what came of each picture, and why a message went without, from the thread that delivers.
    """

    def __init__(
        self,
        *,
        app_id: str = "Alerter",
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        delivery_timeout: float = DELIVERY_TIMEOUT,
        redactor: Redactor | None = None,
        painter: Painter | None = None,
        on_chart: Callable[[ChartOutcome, str], None] = lambda _outcome, _why: None,
    ) -> None:
        self._painter = Painter() if painter is None else painter
        self._on_chart = on_chart
        #: Targets that refused a picture: until when a message must be written to go without one.
        self._without_until: dict[str, datetime] = {}
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
        if isinstance(service, SlackPlugin | TeamsPlugin | MailPlugin | PagerDutyPlugin | OpsgeniePlugin):
            # Our layout is one piece: split, it would be sent once for each part.
            service.overflow_mode = OverflowMode.UPSTREAM
        if isinstance(service, PagerDutyPlugin | OpsgeniePlugin):
            self._deliver_events(message, service, url)
            return
        picture = self._picture(message, service, url)
        title, text = message.title, message.bodies[Format.TEXT]
        if isinstance(service, SlackPlugin | TeamsPlugin | MailPlugin):
            service.message = message
        else:
            title, text = _fitted(message, service, is_split=_SPLIT.search(url) is not None)
        if isinstance(service, JsonPlugin):
            service.set_message(message)
        if isinstance(service, MailPlugin):
            service.had_by = had_by
        offered = None if isinstance(service, SlackPlugin) else picture
        result = self._send(service, url, title, text, _TYPE_BY_STATUS[message.status], picture=offered)
        if picture is not None:
            refusal = (
                service.upload(picture)
                if isinstance(service, SlackPlugin)
                else self._first_failure(result, service, url)
            )
            self._note_picture(message, url, refusal)

    def _picture(self, message: Message, service: NotifyBase, url: str) -> Picture | None:
        """Return the picture that goes along with a message; None where there is none, whatever the reason."""
        chart = message.bodies.get(Format.CHART)
        until = self._without_until.get(url)
        if chart is None or picture_problem(service) or (until is not None and message.created_at < until):
            return None
        fields = loads(chart)
        try:
            return Picture(self._painter.png(message.id, fields["svg"]), fields["text"])
        except NoPicture as error:
            self._on_chart(error.outcome, str(error))
            log.warning("message without its chart ref=%s outcome=%s: %s", message.id, error.outcome, error)
            return None

    def _note_picture(self, message: Message, url: str, refusal: str) -> None:
        """Note whether a picture went along with a message that was sent; a target that refuses it is left alone."""
        outcome = ChartOutcome.REFUSED if refusal else ChartOutcome.SENT
        self._on_chart(outcome, refusal)
        if refusal:
            self._without_until[url] = message.created_at + NO_PICTURE_FOR
            log.warning("message without its chart ref=%s outcome=%s: %s", message.id, outcome, refusal)

    def _deliver_events(self, message: Message, service: PagerDutyPlugin | OpsgeniePlugin, url: str) -> None:
        """Send the events of a message one after the other, until one is not taken."""
        for event in message.events or (_event_of(message),):
            service.event = event
            self._send(service, url, event.summary, event.summary, _TYPE_BY_SEVERITY[event.severity])

    def _send(
        self, service: NotifyBase, url: str, title: str, text: str, kind: NotifyType, *, picture: Picture | None = None
    ) -> AppriseResult:
        apprise = Apprise(asset=self._asset)
        apprise.add(service)
        if picture is not None:
            _offer_once(service, picture)
        result = apprise.notify(
            body=text, title=title, notify_type=kind, body_format=NotifyFormat.TEXT, log_level=logging.DEBUG
        )
        if result.status is AppriseResultStatus.SUCCESS:
            return result
        failure = self._failure(result, service, url)
        is_by_http = not isinstance(service, MailPlugin) and " answered " not in failure
        if is_by_http and (fault := fault_on_the_way(_scheme(service))):
            failure = f"{service.service_name} cannot be reached: {fault}"
        if isinstance(service, MailPlugin) and service.refusals:
            failure = f"{service.service_name} {self._redactor.redacted(service.refused())}"
        raise DeliveryError(
            failure,
            refused=service.is_refused if isinstance(service, MailPlugin) else REFUSED.search(failure) is not None,
            retry_after=service.retry_after if isinstance(service, OpsgeniePlugin) else None,
            had_by=frozenset(service.taken_by) if isinstance(service, MailPlugin) else frozenset(),
        )

    def picture_problem(self, url: str) -> str:
        """Return why no picture can go along with messages to a URL; empty where one can.

        Raises:
            DeliveryError: Apprise cannot make anything of it.
        """
        return picture_problem(self._load(url))

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
        return apprise_endpoint(self._load(url))

    def _load(self, url: str) -> NotifyBase:
        """Return a fresh service for a URL."""
        _mute_apprise()
        try:
            service = self._direct(url) or Apprise.instantiate(url, asset=self._asset, suppress_exceptions=False)
        # Whatever a plugin's constructor makes of a bad URL: some raise TypeError, some KeyError.
        except Exception as error:  # noqa: BLE001 - plugins raise whatever they like, and it becomes ours
            reason = self._without_secrets(url)(str(error))
            # Not `from error`: its text holds the token, and would stand in a traceback.
            raise DeliveryError(_cannot_be_used(url, f"Apprise says: {reason}"), permanent=True) from None
        if service is None:
            raise DeliveryError(_cannot_be_used(url, "Apprise makes nothing of it"), permanent=True)
        return service

    def _direct(self, url: str) -> NotifyBase | None:
        """Return the service of a URL whose plugin is known here; None for any other."""
        # As Apprise does, for people write a Slack channel as `/#name`.
        text = url.replace("/#", "/%23")
        plugin = PLUGIN_BY_SCHEME.get(scheme(text))
        if plugin is not None:
            return self._built(plugin, plugin.parse_url(text))
        if scheme(text) in {"https", "http"}:
            for native in (SlackPlugin, TeamsPlugin):
                arguments = native.parse_native_url(text)  # type: ignore[no-untyped-call]
                if arguments:
                    return self._built(native, arguments)
        return None

    def _built(self, plugin: type[NotifyBase], arguments: Mapping[str, Any] | None) -> NotifyBase | None:
        if not arguments:
            return None
        timeouts = (
            {"cto": self._timeouts["rto"], "rto": self._timeouts["rto"]} if plugin is MailPlugin else self._timeouts
        )
        return plugin(**{**timeouts, **arguments, "asset": self._asset})

    def _without_secrets(self, url: str) -> Callable[[str], str]:
        """Return what leaves out of a text all that is secret, and every part of a URL but the name of its host."""
        own = Redactor(url_parts(url))
        return lambda text: own.redacted(self._redactor.redacted(text))

    def _first_failure(self, result: AppriseResult, service: NotifyBase, url: str) -> str:
        """Return why the first attempt of a delivery failed, in one line; empty if it did not."""
        first = next(iter(result)).attempts[0]
        return "" if first.status is AppriseResultStatus.SUCCESS else self._text_of(service, first, url)

    def _failure(self, result: AppriseResult, service: NotifyBase, url: str) -> str:
        """Return why a delivery failed, in one line."""
        if result.status is AppriseResultStatus.TIMEOUT:
            return f"no answer within {self._delivery_timeout:g} s; the message may still arrive"
        sent = next(iter(result), None)
        if sent is None:
            return f"Apprise sent nothing: {result.status.name}"
        return self._text_of(service, sent.attempts[-1], url)

    def _text_of(self, service: NotifyBase, attempt: NotifyAttempt, url: str) -> str:
        records = [(entry.level, entry.message) for entry in attempt.logs]
        return f"{service.service_name} {failure_text(records, self._without_secrets(url), _proxy_to(service))}"


def _scheme(service: Any) -> str:  # noqa: ANN401 - Apprise's plugin, whose types say less than there is
    return "https" if service.secure or not service.protocol else "http"  # some have no insecure form


def _proxy_to(service: NotifyBase) -> str:
    """Return what the proxy is called that leads to a service; empty where none does."""
    if isinstance(service, MailPlugin):
        return ""
    endpoint = apprise_endpoint(service)
    # Of some services the host of the URL is a token, which is no exception from the proxy either.
    host = (service.host or "host.invalid") if endpoint is None else endpoint.host
    return proxy_to(str(host), _scheme(service))


def picture_problem(service: NotifyBase) -> str:
    """Return why a service takes no picture; empty where it does."""
    if isinstance(service, SlackPlugin):
        return "" if service.takes_pictures else "Slack takes them with a bot token (slack://xoxb-…), not by a webhook"
    if isinstance(service, MailPlugin):
        return "" if service.pgp_mode == PGP_MODE_DEFAULT else "a mail that is signed or encrypted has none"
    is_short = 0 < int(service.body_maxlen) <= MAX_SHORT_BODY
    if (
        isinstance(service, TeamsPlugin | PagerDutyPlugin | OpsgeniePlugin)
        or is_short
        or not service.attachment_support
    ):
        return f"{service.service_name} takes none"
    return ""


def _offer_once(service: NotifyBase, picture: Picture) -> None:
    """Let a service send a picture along; where that fails, let it try once more at once, without the picture."""
    service.retry, service.wait = max(int(service.retry), 1), 0
    notify = service.notify
    offered = [picture]

    def notify_once(**arguments: Any) -> bool:  # noqa: ANN401 - Apprise's signature
        found = offered.pop() if offered else None
        if isinstance(service, MailPlugin):
            service.picture = found
        elif found is not None:
            file = AttachMemory(content=found.png, name=found.name, mimetype="image/png")  # type: ignore[no-untyped-call]
            arguments["attach"] = AppriseAttachment([file])
        return bool(notify(**arguments))

    service.notify = notify_once  # type: ignore[method-assign] # what Apprise calls for each attempt


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
        # The net below: if a service counts in another way, the message is sent in parts, and not refused.
        service.overflow_mode = OverflowMode.SPLIT
    return fit(message, room)


def _event_of(message: Message) -> OnCallEvent:
    """Return a message that has no events as one: nothing that is said may be lost, though nothing will close it."""
    return OnCallEvent(
        dedup_key=f"alerter-{message.id}",
        action=EventAction.RESOLVE if message.status is MessageStatus.RESOLVED else EventAction.TRIGGER,
        severity=Severity(message.status) if message.status is not MessageStatus.RESOLVED else Severity.INFO,
        summary=message.title,
        details={"text": message.bodies[Format.TEXT], "ref": message.id},
    )


def scheme(url: str) -> str:
    """Return the scheme of a URL, in lower case; empty if it has none."""
    name, separator, _ = url.partition("://")
    return name.lower() if separator else ""


def _mute_apprise() -> None:
    """Let Apprise's records reach its own results, and nothing else: they hold URLs, tokens and passwords."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    # Each time: a program that configures logging may have set it, and without records no failure has a reason.
    logger.setLevel(logging.DEBUG)


#: How a URL says that a text which is too long is sent in parts.
_SPLIT: Final = re.compile(r"[?&]overflow=split\b", re.IGNORECASE)
