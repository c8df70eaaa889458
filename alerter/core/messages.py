"""What is said: the words of a notification, before any format.

No I/O: values in, values out. Layout and escaping belong to `formats`; text that comes from Mimecast is data here
and stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerter.core.notifications import ReceiverName


class Tone(StrEnum):
    """How a message looks: the severity of its worst alert, or that all is well again."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    RESOLVED = "resolved"


class Format(StrEnum):
    """The forms in which a message is kept, ready to be sent."""

    TEXT = "text"
    HTML = "html"
    SLACK = "slack"
    TEAMS = "teams"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one receiver, frozen when it was planned.

    Attributes:
        id: Short and stable, and printed in every body, so that a duplicate is recognised.
        receiver: To whom.
        tone: How it looks.
        title: One line of plain text.
        bodies: The body in each format: plain text, an HTML document, and JSON for Slack (`blocks` and `text`) and
            for Teams (an Adaptive Card).
        created_at: When it was planned.
        alert_ids: The alerts that it tells of, worst first.
    """

    id: str
    receiver: ReceiverName
    tone: Tone
    title: str
    bodies: Mapping[Format, str]
    created_at: datetime
    alert_ids: tuple[str, ...] = ()
