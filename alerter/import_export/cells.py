"""Cells of a CSV file that no spreadsheet takes for a formula, and what they stand for.

A spreadsheet executes a cell that begins with `=`, `+`, `-` or `@`, and hold reasons are text that anybody may have
typed. An apostrophe before it makes it text; `escape_formula` puts one there, and `unescape_formula` takes it away
again, so that nothing is lost. Where a spreadsheet expects another separator than a comma, what follows that within a
name begins a cell too.
"""

import re
from functools import lru_cache

# A tab, a carriage return or a space before it does not keep every spreadsheet from it; the wide forms are those of
# East Asian keyboards. An apostrophe counts as well: so no name can be mistaken for a guarded one.
_SIGN = "[=+\\-@＝＋－＠']"  # noqa: RUF001 - see above
# At the beginning behind any white space, elsewhere behind what separates no cells: so nothing is read twice.
_CELL_BEGINS = rf"(?:^(?={{}}\s*{_SIGN})|(?<=[,;|\t\r\n])(?={{}}[^\S\t\r\n]*{_SIGN}))"
_TO_GUARD = re.compile(_CELL_BEGINS.format("", ""))
_GUARD = re.compile(_CELL_BEGINS.format("'", "'") + "'")


def escape_formula(text: str) -> str:
    """Return a text as a cell that is no formula."""
    return _TO_GUARD.sub("'", text)


# Names stand in a file again and again.
@lru_cache(maxsize=4096)
def unescape_formula(cell: str) -> str:
    """Return the text that a cell stands for; one that was never guarded stands for itself."""
    return _GUARD.sub("", cell)
