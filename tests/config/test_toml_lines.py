"""On which line a key stands."""

import tomllib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.config.toml_lines import KeyPath, LineIndex

Scalar = str | int | bool
Value = Scalar | list["Value"] | dict[str, "Value"]
Tree = dict[str, Value]


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        pytest.param("\n[a]\nb = 1", ("a", "b"), 3, id="a key of a table"),
        pytest.param("\n[a]\nb = 1", ("a", "missing", "c"), 2, id="a missing key is looked for in its table"),
        pytest.param("a = 1", ("b",), None, id="what is not there at all has no line"),
        pytest.param("[[a]]\nb = 1\n[[a]]\nb = 2", ("a", 1, "b"), 4, id="the second table of an array"),
        pytest.param("[[a]]\n[a.b]\n[[a]]\n[a.b]\nc = 1", ("a", 1, "b", "c"), 5, id="a table in an array's last table"),
        pytest.param("[[a]]\n[[a.b]]\n[[a.b]]\nc = 1", ("a", 0, "b", 1, "c"), 4, id="an array of tables in another"),
        pytest.param("a . b.'c d' = 1", ("a", "b", "c d"), 1, id="dotted and quoted keys"),
        pytest.param('["a.b"."\\u00e9"]\nc = 1', ("a.b", "é", "c"), 2, id="quoted keys of a header"),
        pytest.param("a = { b = 1, c = { d = 2 } }", ("a", "c", "d"), 1, id="inline tables"),
        pytest.param("a = [\n  1, # [{\n\n  { b = 2 },\n]\nc = 3", ("a", 1, "b"), 4, id="a list over several lines"),
        pytest.param("a = [ ]\nb = [[1], [2,\n3]]", ("b", 1, 1), 3, id="lists in lists"),
        pytest.param('a = """\nb = 1\n\\""" c = 2""""\nb = 3', ("b",), 4, id="a key inside a text is none"),
        pytest.param("a = '''\n[b]\n'''\n[b]", ("b",), 4, id="a table inside a literal text is none"),
        pytest.param('a = \'it # is\' # not\nb = "\\"#" # c\nd = 1', ("d",), 3, id="comments and what looks like them"),
        pytest.param("a = 1979-05-27 07:32:00Z\nb = +1e5", ("b",), 2, id="dates and numbers are skipped"),
        pytest.param("a = 1\r\nb = 2\r\n", ("b",), 2, id="line breaks of Windows"),
    ],
)
def test_a_value_stands_on_the_line_of_its_key(text: str, path: KeyPath, line: int | None) -> None:
    """A problem names the line on which the user finds the key, whatever form of TOML was used."""
    tomllib.loads(text)

    found = LineIndex(text).line_of(path)

    assert found == line


class Writer:
    """Writes a tree as TOML in forms chosen at random, and notes on which line each key came to stand."""

    def __init__(self, tree: Tree, random: Random) -> None:
        self.random = random
        self.text = ""
        self.lines: dict[KeyPath, int] = {}
        self.table((), tree)

    def note(self, path: KeyPath) -> None:
        """Note the present line, if the path is not known yet."""
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def blank(self) -> None:
        """Write what does not matter."""
        self.text += self.random.choice(["", "", "\n", "# [x] = {\n", "  \t", "\n\n"])

    def key(self, key: str) -> None:
        """Write a key, quoted where it must be or may be."""
        is_bare = key.isascii() and key.replace("_", "a").isalnum()
        self.text += key if is_bare and self.random.random() < 0.7 else f'"{key}"'

    def table(self, path: KeyPath, table: Tree) -> None:
        """Write the pairs of a table first, then the tables below it."""
        below: Tree = {}
        for key, value in table.items():
            if isinstance(value, dict | list) and self.random.random() < 0.6:
                below[key] = value
            else:
                self.blank()
                self.pair(path, key, value)
                self.text += self.random.choice(["\n", " # ] }\n"])
        for key, value in below.items():
            self.below((*path, key), value)

    def below(self, path: KeyPath, value: Value) -> None:
        """Write a table or an array of tables with headers of their own."""
        tables = value if isinstance(value, list) and value and all(isinstance(each, dict) for each in value) else None
        if tables is None and not isinstance(value, dict):
            raise AssertionError
        for number, each in enumerate(tables or [value]):
            self.blank()
            self.text = self.text.rstrip(" \t")
            self.note(path)
            self.header(path, brackets=1 if tables is None else 2)
            inner = path if tables is None else (*path, number)
            self.note(inner)
            self.text += "\n"
            assert isinstance(each, dict)
            self.table(inner, each)

    def header(self, path: KeyPath, *, brackets: int) -> None:
        """Write `[a.b]` or `[[a.b]]`, without the numbers of the entries."""
        self.text += "[" * brackets
        for index, key in enumerate(key for key in path if isinstance(key, str)):
            self.text += " . " if index else ""
            self.key(key)
        self.text += "]" * brackets

    def pair(self, path: KeyPath, key: str, value: Value) -> None:
        """Write `key = value`, or `key.inner = value` for a table that has but one key."""
        path = (*path, key)
        self.note(path)
        self.key(key)
        if isinstance(value, dict) and len(value) == 1:
            self.text += " ."
            self.pair(path, *next(iter(value.items())))
            return
        self.text += " = "
        self.value(path, value)

    def value(self, path: KeyPath, value: Value) -> None:
        """Write a value; lists may go over several lines, inline tables may not."""
        match value:
            case dict():
                self.text += "{ "
                for index, (key, each) in enumerate(value.items()):
                    self.text += ", " if index else ""
                    self.pair(path, key, each)
                self.text += " }"
            case list():
                self.text += "["
                for number, each in enumerate(value):
                    self.blank()
                    self.note((*path, number))
                    self.value((*path, number), each)
                    self.text += ","
                self.blank()
                self.text += "]"
            case bool() | int():
                self.text += str(value).lower()
            case str():
                self.text += f'"""\n{value}"""' if self.random.random() < 0.3 else f'"{value}"'


KEYS = st.sampled_from(["a", "b", "c_d", "e f", "x.y", "é"])
SCALARS: st.SearchStrategy[Value] = st.one_of(
    st.integers(-5, 5), st.booleans(), st.sampled_from(["", "x", "[a]", "b = 1", "# {", "'"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(st.dictionaries(KEYS, inner, min_size=1, max_size=3), min_size=1, max_size=3),
        st.dictionaries(KEYS, inner, min_size=1, max_size=3),
    ),
    max_leaves=12,
)


@given(tree=st.dictionaries(KEYS, VALUES, max_size=4), random=st.randoms())
def test_every_key_of_any_file_is_found_on_its_line(tree: Tree, random: Random) -> None:
    """Whatever a file holds and however it is written, each key, table and list entry is found where it was put."""
    written = Writer(tree, random)
    assert tomllib.loads(written.text) == tree

    found = LineIndex(written.text).lines

    assert dict(found) == written.lines
