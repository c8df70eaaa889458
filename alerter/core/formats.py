"""How it is said: a draft laid out and escaped for plain text, HTML, Slack and Teams.

Every service has its own idea of markup, so text that is not ours (hold reasons, tenants, details of errors) goes
through `shown` first and then through the one function of its format: it cannot mention anybody, open a link or break
a layout. Ours is escaped as well, which costs nothing. No I/O: values in, values out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from json import dumps, loads
from re import compile as compile_regex
from textwrap import wrap
from typing import TypeAlias
from unicodedata import bidirectional, category

from alerter.core.alerts import Alert
from alerter.core.messages import (
    CARDS,
    LINES,
    Card,
    Context,
    Data,
    Draft,
    Event,
    EventAction,
    Format,
    Happening,
    Line,
    Message,
    Missed,
    Name,
    Outage,
    Phrase,
    Tone,
    dedup_key_of,
    draft,
    draft_digest,
    draft_fallback,
    draft_reachable,
    draft_test,
    draft_unreachable,
)
from alerter.core.notifications import Notification, Receiver, ReceiverName

Json: TypeAlias = "str | int | bool | Sequence[Json] | dict[str, Json]"


def compose(notification: Notification, context: Context, *, now: datetime) -> Message:
    """Return a notification as a message, in every format.

    Args:
        notification: What a receiver is told, worst first.
        context: Where its readers live, and where they find more.
        now: When it is planned.
    """
    return rendered(draft(notification, context, now=now))


def compose_test(receiver: ReceiverName, context: Context, *, now: datetime) -> Message:
    """Return a message that only proves that a receiver can be reached."""
    return rendered(draft_test(receiver, context, now=now))


def rendered(words: Draft) -> Message:
    """Return a draft as a message, in every format."""
    return Message(
        id=words.id,
        receiver=words.receiver,
        tone=words.tone,
        title=_text(words.title),
        bodies={
            Format.TEXT: _text_body(words),
            Format.HTML: _html_body(words),
            Format.SLACK: _slack_body(words),
            Format.TEAMS: _teams_body(words),
            **({Format.BRIEF: _brief_body(words)} if words.says_title else {}),
        },
        created_at=words.created_at,
        alert_ids=words.alert_ids,
        threads=words.threads,
        events=tuple(_event(happening, words) for happening in words.happenings),
    )


#: PagerDuty takes 1,024 characters, and shows fewer: https://developer.pagerduty.com/docs/send-alert-event
_SUMMARY = 500


def _event(happening: Happening, words: Draft) -> Event:
    return Event(
        dedup_key=happening.dedup_key,
        action=happening.action,
        severity=happening.severity,
        summary=cut(_text(happening.line.text), _SUMMARY),
        details="\n\n".join(part for part in (_text_card(happening.card), _text_links(words), words.footer) if part),
    )


# Text that is not ours

ZERO_WIDTH_SPACE = "\u200b"
REPLACEMENT = "\ufffd"
_JOINERS = "\u200c\u200d"  # they join the parts of an emoji, and the letters of Persian and of Indian scripts
_ISOLATE = "\u2068{}\u2069"  # first strong isolate and its end: what is inside does not reorder what is around it
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_RIGHT_TO_LEFT = frozenset(("R", "AL"))
_MARKS_IN_A_ROW = 3

#: Where a client would make a link or a mention by itself: a scheme, `www.`, a host name or an address.
_LINKABLE = compile_regex(r"(?<=:)(?=//)|(?<=[^\W_])(?=[.][^\W\d_]{2})|(?<=@)")


def shown(data: Data) -> str:
    """Return text that is not ours such that it can be read, and nothing else: on one line, in its own direction.

    Control characters and odd spaces become spaces, invisible characters go, those that would reorder the line become
    a visible replacement, stacked accents are thinned out, and a zero-width space breaks what looks like a link or a
    mention. A blank text becomes `(blank)`, and a long one is cut in its middle.
    """
    # Four times the length is room enough for what goes; the rest of an absurd text is not even looked at.
    text = cut(data.text, 4 * data.longest)
    if not (text.isascii() and text.isprintable()):
        text = "".join(_visible(text))
    text = cut(" ".join(text.split()) or "(blank)", data.longest)
    text = _LINKABLE.sub(ZERO_WIDTH_SPACE, text)
    return _ISOLATE.format(text) if any(bidirectional(each) in _RIGHT_TO_LEFT for each in text) else text


def cut(text: str, longest: int) -> str:
    """Return the text, or its two ends around an ellipsis where it has more than `longest` characters."""
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 2
    return f"{text[: longest - 1 - tail]}…{text[len(text) - tail :]}"


def _visible(text: str) -> Iterator[str]:
    before = " "
    marks = 0
    for character in text:
        seen = _seen(character)
        marks = marks + 1 if category(character) in {"Mn", "Me"} else 0
        if marks > _MARKS_IN_A_ROW or (seen == before and seen in (*_JOINERS, REPLACEMENT)):
            continue
        yield seen
        before = seen or before


def _seen(character: str) -> str:
    if character in _BIDI_CONTROLS:
        return REPLACEMENT
    match category(character):
        case "Cc" | "Zl" | "Zp" | "Zs":
            return " "
        case "Cs" | "Cn":
            return REPLACEMENT
        case "Cf":
            return character if character in _JOINERS else ""
        case _:
            return character


# How much fits

#: So many lines of what is over are shown at most.
_PAST = 20


@dataclass(frozen=True, slots=True)
class _View:
    """What a format shows of a draft: some cards, some lines, and how many more there are; then what is over."""

    cards: tuple[Card, ...]
    lines: tuple[Line, ...]
    more: str
    past: tuple[Line, ...] = ()
    more_past: str = ""


def _views(words: Draft) -> Iterator[_View]:
    """Yield ever smaller views of a draft; the first one is for formats that know no limit.

    Where there may be a past it is cut first, and what fires now is said in fewer words before any is left out.
    """
    sizes: tuple[tuple[int, int, int], ...] = ((CARDS, LINES - CARDS, 0), (3, 10, 0), (1, 5, 0))
    if words.past.heading:
        all_ = len(words.lines)
        sizes = (
            (CARDS, all_, _PAST), (CARDS, all_, 10), (CARDS, all_, 3), (1, all_, 3), (0, all_, 3),
            *((0, all_ // part, 0) for part in (2, 4, 8, 16)), *sizes[1:],
        )  # fmt: skip
    for cards, lines, past in sizes:
        rest = words.total - sum(line.count for line in words.lines[: cards + lines])
        more_past = len(words.past.lines) - past
        yield _View(
            cards=words.cards[:cards],
            lines=words.lines[cards : cards + lines],
            more=f"and {rest:,} more: alerter status" if rest else "",
            past=words.past.lines[:past],
            more_past=f"and {more_past:,} more: alerter notifications" if more_past > 0 else "",
        )


def _first_fitting(words: Draft, render: Callable[[Draft, _View], str], longest: int) -> str:
    """Return the largest rendering of at most `longest` characters, or the smallest that there is."""
    *larger, smallest = _views(words)
    fitting = (body for view in larger if len(body := render(words, view)) <= longest)
    return next(fitting, "") or render(words, smallest)


# Plain text: for mail's plain part, terminals, and every service without a format of its own here

_WIDTH = 78


def _text(phrase: Phrase) -> str:
    return "".join(_text_part(part) for part in phrase)


def _text_part(part: str | Data) -> str:
    if isinstance(part, Name):
        return f"'{shown(part)}'"
    return shown(part) if isinstance(part, Data) else part


def _text_body(words: Draft) -> str:
    view = next(_views(words))
    paragraphs = [_text(words.title)] if words.says_title else []
    paragraphs.append("\n".join(_wrapped(_text(words.preface), first="", rest="")))
    paragraphs += [_text_card(card) for card in view.cards]
    paragraphs.append("\n".join([*(_text(line.text) for line in view.lines), view.more]).rstrip())
    if words.past.lines:
        past = [f"  {_text(line.text)}" for line in view.past]
        paragraphs.append("\n".join([f"{words.past.heading}:", *past, view.more_past]).rstrip())
    paragraphs += ["\n".join(_wrapped(_text(note), first="", rest="")) for note in words.notes]
    paragraphs.append(_text_links(words))
    paragraphs.append(words.footer)
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _text_links(words: Draft) -> str:
    return "\n".join(f"{_text(link.label)}: {link.url}" for link in words.links)


def _text_card(card: Card) -> str:
    lines = [f"{card.badge}: {_text(card.heading)}", _text(card.subject)]
    width = max((len(fact.label) for fact in card.facts), default=0)
    for fact in card.facts:
        lines += _wrapped(_text(fact.value), first=f"  {fact.label:<{width}}  ", rest=" " * (width + 4))
    for note in card.notes:
        lines += ["", *_wrapped(_text(note), first="  ", rest="  ")]
    return "\n".join(lines)


def _wrapped(text: str, *, first: str, rest: str) -> list[str]:
    return wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


# HTML: for mail. Inline styles, for many clients drop <style>; it holds only what makes dark mode dark.

_COLOURS = {Tone.CRITICAL: "#c62828", Tone.WARNING: "#9a5b00", Tone.INFO: "#1565c0", Tone.RESOLVED: "#2e7d32"}
_DARK_COLOURS = {Tone.CRITICAL: "#ff8a80", Tone.WARNING: "#ffcc66", Tone.INFO: "#82b1ff", Tone.RESOLVED: "#81c784"}
_SOFT = "color:#57606a"
_STYLE = "".join(
    [
        ":root{color-scheme:light dark;supported-color-schemes:light dark}@media (prefers-color-scheme:dark){",
        ".page{background:#16181c!important;color:#e6e6e6!important}.card{background:#22252a!important}",
        ".soft{color:#a8b0b9!important}a{color:#82b1ff!important}",
        *(f".{tone}{{color:{colour}!important}}" for tone, colour in _DARK_COLOURS.items()),
        "}",
    ]
)
#: Where a page's content begins: what comes before it is put in here.
_BEGIN = "<!-- content -->"
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body class="page" style="margin:0;padding:0;background:#f3f4f6;color:#1c1e21">
<div style="max-width:600px;margin:0 auto;padding:12px;overflow-wrap:anywhere;\
font:16px/1.45 -apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
{begin}
{content}
</div>
</body>
</html>
"""


def _html(phrase: Phrase) -> str:
    return "".join(_html_part(part) for part in phrase)


def _html_part(part: str | Data) -> str:
    if isinstance(part, Name):
        return f"<b>{escape(shown(part))}</b>"
    return escape(shown(part) if isinstance(part, Data) else part)


def _html_body(words: Draft) -> str:
    view = next(_views(words))
    content = []
    if words.says_title:
        content.append(f'<p style="margin:0 0 12px;font-weight:600">{_html(words.title)}</p>')
    if words.preface:
        content.append(f'<p style="margin:0 0 12px">{_html(words.preface)}</p>')
    content += [_html_card(card) for card in view.cards]
    if view.lines:
        content.append(_html_box("".join(_html_line(line) for line in view.lines), words.tone))
    if view.more:
        content.append(f'<p style="margin:0 0 12px">{escape(view.more)}</p>')
    if words.past.lines:
        past = "".join(_html_line(line) for line in view.past)
        heading = f'<p style="margin:0 0 8px;font-weight:600">{escape(words.past.heading)}</p>'
        content.append(_html_box(f"{heading}{past}{escape(view.more_past)}", Tone.RESOLVED))
    content += [f'<p style="margin:0 0 12px">{_html(note)}</p>' for note in words.notes]
    if words.links:
        links = [
            f'<a href="{escape(link.url)}" style="color:#1565c0;margin-right:20px;white-space:nowrap">'
            f"{_html(link.label)}</a>"
            for link in words.links
        ]
        content.append(f'<p style="margin:0 0 12px">{" ".join(links)}</p>')
    content.append(f'<p class="soft" style="margin:0;font-size:13px;{_SOFT}">{escape(words.footer)}</p>')
    return _html_page(_text(words.title), "\n".join(content))


def _html_page(title: str, content: str) -> str:
    return _PAGE.format(title=escape(title), style=_STYLE, begin=_BEGIN, content=content)


def _html_box(content: str, tone: Tone) -> str:
    return (
        f'<div class="card" style="background:#ffffff;border-left:5px solid {_COLOURS[tone]};border-radius:4px;'
        f'padding:12px 14px;margin:0 0 12px">{content}</div>'
    )


def _html_badge(tone: Tone, text: str) -> str:
    return f'<span class="{tone}" style="color:{_COLOURS[tone]}">{escape(text)}</span>'


def _html_card(card: Card) -> str:
    facts = "".join(
        f'<tr><td class="soft" style="padding:1px 12px 1px 0;vertical-align:top;white-space:nowrap;{_SOFT}">'
        f'{escape(fact.label)}</td><td style="padding:1px 0;vertical-align:top">{_html(fact.value)}</td></tr>'
        for fact in card.facts
    )
    table = (
        f'<table role="presentation" cellspacing="0" style="border-collapse:collapse;font-size:15px">{facts}</table>'
    )
    notes = "".join(f'<p style="margin:8px 0 0;font-size:15px">{_html(note)}</p>' for note in card.notes)
    return _html_box(
        '<div style="font-size:18px;line-height:1.3;font-weight:600">'
        f"{_html_badge(card.tone, card.badge + ':')} {_html(card.heading)}</div>"
        f'<div style="margin:4px 0 8px">{_html(card.subject)}</div>{table if facts else ""}{notes}',
        card.tone,
    )


def _html_line(line: Line) -> str:
    badge, *rest = line.text
    return (
        '<p style="margin:0 0 4px;font-size:15px">'
        f"{_html_badge(line.tone, str(badge).rstrip())} {_html(tuple(rest))}</p>"
    )


# Slack: blocks inside a coloured attachment. https://api.slack.com/reference/block-kit/blocks:
# at most 50 blocks, 3,000 characters in a section, 10 elements in a context, 2,000 characters each.

_SLACK_SECTION = 2900
_SLACK_ELEMENT = 2000
_SLACK_BLOCKS = 24_000


def _slack_escaped(text: str) -> str:
    """Return text without the three characters that Slack's mentions and links are made of."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slack(phrase: Phrase) -> str:
    return "".join(_slack_part(part) for part in phrase)


def _slack_part(part: str | Data) -> str:
    if isinstance(part, Data):
        # Slack has no escape for `*`, `_`, `~`: only code is shown as it is, and only a backtick ends code.
        return f"`{_slack_escaped(shown(part).replace('`', chr(0x2CB)))}`"
    return _slack_escaped(part)


def _slack_body(words: Draft) -> str:
    return _first_fitting(words, _slack_view, _SLACK_BLOCKS)


def _slack_view(words: Draft, view: _View) -> str:
    title = _slack_escaped(_text(words.title))
    # The title stands above the attachment already: a single card need not say the same again.
    paragraphs = [_slack(words.preface)] if words.preface else []
    cards = (_slack_card(card, is_alone=not words.says_title) for card in view.cards)
    paragraphs += [text for card in cards for text in _packed(card)]
    lines = [_slack(line.text) for line in view.lines]
    heading = [f"*{_slack_escaped(words.past.heading)}*"] if words.past.lines else []
    past = [*heading, *(_slack(line.text) for line in view.past)]
    parts = [lines, [view.more], past, [view.more_past], [_slack(note) for note in words.notes]]
    told = [text for part in parts for text in part if text]
    blocks = [_slack_section(text) for text in (*paragraphs, *_packed(told))]
    links = [f"<{_slack_url(link.url)}|{_slack_label(link.label)}>" for link in words.links]
    foot = [text for text in (*links, words.footer) if len(text) <= _SLACK_ELEMENT]
    blocks.append({"type": "context", "elements": [_slack_markup(text) for text in foot]})
    attachment: dict[str, Json] = {"color": _COLOURS[words.tone], "fallback": title, "blocks": blocks}
    return dumps({"text": title, "mrkdwn": False, "attachments": [attachment]}, ensure_ascii=False)


def _slack_card(card: Card, *, is_alone: bool) -> list[str]:
    lines = [] if is_alone else [f"*{_slack_escaped(card.badge)}:* {_slack(card.heading)}"]
    lines.append(_slack(card.subject))
    lines += [f"*{fact.label}*  {_slack(fact.value)}" for fact in card.facts]
    return [*lines, *(_slack(note) for note in card.notes)]


def _slack_url(url: str) -> str:
    return _slack_escaped(url).replace("|", "%7C")


def _slack_label(label: Phrase) -> str:
    """Return a link's label: code has no place in a link, so what would format it or end it goes."""
    return "".join(each for each in _slack_escaped(_text(label)) if each not in "|*_~`")


def _slack_markup(text: str) -> dict[str, Json]:
    # verbatim: Slack makes no links and no mentions of its own.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _slack_section(text: str) -> dict[str, Json]:
    return {"type": "section", "text": _slack_markup(text)}


def _packed(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines in as few paragraphs as a section's length allows."""
    paragraph = ""
    for line in lines:
        if paragraph and len(paragraph) + 1 + len(line) > _SLACK_SECTION:
            yield paragraph
            paragraph = line
        else:
            paragraph = f"{paragraph}\n{line}" if paragraph else line
    if paragraph:
        yield paragraph


# Teams: an Adaptive Card. https://adaptivecards.io/explorer: a TextRun shows its text literally, while a
# TextBlock and a FactSet read Markdown. Teams takes 28 KiB, of which the envelope needs some.

_TEAMS_BYTES = 24 * 1024
_TEAMS_COLOURS = {
    Tone.CRITICAL: "attention",
    Tone.WARNING: "warning",
    Tone.INFO: "accent",
    Tone.RESOLVED: "good",
}


def _teams_body(words: Draft) -> str:
    return _first_fitting(words, _teams_view, _TEAMS_BYTES)


def _teams_view(words: Draft, view: _View) -> str:
    title = _text(words.title)
    body: list[Json] = []
    if words.says_title:
        body.append(_teams_text(_teams_runs(words.title, weight="bolder")))
    if words.preface:
        body.append(_teams_text(_teams_runs(words.preface)))
    body += [_teams_card(card) for card in view.cards]
    # With that many lines, each is one run of text: five times as many fit.
    runs = _teams_line if view.cards else _teams_plain_line
    rest = [_teams_text(runs(line), spacing="small") for line in view.lines]
    if view.more:
        rest.append(_teams_text(_teams_runs((view.more,)), spacing="small"))
    if rest:
        body.append({"type": "Container", "separator": True, "spacing": "medium", "items": rest})
    if words.past.lines:
        past = [_teams_text(_teams_runs((words.past.heading,), weight="bolder"))]
        past += [_teams_text(_teams_line(line), spacing="small") for line in view.past]
        if view.more_past:
            past.append(_teams_text(_teams_runs((view.more_past,)), spacing="small"))
        body.append({"type": "Container", "separator": True, "spacing": "medium", "items": past})
    body += [_teams_text(_teams_runs(note), spacing="medium") for note in words.notes]
    body.append(_teams_text(_teams_runs((words.footer,), size="small", is_subtle=True), spacing="medium"))
    card: dict[str, Json] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": title,
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": _text(link.label), "url": link.url} for link in words.links],
        "msteams": {"width": "full"},
    }
    # ASCII, as it goes over the wire: what is measured here is what Teams counts.
    return dumps(card)


def _teams_runs(
    phrase: Phrase, *, weight: str = "default", size: str = "default", color: str = "default", is_subtle: bool = False
) -> list[Json]:
    style: dict[str, Json] = {
        key: value
        for key, value in (("weight", weight), ("size", size), ("color", color), ("isSubtle", is_subtle))
        if value not in {"default", False}
    }
    runs: list[Json] = []
    for part in phrase:
        bold: dict[str, Json] = {"weight": "bolder"} if isinstance(part, Name) else {}
        text = shown(part) if isinstance(part, Data) else part
        runs.append({"type": "TextRun", "text": text, **style, **bold})
    return runs


def _teams_text(runs: list[Json], *, spacing: str = "default") -> dict[str, Json]:
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": runs}


def _teams_line(line: Line) -> list[Json]:
    badge, *rest = line.text
    return [*_teams_runs((badge,), color=_TEAMS_COLOURS[line.tone]), *_teams_runs(tuple(rest))]


def _teams_plain_line(line: Line) -> list[Json]:
    return _teams_runs((_text(line.text),))


def _teams_card(card: Card) -> dict[str, Json]:
    heading = [
        *_teams_runs((f"{card.badge}: ",), weight="bolder", size="medium", color=_TEAMS_COLOURS[card.tone]),
        *_teams_runs(card.heading, weight="bolder", size="medium"),
    ]
    items: list[Json] = [_teams_text(heading), _teams_text(_teams_runs(card.subject), spacing="small")]
    for fact in card.facts:
        runs = [*_teams_runs((f"{fact.label}: ",), is_subtle=True), *_teams_runs(fact.value)]
        items.append(_teams_text(runs, spacing="small"))
    items += [_teams_text(_teams_runs(note)) for note in card.notes]
    return {"type": "Container", "separator": True, "spacing": "medium", "items": items}


# Shorter plain texts, for a service that takes no more

#: So many alerts are named by their ids where there is room for no more; a command takes an id.
_NAMED_IDS = 5
#: A service that takes no more characters than this sends text messages, which have few characters of their own.
_TEXT_MESSAGE = 320
_TEXT_MESSAGE_CHARACTERS = str.maketrans({"…": "...", "·": "-", "—": "-", "\u2068": "", "\u2069": ""})


@dataclass(frozen=True, slots=True)
class _Brief:
    """What shorter texts of a message are made of.

    Attributes:
        lines: Each of its lines, and how many alerts it stands for; the worst first.
        total: How many alerts there are.
        counts: The same by what happened to them, in words.
        last: What names the message.
    """

    lines: Sequence[tuple[str, int]]
    total: int
    counts: str
    last: str

    def views(self) -> Iterator[str]:
        """Yield ever shorter texts."""
        for number in range(len(self.lines), 0, -1):
            yield self._text([text for text, _ in self.lines[:number]], sum(each for _, each in self.lines[:number]))
        yield self._text([], 0)
        yield self.last

    def _text(self, lines: Sequence[str], told: int) -> str:
        more = f"and {self.total - told:,} more: alerter status" if lines and told < self.total else ""
        return "\n".join(part for part in (*(() if lines else (self.counts,)), *lines, more, self.last) if part)


def _brief_body(words: Draft) -> str:
    counts = Counter(str(line.tone) for line in words.lines for _ in range(line.count))
    said = ", ".join(f"{count:,} {tone}" for tone, count in counts.items())
    more = words.total - counts.total()
    brief: dict[str, Json] = {
        "lines": [[_text(line.text), line.count] for line in (*words.lines, *words.past.lines[:_PAST])],
        "total": words.total,
        "counts": f"{words.total:,} alerts: {said}{f', {more:,} more' if more else ''}" if words.total else "",
    }
    return dumps(brief, ensure_ascii=False)


def _brief(message: Message) -> _Brief:
    """Return what shorter texts are made of; of a single alert the title says everything."""
    last = f"ref {message.id}"
    if Format.BRIEF not in message.bodies:
        return _Brief((), 0, "", last)
    fields = loads(message.bodies[Format.BRIEF])
    lines = tuple((text, count) for text, count in fields["lines"])
    return _Brief(lines, fields["total"], fields["counts"], last)


def short(message: Message) -> Message:
    """Return a message as plain as can be, for a target that refuses it as it is: its title, counts, ids and `ref`."""
    brief = _brief(message)
    ids = f"ids {' '.join(message.alert_ids[:_NAMED_IDS])}" if message.alert_ids else ""
    lines = [part for part in (brief.counts, ids, brief.last) if part]
    text = "\n".join((message.title, *lines))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": message.title,
        "body": [_teams_text(_teams_runs((line,))) for line in (message.title, *lines)],
    }
    return replace(
        message,
        bodies={
            Format.TEXT: text,
            Format.HTML: _html_page(message.title, f'<p style="white-space:pre-wrap">{escape(text)}</p>'),
            Format.SLACK: dumps({"text": _slack_escaped(text), "mrkdwn": False, "attachments": []}, ensure_ascii=False),
            Format.TEAMS: dumps(card),
        },
        events=tuple(replace(event, details=brief.last) for event in message.events),
    )


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


def fitted(message: Message, room: Room) -> tuple[str, str]:
    """Return a message's title and body for a service that takes plain text: as much as it has room for.

    What is too long for it is shortened rather than refused. The title stands once: where a service has none, as the
    body's first line.
    """
    title = room.plain(" ".join(message.title.split()))
    above = "" if room.title_bytes else title
    title = _cut_to(title, room.takes_title) if room.title_bytes else ""
    whole = message.bodies[Format.TEXT].removeprefix(f"{message.title}\n\n")
    for view in (whole, *_brief(message).views()):
        body = "\n".join(part for part in (above, room.plain(view.rstrip())) if part)
        if room.takes(title, body):
            return title, body
    return title, _cut_to(above or room.plain(f"ref {message.id}"), lambda body: room.takes(title, body))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _cut_to(text: str, fits: Callable[[str], bool]) -> str:
    """Return the text, or its two ends around an ellipsis, with as many characters as fit."""
    longest = len(text)
    while longest > 1 and not fits(cut(text, longest)):
        longest -= 1
    return cut(text, longest)


# What could not be delivered when it was written, and where


def digest(missed: Missed, receiver: Receiver, context: Context, *, now: datetime) -> Message:
    """Return one message for several that could not be delivered.

    Its events leave a service that opens and closes as the messages themselves would have, and as is true now.
    """
    return _with_events_of_none(rendered(draft_digest(missed, receiver, context, now=now)), missed)


def fallback(missed: Missed, receiver: Receiver, context: Context, *, now: datetime) -> Message:
    """Return one message for the receiver that gets others in the place of whoever they were for."""
    return _with_events_of_none(rendered(draft_fallback(missed, receiver, context, now=now)), missed)


def unreachable(receiver: ReceiverName, outage: Outage, waiting: int, context: Context, *, now: datetime) -> Message:
    """Return what a receiver is told of somebody else's target that cannot be reached."""
    return rendered(draft_unreachable(receiver, outage, waiting, context, now=now))


def reachable(
    receiver: ReceiverName, outage: Outage, context: Context, *, delivered: int, waiting: int, now: datetime
) -> Message:
    """Return what a receiver is told of that target when it is back."""
    words = draft_reachable(receiver, outage, context, delivered=delivered, waiting=waiting, now=now)
    return rendered(words)


def _with_events_of_none(message: Message, missed: Missed) -> Message:
    """Return a message with the last events of those that it stands for and that are about no alert."""
    last: dict[str, Event] = {}
    for event in (event for each in missed.messages if not each.alert_ids for event in each.events):
        # The key goes first, so that topics stand in the order of their last news.
        last.pop(event.dedup_key, None)
        last[event.dedup_key] = event
    return replace(message, events=(*message.events, *last.values()))


def with_present_events(message: Message, firing: Iterable[Alert]) -> Message:
    """Return a message that comes late such that it opens nothing that is over by now."""
    open_keys = {dedup_key_of(alert.key.topic) for alert in firing}
    events = tuple(
        event if event.dedup_key in open_keys or not message.alert_ids else replace(event, action=EventAction.CLOSE)
        for event in message.events
    )
    return replace(message, events=events)
