"""Templates and static files: nothing that a strict policy refuses, nothing that names could break."""

import re
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

WEB = Path(str(files("alerter.web")))
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
VENDOR = WEB / "static" / "vendor"
FORBIDDEN = {
    "an inline style": r"\sstyle=",
    "an inline handler": r"\son\w+=",
    "a handler of htmx": r"hx-on",
    "a trigger filter of htmx, which needs eval": r"hx-trigger=\"[^\"]*\[",
    "a script in a value": r"\bjs:|javascript:",
    "a value that is not escaped": r"\|\s*safe\b",
    "an address beyond the page": r"(?:href|src|action)=\"(?:https?:)?//?",
    "a script in the page": r"<script(?![^>]*\b(?:src|type=\"application/json\"))",
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_template_has_what_a_strict_policy_refuses(template: Path, what: str) -> None:
    """A page that needs it would be broken, or open."""
    assert not re.search(FORBIDDEN[what], template.read_text(encoding="utf-8"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_form_is_either_a_post_or_a_filter(template: Path) -> None:
    """Whatever changes something is a POST; a GET form only fills in the URL of the page that it is on."""
    for form in re.findall(r"<form[^>]*>", template.read_text(encoding="utf-8")):
        assert 'method="post"' in form or ('method="get"' in form and 'action=""' in form), form


def test_vendored_files_are_as_they_were_published() -> None:
    """Byte for byte, with their licences beside them."""
    rows = re.findall(
        r"^\| [\w.]+ \| [\d.]+ \| (\S+) \| ([0-9a-f]{64}) \| (?:MIT|0BSD) \|$", vendor_note(), re.MULTILINE
    )

    assert {name for name, _ in rows} == {each.name for each in VENDOR.iterdir() if each.suffix in (".js", ".css")}
    for name, digest in rows:
        assert sha256((VENDOR / name).read_bytes()).hexdigest() == digest
    for licence in re.findall(r"`(LICENSE-\w+\.txt)`", vendor_note()):
        assert (VENDOR / licence).is_file()


def vendor_note() -> str:
    """Return what is said of the vendored files."""
    return (VENDOR / "VENDOR.md").read_text(encoding="utf-8")


def test_the_first_visit_is_small() -> None:
    """Style, script and icon of our own and htmx, compressed: under 60 kB, with at most six requests."""
    from alerter.web.request import WebRequest  # noqa: PLC0415
    from alerter.web.static_files import StaticFiles  # noqa: PLC0415

    static = StaticFiles()
    request = WebRequest(method="GET", path="/", headers={"accept-encoding": "gzip"})
    names = ("app.css", "app.js", "favicon.svg", "vendor/htmx.min.js")

    sizes = [len(static.respond(request, static.url(name).removeprefix("static/")).content) for name in names]

    assert sum(sizes) < 30_000
