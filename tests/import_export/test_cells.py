"""Cells that no spreadsheet executes, and that lose nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.import_export.cells import escape_formula, unescape_formula


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        pytest.param("Spam", "Spam", id="an ordinary name stays as it is"),
        pytest.param("=cmd|' /C calc'!A1", "'=cmd|'' /C calc'!A1", id="a formula becomes text"),
        pytest.param("+1", "'+1", id="a plus"),
        pytest.param("-1", "'-1", id="a minus"),
        pytest.param("@SUM(A1)", "'@SUM(A1)", id="an at sign"),
        pytest.param("\t=1", "'\t'=1", id="a tab before it does not help"),
        pytest.param(" =1", "' =1", id="a space before it does not help"),
        pytest.param("＝1", "'＝1", id="a wide sign"),  # noqa: RUF001 - it is the point
        pytest.param("a;=1+1", "a;'=1+1", id="behind a semicolon, where another country's spreadsheet begins a cell"),
        pytest.param("a\n=1", "a\n'=1", id="on a line of its own"),
        pytest.param("a=b", "a=b", id="within a word it is harmless"),
        pytest.param("'=x", "''=x", id="what looks guarded is guarded once more"),
        pytest.param("'quoted'", "''quoted'", id="a quotation is guarded too"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_cell_is_no_formula_and_reads_as_it_was(text: str, cell: str) -> None:
    """An apostrophe before what a spreadsheet would execute makes it text; reading takes it away again."""
    assert escape_formula(text) == cell
    assert unescape_formula(cell) == text


@given(st.text(st.sampled_from("='+-@ab \t;,|\r\n＝"), max_size=12) | st.text(max_size=12))  # noqa: RUF001 - it is the point
def test_no_text_is_lost_and_no_cell_begins_a_formula(text: str) -> None:
    """Whatever somebody typed comes back, and whatever separates cells, none begins with a sign."""
    cell = escape_formula(text)

    assert unescape_formula(cell) == text
    for separator in ",;|\t\r\n":
        assert not any(part.lstrip()[:1] in tuple("=+-@＝") for part in cell.split(separator))  # noqa: RUF001 - as above


@pytest.mark.parametrize("name", ["'quoted' policy", "O'Neill", "it's; fine"])
def test_names_of_other_tools_with_apostrophes_are_left_alone(name: str) -> None:
    """Only an apostrophe before a sign is a guard."""
    assert unescape_formula(name) == name
