"""Slack: blocks inside a coloured attachment.

https://api.slack.com/reference/block-kit/blocks: at most 50 blocks, 3,000 characters in a section, 10 elements in a
context, 2,000 characters each.
"""

from collections.abc import Iterable, Iterator
from json import dumps

from alerter.core.message.content import AlertCard, MessageContent, RichText, Untrusted
from alerter.core.message.layout import COLORS, CardLayout, Json, first_fitting
from alerter.core.message.sanitize import sanitize
from alerter.core.message.text import format_text

_SLACK_SECTION = 2900
_SLACK_ELEMENT = 2000
_SLACK_BLOCKS = 24_000


def escape_slack(text: str) -> str:
    """Return text without the three characters that Slack's mentions and links are made of."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slack(phrase: RichText) -> str:
    return "".join(_slack_part(part) for part in phrase)


def _slack_part(part: str | Untrusted) -> str:
    if isinstance(part, Untrusted):
        # Slack has no escape for `*`, `_`, `~`: only code is shown as it is, and only a backtick ends code.
        return f"`{escape_slack(sanitize(part).replace('`', chr(0x2CB)))}`"
    return escape_slack(part)


def slack_body(words: MessageContent) -> str:
    """Return Slack's payload as JSON."""
    return first_fitting(words, _slack_view, _SLACK_BLOCKS)


def _slack_view(words: MessageContent, view: CardLayout) -> str:
    title = escape_slack(format_text(words.title))
    # The title stands above the attachment already: a single card need not say the same again.
    paragraphs = [_slack(words.preface)] if words.preface else []
    cards = (_slack_card(card, is_alone=not words.says_title) for card in view.cards)
    paragraphs += [text for card in cards for text in _packed(card)]
    lines = [_slack(line.text) for line in view.lines]
    heading = [f"*{escape_slack(words.past.heading)}*"] if words.past.lines else []
    past = [*heading, *(_slack(line.text) for line in view.past)]
    parts = [lines, [view.more], past, [view.more_past], [_slack(note) for note in words.notes]]
    notified = [text for part in parts for text in part if text]
    blocks = [_slack_section(text) for text in (*paragraphs, *_packed(notified))]
    links = [f"<{_slack_url(link.url)}|{_slack_label(link.label)}>" for link in words.links]
    foot = [text for text in (*links, words.footer) if len(text) <= _SLACK_ELEMENT]
    blocks.append({"type": "context", "elements": [_slack_markup(text) for text in foot]})
    attachment: dict[str, Json] = {"color": COLORS[words.tone], "fallback": title, "blocks": blocks}
    return dumps({"text": title, "mrkdwn": False, "attachments": [attachment]}, ensure_ascii=False)


def _slack_card(card: AlertCard, *, is_alone: bool) -> list[str]:
    lines = [] if is_alone else [f"*{escape_slack(card.badge)}:* {_slack(card.heading)}"]
    lines.append(_slack(card.subject))
    lines += [f"*{fact.label}*  {_slack(fact.value)}" for fact in card.facts]
    return [*lines, *(_slack(note) for note in card.notes)]


def _slack_url(url: str) -> str:
    return escape_slack(url).replace("|", "%7C")


def _slack_label(label: RichText) -> str:
    """Return a link's label: code has no place in a link, so what would format it or end it goes."""
    return "".join(each for each in escape_slack(format_text(label)) if each not in "|*_~`")


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
