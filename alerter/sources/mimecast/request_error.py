"""A response, or a failed request, as the modules of this folder hand it to one another.

Values only; nothing here leaves the adapter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from alerter.errors import Cause


class RetryAction(StrEnum):
    """What could make the same request succeed at once."""

    NONE = "none"
    #: The same again: the connection broke, or Mimecast stumbled.
    RETRY = "again"
    #: New credentials: the token or signature of this request was refused.
    RENEW_TOKEN = "renew"  # noqa: S105 - an action


#: The characters of a text from outside that are read: twice the longest token.
MAX_TEXT = 32_768


class RequestError(Exception):
    """One request failed; never leaves the adapter, which makes a `SourceError` of it.

    Attributes:
        cause: Of the closed set.
        detail: What was found; may quote the server, so that it must be redacted before anybody sees it.
        remedy: Whether a retry can help.
        wait: How long the server asks to wait first, or None where it does not say.
        request_id: Mimecast's id of the request if it gave one, else ours; None if nothing was sent.
    """

    def __init__(
        self, cause: Cause, detail: str, *, remedy: RetryAction = RetryAction.NONE, wait: timedelta | None = None
    ) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail
        self.remedy = remedy
        self.wait = wait
        self.request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One complete HTTP answer: `headers` by name in lower case, `body` decoded from its transfer but still bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def strip_unprintable(text: str) -> str:
    """Return foreign text on one line, with everything unprintable gone (also bidi controls and surrogates).

    It is cut where nobody reads any more, but not as short as it will be shown, and before the word that is cut there:
    half of a secret would not be found by the redaction that comes later.
    """
    words = "".join(char if char.isprintable() else " " for char in text[:MAX_TEXT]).split()
    return " ".join(words if len(text) <= MAX_TEXT else [*words[:-1], "…"])
