"""Logging: one line per record on standard error, in the form that suits its reader, without a secret.

Redaction happens when a line is written, so that it covers tracebacks and the records of libraries as well.
"""

from alerter.logs.setup import LogFormat, configure_logging, format_error, redact

__all__ = ["LogFormat", "configure_logging", "format_error", "redact"]
