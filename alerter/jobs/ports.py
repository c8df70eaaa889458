"""Source and Notifier: the two roles that tests replace; adapters satisfy them without importing this."""

from typing import Protocol

from alerter.core.message.content import Message
from alerter.core.series import Snapshot


class Source(Protocol):
    """A Mimecast account."""

    def fetch(self) -> Snapshot:
        """Return what is held now.

        Raises:
            SourceError: The poll failed; nothing is known.
        """
        ...


class Notifier(Protocol):
    """The way to Slack, Teams, a mailbox and wherever else Apprise can reach."""

    def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
        """Send a message to one target, but for its addressees that have it already.

        Raises:
            DeliveryError: The target, or one of its addressees, did not take it.
        """
        ...
