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
import sys
from collections.abc import Callable, Collection, Mapping
from datetime import UTC
from typing import Any, Final

from apprise import Apprise, AppriseAsset, AppriseResult, AppriseResultStatus, NotifyFormat, NotifyType
from apprise.common import OverflowMode
from apprise.conversion import convert_between
from apprise.manager_plugins import NotificationManager
from apprise.plugins.base import NotifyBase

from alerter.core.message.content import EventAction, Format, Message, MessageStatus, OnCallEvent
from alerter.core.message.text import Room, fit
from alerter.core.rules import Severity
from alerter.errors import DeliveryError
from alerter.network.probe import Endpoint
from alerter.network_settings import fault_on_the_way
from alerter.notifiers.endpoints import endpoint_of
from alerter.notifiers.failures import REFUSED, failure_text
from alerter.notifiers.plugins import (
    PLUGIN_BY_SCHEME,
    JsonPlugin,
    MailPlugin,
    OpsgeniePlugin,
    PagerDutyPlugin,
    SlackPlugin,
    TeamsPlugin,
)
from alerter.notifiers.url_forms import expected_form, unknown_scheme_text
from alerter.redaction import Redactor, parts_of_url

#: Seconds, for what waits on a socket; the URL may set its own (`?cto=`, `?rto=`).
CONNECT_TIMEOUT: Final = 5.0
READ_TIMEOUT: Final = 10.0
#: Seconds until Apprise stops waiting for a service, whatever the URL says.
DELIVERY_TIMEOUT: Final = 30.0
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
        if isinstance(service, SlackPlugin | TeamsPlugin | MailPlugin | PagerDutyPlugin | OpsgeniePlugin):
            # Our layout is one piece: split, it would be sent once for each part.
            service.overflow_mode = OverflowMode.UPSTREAM
        if isinstance(service, PagerDutyPlugin | OpsgeniePlugin):
            self._deliver_events(message, service, url)
            return
        title, text = message.title, message.bodies[Format.TEXT]
        if isinstance(service, SlackPlugin | TeamsPlugin | MailPlugin):
            service.message = message
        else:
            title, text = _fitted(message, service, is_split=_SPLIT.search(url) is not None)
        if isinstance(service, JsonPlugin):
            service.set_message(message)
        if isinstance(service, MailPlugin):
            service.had_by |= had_by
        self._send(service, url, title, text, _TYPE_BY_STATUS[message.status])

    def _deliver_events(self, message: Message, service: PagerDutyPlugin | OpsgeniePlugin, url: str) -> None:
        """Send the events of a message one after the other, until one is not taken."""
        for event in message.events or (_event_of(message),):
            service.event = event
            self._send(service, url, event.summary, event.summary, _TYPE_BY_SEVERITY[event.severity])

    def _send(self, service: NotifyBase, url: str, title: str, text: str, kind: NotifyType) -> None:
        apprise = Apprise(asset=self._asset)
        apprise.add(service)
        result = apprise.notify(
            body=text, title=title, notify_type=kind, body_format=NotifyFormat.TEXT, log_level=logging.DEBUG
        )
        if result.status is AppriseResultStatus.SUCCESS:
            return
        failure = self._failure(result, url)
        is_by_http = not isinstance(service, MailPlugin) and " answered " not in failure
        if is_by_http and (fault := fault_on_the_way("https" if service.secure else "http")):
            failure = f"{service.service_name} cannot be reached: {fault}"
        if isinstance(service, MailPlugin) and service.refusals:
            failure = f"{service.service_name} {self._redactor.redacted(service.refused())}"
        raise DeliveryError(
            failure,
            refused=service.is_refused if isinstance(service, MailPlugin) else REFUSED.search(failure) is not None,
            retry_after=service.retry_after if isinstance(service, OpsgeniePlugin) else None,
            had_by=frozenset(service.had_by) if isinstance(service, MailPlugin) else frozenset(),
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
        return f"{service.name} {failure_text(records, self._without_secrets(url))}"


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
