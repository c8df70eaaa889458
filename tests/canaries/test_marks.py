"""The search for canaries finds them: otherwise that it finds none would say nothing."""

import json
import sqlite3
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from textwrap import fill
from urllib.parse import quote

import pytest

from tests.canaries.marks import canary, found_below, found_in

MARK, OTHER = canary("mark", 'a+/=%"{}ü'), canary("other")

WRITINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in small letters": str.lower,
    "quoted for a URL": quote,
    "quoted wholly, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "in JSON": json.dumps,
    "in a repr of bytes": lambda text: repr(text.encode()),
    "in base64, alone": lambda text: b64encode(text.encode()).decode(),
    "in base64, after a name": lambda text: b64encode(f"u:{text}".encode()).decode(),
    "in base64, after a longer name": lambda text: b64encode(f"us:{text}".encode()).decode(),
    "in hexadecimal": lambda text: text.encode().hex(),
    "in lines": lambda text: fill(f"x {text} x", 12, break_long_words=True),
    "cut in the middle": lambda text: text[: 7 + 10],
    "without its beginning": lambda text: text[7 + 8 :],
}


@pytest.mark.parametrize("writing", [*WRITINGS])
def test_a_planted_canary_is_found_in_every_form(writing: str) -> None:
    """In whatever form a secret was written, the search finds it, and no other."""
    content = f"before {WRITINGS[writing](MARK.text)} after".encode()

    assert found_in(content, [MARK, OTHER]) == ["mark"]


def test_a_text_without_canaries_has_none() -> None:
    """Ordinary words, and other canaries, are not taken for one."""
    assert found_in(f"client_secret {OTHER.text}".encode(), [MARK]) == []


def test_a_canary_in_a_file_of_any_kind_is_found(tmp_path: Path) -> None:
    """Databases and their write-ahead logs are searched as well, below any folder; what may hold it is left out."""
    (tmp_path / "deep").mkdir()
    with closing(sqlite3.connect(tmp_path / "deep" / "alerter.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE failures (detail TEXT)")
        database.execute("INSERT INTO failures VALUES (?)", (MARK.text,))
        database.commit()
        (tmp_path / "credential").write_text(MARK.text)

        found = found_below(tmp_path, [MARK, OTHER], but_for=[tmp_path / "credential"])

    assert found == ["deep/alerter.db-wal: mark"]
