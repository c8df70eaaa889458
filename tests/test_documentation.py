"""README and the pages below docs/: links that lead somewhere, commands that exist, forms of URLs that are taken."""

import json
import re
import shlex
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from alerter.cli import COMMANDS, cli
from alerter.core.message.content import Format
from alerter.notifiers.apprise import AppriseNotifier
from tests.documentation import PAGES, ROOT
from tests.messages import MESSAGES

DOCS = ROOT / "docs"
README = ROOT / "README.md"
INDEX = DOCS / "index.md"
ON_CALL = DOCS / "help/on-call.md"
#: Everything that a reader may come to by a link.
DOCUMENTS = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
MAX_PAGE_LINES = 400
MAX_README_LINES = 150
#: What a receiver's page has, in this order.
RECEIVER_SECTIONS = ["Get the URL", "Configure it", "How a message looks", "Limits"]


def name_of(page: Path) -> str:
    """Return a page's path, as a test's name."""
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    """Return a page's text."""
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """Return a page without its blocks and spans of code, in which nothing is a link or a heading."""
    without_blocks = re.sub(r"^( *)```.*?^\1```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!\[)`[^`\n]+`(?!\])", "", without_blocks)


def headings_of(page: Path) -> list[str]:
    """Return the headings of a page, without marks."""
    text = re.sub(r"^( *)```.*?^\1```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    seen: Counter[str] = Counter()
    anchors: set[str] = set()
    for heading in headings_of(page):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors


def links_of(page: Path) -> list[str]:
    """Return where the links of a page lead, other than to the web."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose_of(page))
    return [each for each in targets if not re.match(r"[a-z]+:", each)]


def linked_pages(page: Path) -> set[Path]:
    """Return the files to which a page links."""
    return {(page.parent / link.partition("#")[0]).resolve() for link in links_of(page) if link.partition("#")[0]}


def navigation_of(entries: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the path and the title of each page in the navigation of the site."""
    for entry in entries:
        for title, value in entry.items():
            if isinstance(value, str):
                yield value, title
            else:
                yield from navigation_of(value)


def console_lines(page: Path) -> Iterator[str]:
    """Yield what a reader types: the lines of console blocks, without prompts and comments."""
    for _, block in re.findall(r"^( *)```console\n(.*?)^\1```$", text_of(page), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if found := re.match(r" *[$#] (.+)", line):
                yield re.sub(r"\s+#\s.*", "", found[1])


def alerter_lines(page: Path) -> Iterator[list[str]]:
    """Yield the command lines of `alerter` of a page as words; also those in code spans of its text."""
    spans = re.findall(r"`((?:sudo )?alerter [^`]+)`", text_of(page))
    for line in [*console_lines(page), *spans]:
        for part in re.split(r"\|\||&&|[;|&>]", line):
            try:
                words = shlex.split(part)
            except ValueError:  # a quotation mark that a separator has cut through
                continue
            words = words[1:] if words[:1] == ["sudo"] else words
            if words and words[0].rsplit("/")[-1] == "alerter":
                yield words[1:]


def problem_of(words: list[str]) -> str:
    """Return what is wrong with a command line of `alerter`; empty where command and options exist."""
    context = click.Context(cli)
    command: click.Command = cli
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            if command is not cli and command.invoke_without_command:
                break
            return f"no command {rest[0]!r}"
        command, rest = found, rest[1:]
    known = {name for each in command.params for name in each.opts} | {"--help", "-h", "--version"}
    unknown = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]
    return f"no option {unknown[0]}" if unknown else ""


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    """A page that is moved, or a heading that is renamed, breaks no link."""
    broken = []
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_there = target.exists() and target.is_relative_to(ROOT)
        if not is_there or (anchor and anchor not in anchors_of(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("start", [README, INDEX], ids=name_of)
def test_every_page_can_be_found_from_the_start(start: Path) -> None:
    """README and the index name every page, so that none is known only to those who wrote it."""
    pages = {page for page in PAGES if page not in {README, INDEX}}

    assert sorted(name_of(page) for page in pages - linked_pages(start)) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != README], ids=name_of)
def test_a_page_links_to_pages_alone(page: Path) -> None:
    """The site has the pages and their pictures: what is beside docs/ is named there, not linked."""
    pictures = DOCS / "pictures"

    assert [name_of(each) for each in linked_pages(page) if each not in PAGES and each.parent != pictures] == []


def test_every_picture_is_shown() -> None:
    """A picture that no page shows is renewed for nobody."""
    shown = {each for page in DOCUMENTS for each in linked_pages(page) if each.suffix in {".svg", ".png"}}

    assert shown == set((DOCS / "pictures").iterdir())


def test_the_site_has_every_page_once_and_by_its_title() -> None:
    """`make docs` itself says nothing of a page that its navigation lacks."""
    project = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    entries = sorted(navigation_of(project["nav"]))

    assert entries == sorted((str(page.relative_to(DOCS)), headings_of(page)[0]) for page in PAGES if page != README)
    assert project["theme"]["font"] is False  # nothing is loaded from elsewhere


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_is_too_long_to_read(page: Path) -> None:
    """A page that grows beyond that is two pages."""
    assert len(text_of(page).splitlines()) <= (MAX_README_LINES if page == README else MAX_PAGE_LINES)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_page_begins_with_its_title(page: Path) -> None:
    """One heading of the first rank, in the first line: it is the page's name in a browser and in the list of pages."""
    lines = re.sub(r"^( *)```.*?^\1```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL).splitlines()

    assert lines[0].startswith("# ")
    assert sum(line.startswith("# ") for line in lines) == 1


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_every_command_line_on_a_page_exists(page: Path) -> None:
    """Commands and options are those of the program: what is copied from a page works."""
    wrong = [(" ".join(words), problem) for words in alerter_lines(page) if (problem := problem_of(words))]

    assert wrong == []


def test_there_are_command_lines_to_look_at() -> None:
    """The test above reads what is on the pages, and notices what is not there."""
    lines = [words for page in PAGES for words in alerter_lines(page)]

    assert {words[0] for words in lines if words} >= {*COMMANDS} - {"schema", "completion", "demo"}
    assert problem_of(["acknowledge", "1f3a"]) == "no command 'acknowledge'"
    assert problem_of(["silence", "add", "--during", "2h"]) == "no option --during"
    assert problem_of(["silence", "end", "3"]) == "no command 'end'"
    assert problem_of(["alerts", "show", "1f3a", "--json"]) == ""


@pytest.mark.parametrize("page", sorted((DOCS / "guides/receivers").glob("*.md")), ids=name_of)
def test_every_form_of_a_url_on_a_receivers_page_is_taken(page: Path) -> None:
    """What a reader copies and fills in is a URL of that service; the page has the same parts as the others."""
    text = text_of(page)
    blocks = re.findall(r"```text\n(.*?)```", text.partition("## Configure it")[2].partition("\n## ")[0], re.DOTALL)
    urls = [line for block in blocks for line in block.splitlines()]

    assert urls
    for url in urls:
        AppriseNotifier().check(url)
    assert headings_of(page)[1:] == RECEIVER_SECTIONS


def titles_explained() -> list[re.Pattern[str]]:
    """Return the titles that the on-call page explains: with other numbers, and with anything in place of `…`."""
    cells = re.findall(r"^\| ([^|]+) \|", text_of(ON_CALL), re.MULTILINE)
    titles = [title for cell in cells for title in re.findall(r"`([^`]+)`", cell) if not title.startswith("alerter ")]
    return [
        re.compile(re.sub(r"[\d,]*\d", lambda _: r"[\d,]+", re.escape(title)).replace("…", ".*")) for title in titles
    ]


@pytest.mark.parametrize("kind", [*MESSAGES])
def test_the_on_call_page_explains_every_kind_of_message(kind: str) -> None:
    """Anyone who looks for a title on that page finds one of its form."""
    assert any(each.match(MESSAGES[kind].title) for each in titles_explained())


def test_the_on_call_page_explains_the_sentence_of_what_was_suppressed() -> None:
    """It stands in the text of a message, and not in its title."""
    assert any(each.search(MESSAGES["suppressed"].bodies[Format.TEXT]) for each in titles_explained())


def shown_on(receiver: str) -> list[str]:
    """Return the lines of the message on a receiver's page, without indents and empty lines."""
    text = text_of(DOCS / f"guides/receivers/{receiver}.md").partition("## How a message looks")[2]
    found = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return [line.strip("┃ ") for line in found[1].splitlines() if line.strip()]


@pytest.mark.parametrize("receiver", ["email", "telegram", "ntfy"])
def test_a_message_on_a_receivers_page_is_what_is_sent(receiver: str) -> None:
    """Where the text is sent as it is, the page shows all of it."""
    sent = [line.strip() for line in MESSAGES["first"].bodies[Format.TEXT].splitlines() if line.strip()]

    assert [line for line in shown_on(receiver) if not line.startswith("Subject: ")] == sent


def texts_in(value: object) -> Iterator[str]:
    """Yield the texts that a reader of Slack's blocks sees; of links the label."""
    if isinstance(value, list):
        for each in value:
            yield from texts_in(each)
    elif isinstance(value, dict):
        if isinstance(value.get("text"), str) and "type" in value:
            yield re.sub(r"<[^|>]+\|([^>]+)>", r"\1", value["text"])
        else:
            for each in value.values():
                yield from texts_in(each)


def test_the_message_on_slacks_page_is_what_slack_shows() -> None:
    """Header, rows, links and footer, in their order."""
    body = json.loads(MESSAGES["first"].bodies[Format.SLACK])
    seen = " ".join(" ".join(texts_in([body["blocks"], body["attachments"]])).split())

    assert " ".join(" ".join(shown_on("slack")).split()) == seen


@pytest.mark.parametrize("receiver", ["pagerduty", "opsgenie"])
def test_the_incident_on_an_on_call_services_page_is_what_is_opened(receiver: str) -> None:
    """Its summary, source, component, rule, group and every number of its details."""
    event = MESSAGES["first"].events[0]
    shown = "\n".join(shown_on(receiver))
    details = [f"{name}: {text}" for name, text in event.details.items() if isinstance(text, str)]

    wanted = [event.summary, event.source, event.component, event.rule, event.group, *details]
    assert [each for each in wanted if each not in shown] == []
