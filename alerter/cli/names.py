"""How commands find the one thing that a name, in any case, or a glob means."""

from collections.abc import Sequence
from difflib import get_close_matches

import click

from alerter.cli.output import clean
from alerter.core.rules import Selector


def one_of(kind: str, wanted: str, known: Sequence[str], *, of: str = "") -> str:
    """Return the name that is meant: exactly, in another case, or by a glob that matches it alone.

    Args:
        kind: What it is the name of.
        wanted: What the user wrote.
        known: All there are.
        of: Whose they are, for the error, with a blank before it.

    Raises:
        click.UsageError: None is meant, or several are.
    """
    matches = [name for name in dict.fromkeys(known) if name == wanted] or [
        name for name in dict.fromkeys(known) if Selector((wanted,)).matches(name)
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(clean(repr(name)) for name in matches[:5]) + (
            ", …" if len(matches) > len(matches[:5]) else ""
        )
        raise click.UsageError(f"expected one {kind}{of}, found {len(matches)} that match {wanted!r}: {shown}")
    close = get_close_matches(wanted, known, n=3, cutoff=0.4) or list(known)[:3]
    hint = f"; there are: {', '.join(clean(repr(name)) for name in close)}" if close else ""
    raise click.UsageError(f"no {kind}{of} is called {wanted!r}{hint}")
