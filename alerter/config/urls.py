"""Facts about an Apprise URL that need no Apprise: its scheme, and the kind of its target.

No I/O. Nothing here puts a URL or a part of one into an error text, but for the scheme.
"""

from hashlib import sha256
from re import IGNORECASE
from re import compile as compile_regex
from urllib.parse import unquote

from alerter.core.notifications import TargetId

_SCHEME = compile_regex(r"([A-Za-z0-9]{2,20})://\S")
#: What begins behind another URL: no URL has a space in it, and a comma is followed by no scheme.
_FURTHER = compile_regex(r"(?<=[^\s,;|])[\s,;|]+[A-Za-z0-9]{2,20}://")
_PARAMETER = compile_regex(r"[?&]([^?=&#]+)=([^&#]*)")
#: A password, which its owner may change without being somewhere else.
_PASSWORD = compile_regex(r"(?<=://)([^:/@?#]*):[^@/?#]*(?=@)|([?&]pass(?:word)?=)[^&#]*", IGNORECASE)

#: Web hooks as Slack, Teams and Discord show them, which Apprise takes as they are.
_NATIVE = (
    (compile_regex(r"https?://hooks\.slack(?:-gov)?\.com/", IGNORECASE), "slack"),
    (compile_regex(r"https?://[^/]+\.logic\.azure\.com[:/]", IGNORECASE), "workflows"),
    (compile_regex(r"https?://[^/]+\.api\.powerplatform\.com[:/]", IGNORECASE), "workflows"),
    (compile_regex(r"https?://(?:[a-z]+\.)?discord(?:app)?\.com/", IGNORECASE), "discord"),
)
#: Parameters with which services of Apprise read a file of this machine.
_READING = frozenset({"keyfile", "pgpprv", "pgppub", "subfile", "template"})
#: Web hooks of Office 365 connectors, which Apprise 2 no longer loads.
_CONNECTOR = compile_regex(
    r"msteams://|https?://(?:outlook\.office(?:365)?\.com/webhook|[^/]+\.webhook\.office\.com)", IGNORECASE
)
#: Services of Apprise that end in a mailbox.
MAIL_SCHEMES = frozenset(
    {
        "mailto", "mailtos", "brevo", "mailersend", "mailgun", "o365", "azure", "postmark", "resend",
        "sendgrid", "sendpulse", "ses", "smtp2go", "sparkpost",
    }
)  # fmt: skip

#: Of these it is known who has a mail.
_ACCOUNTED = frozenset({"mailto", "mailtos"})


def scheme_of(url: str) -> str:
    """Return which service a URL is for, as Apprise calls it: `slack`, `workflows`, `mailtos`.

    Raises:
        ValueError: It is not of the form of a URL, or is a web hook that no longer works.
    """
    if _FURTHER.search(url):
        raise ValueError('expected one URL in each text, found several: write urls = ["…", "…"], with a text for each')
    match = _SCHEME.match(url)
    if match is None or not url.isprintable():
        raise ValueError('expected an Apprise URL such as "slack://…", found text of another form')
    if _CONNECTOR.match(url):
        raise ValueError(
            "Teams connector URLs no longer work: create a webhook with Teams' Workflows app, and paste its URL "
            "(…logic.azure.com…) or write it as workflows://…"
        )
    return next((name for native, name in _NATIVE if native.match(url)), match.group(1).lower())


def has_scheme(url: str) -> bool:
    """Return True if a text is of the form of a URL that can be sent to."""
    try:
        scheme_of(url)
    except ValueError:
        return False
    return True


def id_of(url: str) -> TargetId:
    """Return what a URL is known by where it must not stand itself: the same for as long as it leads to the same place.

    Nobody can read from it what a person chose: it is the digest of the URL without its password.
    """
    return TargetId(sha256(_PASSWORD.sub(r"\1\2", url).encode("utf-8", "replace")).hexdigest()[:16])


def reading_parameter(url: str) -> str:
    """Return the parameter of a URL that names a file of this machine; empty where there is none."""
    return next((name for name, _ in _PARAMETER.findall(url) if unquote(name).lower() in _READING), "")


def has_several_addressees(url: str) -> bool:
    """Say whether one URL reaches several people or channels, so that one refusal makes all of it a failure.

    Not where each of them is accounted for: a mail that some have goes on to the others alone, unless it is signed.
    """
    scheme = scheme_of(url)
    parameters = {name.lower(): unquote(value) for name, value in _PARAMETER.findall(url)}
    # In pieces before they are unquoted, and without the login: a password may hold anything.
    path = [unquote(piece) for piece in url.partition("://")[2].partition("?")[0].split("/")[1:]]
    if scheme not in MAIL_SCHEMES:
        return sum(piece.startswith("#") for piece in path) > 1
    if scheme in _ACCOUNTED and "pgp" not in parameters:
        return False
    addressees = [address for address in parameters.get("to", "").split(",") if address.strip()]
    return "cc" in parameters or "bcc" in parameters or len(addressees) + sum("@" in piece for piece in path) > 1
