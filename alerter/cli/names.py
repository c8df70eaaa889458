"""Lookup of the one thing that a name, in any case, or a pattern means."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from alerter.cli.output import clean
from alerter.core.selectors import Selector, build_selector, idle_globs, pasteable_glob
from alerter.core.series import ALL_REASONS

if TYPE_CHECKING:
    from alerter.storage import Reader


def resolve_name(kind: str, wanted: str, known: Sequence[str], *, of: str = "") -> str:
    """Return the name that is meant: exactly, in another case, or by a glob that matches it alone.

    Args:
        kind: What it is the name of.
        wanted: What the user wrote.
        known: All there are.
        of: Whose they are, for the error, with a blank before it.

    Raises:
        click.UsageError: None is meant, or several are.
    """
    names = list(dict.fromkeys(known))
    matches = [name for name in names if name == wanted] or list(
        filter(build_selector((wanted,), names).matches, names)
    )
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(map(pasted, matches[:5])) + (", …" if len(matches) > len(matches[:5]) else "")
        raise click.UsageError(f"expected one {kind}{of}, found {len(matches)} that match {wanted!r}: {shown}")
    close = get_close_matches(wanted, known, n=3, cutoff=0.4) or list(known)[:3]
    hint = f"; there are: {', '.join(map(pasted, close))}" if close else ""
    raise click.UsageError(f"no {kind}{of} is called {wanted!r}{hint}")


def matching_reasons(globs: Sequence[str], reader: "Reader") -> Selector:
    """Return which hold reasons `--reason` means; what matches none that was ever seen is said."""
    seen = reader.history.reason_names()
    selector = build_selector(globs, seen)
    # A sum over hold reasons has a name of its own.
    for glob in idle_globs(selector.globs, [*seen, ALL_REASONS]):
        close = get_close_matches(glob.strip("*!"), seen, n=3, cutoff=0.4) or seen[:3]
        there = f"there are: {', '.join(map(pasted, close))}" if close else "there is none yet"
        click.echo(f"warning: --reason {clean(glob)!r} matches no hold reason seen so far; {there}", err=True)
    return selector


def pasted(name: str) -> str:
    """Return a name as it is pasted behind a command, to mean that name alone: no shell reads anything in it."""
    quotes = pasteable_glob(name).replace("'", "'\"'\"'")
    return f"'{quotes}'"
