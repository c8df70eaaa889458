"""From keys to headers: API 2.0's bearer token and API 1.0's signature.

No I/O and no clock. Nothing here shows a key: not in an error, not in a representation.
"""

import base64
import hmac
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlencode
from zlib import crc32

from alerter.errors import Cause
from alerter.sources.mimecast.request_error import RequestError

#: A token is renewed this number of seconds before it ends, or a tenth of its life before where that is less.
RENEWAL_MARGIN_SECONDS = 60.0
#: The tenant that renews first does so when this part of its token's life is still to come.
RENEWAL_SPREAD = 0.25


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OAuthKeys:
    """The keys of an API 2.0 application (OAuth2 client credentials)."""

    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        """Return the name of the class only: a representation ends up in logs."""
        return "OAuthKeys(…)"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SigningKeys:
    """The keys of an API 1.0 application and of the user that it acts for; `secret_key` is base64 text."""

    app_id: str
    app_key: str
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        """Return the name of the class only: a representation ends up in logs."""
        return "SigningKeys(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token and the monotonic second from which on it is not used any more."""

    text: str
    renew_at: float

    def __repr__(self) -> str:
        """Return the instant only: a representation ends up in logs."""
        return f"Token(renew_at={self.renew_at!r})"


def token_body(keys: OAuthKeys) -> bytes:
    """Return the form that asks for a token (RFC 6749 section 4.4.2).

    Raises:
        RequestError: A key holds half a character.
    """
    form = {"client_id": keys.client_id, "client_secret": keys.client_secret, "grant_type": "client_credentials"}
    try:
        return urlencode(form).encode("ascii")
    except UnicodeEncodeError:
        raise RequestError(Cause.WRONG_KEYS, "client_id and client_secret must be text, got half a character") from None


def token_renew_at(*, asked_at: float, lifetime_seconds: float, tenant: str) -> float:
    """Return the monotonic second at which to ask for the next token: before this one ends.

    How long before hangs on the tenant's name, so that ten thousand tokens that were granted in one minute, after a
    start, are not renewed in one minute as well, and less and less so each time.
    """
    margin = min(RENEWAL_MARGIN_SECONDS, lifetime_seconds / 10)
    spread = (lifetime_seconds - margin) * RENEWAL_SPREAD * crc32(tenant.encode()) / 2**32
    return asked_at + lifetime_seconds - margin - spread


def signed_headers(keys: SigningKeys, *, uri: str, request_id: str, now: datetime) -> dict[str, str]:
    """Return the headers that sign one request (API 1.0: HMAC-SHA1 of date, request id, path and application key).

    Args:
        keys: Whose signature.
        uri: The path only, with its leading slash.
        request_id: A fresh GUID.
        now: Goes into the signature; Mimecast refuses one that is far from its own time.

    Raises:
        RequestError: A key can be no Mimecast key.
    """
    _refuse_unprintable(keys)
    date = signature_date(now)
    to_sign = f"{date}:{request_id}:{uri}:{keys.app_key}"
    signature = base64.b64encode(hmac.digest(_secret_bytes(keys), to_sign.encode(), "sha1")).decode("ascii")
    return {
        "Authorization": f"MC {keys.access_key}:{signature}",
        "x-mc-app-id": keys.app_id,
        "x-mc-date": date,
    }


def signature_date(now: datetime) -> str:
    """Return e.g. `Tue, 24 Nov 2015 12:50:11 UTC`, in English whatever the locale (`strftime` would ask it)."""
    return format_datetime(now.astimezone(UTC), usegmt=True).removesuffix("GMT") + "UTC"


def secret_texts(keys: OAuthKeys | SigningKeys) -> tuple[str, ...]:
    """Return every key as text."""
    return tuple(str(getattr(keys, field.name)) for field in fields(keys))


def _refuse_unprintable(keys: SigningKeys) -> None:
    """Raise for a key that no header can carry, before an HTTP library quotes it in its own complaint."""
    for field in fields(keys):
        if not is_header_text(str(getattr(keys, field.name))):
            raise RequestError(
                Cause.WRONG_KEYS, f"{field.name} must be printable ASCII without spaces, got something else or nothing"
            )


def is_header_text(text: str) -> bool:
    """Return whether a text can be part of a header's value: printable ASCII without spaces, and not empty."""
    return bool(text) and all("!" <= char <= "~" for char in text)


def _secret_bytes(keys: SigningKeys) -> bytes:
    try:
        return base64.b64decode(keys.secret_key, validate=True)
    except ValueError:
        raise RequestError(
            Cause.WRONG_KEYS, "secret_key must be base64 text as Mimecast shows it, got something that does not decode"
        ) from None
