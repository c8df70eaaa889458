"""Plain text: for mail's plain part, terminals, and every service without a format of its own here."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from json import dumps, loads
from re import compile as compile_regex
from textwrap import wrap

from alerter.core.charts.sparkline import BARS
from alerter.core.message.content import (
    MAX_TITLE,
    AlertCard,
    Bars,
    Format,
    Message,
    MessageContent,
    RichText,
    Untrusted,
    UntrustedName,
)
from alerter.core.message.layout import MAX_PAST, Json, layouts, with_headings
from alerter.core.message.sanitize import ZERO_WIDTH_SPACE, sanitize, truncate_middle

_WIDTH = 78
_INDENT = "  "


def format_text(phrase: RichText) -> str:
    """Return a text of ours and of others as one string."""
    return "".join(_text_part(part) for part in phrase)


def _text_part(part: str | Untrusted | Bars) -> str:
    if isinstance(part, UntrustedName):
        return f"'{sanitize(part)}'"
    if isinstance(part, Bars):
        return part.text
    return sanitize(part) if isinstance(part, Untrusted) else part


#: How long a name may be in a title that would be too long otherwise.
_NAME_LENGTHS = (40, 30, 24, 18, 12)


def fit_title(title: RichText) -> RichText:
    """Return a title of at most `MAX_TITLE` characters: long names are cut in their middle, and the more the longer."""
    if len(format_text(title)) <= MAX_TITLE:
        return title
    shorter = title
    for longest in _NAME_LENGTHS:
        shorter = tuple(
            replace(part, longest=min(longest, part.longest)) if isinstance(part, Untrusted) else part for part in title
        )
        if len(format_text(shorter)) <= MAX_TITLE:
            return shorter
    return (truncate_middle(format_text(shorter), MAX_TITLE),)


def text_body(words: MessageContent) -> str:
    """Return the body in plain text; its first line is the title."""
    view = next(layouts(words))
    paragraphs = [format_text(words.title), "\n".join(_wrapped(format_text(words.preface), first="", rest=""))]
    group = ""
    for heading, card in with_headings(view.cards, words):
        paragraphs += [heading, text_card(card, is_single=words.is_single)]
        group = card.group
    lines: list[str] = []
    for heading, line in with_headings(view.lines, words, after=group):
        lines += [f"\n{heading}" if heading and lines else heading, format_text(line.text)]
    paragraphs.append("\n".join(line for line in (*lines, view.more) if line))
    if words.past.lines:
        past = [f"  {format_text(line.text)}" for line in view.past]
        paragraphs.append("\n".join([f"{words.past.heading}:", *past, view.more_past]).rstrip())
    paragraphs += ["\n".join(_wrapped(format_text(note), first="", rest="")) for note in words.notes]
    paragraphs.append("\n".join(_last_lines(words)))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _last_lines(words: MessageContent) -> list[str]:
    """Return links, labels and the footer: a line each, their names below each other."""
    rows = [(f"{format_text(link.label)}:", link.url) for link in words.links]
    rows += [(fact.label, format_text(fact.value)) for fact in words.labels]
    width = max((len(label) for label, _ in rows), default=0)
    return [*(f"{label:<{width}}  {text}" for label, text in rows), *(format_text(line) for line in words.footer)]


def text_card(card: AlertCard, *, is_single: bool) -> str:
    """Return an alert in detail; without a heading where the title says it, and no other alert is there."""
    heading = [] if is_single else [f"{card.badge}: {format_text(card.heading)}"]
    lines = []
    width = max((len(fact.label) for fact in card.facts), default=0)
    for fact in card.facts:
        lines += _wrapped(format_text(fact.value), first=f"  {fact.label:<{width}}  ", rest=" " * (width + 4))
    reference = [] if is_single else [f"  {format_text(card.reference)}"] if card.reference else []
    notes = [line for note in card.notes for line in ("", *_wrapped(format_text(note), first="  ", rest="  "))]
    body = [*heading, *lines, *notes, *(["", *reference] if notes and reference else reference)]
    return "\n".join(body).removeprefix("\n")


def _wrapped(text: str, *, first: str, rest: str) -> list[str]:
    return wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


#: The alerts that are named by their ids where there is room for no more; a command takes an id.
MAX_NAMED_IDS = 5
#: A service that takes no more characters than this sends text messages, which have few characters of their own.
_TEXT_MESSAGE = 320
_TEXT_MESSAGE_CHARACTERS = str.maketrans(
    {"…": "...", "·": "-", "—": "-", "\u2013": "-", "→": "to", "\u2068": "", "\u2069": "", **dict.fromkeys(BARS, "")}
)


@dataclass(frozen=True, slots=True)
class _Brief:
    """What shorter texts of a message are made of.

    Attributes:
        lines: Each of its lines, and how many alerts it stands for; the worst first.
        total: How many alerts there are.
        counts: The same by what happened to them, in words.
        last: What names the message.
        command: How `alerter` is called.
    """

    lines: Sequence[tuple[str, int]]
    total: int
    counts: str
    last: str
    command: str = "alerter"

    def views(self) -> Iterator[str]:
        """Yield ever shorter texts."""
        for number in range(len(self.lines), 0, -1):
            yield self._text([text for text, _ in self.lines[:number]], sum(each for _, each in self.lines[:number]))
        yield self._text([], 0)
        yield self.last

    def _text(self, lines: Sequence[str], notified: int) -> str:
        more = f"and {self.total - notified:,} more: {self.command} alerts" if lines and notified < self.total else ""
        return "\n".join(part for part in (*(() if lines else (self.counts,)), *lines, more, self.last) if part)


def brief_body(words: MessageContent) -> str:
    """Return what shorter texts are made of, as JSON."""
    counts = Counter(str(line.status) for line in words.lines for _ in range(line.count))
    said = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    more = words.total - counts.total()
    brief: dict[str, Json] = {
        "lines": [[format_text(line.text), line.count] for line in (*words.lines, *words.past.lines[:MAX_PAST])],
        "total": words.total,
        "command": words.command,
        "counts": f"{words.total:,} alerts: {said}{f', {more:,} more' if more else ''}" if words.total else "",
    }
    return dumps(brief, ensure_ascii=False)


def load_brief(message: Message) -> _Brief:
    """Return what shorter texts are made of; of a single alert the title says everything."""
    last = f"id {message.alert_ids[0]} · ref {message.id}" if len(message.alert_ids) == 1 else f"ref {message.id}"
    if Format.BRIEF not in message.bodies:
        return _Brief((), 0, "", last)
    fields = loads(message.bodies[Format.BRIEF])
    lines = tuple((text, count) for text, count in fields["lines"])
    return _Brief(lines, fields["total"], fields["counts"], last, fields.get("command", "alerter"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much plain text a service takes. Bytes of UTF-8: whatever a service counts, it finds no more than those.

    Attributes:
        title_bytes: Of a title at most; 0 where there are no titles.
        body_bytes: Of a body at most, as it is sent.
        is_shared: Whether a title takes its room from the body.
        body_lines: Of a body at most; 0 where that is all the same.
        sent: Returns what is sent for a body.
    """

    title_bytes: int
    body_bytes: int
    is_shared: bool = False
    body_lines: int = 0
    sent: Callable[[str], str] = str

    def takes_title(self, title: str) -> bool:
        """Say whether a title fits; never so long that nothing is left for the body."""
        longest = min(self.title_bytes, self.body_bytes // 2) if self.is_shared else self.title_bytes
        return _bytes(title) <= longest

    def takes(self, title: str, body: str) -> bool:
        """Say whether a body fits below a title."""
        used = _bytes(self.sent(body)) + (_bytes(title) if self.is_shared else 0)
        return used <= self.body_bytes and (not self.body_lines or body.count("\n") < self.body_lines)

    def plain(self, text: str) -> str:
        """Return a text in which nothing is markup, with the characters that the service has."""
        if self.body_bytes <= _TEXT_MESSAGE:
            text = text.translate(_TEXT_MESSAGE_CHARACTERS)
        return _MARKUP.sub(ZERO_WIDTH_SPACE, text)


#: Where chat services see a mention or a link: `<at …>`, `<!here>`, `[CQ:at …]`, `[~name]`, `](…)`, `(met)…`.
_MARKUP = compile_regex(r"(?<=[<\[])|(?<=\])(?=\()|(?<=\()(?=(?:met|rol|chn)\))")


def fit(message: Message, room: Room) -> tuple[str, str]:
    """Return a message's title and body for a service that takes plain text: as much as it has room for.

    What is too long for it is shortened rather than refused. The title stands once: where a service has none, as the
    body's first line.
    """
    title = whole_title = room.plain(" ".join(message.title.split()))
    title = _cut_to(title, room.takes_title) if room.title_bytes else ""
    # Where a title is cut, the text begins with all of it.
    above = "" if title == whole_title else whole_title
    whole = message.bodies[Format.TEXT].removeprefix(f"{message.title}\n\n")
    if whole.startswith(_INDENT):
        # Services cut the space before a text: its first row would stand apart from the others.
        whole = "\n".join(line.removeprefix(_INDENT) for line in whole.split("\n"))
    for view in (whole, *load_brief(message).views()):
        body = "\n".join(part for part in (above, room.plain(view.rstrip())) if part)
        if room.takes(title, body):
            return title, body
    last = room.plain(f"ref {message.id}") if title else above
    return title, _cut_to(last, lambda body: room.takes(title, body))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _cut_to(text: str, fits: Callable[[str], bool]) -> str:
    """Return the text, or its two ends around an ellipsis, with as many characters as fit."""
    longest = len(text)
    while longest > 1 and not fits(truncate_middle(text, longest)):
        longest -= 1
    return truncate_middle(text, longest)
