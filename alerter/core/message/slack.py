"""Slack: the title as a header, and an attachment in the colour of each level.

https://api.slack.com/reference/block-kit/blocks: at most 50 blocks, 150 characters in a header, 3,000 in a section, 10
elements in a context, 2,000 characters each. Names stand in `plain_text` alone, which Slack shows as it is: no markup,
no mention, no emoji. Only links of ours are markup.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from json import dumps

from alerter.core.message.content import AlertCard, MessageContent, MessageStatus, RichText
from alerter.core.message.layout import COLORS, CardLayout, Json, first_fitting, with_headings
from alerter.core.message.sanitize import ZERO_WIDTH_SPACE, truncate_middle
from alerter.core.message.text import format_text

_MAX_SECTION = 2900
_MAX_HEADER = 150
_MAX_ELEMENT = 2000
_MAX_ELEMENTS = 10
_MAX_BODY = 24_000


def escape_slack(text: str) -> str:
    """Return text without the three characters that Slack's mentions and links are made of."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def slack_body(words: MessageContent) -> str:
    """Return Slack's payload as JSON."""
    return first_fitting(words, _slack_view, _MAX_BODY)


def _slack_view(words: MessageContent, view: CardLayout) -> str:
    title = format_text(words.title)
    sections = [*_card_sections(words, view), *_line_sections(words, view)]
    attachments: list[Json] = []
    end: list[Json] = [*(_section(text) for text in _packed(_last_texts(words, view))), *_contexts(words)]
    levels = {status for status, _ in sections}
    for status, texts in groupby(sections, key=lambda each: each[0]):
        blocks: list[Json] = [_section(text) for _, text in texts]
        # What is said of the whole message stands in the same colour where there is but one.
        attachments.append(_attachment(title, status, [*blocks, *(end if len(levels) == 1 else [])]))
    if len(levels) != 1:
        attachments.append(_attachment(title, words.status, end))
    payload: dict[str, Json] = {
        # What a phone shows; Slack puts the blocks in its place.
        "text": escape_slack(title),
        "mrkdwn": False,
        "blocks": [_header(words.title)],
        "attachments": attachments,
    }
    if words.preface:
        payload["blocks"] = [_header(words.title), _section(_literal(words.preface))]
    return dumps(payload, ensure_ascii=False)


def _attachment(title: str, status: MessageStatus, blocks: list[Json]) -> Json:
    return {"color": COLORS[status], "fallback": escape_slack(title), "blocks": blocks}


def _card_sections(words: MessageContent, view: CardLayout) -> Iterator[tuple[MessageStatus, str]]:
    for heading, card in with_headings(view.cards, words):
        if heading:
            yield card.status, heading.upper()
        yield from ((card.status, text) for text in _packed(_card_texts(card, is_single=words.is_single)))


def _line_sections(words: MessageContent, view: CardLayout) -> Iterator[tuple[MessageStatus, str]]:
    after = view.cards[-1].group if view.cards else ""
    lines = [(line.status, heading, line) for heading, line in with_headings(view.lines, words, after=after)]
    for status, of_tone in groupby(lines, key=lambda each: each[0]):
        texts = (text for _, heading, line in of_tone for text in (heading, _literal(line.text)) if text)
        yield from ((status, text) for text in _packed(texts))


def _card_texts(card: AlertCard, *, is_single: bool) -> Iterator[str]:
    if not is_single:
        yield f"{card.badge}: {_literal(card.heading)}"
    yield from (f"{fact.label}:  {_literal(fact.value)}" for fact in card.facts)
    yield from (_literal(note) for note in card.notes)
    if not is_single and card.reference:
        yield _literal(card.reference)


def _last_texts(words: MessageContent, view: CardLayout) -> Iterator[str]:
    if view.more:
        yield view.more
    if words.past.lines:
        yield words.past.heading
        yield from (_literal(line.text) for line in view.past)
    if view.more_past:
        yield view.more_past
    yield from (_literal(note) for note in words.notes)


def _contexts(words: MessageContent) -> Iterator[Json]:
    links = [f"<{_slack_url(link.url)}|{_slack_label(link.label)}>" for link in words.links]
    marked: list[Json] = [_markup(text) for text in links if len(text) <= _MAX_ELEMENT]
    if marked:
        yield {"type": "context", "elements": marked[:_MAX_ELEMENTS]}
    labels = [f"{fact.label}  {_literal(fact.value)}" for fact in words.labels]
    footer = [_literal(line) for line in words.footer]
    elements: list[Json] = [_plain("\n".join(lines)[: _MAX_ELEMENT // 2]) for lines in (labels, footer) if lines]
    yield {"type": "context", "elements": elements}


def _slack_url(url: str) -> str:
    return escape_slack(url).replace("|", "%7C")


def _slack_label(label: RichText) -> str:
    """Return a link's label: code has no place in a link, so what would format it or end it goes."""
    return "".join(each for each in escape_slack(format_text(label)) if each not in "|*_~`")


def _markup(text: str) -> dict[str, Json]:
    # verbatim: Slack makes no links and no mentions of its own.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _literal(text: RichText) -> str:
    """Return a text for `plain_text`; the zero-width space is for clients that would look for mentions even here."""
    return format_text(text).replace("<", f"<{ZERO_WIDTH_SPACE}")


def _plain(text: str) -> dict[str, Json]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _header(title: RichText) -> dict[str, Json]:
    return {"type": "header", "text": _plain(truncate_middle(_literal(title), _MAX_HEADER))}


def _section(text: str) -> dict[str, Json]:
    return {"type": "section", "text": _plain(text)}


def _packed(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines in as few paragraphs as a section's length allows."""
    paragraph = ""
    for line in lines:
        if paragraph and len(paragraph) + 1 + len(line) > _MAX_SECTION:
            yield paragraph
            paragraph = line
        else:
            paragraph = f"{paragraph}\n{line}" if paragraph else line
    if paragraph:
        yield paragraph
