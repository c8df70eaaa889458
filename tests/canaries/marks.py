"""The marked secrets, and the search for them.

The search knows nothing of alerter's own redaction, so that a form that one forgets the other does not forget with it:
it looks for a core of letters and digits that survives all quoting, and for both halves of it, in case it was cut.
"""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from string import whitespace

#: So many characters are enough to be sure that it is no accident.
MIN_PIECE = 9
CORE_LENGTH = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One marked secret.

    Attributes:
        name: What it is, such as `client_secret`.
        core: The mark: upper-case letters and digits.
        text: The secret as the configuration has it, with the core in it.
        has_halves: Whether half of the core is enough to know it by.
    """

    name: str
    core: str
    text: str
    has_halves: bool = True

    def needles(self) -> Iterator[bytes]:
        """Yield all that gives it away: the core and its halves, in every encoding that changes letters."""
        halves = (self.core[:MIN_PIECE], self.core[-MIN_PIECE:]) if self.has_halves else ()
        for piece in (self.core, *halves):
            octets = piece.encode()
            yield from (octets, octets.hex().encode(), piece.encode("utf-16-le"), piece[::-1].encode())
            for offset in range(3):
                # The characters that neighbours reach into are left out.
                start, end = (0, 2, 3)[offset], (offset + len(octets)) * 8 // 6
                for encode in (b64encode, urlsafe_b64encode):
                    yield encode(b"\0" * offset + octets)[start:end]
        # A key that is base64 itself is given away as it is, and by what it stands for.
        if self.name == "secret_key":
            yield self.text.rstrip("=").encode()


def canary(name: str, template: str = "{}") -> Canary:
    """Return a canary; the template says what stands around its core."""
    digest = sha256(f"alerter canary {name}".encode()).hexdigest().upper()
    core = f"Q{digest[: CORE_LENGTH - 1]}"
    return Canary(name=name, core=core, text=template.format(core))


def found_in(content: bytes, canaries: Iterable[Canary]) -> list[str]:
    """Return the names of the canaries that a content gives away, also where it was wrapped into lines."""
    folded = content.lower()
    contents = (folded, folded.translate(None, whitespace.encode()))
    return [
        each.name
        for each in canaries
        if any(needle.lower() in content for needle in set(each.needles()) for content in contents)
    ]


def found_below(folder: Path, canaries: Iterable[Canary], *, but_for: Iterable[Path] = ()) -> list[str]:
    """Return `file: name` for each canary in a file of a folder, whatever kind of file it is."""
    canaries, left_out = list(canaries), set(but_for)
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not left_out & {path, *path.parents})
    return [f"{path.relative_to(folder)}: {name}" for path in files for name in found_in(path.read_bytes(), canaries)]
