"""Pictures of the documentation as SVG: a real message as each service shows it, and what a terminal shows.

Nothing in them is written by hand: words, colours and links are read from the payload that leaves, and the terminal's
text from what the command prints. The frames around them are plain, so that nobody takes them for a screenshot.

`python -m tests.drawings` renews them in docs/pictures; a test compares them, byte for byte.
"""

import json
import re
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from html import escape, unescape
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner
from freezegun import freeze_time
from rich.cells import cell_len

from alerter.cli import cli
from alerter.config import load_config
from alerter.core.charts.figure import Band, Limit
from alerter.core.message.content import Format, Message
from alerter.core.message.render import compose_message
from alerter.core.notifications import Notification, NotificationItem, NotifyReason
from alerter.core.rules import Severity
from alerter.core.series import Tenant
from alerter.jobs.deliver import deliver
from alerter.jobs.poll import poll
from alerter.service.alerting_config import build_alerting_config
from alerter.service.wiring import target_urls
from alerter.storage import Store
from tests.commands import unchanged_logging
from tests.fakes import FakeClock, FakeSource, RecordingNotifier
from tests.messages import CONTEXT, HOUR, MESSAGES, MINUTE, NOW, RISING, SECOPS, an_alert, figure_of

FOLDER: Final = Path(__file__).parents[1] / "docs/pictures"
#: What renews them.
COMMAND: Final = "python -m tests.drawings"
WIDTH: Final = 640
_SANS: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_MONO: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_TEXT, _SOFT, _LINK = "#1c1e21", "#5b6470", "#1565c0"
#: How wide a character is on average, in parts of its height: on the wide side, so that no line leaves its frame.
_SANS_WIDTH, _BOLD_WIDTH, _MONO_WIDTH = 0.56, 0.65, 0.605


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of a line in one style."""

    text: str
    color: str = _TEXT
    is_bold: bool = False
    is_mono: bool = False
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A line of text, or several where it is too long: its runs, their size, and the space above it."""

    runs: tuple[Run, ...]
    size: float = 14
    above: float = 5


@dataclass(slots=True)
class Sheet:
    """A picture that grows downwards."""

    left: float = 20
    right: float = WIDTH - 20
    y: float = 18
    parts: list[str] = field(default_factory=list)

    def add(self, rows: Iterable[Row]) -> None:
        """Write rows below one another; a line that is too long goes on below, at the same indent."""
        for row in rows:
            for number, line in enumerate(_wrapped(row, self.right - self.left)):
                self.y += (1 if number else row.above) + row.size * 1.25
                self.parts.append(_line(line, row.size, self.left, self.y))

    def svg(self, *, title: str, back: str = "#ffffff") -> str:
        """Return the whole picture."""
        height = round(self.y + 18)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            f'role="img" aria-label="{escape(title)}" font-family="{_SANS}">\n'
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" fill="{back}" stroke="#d0d5dc"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )


def _per_character(run: Run) -> float:
    return _MONO_WIDTH if run.is_mono else _BOLD_WIDTH if run.is_bold else _SANS_WIDTH


def _wrapped(row: Row, room: float) -> Iterator[tuple[Run, ...]]:
    """Yield the lines of a row: only its last run is broken, between words."""
    *head, last = row.runs
    taken = sum(cell_len(run.text) * row.size * _per_character(run) for run in head)
    per_line = max(int((room - taken) / (row.size * _per_character(last))), 10)
    first, *others = textwrap.wrap(last.text, per_line, drop_whitespace=False) or [""]
    yield (*head, replace(last, text=first))
    for each in others:
        yield (replace(last, text=each.lstrip()),)


def _line(runs: Sequence[Run], size: float, x: float, y: float) -> str:
    spans = "".join(f"<tspan{_style(run)}>{escape(run.text, quote=False)}</tspan>" for run in runs if run.text)
    return f'<text x="{x:g}" y="{y:.1f}" font-size="{size:g}" xml:space="preserve">{spans}</text>'


def _style(run: Run) -> str:
    weight = ' font-weight="600"' if run.is_bold else ""
    family = f' font-family="{_MONO}"' if run.is_mono else ""
    line = ' text-decoration="underline"' if run.is_link else ""
    return f' fill="{run.color}"{weight}{family}{line}'


_BARS = re.compile(r"([▁▂▃▄▅▆▇█·]{4,})")


def _plain(text: str, color: str = _TEXT) -> tuple[Run, ...]:
    """Return a text as runs; the bars of a sparkline are as wide as one another."""
    parts = _BARS.split(text)
    return tuple(Run(part, color, is_mono=bool(_BARS.fullmatch(part))) for part in parts if part) or (Run(""),)


def charted() -> Message:
    """Return the first message of the gallery for a receiver that wants pictures."""
    alert = an_alert(612, before=212, since=40 * MINUTE)
    limits = tuple(
        Limit(rule=alert.key.rule, severity=severity, count=count, is_upper=True)
        for severity, count in ((Severity.CRITICAL, 500), (Severity.WARNING, 200))
    )
    band = Band(start_at=NOW - HOUR, end_at=NOW, label="Backlog", severity=Severity.CRITICAL)
    figure = replace(figure_of(*RISING, 612), limits=limits, alerts=(band,))
    item = NotificationItem(reason=NotifyReason.FIRST, alert=alert)
    receiver = replace(SECOPS, charts=True)
    return compose_message(
        Notification(receiver=receiver, items=(item,)), CONTEXT, figures={alert.key.subject: figure}, now=NOW
    )


def _sender(sheet: Sheet, where: str) -> None:
    """Draw who has sent a message, as chats show it."""
    x, y = sheet.left, sheet.y
    sheet.parts.append(f'<rect x="{x:g}" y="{y:g}" width="32" height="32" rx="6" fill="#0b57b0"/>')
    sheet.parts.append(_line((Run("a", "#ffffff", is_bold=True),), 20, x + 10, y + 22))
    sheet.left = x + 44
    sheet.y = y - 8
    sheet.add([Row((Run("alerter", is_bold=True), Run(f"   {where}", _SOFT)), 14)])


def _bar(sheet: Sheet, color: str, rows: Iterable[Row]) -> None:
    """Write rows beside a bar of a colour."""
    begin = sheet.y + 10
    sheet.y += 6
    sheet.left += 16
    sheet.add(rows)
    sheet.left -= 16
    end = sheet.y + 6
    sheet.parts.append(
        f'<rect x="{sheet.left:g}" y="{begin:.1f}" width="4" height="{end - begin:.1f}" rx="2" fill="{color}"/>'
    )
    sheet.y = end


def slack(message: Message) -> str:
    """Return what Slack shows of a message."""
    body = json.loads(message.bodies[Format.SLACK])
    sheet = Sheet()
    _sender(sheet, "APP  01:03")
    for block in body["blocks"]:
        sheet.add([Row((Run(block["text"]["text"], is_bold=True),), 15)])
    for attachment in body["attachments"]:
        _bar(sheet, attachment["color"], _slack_rows(attachment["blocks"]))
    return sheet.svg(title=f"Slack: {message.title}")


def _slack_rows(blocks: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for block in blocks:
        if block["type"] == "section":
            yield from (Row(_plain(line)) for line in block["text"]["text"].split("\n"))
            continue
        links = [found[1] for each in block["elements"] if (found := re.fullmatch(r"<[^|>]+\|([^>]+)>", each["text"]))]
        if links:
            yield Row(tuple(part for name in links for part in (Run(name, _LINK), Run("    "))), 13, 8)
        else:
            texts = [line for each in block["elements"] for line in each["text"].split("\n")]
            yield from (Row(_plain(line, _SOFT), 12) for line in texts)


#: What Teams makes of the colours of an adaptive card.
_TEAMS_COLORS: Final = {"attention": "#c4314b", "warning": "#835c00", "good": "#237b4b", "accent": "#4f52b2"}
_TEAMS_SIZES: Final = {"small": 12.0, "medium": 16.0}


def teams(message: Message) -> str:
    """Return what Teams shows of a message."""
    card = json.loads(message.bodies[Format.TEAMS])
    sheet = Sheet()
    _sender(sheet, "Workflows  01:03")
    sheet.left = 20
    sheet.y += 14
    sheet.add(_teams_rows(card["body"]))
    sheet.y += 14
    x = sheet.left
    for action in card["actions"]:
        width = len(action["title"]) * 8 + 26
        sheet.parts.append(
            f'<rect x="{x:g}" y="{sheet.y:.1f}" width="{width}" height="30" rx="4" fill="none" stroke="#b4b8c0"/>'
        )
        sheet.parts.append(_line((Run(action["title"]),), 13, x + 13, sheet.y + 20))
        x += width + 8
    sheet.y += 30
    return sheet.svg(title=f"Teams: {message.title}")


def _teams_rows(items: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for item in items:
        if item["type"] == "Container":
            yield Row((Run(""),), 4, 2)
            yield from _teams_rows(item["items"])
            continue
        runs = tuple(
            Run(
                each["text"],
                _TEAMS_COLORS.get(each.get("color", ""), _SOFT if each.get("isSubtle") else _TEXT),
                is_bold=each.get("weight") == "bolder",
                is_mono=each.get("fontType") == "Monospace",
            )
            for each in item["inlines"]
        )
        yield Row(runs, _TEAMS_SIZES.get(item["inlines"][0].get("size", ""), 14.0))


_ROW = re.compile(r"<tr><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td></tr>")


def mail(message: Message) -> str:
    """Return what a mail client shows of a message, with its picture."""
    html = message.bodies[Format.HTML]
    color = re.findall(r"border-left:5px solid (#[0-9a-f]{6})", html)[0]
    sheet = Sheet()
    heads = (("From", "alerter@example.com"), ("To", "postmaster@example.com"), ("Subject", message.title))
    sheet.add(Row((Run(f"{name}:  ", _SOFT), Run(text, is_bold=name == "Subject")), 13) for name, text in heads)
    sheet.y += 8
    card, _, rest = html.partition("<!-- chart -->")
    badge, words = re.findall(r"<h1[^>]*><span[^>]*>(.*?)</span>(.*?)</h1>", card)[0]
    rows = [Row((Run(_words(badge), color, is_bold=True), Run(_words(words), is_bold=True)), 16)]
    rows += [
        Row((Run(f"{_words(label):<9}", _SOFT, is_mono=True), *_plain(_words(value))), 14)
        for label, value in _ROW.findall(card)
    ]
    begin = sheet.y + 8
    _bar(sheet, color, rows)
    picture = json.loads(message.bodies[Format.CHART])["svg"]
    inner = re.sub(
        r'(<svg [^>]*?)width="640" height="240"',
        rf'\1x="36" y="{sheet.y:.1f}" width="560" height="210"',
        picture,
        count=1,
    )
    sheet.parts.append(inner)
    sheet.y += 214
    sheet.parts.append(f'<rect x="20" y="{begin:.1f}" width="4" height="{sheet.y - begin:.1f}" rx="2" fill="{color}"/>')
    names = [_words(name) for name in re.findall(r"<a [^>]*>(.*?)</a>", rest)]
    sheet.add([Row(tuple(part for name in names for part in (Run(name, _LINK, is_link=True), Run("    "))), 14, 10)])
    sheet.add(Row((Run(f"{_words(label)}  ", _SOFT), Run(_words(value))), 13) for label, value in _ROW.findall(rest))
    footer = re.findall(r'<p class="soft"[^>]*>(.*?)</p>', rest)[-1].split("<br>")
    sheet.add(Row((Run(_words(line), _SOFT),), 12) for line in footer)
    return sheet.svg(title=f"Mail: {message.title}")


def _words(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def pagerduty(message: Message) -> str:
    """Return what an incident of PagerDuty shows."""
    event = message.events[0]
    facts = {
        "Severity": str(event.severity), "Source": event.source, "Component": event.component, "Class": event.rule,
        "Group": event.group,
    }  # fmt: skip
    return _incident("PagerDuty", Run("Triggered", "#048a24", is_bold=True), event.summary, facts, _details(message))


def opsgenie(message: Message) -> str:
    """Return what an alert of Opsgenie shows."""
    event = message.events[0]
    facts = {"Source": event.source, "Entity": event.component, "Tags": f"{event.rule}, {event.group}"}
    return _incident("Opsgenie", Run("P1", "#c62828", is_bold=True), event.summary, facts, _details(message))


def _details(message: Message) -> Mapping[str, str]:
    details = message.events[0].details
    return {
        name: value if isinstance(value, str) else ", ".join(f"{label}: {text}" for label, text in value.items())
        for name, value in details.items()
    }


def _incident(service: str, state: Run, summary: str, facts: Mapping[str, str], details: Mapping[str, str]) -> str:
    sheet = Sheet()
    sheet.add([Row((state,), 13), Row((Run(summary, is_bold=True),), 15, 3)])
    sheet.y += 6
    for table in (facts, details):
        sheet.add(Row((Run(f"{name:<12}", _SOFT, is_mono=True), *_plain(text)), 13) for name, text in table.items())
        sheet.y += 8
    return sheet.svg(title=f"{service}: {summary}")


def chat(message: Message, service: str, *, has_own_title: bool) -> str:
    """Return what a service shows that takes plain text alone.

    Args:
        message: What is sent.
        service: Its name.
        has_own_title: Whether it has a title besides the text.
    """
    first, *lines = message.bodies[Format.TEXT].split("\n")
    sheet = Sheet()
    _sender(sheet, service)
    sheet.add([Row((Run(first, is_bold=has_own_title),), 15)])
    rows = textwrap.dedent("\n".join(lines)).strip("\n").split("\n")
    sheet.add(Row(_with_links(line), 13, 3) for line in rows)
    return sheet.svg(title=f"{service}: {message.title}")


def _with_links(line: str) -> tuple[Run, ...]:
    head, link, _ = re.split(r"(https?://\S+)", f"{line} ", maxsplit=1) if "://" in line else (line, "", "")
    return (*_plain(head), *([Run(link, _LINK)] if link else []))


def webhook(message: Message) -> str:
    """Return what a program gets beside Apprise's fields."""
    sheet = Sheet()
    text = json.dumps({"alerter": json.loads(message.bodies[Format.JSON])}, ensure_ascii=False, indent=2)
    sheet.add(Row((Run(line, is_mono=True),), 11.5, 1) for line in text.split("\n"))
    return sheet.svg(title=f"Webhook: {message.title}")


def phones(messages: Sequence[Message]) -> str:
    """Return the titles of messages as the lock screen of a phone shows them: two lines each."""
    sheet = Sheet(left=150, right=490, y=22)
    for message in messages:
        begin = sheet.y
        sheet.y += 8
        sheet.left, sheet.right = 164, 478
        lines = textwrap.wrap(message.title, int(314 / (14 * _BOLD_WIDTH)), max_lines=2, placeholder=" …")
        rows = [Row((Run("alerter", _SOFT),), 12, 0), *(Row((Run(line, is_bold=True),), 14, 1) for line in lines)]
        frame = len(sheet.parts)
        sheet.add(rows)
        sheet.y += 10
        box = f'<rect x="150" y="{begin:.1f}" width="340" height="{sheet.y - begin:.1f}" rx="12" fill="#ffffff"/>'
        sheet.parts.insert(frame, box)
        sheet.y += 8
    return sheet.svg(title="Titles of messages on a phone", back="#dfe4ea")


#: The colours that commands use, by their codes.
_ANSI: Final = {"31": "#ff7b72", "32": "#56d364", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff", "36": "#76e3ea"}
_ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")
_SCREEN_TEXT, _SCREEN_SOFT = "#e6edf3", "#8b949e"


def terminal(shown: str, *, title: str, columns: int = 80) -> str:
    """Return what a terminal shows: text with the escape sequences of colours."""
    size = (WIDTH - 40) / (columns * _MONO_WIDTH)
    lines = shown.rstrip("\n").split("\n")
    height = round(len(lines) * size * 1.5 + 44)
    texts = []
    for number, line in enumerate(lines):
        y = 34 + (number + 0.5) * size * 1.5
        spans = "".join(_terminal_spans(line))
        texts.append(f'<text x="20" y="{y:.1f}" font-size="{size:.2f}" xml:space="preserve">{spans}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="{escape(title)}" font-family="{_MONO}">\n'
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#0d1117"/>\n'
        + "".join(f'<circle cx="{20 + 16 * each}" cy="16" r="4.5" fill="#30363d"/>' for each in range(3))
        + "\n"
        + "\n".join(texts)
        + "\n</svg>\n"
    )


def _terminal_spans(line: str) -> Iterator[str]:
    color, is_bold = _SCREEN_TEXT, False
    for index, part in enumerate(_ESCAPE.split(line)):
        if index % 2:
            codes = [code or "0" for code in part.split(";")]
            if "0" in codes:
                color, is_bold = _SCREEN_TEXT, False
            is_bold = is_bold or "1" in codes
            color = _SCREEN_SOFT if "2" in codes else next((_ANSI[code] for code in codes if code in _ANSI), color)
        elif part:
            weight = ' font-weight="700"' if is_bold else ""
            yield f'<tspan fill="{color}"{weight}>{escape(part, quote=False)}</tspan>'


# The terminal

#: What the commands below are asked of: a day at two tenants, of which one ends badly.
_CONFIG: Final = """\
[service]
timezone = "Europe/London"
poll_interval = "10m"
[tenants.acme]
client_id = "i"
client_secret = "s"
[tenants.globex]
client_id = "i"
client_secret = "s"
[receivers.secops]
urls = ["json://127.0.0.1:9/"]
[[rules]]
name = "Backlog"
warning = { threshold = { above = 200, clear_at = 150 } }
critical = { threshold = { above = 500 }, for = "10m" }
"""
_POLLS: Final = 145
_EVERY: Final = 10 * MINUTE


def _counts(number: int) -> Mapping[str, Mapping[str, int]]:
    """Return what is held at one of the polls of the day, by tenant and hold reason."""
    wave, late = number % 72 - 36, max(number - 100, 0)
    return {
        "acme": {
            "Spam Scanning": 40 + abs(wave) // 2 + 14 * late,
            "Graymail": 150 - abs(wave),
            "Impersonation Protect": 3,
        },
        "globex": {"Spam Scanning": 60 + abs(wave), "Attachment Protect": 8},
    }


@contextmanager
def watched_day() -> Iterator[Callable[[str], str]]:
    """Poll a day, and yield what prints what a command shows after it at 80 columns, in colour."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.toml"
        path.write_text(_CONFIG, encoding="utf-8")
        config = load_config(path, {})
        alerting, clock = build_alerting_config(config), FakeClock(NOW - (_POLLS - 1) * _EVERY)
        with closing(Store(config.service.database)) as store:
            store.upgrade()
            for number in range(_POLLS):
                for tenant, counts in _counts(number).items():
                    source = FakeSource(clock, tenant=tenant)
                    source.answers.append(counts)
                    poll(Tenant(tenant), source, store, alerting, clock=clock)
                deliver(store, RecordingNotifier(), target_urls(config), alerting=alerting, clock=clock)
                clock.forward("10m")

        def show(words: str) -> str:
            arguments = [*words.split(), "--config", str(path), "--color", "always"]
            with freeze_time(NOW + 2 * MINUTE), unchanged_logging():
                return CliRunner().invoke(cli, arguments, env={"COLUMNS": "80"}, color=True).output

        yield show


def terminal_pictures() -> Iterator[tuple[str, str]]:
    """Yield the name of each picture of a terminal, and the picture."""
    with watched_day() as show:
        # What follows is about the database, whose size is not the same everywhere.
        status = show("status").partition("\x1b[1mMutes")[0].rstrip()
        table = status[status.index("\x1b[1mTenants") :]
        yield "status", terminal(f"$ alerter status\n{table}", title="alerter status")
        chart = show("history Spam* --tenant acme --since 1d").partition("\x1b[1mLast changes")[0].rstrip()
        yield "history", terminal(f"$ alerter history 'Spam*' --since 1d\n{chart}", title="alerter history")


_FIRST = MESSAGES["first"]
_TITLES: Final = ("first", "raised", "reminder", "lowered", "resolved", "no data")
#: Each picture of a message by its name.
MESSAGE_PICTURES: Final[Mapping[str, Callable[[], str]]] = {
    "slack": lambda: slack(_FIRST),
    "teams": lambda: teams(_FIRST),
    "email": lambda: mail(charted()),
    "pagerduty": lambda: pagerduty(_FIRST),
    "opsgenie": lambda: opsgenie(_FIRST),
    "telegram": lambda: chat(_FIRST, "Telegram", has_own_title=False),
    "ntfy": lambda: chat(_FIRST, "ntfy", has_own_title=True),
    "webhook": lambda: webhook(_FIRST),
    "titles": lambda: phones([MESSAGES[kind] for kind in _TITLES]),
}


def pictures() -> Iterator[tuple[Path, str]]:
    """Yield the path of each picture, and what it must be."""
    for name, draw in MESSAGE_PICTURES.items():
        yield FOLDER / f"{name}.svg", draw()
    for name, svg in terminal_pictures():
        yield FOLDER / f"{name}.svg", svg


def main() -> None:
    """Renew the pictures."""
    FOLDER.mkdir(exist_ok=True)
    for path, svg in pictures():
        path.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
