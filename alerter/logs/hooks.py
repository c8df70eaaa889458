"""Hooks for what Python itself would write to standard error: it is logged, so that it is redacted."""

import logging
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

log = logging.getLogger(__name__)


def on_crash(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Log an exception that ends the process: Python's own way would show its text as it is."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        log.error("internal error", exc_info=(kind, error, traceback))


def on_thread_crash(arguments: threading.ExceptHookArgs) -> None:
    """Log an exception that ends a thread."""
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        name = arguments.thread.name if arguments.thread is not None else None
        info = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        log.error("internal error thread=%s", name, exc_info=info)


def on_unraisable(arguments: "UnraisableHookArgs") -> None:
    """Log an exception that nobody can catch, such as one of a finaliser."""
    error = arguments.exc_value
    info = (type(error), error, arguments.exc_traceback) if error is not None else None
    log.warning("exception ignored by Python location=%s", repr(arguments.object), exc_info=info)


def on_warning(  # noqa: PLR0917 - Python's signature
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - as above
    line: str | None = None,  # noqa: ARG001 - as above
) -> None:
    """Log a warning of Python or of a library."""
    place = f"{filename}:{lineno}"
    log.warning("python warning kind=%s text=%s location=%s", category.__name__, str(message), place)
