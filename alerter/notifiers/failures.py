"""The meaning of a failed delivery: from the records of an attempt to one line for people."""

import re
from ast import literal_eval
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from alerter.network.proxies import TUNNEL_REFUSED, answer_text

_STATUS = re.compile(r"error=(\d{3})\b")
_REPLY = re.compile(r"Response Details:\s*(b['\"].*)", re.DOTALL)
_SMTP_REPLY = re.compile(r"\((\d{3}), b(['\"])(.*?)\2", re.DOTALL)
_MAX_REPLY = 100
#: The characters of a record in which Apprise says that it is of a payload, after the name of the service.
_MAX_PAYLOAD_HEAD = 60
SOCKET_ERROR = "Socket Exception: "
#: A socket's error text can hold the whole URL: only these words of ours go out.
_WORDS_BY_SYMPTOM: Final = {
    "CERTIFICATE_VERIFY_FAILED": "cannot be trusted: its TLS certificate was not accepted",
    "STARTTLS": "does not offer STARTTLS",
    "SSL": "cannot be reached: TLS failed",
    "timed out": "did not answer in time",
    "NameResolution": "cannot be reached: its host name cannot be resolved",
    "Name or service not known": "cannot be reached: its host name cannot be resolved",
    "name resolution": "cannot be reached: its host name cannot be resolved",
    "efused": "cannot be reached: connection refused",
    "nreachable": "cannot be reached: no route to it",
    "closed": "broke off the connection",
    "aborted": "broke off the connection",
    "reset": "broke off the connection",
}


#: What a proxy does that leads nowhere, by the same texts; the first that is found counts.
_PROXY_WORDS_BY_SYMPTOM: Final = {
    "NameResolution": "has a name that does not resolve",
    "CERTIFICATE_VERIFY_FAILED": "shows a certificate that is refused",
    "only use HTTP": "speaks no TLS: write http:// and not https:// before its name",
    "efused": "refuses the connection",
    "timed out": "does not answer",
    "without response": "closes the connection without an answer",
    "reset": "closes the connection without an answer",
}


def failure_text(records: Iterable[tuple[str, str]], redacted: Callable[[str], str], proxy: str = "") -> str:
    """Return the rest of a sentence that begins with the service's name.

    Args:
        records: Level and message of each, oldest first.
        redacted: Leaves the secrets out of a text.
        proxy: What the proxy is called that leads to the service; empty for none.
    """
    # Payloads are recorded as well: what a hold reason is called must not be read as a failure.
    entries = [(level, message) for level, message in records if " Payload: " not in message[:_MAX_PAYLOAD_HEAD]]
    messages = [message for _, message in entries]
    if proxy and (failure := _proxy_failure(messages)):
        return f"cannot be reached: {proxy} {failure}"
    text = _failure_text(entries, messages, redacted)
    return f"{text} ({proxy.rstrip(',')} is in between)" if proxy and " answered " not in f" {text}" else text


def _proxy_failure(messages: Sequence[str]) -> str:
    """Return what a proxy did in place of leading on; empty where it may have led on."""
    text = " ".join(messages)
    if found := re.search(TUNNEL_REFUSED, text):
        return answer_text(found[1])
    if "error=407" in text:
        return answer_text("407")  # nobody but a proxy says so
    if "ProxyError(" not in text:
        return ""
    return next(
        (words for symptom, words in _PROXY_WORDS_BY_SYMPTOM.items() if symptom in text), "lets nothing through"
    )


def _failure_text(records: Iterable[tuple[str, str]], messages: Sequence[str], redacted: Callable[[str], str]) -> str:
    if statuses := [found[1] for message in messages if (found := _STATUS.search(message))]:
        return f"answered {statuses[-1]}{_reply(messages, redacted)}"
    errors = [message for message in messages if SOCKET_ERROR in message or "refused" in message]
    for error in errors:
        if found := _SMTP_REPLY.search(error):
            return f"answered {found[1]}: {one_line(redacted(found[3]))}"
    for error in errors:
        for symptom, words in _WORDS_BY_SYMPTOM.items():
            if symptom in error:
                return words
    return f"failed: {one_line(redacted(_last_warning(records)))}"


def _last_warning(records: Iterable[tuple[str, str]]) -> str:
    return next(
        (message for level, message in reversed([*records]) if level in {"WARNING", "ERROR"}), "no reason given"
    )


def _reply(messages: Iterable[str], redacted: Callable[[str], str]) -> str:
    """Return the beginning of what a service answered, after a colon; nothing where it is a page of HTML."""
    for message in messages:
        if found := _REPLY.search(message):
            with suppress(ValueError, SyntaxError):
                text = one_line(redacted(literal_eval(found[1]).decode("utf-8", "replace")))
                return f": {text}" if text and not text.startswith("<") else ""
    return ""


def one_line(text: str) -> str:
    """Return a text on one short line; without its secrets already, for half of one would not be found."""
    one_line = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(one_line.split())[:_MAX_REPLY]


#: HTTP's words, and Slack's, for a message that the service does not take as it is; another one may be taken.
REFUSED: Final = re.compile(
    r" answered (?:(?:400|413|422)\b|"
    r"200: .*\b(?:invalid_blocks|invalid_attachments|too_many_attachments|msg_too_long|msg_blocks_too_long))"
)
