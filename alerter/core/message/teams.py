"""Teams: an Adaptive Card.

https://adaptivecards.io/explorer: a TextRun shows its text literally, while a TextBlock and a FactSet read Markdown.
Teams takes 28 KiB, of which the envelope needs some.
"""

from json import dumps

from alerter.core.message.content import (
    AlertCard,
    AlertLine,
    MessageContent,
    MessageStatus,
    RichText,
    Untrusted,
    UntrustedName,
)
from alerter.core.message.layout import CardLayout, Json, first_fitting
from alerter.core.message.sanitize import sanitize
from alerter.core.message.text import format_text

_TEAMS_BYTES = 24 * 1024
_TEAMS_COLOURS = {
    MessageStatus.CRITICAL: "attention",
    MessageStatus.WARNING: "warning",
    MessageStatus.INFO: "accent",
    MessageStatus.RESOLVED: "good",
}


def teams_body(words: MessageContent) -> str:
    """Return an Adaptive Card as JSON."""
    return first_fitting(words, _teams_view, _TEAMS_BYTES)


def _teams_view(words: MessageContent, view: CardLayout) -> str:
    title = format_text(words.title)
    body: list[Json] = []
    if words.says_title:
        body.append(teams_text(teams_runs(words.title, weight="bolder")))
    if words.preface:
        body.append(teams_text(teams_runs(words.preface)))
    body += [_teams_card(card) for card in view.cards]
    # With that many lines, each is one run of text: five times as many fit.
    runs = _teams_line if view.cards else _teams_plain_line
    rest = [teams_text(runs(line), spacing="small") for line in view.lines]
    if view.more:
        rest.append(teams_text(teams_runs((view.more,)), spacing="small"))
    if rest:
        body.append({"type": "Container", "separator": True, "spacing": "medium", "items": rest})
    if words.past.lines:
        past = [teams_text(teams_runs((words.past.heading,), weight="bolder"))]
        past += [teams_text(_teams_line(line), spacing="small") for line in view.past]
        if view.more_past:
            past.append(teams_text(teams_runs((view.more_past,)), spacing="small"))
        body.append({"type": "Container", "separator": True, "spacing": "medium", "items": past})
    body += [teams_text(teams_runs(note), spacing="medium") for note in words.notes]
    body.append(teams_text(teams_runs((words.footer,), size="small", is_subtle=True), spacing="medium"))
    card: dict[str, Json] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": title,
        "body": body,
        "actions": [
            {"type": "Action.OpenUrl", "title": format_text(link.label), "url": link.url} for link in words.links
        ],
        "msteams": {"width": "full"},
    }
    # ASCII, as it goes over the wire: what is measured here is what Teams counts.
    return dumps(card)


def teams_runs(
    phrase: RichText, *, weight: str = "default", size: str = "default", color: str = "default", is_subtle: bool = False
) -> list[Json]:
    """Return a text as runs, which Teams shows literally."""
    style: dict[str, Json] = {
        key: value
        for key, value in (("weight", weight), ("size", size), ("color", color), ("isSubtle", is_subtle))
        if value not in {"default", False}
    }
    runs: list[Json] = []
    for part in phrase:
        bold: dict[str, Json] = {"weight": "bolder"} if isinstance(part, UntrustedName) else {}
        text = sanitize(part) if isinstance(part, Untrusted) else part
        runs.append({"type": "TextRun", "text": text, **style, **bold})
    return runs


def teams_text(runs: list[Json], *, spacing: str = "default") -> dict[str, Json]:
    """Return a paragraph of runs."""
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": runs}


def _teams_line(line: AlertLine) -> list[Json]:
    badge, *rest = line.text
    return [*teams_runs((badge,), color=_TEAMS_COLOURS[line.tone]), *teams_runs(tuple(rest))]


def _teams_plain_line(line: AlertLine) -> list[Json]:
    return teams_runs((format_text(line.text),))


def _teams_card(card: AlertCard) -> dict[str, Json]:
    heading = [
        *teams_runs((f"{card.badge}: ",), weight="bolder", size="medium", color=_TEAMS_COLOURS[card.tone]),
        *teams_runs(card.heading, weight="bolder", size="medium"),
    ]
    items: list[Json] = [teams_text(heading), teams_text(teams_runs(card.subject), spacing="small")]
    for fact in card.facts:
        runs = [*teams_runs((f"{fact.label}: ",), is_subtle=True), *teams_runs(fact.value)]
        items.append(teams_text(runs, spacing="small"))
    items += [teams_text(teams_runs(note)) for note in card.notes]
    return {"type": "Container", "separator": True, "spacing": "medium", "items": items}
