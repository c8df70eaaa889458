"""One form for all the forms in which the same text can be written.

Quoted for a URL (wholly, in part, twice, with `+` or `%20`, in hexadecimal of either case), escaped in JSON, in a
`repr` or in HTML, folded by a server that writes everything in lower case, wrapped at the end of a line: to list the
forms would never end. Here all of them come to one, so that comparing canonical texts compares what is meant.

No I/O: values in, values out.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from sys import maxunicode

#: A text that was quoted more often than this is nothing that anybody logs.
_ROUNDS = 6
_ESCAPE = re.compile(
    r"""(?P<percent>(?:%[0-9A-Fa-f]{2})+)
      | (?P<octets>(?:\\x[0-9A-Fa-f]{2})+)
      | (?P<utf16>(?:\\u[0-9A-Fa-f]{4})+)
      | (?P<utf32>\\U[0-9A-Fa-f]{8})
      | \\(?P<character>[\\"'/abfnrtv0])
      | &(?P<entity>amp|lt|gt|quot|apos|\#[xX][0-9A-Fa-f]{1,6}|\#[0-9]{1,7});""",
    re.VERBOSE,
)
_CHARACTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
#: What may become an escape together with what comes behind it.
_HALF_ESCAPE = re.compile(r"(?:%[0-9a-f]?|\\(?:u[0-9a-f]{0,3}|x[0-9a-f]?)?|&#?[0-9a-z]{0,8})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizedText:
    """A canonical text, and where in the text as it was written each of its characters stands.

    Attributes:
        canonical: The canonical text.
        starts: Of each of its characters, where what stands for it begins.
        ends: Of each of its characters, where what stands for it ends, exclusive.
    """

    canonical: str
    starts: Sequence[int]
    ends: Sequence[int]


def normalize(text: str) -> str:
    """Return what the text says: nothing escaped, in one case, without white space, `+` and what cannot be printed."""
    for _ in range(_ROUNDS):
        if "%" not in text and "\\" not in text and "&" not in text:
            break
        text, count = _ESCAPE.subn(_meaning, text)
        if not count:
            break
    text = text.casefold().replace(" ", "").replace("+", "")
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def normalize_prefix(text: str) -> str:
    """Return the canonical text without an end that reads otherwise where something else follows, such as `%`."""
    return _HALF_ESCAPE.sub("", normalize(text))


def normalize_with_positions(text: str) -> NormalizedText:
    """Return the same with the place of each character: slower, for texts in which something was found."""
    read = [(character, at, at + 1) for at, character in enumerate(text)]
    for _ in range(_ROUNDS):
        matches = list(_ESCAPE.finditer("".join(character for character, _, _ in read)))
        if not matches:
            break
        # A new list: a change in place moves all that stands behind it, once for each escape.
        before, read, done = read, [], 0
        for match in matches:
            begin, end = match.span()
            read += before[done:begin]
            read += [(character, before[begin][1], before[end - 1][2]) for character in _meaning(match)]
            done = end
        read += before[done:]
    kept = [
        (each, start, end)
        for character, start, end in read
        for each in character.casefold()
        if each.isprintable() and each not in " +"
    ]
    return NormalizedText(
        canonical="".join(each for each, _, _ in kept),
        starts=[start for _, start, _ in kept],
        ends=[end for _, _, end in kept],
    )


def _meaning(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    return _MEANINGS[kind](match[kind])


def _of_octets(hexadecimal: str) -> str:
    # What is no UTF-8 is Latin-1, byte by byte, so that it takes no neighbour with it.
    text = bytes.fromhex(hexadecimal).decode(errors="surrogateescape")
    return text if text.isprintable() else "".join(map(_without_surrogate, text))


def _without_surrogate(character: str) -> str:
    return chr(ord(character) - 0xDC00) if "\udc80" <= character <= "\udcff" else character


def _of_utf16(digits: str) -> str:
    # In pairs, for what lies beyond 16 bits.
    return bytes.fromhex(digits).decode("utf-16-be", "replace")


def _of_number(number: int) -> str:
    return chr(number) if number <= maxunicode else ""


def _of_entity(name: str) -> str:
    if name in _ENTITIES:
        return _ENTITIES[name]
    return _of_number(int(f"0{name[1:]}", 0) if name[1] in "xX" else int(name[1:]))


_MEANINGS: dict[str, Callable[[str], str]] = {
    "percent": lambda text: _of_octets(text.replace("%", "")),
    "octets": lambda text: _of_octets(text.replace("\\x", "")),
    "utf16": lambda text: _of_utf16(text.replace("\\u", "")),
    "utf32": lambda text: _of_number(int(f"0x{text[2:]}", 0)),
    "character": lambda text: _CHARACTERS.get(text, text),
    "entity": _of_entity,
}
