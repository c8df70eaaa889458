"""Leaves secrets out of texts.

However many secrets there are, a text is gone through once: every secret is filed under six of its characters, and
every six characters of the text are looked up. With a replacement per secret and form, ten thousand tenants would make
a hundred thousand of each line.
"""

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Final
from urllib.parse import quote

from alerter.redaction.normalize import normalize, normalize_prefix, normalize_with_positions

#: In place of a secret.
REDACTED: Final = "[redacted]"
#: A secret of this length is found wherever it stands, also inside a word.
MIN_SECRET: Final = 6
#: A shorter one is looked for as a word of its own. One that is shorter than this is left alone: it would be found in
#: every line, and no line would say anything any more.
MIN_WORD: Final = 4

#: What stands before the credentials of a request. They are left out even where they are not known: tokens come
#: and go, and a library may quote half of one.
_SCHEMES = ("bearer", "basic", "mc", "geniekey", "access_token")
#: Possessive, so that each character is read once: with backtracking, a text of quotes would take its length squared.
_CREDENTIALS = re.compile(
    rf"\b(?P<scheme>(?:{'|'.join(_SCHEMES)})(?:\s|%20|[+\"':=\\])++)(?P<token>[a-z0-9+/=_.~:%-]{{8,}}+)", re.IGNORECASE
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]*+")
#: Of a longer text the middle is left out before anything is looked for: where it is shown it is cut far shorter.
MAX_TEXT: Final = 131_072
#: How many characters of base64 the bytes before a text reach into, by how many bytes those are, modulo three.
_REACHED_BY_OFFSET = (0, 2, 3)


@dataclass(frozen=True, slots=True)
class _Form:
    """One canonical form of a secret.

    Attributes:
        text: What is looked for.
        is_base64: Whether it is the middle of a longer run of base64, all of which has to go.
    """

    text: str
    is_base64: bool

    def places(self) -> Iterator[str]:
        """Yield the characters under which it may be filed: from the end, where generated keys differ most."""
        last = len(self.text) - MIN_SECRET
        for start in (last, last // 2, 0):
            yield self.text[start : start + MIN_SECRET]


class Redactor:
    """Knows secrets, and returns texts without them; safe to use from several threads.

    Args:
        secrets: What must not be shown; more can be added.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = Lock()
        self._known: Counter[str] = Counter()
        self._forms_by_key: dict[str, tuple[_Form, ...]] = {}
        self._short: frozenset[str] = frozenset()
        self._words: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Leave these out from now on, until each has been discarded as often as it was added."""
        with self._lock:
            given = {str(secret) for secret in secrets}
            # Not `given - self._known.keys()`, which goes through all that are known, for each of ten thousand tenants.
            new = {secret for secret in given if secret not in self._known}
            self._known.update(given)
            for form in _forms(new):
                self._file(form)
            self._look_for_words(self._short.union(filter(_is_short, new)))

    def discard(self, *secrets: str) -> None:
        """Forget what is no secret any more, such as a token that has expired."""
        with self._lock:
            self._known.subtract({secret for secret in secrets if secret in self._known})
            gone = {secret for secret in secrets if self._known.get(secret) == 0}
            for secret in gone:
                del self._known[secret]
            for form in _forms(gone):
                self._take_out(form)
            self._look_for_words(self._short - gone)

    def redacted(self, text: str) -> str:
        """Return the text with `[redacted]` in place of every secret, in whichever form it is written there."""
        if len(text) > MAX_TEXT:
            text = f"{text[: MAX_TEXT // 2]} … {text[-MAX_TEXT // 2 :]}"
        form = normalize(text)
        if self._candidates(form):
            text = _without(text, self._spans(text))
        if self._words is not None:
            text = self._words.sub(REDACTED, text)
        # This search is slower than all else here, so that few texts get it.
        is_suspect = any(scheme in form for scheme in _SCHEMES)
        return _CREDENTIALS.sub(_without_token, text) if is_suspect else text

    def _file(self, form: _Form) -> None:
        forms = self._forms_by_key
        key = next((key for key in form.places() if key not in forms), None)
        if key is None:
            key = min(form.places(), key=lambda each: len(forms[each]))
        forms[key] = (*forms.get(key, ()), form)

    def _take_out(self, form: _Form) -> None:
        forms = self._forms_by_key
        for key in form.places():
            if left := tuple(each for each in forms.get(key, ()) if each != form):
                forms[key] = left
            else:
                forms.pop(key, None)

    def _look_for_words(self, short: frozenset[str]) -> None:
        if short == self._short:
            return
        self._short = short
        written = {re.escape(form) for secret in short for form in (secret, quote(secret, safe="", errors="replace"))}
        # What stands before may be quoted, and then ends in a letter.
        words = rf"(?:(?<!\w)|(?<=%[0-9a-f]{{2}}))(?:{'|'.join(sorted(written, key=len, reverse=True))})(?!\w)"
        self._words = re.compile(words, re.IGNORECASE) if short else None

    def _candidates(self, text: str) -> list[int]:
        """Return where in a canonical text something stands under which a secret is filed."""
        known = self._forms_by_key
        # For each line of the log, so that it is the tightest of all loops.
        return [at for at in range(len(text) - MIN_SECRET + 1) if text[at : at + MIN_SECRET] in known]

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where in a text, as it is written, a secret begins and ends."""
        places = normalize_with_positions(text)
        run = 0, 0
        for at in self._candidates(places.canonical):
            for form in self._forms_by_key.get(places.canonical[at : at + MIN_SECRET], ()):
                size = len(form.text)
                begin = places.canonical.find(form.text, max(0, at + MIN_SECRET - size), at + size)
                if begin >= 0:
                    span = places.starts[begin], places.ends[begin + size - 1]
                    if not form.is_base64:
                        yield span
                    elif not (run[0] <= span[0] and span[1] <= run[1]):
                        # Once for each run: a long one may hold the same secret a thousand times.
                        run = _whole_run(text, *span)
                        yield run


def _is_short(secret: str) -> bool:
    return len(secret.strip()) >= MIN_WORD and len(normalize(secret)) < MIN_SECRET


def _forms(secrets: Iterable[str]) -> Iterator[_Form]:
    """Yield the canonical forms of secrets: each as it is, and as it stands inside anything encoded in base64."""
    for secret in secrets:
        if len(normalize(secret)) >= MIN_SECRET:
            form = normalize_prefix(secret)
            yield _Form(form if len(form) >= MIN_SECRET else normalize(secret), is_base64=False)
            for encoded in _in_base64(secret.encode(errors="replace")):
                if len(form := normalize(encoded)) >= MIN_SECRET:
                    yield _Form(form, is_base64=True)


def _in_base64(octets: bytes) -> Iterator[str]:
    """Yield what is always the same of the base64 of a text that holds these bytes, in both alphabets."""
    for offset, reached in enumerate(_REACHED_BY_OFFSET):
        # Of what stands before and after, nothing is known; the characters that it reaches into are left out.
        encoded = b64encode(b"\0" * offset + octets).decode()[reached : (offset + len(octets)) * 8 // 6]
        yield encoded
        if "+" in encoded or "/" in encoded:
            yield encoded.replace("+", "-").replace("/", "_")


def _without_token(found: re.Match[str]) -> str:
    # A word without a digit is a word: "basic authentication" stays.
    is_token = any(character.isdigit() or character == "=" for character in found["token"])
    return found["scheme"] + REDACTED if is_token else found[0]


def _whole_run(text: str, start: int, end: int) -> tuple[int, int]:
    while start > 0 and _BASE64.fullmatch(text, start - 1, start):
        start -= 1
    found = _BASE64.match(text, end)
    return start, found.end() if found else end


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    segments: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if start >= done:
            segments += [text[done:start], REDACTED]
        done = max(done, end)
    return "".join((*segments, text[done:]))
