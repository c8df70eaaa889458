"""Each target of each receiver: whether a message could be sent there, and on request whether one arrives."""

from collections.abc import Callable, Iterator
from datetime import datetime

from alerter.config import ENDS_IN_MAIL, Config, Target
from alerter.doctor.config import finding_from_problem
from alerter.doctor.contacts import assess_contact, receiver_finding
from alerter.doctor.findings import Finding, Group, Outcome
from alerter.errors import DeliveryError
from alerter.network.probe import Endpoint, probe
from alerter.notifiers.apprise import AppriseNotifier

#: Seconds for each wait on the network.
TIMEOUT = 10.0
#: The subject of what is found of `heartbeat_url`.
HEARTBEAT = "heartbeat_url"


def check_target(
    target: Target, notifier: AppriseNotifier, *, send: Callable[[], str | None] | None, now: datetime
) -> Iterator[Finding]:
    """Yield whether a message could be sent to a target.

    Args:
        target: Where to.
        notifier: Knows where that is.
        send: Really sends a test message, and returns why not; None if nothing is to be sent.
        now: The instant.
    """
    try:
        endpoint = notifier.endpoint(target.url)
    except DeliveryError as error:
        # A service would not start with it.
        yield Finding(group=Group.CONFIGURATION, subject=target.name, outcome=Outcome.FAILED, text=str(error))
        return
    if endpoint is None:
        text = "Apprise does not say where it is sent to; --send tries it"
        yield receiver_finding(target.name, Outcome.NOT_APPLICABLE, text)
    else:
        yield from assess_contact(target.name, endpoint, probe(endpoint, timeout=TIMEOUT), now=now)
    if send is not None:
        error_text = send()
        advice = "What it answered is in the line; Troubleshooting says more under 'A message does not arrive'."
        yield (
            receiver_finding(target.name, Outcome.FAILED, f"not sent: {error_text}", advice)
            if error_text
            else receiver_finding(target.name, Outcome.OK, "it took a test message")
        )


def check_heartbeat(url: str | None, *, now: datetime) -> Iterator[Finding]:
    """Yield whether the dead man's switch could be pinged; it is not, for that would say that all is well."""
    if url is None:
        text = "there is none: nobody outside notices when this machine dies"
        yield receiver_finding(HEARTBEAT, Outcome.NOT_APPLICABLE, text)
        return
    endpoint = Endpoint.of_url(url)
    yield from assess_contact(HEARTBEAT, endpoint, probe(endpoint, timeout=TIMEOUT), now=now)


def check_non_mail_receiver(config: Config) -> Iterator[Finding]:
    """Yield whether everything ends in mail, which is what is watched.

    Whether the mailboxes lie behind the very gateway, an MX record could show; but what a domain's mail passes on the
    way is not the whole of it (a connector, a journal), and no host is asked that the configuration does not name.
    """
    warnings = [warning for warning in config.warnings if ENDS_IN_MAIL in warning.text]
    for warning in warnings:
        advice = "Add Slack, Teams, a pager or a text message to the receivers: an alert by mail can be held itself."
        yield finding_from_problem(warning, Group.RECEIVERS, Outcome.WARNING, advice=advice)
    if not warnings:
        text = "at least one does not depend on e-mail"
        yield Finding(group=Group.RECEIVERS, subject="receivers", outcome=Outcome.OK, text=text)
