"""The secret parts of a URL: the path of a web hook, the password of a mailbox, and whatever looks like a token.

Libraries repeat parts of a URL without the rest of it, so that each part is a secret of its own. Addresses and host
names are none: without them no error would say which mailbox was refused, or which host.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

_URL = re.compile(r"[A-Za-z0-9+.-]+://(?:(?P<user>[^/?#@]*(?:@[^/?#@]*)*)@)?(?P<host>[^/?#]*)(?P<path>[^?]*)")
_PARAMETER = re.compile(r"[?&]([^?=&#]+)=([^&#]*)")
_SEPARATOR = re.compile(r"[/?&=#@:,;]+")
#: Names of parameters whose values are secrets, whatever they look like.
_SECRET_NAME = re.compile(r"pass|pwd|token|secret|signature|^sig$|key$", re.IGNORECASE)
#: Apprise's marks for what goes into a header, the payload or the query as it is.
_HANDED_ON = ("+", "-", ":")

#: A part of a URL is taken for a token from this length on; with a digit in it, from fewer.
TOKEN_LENGTH = 16
TOKEN_LENGTH_WITH_DIGIT = 8
#: A path that is shorter than this says too little to be a secret as a whole.
MIN_PATH = 12


def url_secrets(url: str) -> Iterator[str]:
    """Yield the parts of an Apprise URL or a web address that are secrets on their own; or a token that is no URL.

    The parts come as they are written; code that looks for them must know all the forms that a text can have.
    """
    parts = _URL.match(url)
    if parts is None:
        yield from (url,) if is_token(url) else ()
        return
    user, password = _logins(parts["user"] or "")
    if password:
        yield from (password, f"{unquote(user)}:{unquote(password)}", f"{unquote(user)}\0{unquote(password)}")
    yield from _secret_values(url)
    yield from (piece for piece in (user, *parts["host"].split(":")) if is_token(unquote(piece)))
    yield from _secrets_of_path(parts["path"])


def _logins(text: str) -> tuple[str, str]:
    user, _, password = text.partition(":")
    return user, password


def _secret_values(url: str) -> Iterator[str]:
    for name, value in _PARAMETER.findall(url):
        if name.startswith(_HANDED_ON) or _SECRET_NAME.search(name) or is_token(unquote(value)):
            yield value


def _secrets_of_path(path: str) -> Iterator[str]:
    if "@" in unquote(path):
        return
    if len(path) >= MIN_PATH:
        yield path
    # Some tokens have dots in them, such as those that are signed.
    yield from (piece for piece in _SEPARATOR.split(path) if any(map(is_token, unquote(piece).split("."))))


def url_passwords(url: str) -> Iterator[str]:
    """Yield the passwords of the URL of a database or a proxy, wherever they stand in it; nothing of that of a file."""
    if parts := _URL.match(url):
        yield _logins(parts["user"] or "")[1]
    yield from (value for name, value in _PARAMETER.findall(url) if _SECRET_NAME.search(name))


def url_parts(url: str) -> frozenset[str]:
    """Return every part of a URL but its scheme and, if it is one, the name of its host: where nothing may be shown."""
    _, _, rest = url.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]
    return frozenset(part for part in _SEPARATOR.split(rest) if part != host or "." not in host)


def is_token(text: str) -> bool:
    """Say whether a text looks like a token rather than like a word, a name or an address."""
    if "@" in text or "." in text or any(map(str.isspace, text)):
        return False
    return len(text) >= (TOKEN_LENGTH_WITH_DIGIT if any(map(str.isdigit, text)) else TOKEN_LENGTH)
