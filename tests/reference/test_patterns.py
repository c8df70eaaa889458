"""Random patterns and names, of which model and code must say the same."""

from random import Random

import pytest

from alerter.core.selectors import Selector, literal_glob
from tests.reference.words import selects

LETTERS = "aAb*?!\\[]-"


@pytest.mark.parametrize("seed", range(5))
def test_patterns_select_what_the_contract_says(seed: int) -> None:
    """Stars, question marks, exclusions and backslashes, in any case and any number."""
    random = Random(seed)  # noqa: S311 - nothing here is secret

    for _ in range(2000):
        patterns = ["".join(random.choices(LETTERS, k=random.randint(1, 5))) for _ in range(random.randint(0, 3))]
        name = random.choice([*patterns, "".join(random.choices(LETTERS, k=random.randint(1, 5)))])
        assert Selector(tuple(patterns)).matches(name) is selects(patterns, name), (patterns, name)


@pytest.mark.parametrize("seed", range(5))
def test_a_name_that_is_printed_to_be_pasted_selects_itself_and_nothing_else(seed: int) -> None:
    """In any case, in model and code."""
    random = Random(seed)  # noqa: S311 - nothing here is secret

    for _ in range(1000):
        name, other = ("".join(random.choices(LETTERS, k=random.randint(1, 4))) for _ in range(2))
        pattern = literal_glob(name)
        assert selects([pattern], name)
        assert selects([pattern], other) is (
            other.casefold() == name.casefold() or other.casefold() == pattern.casefold()
        )


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        pytest.param("[Ext] *", "[Ext] Spam", id="a bracket is an ordinary character"),
        pytest.param("spam ?", "SPAM 1", id="the case does not matter"),
        pytest.param("\\!Spam", "!Spam", id="a backslash takes the next character as it is"),
        pytest.param("!Spam", "!Spam", id="a name as it is shown selects itself"),
    ],
)
def test_what_is_new_of_patterns(pattern: str, name: str) -> None:
    """Each sentence on patterns that is new, in model and code."""
    assert selects([pattern], name)
    assert Selector((pattern,)).matches(name)
