"""Lines of a file as an error shows them: with what the error is about, and nothing that may be a secret.

No I/O. A text of the file is shown only if the error shows it too; comments never, for people note keys there.
"""

from re import Match
from re import compile as compile_regex

_PIECES = compile_regex(r'("""|\'\'\')[\s\S]*|("(?:[^"\\]|\\.)*"|\'[^\']*\')(\s*[=.])?|#.*')
_WORD = compile_regex(r"[A-Za-z0-9_-]+")
_SEPARATOR = compile_regex(r"[^A-Za-z0-9]+")
#: What looks like a token is shown only where it is too short for one: most such values are misspelt times and spans.
MIN_TOKEN = 16
HIDDEN = "…"
#: A longer line says no more.
MAX_CHARACTERS = 200


def resembles_secret(name: str) -> bool:
    """Say whether a name is hardly one: a secret may have been pasted in its place."""
    segments = _SEPARATOR.split(name)
    return any(len(piece) >= MIN_TOKEN and any(map(str.isdigit, piece)) for piece in segments)


def shown_line(line: str, column: int, text: str) -> tuple[str, int]:
    """Return a line and a column of it, counted from 1, as an error of a text may show them; empty where it may not.

    Args:
        line: Of valid TOML, not within a text of several lines.
        column: Where the caret goes.
        text: The error: what it shows in quotes may be shown.
    """
    moved = 0

    def piece(match: Match[str]) -> str:
        nonlocal moved
        shown = _shown_piece(match, text)
        if match.start() < column - 1:
            moved += len(shown) - len(match.group())
        return shown

    line = line.expandtabs(1)
    shown = _PIECES.sub(piece, line).rstrip()
    if len(shown) > MAX_CHARACTERS or any(resembles_secret(word) for word in _WORD.findall(shown)):
        return "", 1
    return shown, max(column + moved, 1)


def _shown_piece(match: Match[str], text: str) -> str:
    written = match[2]
    if written is None:
        return "" if match.group().startswith("#") else f"{match[1]}{HIDDEN}"
    if match[3] is not None or not written[1:-1] or repr(written[1:-1]) in text:
        return match.group()
    return f"{written[0]}{HIDDEN}{written[0]}"


def shown_broken_line(line: str, column: int) -> tuple[str, int]:
    """Return as much of a line that is no TOML as may be shown: what stands before its value."""
    line = line.expandtabs(1)
    name, equals, _ = line.partition("=")
    head = f"{name}= {HIDDEN}" if equals else line if line.lstrip().startswith("[") else ""
    if not head or len(head) > MAX_CHARACTERS or any(resembles_secret(word) for word in _WORD.findall(head)):
        return "", 1
    return head, min(column, len(head))
