"""The line of an error is shown with a caret, and with nothing that the error itself does not show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.config.source_lines import shown_broken_line, shown_line


@pytest.mark.parametrize(
    ("line", "column", "text", "expected"),
    [
        pytest.param('a = "5 x"', 5, "found '5 x'", ('a = "5 x"', 5), id="a value that the error shows"),
        pytest.param('a = "pass"', 5, "expected less", ('a = "…"', 5), id="a value that it does not show"),
        pytest.param("a = 'pass'", 5, "expected less", ("a = '…'", 5), id="the same in single quotes"),
        pytest.param('a = "pass" # key', 5, "found 'pass'", ('a = "pass"', 5), id="a comment never"),
        pytest.param('a = ["one", "b"]', 13, "found 'b'", ('a = ["…", "b"]', 11), id="the caret moves with its value"),
        pytest.param('"my key" = 5', 12, "expected text", ('"my key" = 5', 12), id="a key in quotes"),
        pytest.param('["a b".c]', 1, "unknown key", ('["a b".c]', 1), id="a table in quotes"),
        pytest.param('urls = ["pass"]', 9, "expected less", ('urls = ["…"]', 9), id="the last of a list"),
        pytest.param("a = 12", 5, "expected text", ("a = 12", 5), id="a number"),
        pytest.param('a = """pass', 5, "expected less", ('a = """…', 5), id="the begin of a long text"),
        pytest.param("a = '''pass", 5, "expected less", ("a = '''…", 5), id="of a literal one"),
        pytest.param('a = ""', 5, "expected text", ('a = ""', 5), id="an empty text"),
        pytest.param("\ta = 1", 6, "expected text", (" a = 1", 6), id="a tab is one character wide"),
        pytest.param("AKIA1234567890ABCDEF = 1", 1, "unknown key", ("", 1), id="a key that is rather a secret"),
        pytest.param(f"a = {'[' * 300}", 5, "expected text", ("", 1), id="too long to be of use"),
    ],
)
def test_a_line_is_shown_without_what_may_be_a_secret(
    line: str, column: int, text: str, expected: tuple[str, int]
) -> None:
    """Only what the error quotes stays; everything else in quotes is left out, and so are comments."""
    assert shown_line(line, column, text) == expected


@given(secret=st.text(st.characters(codec="ascii", categories=["L", "N", "P"], exclude_characters="\"\\'"), min_size=4))
def test_no_text_in_quotes_is_shown_that_the_error_does_not_show(secret: str) -> None:
    """Whatever it holds, as in a comment sign or a bracket."""
    for quote in "\"'":
        for value in (f"{quote}{secret}{quote}", f"[{quote}{secret}{quote}]", f"{{ a = {quote}{secret}{quote} }}"):
            shown, _ = shown_line(f"key = {value} # {secret}", 7, "expected something else")

            assert secret not in shown.removeprefix("key = ").replace("a = ", "")


@pytest.mark.parametrize(
    ("line", "column", "expected"),
    [
        pytest.param("key = secret", 7, ("key = …", 7), id="a value without quotes"),
        pytest.param('key = "secret', 14, ("key = …", 7), id="a quote that does not end"),
        pytest.param("[tenants.acme", 14, ("[tenants.acme", 13), id="a bracket that does not end"),
        pytest.param("secret", 1, ("", 1), id="no key at all"),
        pytest.param("AKIA1234567890ABCDEF = 1", 1, ("", 1), id="a key that is rather a secret"),
    ],
)
def test_of_a_line_that_is_no_toml_only_the_key_is_shown(line: str, column: int, expected: tuple[str, int]) -> None:
    """Nobody knows where a value ends there."""
    assert shown_broken_line(line, column) == expected
