"""Text that is not ours, made fit to be shown: hold reasons, tenants, details of errors.

Everything from outside goes through `sanitize` first, and then through the one escape of its format: it cannot mention
anybody, open a link or break a layout.
"""

from collections.abc import Iterator
from re import compile as compile_regex
from unicodedata import bidirectional, category

from alerter.core.message.content import Untrusted

ZERO_WIDTH_SPACE = "\u200b"
REPLACEMENT = "\ufffd"
_JOINERS = "\u200c\u200d"  # they join the parts of an emoji, and the letters of Persian and of Indian scripts
_ISOLATE = "\u2068{}\u2069"  # first strong isolate and its end: what is inside does not reorder what is around it
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_RIGHT_TO_LEFT = frozenset(("R", "AL"))
_MARKS_IN_A_ROW = 3
#: Where a client would make a link or a mention by itself: a scheme, `www.`, a host name or an address.
_LINKABLE = compile_regex(r"(?<=:)(?=//)|(?<=[^\W_])(?=[.][^\W\d_]{2})|(?<=@)")


def sanitize(data: Untrusted) -> str:
    """Return text that is not ours such that it can be read, and nothing else: on one line, in its own direction.

    Control characters and odd spaces become spaces, invisible characters go, those that would reorder the line become
    a visible replacement, stacked accents are thinned out, and a zero-width space breaks what looks like a link or a
    mention. A blank text becomes `(blank)`, and a long one is cut in its middle.
    """
    # Four times the length is room enough for what goes; the rest of an absurd text is not even looked at.
    text = truncate_middle(data.text, 4 * data.longest)
    if not (text.isascii() and text.isprintable()):
        text = "".join(_visible(text))
    text = truncate_middle(" ".join(text.split()) or "(blank)", data.longest)
    text = _LINKABLE.sub(ZERO_WIDTH_SPACE, text)
    return _ISOLATE.format(text) if any(bidirectional(each) in _RIGHT_TO_LEFT for each in text) else text


def truncate_middle(text: str, longest: int) -> str:
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
