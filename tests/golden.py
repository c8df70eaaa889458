"""Golden files of messages: what each kind of message is in each format, to be looked at when it changes.

`python -m tests.golden` renews them below `tests/core/message/golden/`: a folder for each format, a file for a kind.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from alerter.core.message.content import Format, Message
from tests.messages import MESSAGES

FOLDER = Path(__file__).parent / "core/message/golden"
#: What renews them.
COMMAND = "python -m tests.golden"
#: Where what on-call services do stands.
EVENTS = "events"


def golden_files() -> Iterator[tuple[Path, str]]:
    """Yield the path of each golden file, and what it must hold."""
    for kind, message in MESSAGES.items():
        name = kind.replace(" ", "-")
        for format_, suffix in ((Format.TEXT, "txt"), (Format.HTML, "html")):
            yield FOLDER / f"{format_}/{name}.{suffix}", message.bodies[format_]
        for format_ in (Format.SLACK, Format.TEAMS, Format.JSON):
            yield FOLDER / f"{format_}/{name}.json", _pretty(json.loads(message.bodies[format_]))
        yield FOLDER / f"{EVENTS}/{name}.json", _pretty(_events(message))


def _events(message: Message) -> object:
    return [asdict(event) for event in message.events]


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=_instant) + "\n"


def _instant(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()


def main() -> None:
    """Renew the golden files; what is no message any more goes."""
    for path in FOLDER.glob("*/*"):
        path.unlink()
    for path, text in golden_files():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
