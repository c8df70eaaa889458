"""Selectors: globs over names, and over labels.

No I/O: values in, values out.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from re import DOTALL, Match, Pattern, escape
from re import compile as compile_regex

#: What is shown in place of a character that cannot be; in a glob it is any one of those.
UNSHOWN = "\N{REPLACEMENT CHARACTER}"


_EXCLUDE = "!"


#: What a glob is made of: a backslash at its end stands for itself.
_PART = compile_regex(r"\\(?P<escaped>.)|(?P<wildcard>[*?])|(?P<text>[^\\*?]+|\\)", DOTALL)


@dataclass(frozen=True)
class Selector:
    """Globs over names, case-insensitive: any that matches selects, any `!glob` that matches excludes.

    `*` is any text and `?` any character; a backslash takes the next character as it is. Nothing else has a meaning,
    and a name always selects itself as it is written or shown. Without a selecting glob everything is selected but the
    excluded. It has no slots, so that its globs are compiled once: an account with thousands of tenants asks for half a
    million names.

    Attributes:
        globs: As they were written.
        among: The names that it may select at all, such as the tenants with a label; None for any.
    """

    globs: tuple[str, ...] = ()
    among: frozenset[str] | None = None

    def matches(self, name: str) -> bool:
        """Say whether the name is selected."""
        if self.among is not None and name not in self.among:
            return False
        if not self.globs:
            return True
        folded = name.casefold()
        return self._wanted.match(folded) and (self._named.match(folded) or not self._excluded.match(folded))

    @cached_property
    def _wanted(self) -> "_Globs":
        wanted = tuple(glob for glob in self.globs if not glob.startswith(_EXCLUDE)) or ("*",)
        return _Globs(wanted, as_written=self.globs)

    @cached_property
    def _named(self) -> "_Globs":
        # What is called `!*` is meant by `!*`, which excludes all else.
        return _Globs((), as_written=tuple(glob for glob in self.globs if glob.startswith(_EXCLUDE)))

    @cached_property
    def _excluded(self) -> "_Globs":
        return _Globs(tuple(glob[1:] for glob in self.globs if glob.startswith(_EXCLUDE)))


@dataclass(frozen=True)
class _Globs:
    r"""Globs of which any may match; those that are plain names cost one look-up, however many they are.

    Attributes:
        globs: Without the mark of those that exclude.
        as_written: What is the name of something, whatever it would match as a glob: `!Important`, `a\b`.
    """

    globs: tuple[str, ...]
    as_written: tuple[str, ...] = ()

    def match(self, folded: str) -> bool:
        """Say whether any of them matches a name that is folded already."""
        return (
            self._has_star
            or folded in self._names
            or any(pattern.match(folded) for pattern in self._patterns)
            or (not folded.isprintable() and self._match_shown(shown(folded)))
        )

    @cached_property
    def _has_star(self) -> bool:
        return "*" in self.globs

    def _match_shown(self, folded: str) -> bool:
        return folded in self._written or (self._has_unshown and self.match(folded))

    @cached_property
    def _names(self) -> frozenset[str]:
        plain = (_PART.sub(_as_it_is, glob) for glob in self.globs if not _is_pattern(glob))
        return self._written.union(map(str.casefold, plain))

    @cached_property
    def _written(self) -> frozenset[str]:
        return frozenset(map(str.casefold, self.as_written))

    @cached_property
    def _patterns(self) -> tuple[Pattern[str], ...]:
        return tuple(_compiled(glob.casefold()) for glob in self.globs if _is_pattern(glob))

    @cached_property
    def _has_unshown(self) -> bool:
        return any(UNSHOWN in (part["text"] or "") for glob in self.globs for part in _PART.finditer(glob))


def _is_pattern(glob: str) -> bool:
    return any(part["wildcard"] for part in _PART.finditer(glob))


def _as_it_is(part: Match[str]) -> str:
    return part["escaped"] or part["text"]


def _compiled(glob: str) -> Pattern[str]:
    """Return a glob with a wildcard as a regular expression, whose time is linear in the name for each `*`."""
    segments = [""]
    for part in _PART.finditer(glob):
        if part["wildcard"] == "*":
            segments.append("")
        else:
            segments[-1] += "." if part["wildcard"] else escape(_as_it_is(part))
    first, *middle = segments
    if not middle:
        return compile_regex(rf"{first}\Z", DOTALL)
    last = middle.pop()
    # What stands between two stars is taken where it comes first: no other place could let more of the rest match.
    return compile_regex(rf"{first}{''.join(f'(?>.*?{each})' for each in middle if each)}.*{last}\Z", DOTALL)


def shown(name: str) -> str:
    """Return a name on one line, with nothing in it that could move a cursor or turn the text around."""
    return name if name.isprintable() else "".join(each if each.isprintable() else UNSHOWN for each in name)


def literal_glob(name: str) -> str:
    """Return the glob that selects a name, in any case, and no other; no command takes it for an option."""
    escaped = _SPECIAL.sub(r"\\\g<0>", name)
    return f"\\{escaped}" if escaped.startswith((_EXCLUDE, "-")) else escaped


_SPECIAL = compile_regex(rf"[\\*?{UNSHOWN}]")


def pasteable_glob(name: str) -> str:
    """Return the same for people to paste: it is a line of text, whatever is in the name."""
    return shown(literal_glob(name))


def idle_globs(globs: Iterable[str], known: Collection[str]) -> list[str]:
    """Return the globs, also those that exclude, that match none of the names that there are."""
    folded = frozenset(name.casefold() for name in known)
    return [
        glob
        for glob in globs
        if glob.removeprefix(_EXCLUDE).casefold() not in folded
        and not any(map(_Globs((glob.removeprefix(_EXCLUDE),), as_written=(glob,)).match, folded))
    ]


def build_selector(written: Iterable[str], known: Collection[str]) -> Selector:
    """Return what somebody selects who sees some names: what is one of them, as it is shown, is no glob.

    Args:
        written: Names and globs.
        known: The names that there are. A lone `*` is everything, whatever is called so.
    """
    return Selector(tuple(_named(each, known) for each in written))


def _named(written: str, known: Collection[str]) -> str:
    if written == "*":
        return written
    if written in known:
        return literal_glob(written)
    return next((literal_glob(name) for name in known if not name.isprintable() and shown(name) == written), written)


#: Selects every name.
MATCH_ALL = Selector()


def match_labels(labels: Mapping[str, str], wanted: Mapping[str, Selector]) -> bool:
    """Say whether a tenant has all the labels that are wanted.

    One that it lacks it has with an empty value, as in Prometheus, so that `!gold` selects it as well.
    """
    return all(selector.matches(labels.get(name, "")) for name, selector in wanted.items())
