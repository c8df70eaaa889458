"""What is said of a wrong name."""

from time import process_time

import pytest

from alerter.config.problems import suggestion


@pytest.mark.parametrize(
    ("found", "known", "expected"),
    [
        pytest.param("secosp", ["secops", "mail"], ", did you mean 'secops'?", id="two letters changed places"),
        pytest.param("SECOPS", ["secops"], ", did you mean 'secops'?", id="another case"),
        pytest.param("uk1", ["us", "uk", "eu"], ", did you mean 'uk'?", id="short names"),
        pytest.param("pager", ["secops", "mail"], "", id="nothing is like it"),
        pytest.param("x", [], "", id="nothing is known"),
        pytest.param(
            "tenant-4711x", [f"tenant-{number}" for number in range(10_000)], ", did you mean 'tenant-4711'?",
            id="one of ten thousand",
        ),
    ],
)  # fmt: skip
def test_the_name_that_is_most_like_a_wrong_one_is_suggested(found: str, known: list[str], expected: str) -> None:
    """Where one is like enough."""
    assert suggestion(found, known) == expected


@pytest.mark.uncounted
def test_many_wrong_names_among_many_known_ones_take_a_moment() -> None:
    """As after the renaming of all tenants: it took a quarter of a minute."""
    known = [f"customer-{number}-holdings" for number in range(600)]
    begun = process_time()

    for name in known:
        suggestion(name.replace("holdings", "holding"), known)

    assert process_time() - begun < 5
