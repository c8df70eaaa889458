"""Teams: an Adaptive Card.

https://adaptivecards.io/explorer: a TextRun shows its text literally, while a TextBlock and a FactSet read Markdown.
Teams takes 28 KiB, of which the envelope needs some.
"""

from collections.abc import Iterator
from itertools import groupby
from json import dumps

from alerter.core.message.content import (
    AlertCard,
    Bars,
    Fact,
    MessageContent,
    MessageStatus,
    RichText,
    Untrusted,
    UntrustedName,
)
from alerter.core.message.layout import CardLayout, Json, first_fitting, with_headings
from alerter.core.message.sanitize import sanitize
from alerter.core.message.text import format_text

#: The buttons that are shown; more would be behind a menu.
_MAX_ACTIONS = 4
_TEAMS_BYTES = 24 * 1024
_TEAMS_COLORS = {
    MessageStatus.CRITICAL: "attention",
    MessageStatus.WARNING: "warning",
    MessageStatus.INFO: "accent",
    MessageStatus.RESOLVED: "good",
}


def teams_body(words: MessageContent) -> str:
    """Return an Adaptive Card as JSON."""
    return first_fitting(words, _teams_view, _TEAMS_BYTES)


def _teams_view(words: MessageContent, view: CardLayout) -> str:
    body: list[Json] = [teams_text(_headline(words.title, words.status, size="medium"))]
    if words.preface:
        body.append(teams_text(teams_runs(words.preface)))
    group = ""
    for heading, card in with_headings(view.cards, words):
        body += [*_heading(heading), *_teams_card(card, is_single=words.is_single)]
        group = card.group
    body += _teams_lines(words, view, group)
    if words.past.lines:
        past = [teams_text(teams_runs((words.past.heading,), weight="bolder"))]
        past += [teams_text(_headline(line.text, line.status, weight="default"), spacing="small") for line in view.past]
        if view.more_past:
            past.append(teams_text(teams_runs((view.more_past,)), spacing="small"))
        body.append({"type": "Container", "separator": True, "spacing": "medium", "items": past})
    body += [teams_text(teams_runs(note), spacing="medium") for note in words.notes]
    body += [teams_text(_fact_runs(fact), spacing="small") for fact in words.labels]
    body += [
        teams_text(teams_runs(line, size="small", is_subtle=True), spacing="small" if number else "medium")
        for number, line in enumerate(words.footer)
    ]
    links = words.links[:_MAX_ACTIONS]
    adaptive: dict[str, Json] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": format_text(words.title),
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": format_text(link.label), "url": link.url} for link in links],
        "msteams": {"width": "full"},
    }
    # ASCII, as it goes over the wire: what is measured here is what Teams counts.
    return dumps(adaptive)


def _teams_lines(words: MessageContent, view: CardLayout, group: str) -> Iterator[Json]:
    # With that many lines, each is one run of text: five times as many fit.
    rest: list[Json] = []
    for heading, line in with_headings(view.lines, words, after=group):
        rest += _heading(heading)
        runs = (
            _headline(line.text, line.status, weight="default") if view.cards else teams_runs((format_text(line.text),))
        )
        rest.append(teams_text(runs, spacing="small"))
    if view.more:
        rest.append(teams_text(teams_runs((view.more,)), spacing="small"))
    if rest:
        yield {"type": "Container", "separator": True, "spacing": "medium", "items": rest}


def _heading(text: str) -> list[Json]:
    return [teams_text(teams_runs((text,), weight="bolder", is_subtle=True), spacing="medium")] if text else []


def teams_runs(
    phrase: RichText, *, weight: str = "default", size: str = "default", color: str = "default", is_subtle: bool = False
) -> list[Json]:
    """Return a text as runs, which Teams shows literally."""
    style: dict[str, Json] = {
        key: value
        for key, value in (("weight", weight), ("size", size), ("color", color), ("isSubtle", is_subtle))
        if value not in {"default", False}
    }
    return [_run(part, style) for part in _joined(phrase)]


def _joined(phrase: RichText) -> Iterator[str | Untrusted | Bars]:
    """Yield the parts of a text, what is ours in as few of them as there can be."""
    for is_ours, parts in groupby(phrase, key=lambda part: isinstance(part, str)):
        if not is_ours:
            yield from parts
        elif text := "".join(part for part in parts if isinstance(part, str)):
            yield text


def _run(part: str | Untrusted | Bars, style: dict[str, Json]) -> Json:
    if isinstance(part, Bars):
        return {"type": "TextRun", "text": part.text, "fontType": "Monospace", **style}
    bold: dict[str, Json] = {"weight": "bolder"} if isinstance(part, UntrustedName) else {}
    text = sanitize(part) if isinstance(part, Untrusted) else part
    return {"type": "TextRun", "text": text, **style, **bold}


def teams_text(runs: list[Json], *, spacing: str = "default") -> dict[str, Json]:
    """Return a paragraph of runs."""
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": runs}


def _headline(text: RichText, status: MessageStatus, *, weight: str = "bolder", size: str = "default") -> list[Json]:
    """Return a first line, in which what happened has the colour of how bad it is."""
    badge, *rest = text
    is_badge = isinstance(badge, str) and badge.endswith(": ")
    first = teams_runs((badge,), weight=weight, size=size, color=_TEAMS_COLORS[status] if is_badge else "default")
    return [*first, *teams_runs(tuple(rest), weight=weight, size=size)]


def _fact_runs(fact: Fact) -> list[Json]:
    return [*teams_runs((f"{fact.label}: ",), is_subtle=True), *teams_runs(fact.value)]


def _teams_card(card: AlertCard, *, is_single: bool) -> Iterator[Json]:
    items: list[Json] = []
    if not is_single:
        items.append(teams_text(_headline((f"{card.badge}: ", *card.heading), card.status)))
    items += [teams_text(_fact_runs(fact), spacing="small") for fact in card.facts]
    items += [teams_text(teams_runs(note)) for note in card.notes]
    if not is_single and card.reference:
        items.append(teams_text(teams_runs(card.reference, size="small", is_subtle=True), spacing="small"))
    if items:
        yield {"type": "Container", "separator": True, "spacing": "medium", "items": items}
