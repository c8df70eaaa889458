"""HTML for mail. Inline styles, for many clients drop <style>; it holds only what makes dark mode dark."""

from collections.abc import Iterable, Iterator
from html import escape

from alerter.core.charts.svg import PICTURE_WIDTH
from alerter.core.message.content import (
    AlertCard,
    AlertLine,
    Bars,
    Fact,
    MessageContent,
    MessageStatus,
    RichText,
    Untrusted,
    UntrustedName,
)
from alerter.core.message.layout import COLORS, CardLayout, layouts, with_headings
from alerter.core.message.sanitize import sanitize
from alerter.core.message.text import format_text

_DARK_COLORS = {
    MessageStatus.CRITICAL: "#ff8a80",
    MessageStatus.WARNING: "#ffcc66",
    MessageStatus.INFO: "#82b1ff",
    MessageStatus.RESOLVED: "#81c784",
}
_SOFT = "color:#57606a"
_STYLE = "".join(
    [
        ":root{color-scheme:light dark;supported-color-schemes:light dark}@media (prefers-color-scheme:dark){",
        ".page{background:#16181c!important;color:#e6e6e6!important}.card{background:#22252a!important}",
        ".soft{color:#a8b0b9!important}a{color:#82b1ff!important}",
        *(f".{status}{{color:{colour}!important}}" for status, colour in _DARK_COLORS.items()),
        "}",
    ]
)
#: Where a page's content begins: what comes before it is put in here.
_BEGIN = "<!-- content -->"
#: Where the picture goes, if one is sent along.
_CHART = "<!-- chart -->"
_HEADING = "font-size:18px;line-height:1.3;font-weight:600;margin:0 0 8px"
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


def _html(phrase: RichText) -> str:
    return "".join(_html_part(part) for part in phrase)


def _html_part(part: str | Untrusted | Bars) -> str:
    if isinstance(part, UntrustedName):
        return f"<b>{escape(sanitize(part))}</b>"
    if isinstance(part, Bars):
        # For the eye alone: the same stands beside it in words.
        return f'<span aria-hidden="true" style="font-family:monospace">{escape(part.text)}</span>'
    return escape(sanitize(part) if isinstance(part, Untrusted) else part)


def html_body(words: MessageContent) -> str:
    """Return the body of a mail."""
    view = next(layouts(words))
    title = f'<h1 style="{_HEADING}">{_html_headline(words.title, words.status)}</h1>'
    content = []
    if not words.is_single:
        content.append(title)
    if words.preface:
        content.append(f'<p style="margin:0 0 12px">{_html(words.preface)}</p>')
    group = ""
    for heading, card in with_headings(view.cards, words):
        content += [_html_group(heading), _html_card(card, title if words.is_single else "")]
        group = card.group
    content += _html_lines(words, view, group)
    if words.past.lines:
        past = "".join(_html_line(line) for line in view.past)
        heading = f'<p style="margin:0 0 8px;font-weight:600">{escape(words.past.heading)}</p>'
        content.append(_html_box(f"{heading}{past}{escape(view.more_past)}", MessageStatus.RESOLVED))
    content += [f'<p style="margin:0 0 12px">{_html(note)}</p>' for note in words.notes]
    content += _html_end(words)
    return html_page(format_text(words.title), "\n".join(each for each in content if each))


def _html_lines(words: MessageContent, view: CardLayout, group: str) -> Iterator[str]:
    """Yield the alerts that have a line each, in a box for each kind of news."""
    boxes: list[tuple[str, list[AlertLine]]] = []
    for heading, line in with_headings(view.lines, words, after=group):
        if heading or not boxes:
            boxes.append((heading, []))
        boxes[-1][1].append(line)
    for heading, lines in boxes:
        yield _html_group(heading)
        yield _html_box("".join(_html_line(line) for line in lines), lines[0].status)
    if view.more:
        yield f'<p style="margin:0 0 12px">{escape(view.more)}</p>'


def _html_end(words: MessageContent) -> Iterator[str]:
    if words.links:
        links = [
            f'<a href="{escape(link.url)}" style="color:#1565c0;margin-right:20px;white-space:nowrap">'
            f"{_html(link.label)}</a>"
            for link in words.links
        ]
        yield f'<p style="margin:0 0 12px">{" ".join(links)}</p>'
    if words.labels:
        yield _html_table(words.labels)
    soft = "<br>".join(_html(line) for line in words.footer)
    yield f'<p class="soft" style="margin:8px 0 0;font-size:13px;{_SOFT}">{soft}</p>'


def _html_group(heading: str) -> str:
    return f'<p style="margin:4px 0 8px;font-weight:600">{escape(heading)}</p>' if heading else ""


def _html_headline(text: RichText, status: MessageStatus) -> str:
    """Return a first line, in which what happened has the colour of how bad it is."""
    badge, *rest = text
    if isinstance(badge, str) and badge.endswith(": "):
        return f"{_html_badge(status, badge.rstrip())} {_html(tuple(rest))}"
    return _html(text)


def html_page(title: str, content: str) -> str:
    """Return a complete document."""
    return _PAGE.format(title=escape(title), style=_STYLE, begin=_BEGIN, content=content)


def with_picture(html: str, source: str, text: str) -> str:
    """Return the body of a mail that shows the picture which is sent along.

    Args:
        html: As `html_body` returned it.
        source: The address of the picture within the mail.
        text: What it shows, for people who cannot see it.
    """
    image = (
        f'<img src="{escape(source)}" alt="{escape(text)}" width="{PICTURE_WIDTH}" '
        'style="display:block;width:100%;max-width:640px;height:auto;margin:10px 0 0;border-radius:4px">'
    )
    return html.replace(_CHART, image, 1)


def _html_box(content: str, status: MessageStatus) -> str:
    return (
        f'<div class="card" style="background:#ffffff;border-left:5px solid {COLORS[status]};border-radius:4px;'
        f'padding:12px 14px;margin:0 0 12px">{content}</div>'
    )


def _html_badge(status: MessageStatus, text: str) -> str:
    return f'<span class="{status}" style="color:{COLORS[status]}">{escape(text)}</span>'


def _html_table(facts: Iterable[Fact]) -> str:
    rows = "".join(
        f'<tr><td class="soft" style="padding:1px 12px 1px 0;vertical-align:top;white-space:nowrap;{_SOFT}">'
        f'{escape(fact.label)}</td><td style="padding:1px 0;vertical-align:top">{_html(fact.value)}</td></tr>'
        for fact in facts
    )
    style = "border-collapse:collapse;font-size:15px"
    return f'<table role="presentation" cellspacing="0" style="{style}">{rows}</table>' if rows else ""


def _html_card(card: AlertCard, title: str) -> str:
    """Return an alert in a box.

    Args:
        card: The alert.
        title: The message's, where the card is the only one; else it has a heading of its own.
    """
    notes = "".join(f'<p style="margin:8px 0 0;font-size:15px">{_html(note)}</p>' for note in card.notes)
    reference = ""
    if not title and card.reference:
        reference = f'<p class="soft" style="margin:8px 0 0;font-size:13px;{_SOFT}">{_html(card.reference)}</p>'
    heading = title or (
        f'<div style="{_HEADING}">{_html_badge(card.status, card.badge + ":")} {_html(card.heading)}</div>'
    )
    chart = _CHART if card.chart else ""
    return _html_box(f"{heading}{_html_table(card.facts)}{chart}{notes}{reference}", card.status)


def _html_line(line: AlertLine) -> str:
    return f'<p style="margin:0 0 4px;font-size:15px">{_html_headline(line.text, line.status)}</p>'
