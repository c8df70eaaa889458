"""Everything that alerter raises on purpose.

AlerterError
├── ConfigError            the user's file or environment is wrong: every problem of it at once
├── InputError             a file that was to be imported is wrong: nothing of it was kept
├── SourceError            a poll failed, with a cause from a closed set
│   ├── AuthenticationError    Mimecast refuses who we are or what we may do
│   ├── RateLimited            Mimecast asks us to wait
│   ├── SourceUnavailable      no answer, or Mimecast says that it is unwell
│   └── UnexpectedResponse     an answer that cannot be proven to be a hold summary
├── FetchOverrun           a fetch takes longer than its caller waits: nothing is known yet
├── DeliveryError          a target did not take a message
├── ListenError            an address cannot be listened on
├── ActionRefused          what somebody asked for cannot be done any more, or not again
├── AlertNotFound          what was typed or copied names no alert, or several
└── StoreError             the database did not do what it was asked
    └── StoreUnavailable       its server cannot be reached, or takes nothing for now

Third-party errors are wrapped at the adapter that meets them. No message ever carries a secret.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from alerter.humanize import escaped


class AlerterError(Exception):
    """The root of the tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a file: where it is, what was found, what was expected.

    Attributes:
        file: Its name, as the user wrote it.
        line: Counted from 1; None where no line is to blame.
        key: Where in the configuration, as people read it; or empty.
        text: What is wrong.
        source: The line as it stands in the file, without values that the text does not show; or empty.
        column: Where in that line, counted from 1; None where there is no source.
    """

    file: str
    line: int | None
    key: str
    text: str
    source: str = ""
    column: int | None = None

    @property
    def location(self) -> str:
        """`file:line`, or the file alone where no line is to blame."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        """Return `file:line: key: text`, the form that editors jump to, on one line without what cannot be printed."""
        return escaped(f"{self.location}: {self.key}: {self.text}" if self.key else f"{self.location}: {self.text}")


class ConfigError(AlerterError):
    """The configuration is wrong; `problems` holds every one of its errors, in the file's order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class InputError(AlerterError):
    """Files that were to be imported are wrong: `problems` holds the first of their problems, `count` is how many."""

    def __init__(self, problems: tuple[Problem, ...], count: int) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
        self.count = count


class Cause(StrEnum):
    """Why a poll failed: a closed set, each with a sentence that tells the administrator what to do."""

    WRONG_KEYS = "wrong_keys"
    KEYS_EXPIRED = "keys_expired"
    PRODUCT_MISSING = "product_missing"
    PERMISSION_MISSING = "permission_missing"
    RATE_LIMITED = "rate_limited"
    WRONG_HOST = "wrong_host"
    DNS = "dns"
    TLS = "tls"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CLOCK_SKEW = "clock_skew"
    MIMECAST_ERROR = "mimecast_error"
    NOT_UNDERSTOOD = "not_understood"

    @property
    def needs_action(self) -> bool:
        """Whether it stays until somebody mends it; every other cause may pass by itself."""
        return self in _FOR_PERSONS

    @property
    def brief(self) -> str:
        """What happened, in the two or three words that a title has room for."""
        return _BRIEF[self]

    @property
    def advice(self) -> str:
        """What the administrator should do: one or two sentences, plain text."""
        return _ADVICE[self]


_FOR_PERSONS = frozenset(
    {
        Cause.WRONG_KEYS,
        Cause.KEYS_EXPIRED,
        Cause.PRODUCT_MISSING,
        Cause.PERMISSION_MISSING,
        Cause.WRONG_HOST,
        Cause.CLOCK_SKEW,
    }
)
_BRIEF = {
    Cause.WRONG_KEYS: "API keys refused",
    Cause.KEYS_EXPIRED: "API keys expired",
    Cause.PRODUCT_MISSING: "product missing",
    Cause.PERMISSION_MISSING: "permission missing",
    Cause.RATE_LIMITED: "rate limited",
    Cause.WRONG_HOST: "wrong host",
    Cause.DNS: "DNS failed",
    Cause.TLS: "TLS failed",
    Cause.UNREACHABLE: "host unreachable",
    Cause.TIMEOUT: "no answer in time",
    Cause.CLOCK_SKEW: "clock skew",
    Cause.MIMECAST_ERROR: "error at Mimecast",
    Cause.NOT_UNDERSTOOD: "answer not understood",
}
_ADVICE = {
    Cause.WRONG_KEYS: (
        "Mimecast refuses the keys. Compare client_id and client_secret (API 1.0: app_id, app_key, access_key "
        "and secret_key, and the region) with the Mimecast console, and look for spaces that came along when pasting."
    ),
    Cause.KEYS_EXPIRED: (
        "The API 1.0 access key has expired. Set the Authentication Cache TTL of the service user's "
        "authentication profile to never expire, then create new access and secret keys."
    ),
    Cause.PRODUCT_MISSING: (
        "The API application lacks the Cloud Gateway product. Products cannot be added later: create a new API 2.0 "
        "application that includes it, under Integrations > Integrations Hub."
    ),
    Cause.PERMISSION_MISSING: (
        "The role behind the keys lacks a permission. Grant it Account > Monitoring > Held Summary > Read."
    ),
    Cause.RATE_LIMITED: (
        "Mimecast's rate limit is used up. Raise poll_interval, and look for other tools that use the same application."
    ),
    Cause.WRONG_HOST: (
        "The host answers, but not as Mimecast's API. Check region or base_url; "
        'API 2.0 lives at https://api.services.mimecast.com (region = "global"), API 1.0 at a host per region. '
        "Cloud Integrated accounts have no gateway to ask."
    ),
    Cause.DNS: "The host name cannot be resolved. Check region or base_url, and this machine's DNS.",
    Cause.TLS: (
        "The TLS connection failed. Check the certificate that the host shows, a proxy that inspects TLS, "
        "and that REQUESTS_CA_BUNDLE names the proxy's authority if there is one."
    ),
    Cause.UNREACHABLE: "The host cannot be reached. Check firewall, proxy and network.",
    Cause.TIMEOUT: "Mimecast did not answer in time. If it lasts, check the network and Mimecast's status page.",
    Cause.CLOCK_SKEW: (
        "This machine's clock is wrong, so Mimecast refuses its signatures. Switch time synchronisation on."
    ),
    Cause.MIMECAST_ERROR: ("Mimecast reports an error of its own. If it lasts, give Mimecast support the request id."),
    Cause.NOT_UNDERSTOOD: (
        "The answer is not a hold summary that alerter can trust. If it lasts, report it with the request id."
    ),
}


class FetchOverrun(AlerterError):
    """A fetch takes longer than its caller waits; it is no failure yet: with more time it may succeed."""


class SourceError(AlerterError):
    """A poll failed: `cause` says why, `detail` what was found, `request_id` what Mimecast's support asks for."""

    def __init__(self, cause: Cause, detail: str, *, request_id: str | None = None) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail
        self.request_id = request_id


class AuthenticationError(SourceError):
    """Mimecast refuses who we are or what we may do; only a person can mend it."""


class RateLimited(SourceError):
    """Mimecast asks us to wait: `retry_after`, or None where it did not say how long."""

    def __init__(self, detail: str, *, retry_after: timedelta | None, request_id: str | None = None) -> None:
        super().__init__(Cause.RATE_LIMITED, detail, request_id=request_id)
        self.retry_after = retry_after


class SourceUnavailable(SourceError):
    """No answer, or Mimecast says that it is unwell; a later poll may succeed."""


class UnexpectedResponse(SourceError):
    """An answer that cannot be proven to be a hold summary."""


class DeliveryError(AlerterError):
    """A target did not take a message.

    `permanent` says that trying again cannot help; `refused`, that it was this message which the target did not want,
    so that another one may be taken; `retry_after` is how long the target asked us to wait; `had_by` names the
    addressees that have it all the same, or had it before.
    """

    def __init__(
        self,
        detail: str,
        *,
        permanent: bool = False,
        refused: bool = False,
        retry_after: timedelta | None = None,
        had_by: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(detail)
        self.permanent = permanent
        self.refused = refused
        self.retry_after = retry_after
        self.had_by = had_by


class ListenError(AlerterError):
    """An address cannot be listened on: something else does, or it is none of this machine's."""


class AlertNotFound(AlerterError):
    """What somebody typed or copied names no alert, or more than one."""


class ActionRefused(AlerterError):
    """What somebody asked for cannot be done: it is over, it was done already, or there is nothing to do it to."""


class StoreError(AlerterError):
    """The database did not do what it was asked; nothing of the transaction was kept."""


class StoreUnavailable(StoreError):
    """The database's server cannot be reached, or takes nothing for now; it may later, without anybody's doing."""
