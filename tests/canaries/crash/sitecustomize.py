"""Python loads this at its start where it is found: it lets alerter crash at one place, with every secret in the text.

`CRASH` in the environment names the place. What no test can bring about from outside is brought about here.
"""

import json
import logging
import warnings
from os import environ  # noqa: TID251 - it is loaded into other processes than the tests'
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

_LIBRARIES = (
    "urllib3",
    "apscheduler.executors.default",
    "sqlalchemy.pool",
    "waitress",
    "alembic",
    "apprise",
    "requests",
)


def _secrets() -> str:
    """Return all of them, in several forms."""
    texts = [path.read_text() for path in sorted(Path(environ["CREDENTIALS_DIRECTORY"]).iterdir())]
    forms = (
        str,
        quote,
        lambda text: quote(text, safe=""),
        json.dumps,
        repr,
        lambda text: repr(text.encode()),
        str.lower,
    )
    return " ".join(form(text) for text in texts for form in forms)


def crash(*_: object, **__: object) -> NoReturn:
    """Say the secrets in every way in which a library could, and raise them."""
    text = _secrets()
    for name in _LIBRARIES:
        logging.getLogger(name).error("failed: %s", text)
        logging.getLogger(name).warning("wrong arguments %d", text)
    warnings.warn(text, stacklevel=1)
    try:
        raise KeyError(text)  # noqa: TRY301 - the chain is what is tested
    except KeyError as error:
        error.add_note(text)
        raise RuntimeError({"text": text}) from error


def _arm(place: str) -> None:
    import alerter.config  # noqa: PLC0415 - only in processes that are to crash
    import alerter.config.load  # noqa: PLC0415
    from alerter.notifiers.apprise import AppriseNotifier  # noqa: PLC0415
    from alerter.sources.mimecast import MimecastSource  # noqa: PLC0415
    from alerter.storage import Store  # noqa: PLC0415

    load_config = alerter.config.load.load_config

    def load_and_crash(*arguments: object, **options: object) -> NoReturn:
        load_config(*arguments, **options)  # type: ignore[arg-type]
        crash()

    match place:
        case "load":
            alerter.config.load_config = load_and_crash
        case "fetch":
            MimecastSource.fetch = crash  # type: ignore[method-assign]
        case "deliver":
            AppriseNotifier.deliver = crash  # type: ignore[method-assign]
        case "write":
            Store.write = crash  # type: ignore[method-assign]
        case _:
            raise ValueError(f"no such place: {place}")


if "CRASH" in environ:
    _arm(environ["CRASH"])
