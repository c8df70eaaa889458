"""Redaction: secrets found in a text, in whichever form they are written there.

Pure, and a stranger to everything else here, so that adapters, configuration and log share one redactor.
"""

from alerter.redaction.redactor import MIN_SECRET, MIN_WORD, REDACTED, Redactor
from alerter.redaction.urls import is_token, url_parts, url_passwords, url_secrets

__all__ = [
    "MIN_SECRET",
    "MIN_WORD",
    "REDACTED",
    "Redactor",
    "is_token",
    "url_parts",
    "url_passwords",
    "url_secrets",
]
