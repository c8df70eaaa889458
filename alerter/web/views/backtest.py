"""Try a rule: rules as text beside what they would have done on the stored history. Nothing is saved.

It is `alerter backtest` in a process of its own with limits, one at a time. Text from a browser is never expanded: it
may hold rules, routes and mute windows, and neither variables nor files nor addresses.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Final

from alerter.core.rules import Severity
from alerter.processes import TookTooLong, alerter_command, run_limited
from alerter.web.context import Screen, View
from alerter.web.request import HttpError

MAX_SECONDS: Final = 60
MAX_MEMORY_BYTES: Final = 512 * 2**20
MAX_TEXT_BYTES: Final = 256 * 1024
SPANS: Final = ("7d", "30d", "90d", "1y")
SECTIONS: Final = ("rules", "routes", "mute_windows")
_MAX_ROWS: Final = 100
_running = Lock()
#: How the rules are named in the child's errors.
_INPUT: Final = "/dev/stdin"

EXAMPLE: Final = """[[rules]]
name     = "Backlog"
warning  = { threshold = { above = 200, clear_at = 150 } }
critical = { threshold = { above = 500, clear_at = 400 }, for = "10m" }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringRow:
    """A firing that only one of the two sets of rules has."""

    is_added: bool
    severity: Severity
    rule: str
    tenant: str
    reason: str
    started_at: datetime
    ended_at: datetime | None
    peak: int | None


def form(view: View) -> Screen:
    """Return the form."""
    return _screen(view, text=EXAMPLE, span="30d")


def run(view: View) -> Screen:
    """Run the rules of the form, and return what they would have done."""
    text, span = "\n".join(view.request.form.get("rules", ())), view.request.field("span") or "30d"
    try:
        check(text, span)
        found = _run(view, text, span)
    except HttpError as error:
        if error.status in (429, 504):
            raise
        return _screen(view, text=text, span=span, errors=error.message.splitlines(), status=error.status)
    return _screen(view, text=text, span=span, result=_result(found))


def check(text: str, span: str) -> None:
    """Refuse what is not to be read from a browser.

    Raises:
        HttpError: It is no TOML, or has something else than rules, routes and mute windows.
    """
    if span not in SPANS:
        raise HttpError(400, f"span: expected one of {', '.join(SPANS)}, found {span!r}")
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise HttpError(413, f"expected at most {MAX_TEXT_BYTES:,} bytes of rules")
    if "${" in text:
        line = text[: text.index("${")].count("\n") + 1
        raise HttpError(400, f"line {line}: expected no variable such as ${{NAME}}: nothing is expanded here")
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise HttpError(400, f"expected TOML: {error}") from None
    wrong = next((name for name in tables if name not in SECTIONS), None)
    if wrong is not None:
        raise HttpError(400, f"{wrong}: expected {', '.join(SECTIONS)} alone")
    if not tables.get("rules"):
        raise HttpError(400, "expected at least one rule, such as [[rules]]")


def _run(view: View, text: str, span: str) -> Mapping[str, Any]:
    if not _running.acquire(blocking=False):
        raise HttpError(429, "somebody tries rules at this moment: try again", headers={"Retry-After": "10"})
    try:
        command = alerter_command(
            "backtest", "--config", str(view.config.path), "--diff", _INPUT, "--since", f"{span} ago", "--json"
        )
        done = run_limited(command, text, seconds=MAX_SECONDS, memory_bytes=MAX_MEMORY_BYTES)
    except TookTooLong as error:
        raise HttpError(504, f"{error}: try a shorter span, or fewer rules") from None
    finally:
        _running.release()
    if done.returncode != 0:
        raise HttpError(400, view.sources.redact(_said(done.stdout) or f"it ended with {done.returncode}"))
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def _said(stdout: str) -> str:
    """Return the errors of the child, each with its line, its key and the text of the line."""
    try:
        errors: Sequence[Mapping[str, Any]] = json.loads(stdout)["errors"]
    except (ValueError, KeyError):
        return ""
    return "\n".join(
        "".join(
            (
                f"line {each['line']}: " if each["line"] else "",
                f"{each['key']}: " if each["key"] else "",
                each["text"].removeprefix(f"{_INPUT}: "),
                f"\n  {each['source']}" if each["source"] else "",
            )
        )
        for each in errors
    )


def _result(found: Mapping[str, Any]) -> Mapping[str, Any]:
    rows = [_row(each, is_added=True) for each in found["added"]]
    rows += [_row(each, is_added=False) for each in found["removed"]]
    rows.sort(key=lambda row: row.started_at, reverse=True)
    return {
        "added": len(found["added"]),
        "removed": len(found["removed"]),
        "moved": len(found["moved"]),
        "unchanged": found["unchanged"],
        "messages_before": _total(found["before"]["messages"]),
        "messages_after": _total(found["after"]["messages"]),
        "rules": [
            {
                "name": each["rule"],
                "fired": each["fired"],
                "median": each["median_seconds"],
                "messages": _total(each["messages"]),
            }
            for each in found["after"]["rules"]
        ],
        "rows": rows[:_MAX_ROWS],
        "more": max(len(rows) - _MAX_ROWS, 0),
        "notes": found["notes"],
    }


def _total(messages: Mapping[str, int] | int) -> int:
    """Return how many messages there are to all receivers together."""
    return messages if isinstance(messages, int) else sum(messages.values())


def _row(firing: Mapping[str, Any], *, is_added: bool) -> FiringRow:
    return FiringRow(
        is_added=is_added,
        severity=Severity(firing["severity"]),
        rule=firing["rule"],
        tenant=firing["tenant"],
        reason=firing["reason"],
        started_at=datetime.fromisoformat(firing["since"]),
        ended_at=datetime.fromisoformat(firing["until"]) if firing["until"] else None,
        peak=firing["peak"],
    )


def _screen(
    view: View,
    *,
    text: str,
    span: str,
    errors: list[str] | None = None,
    result: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Screen:
    del view
    values = {"rules": text, "span": span, "spans": SPANS, "errors": errors or [], "result": result}
    return Screen(
        template="backtest.html", title="Try a rule", section="rules", values=values, refresh=False, status=status
    )
