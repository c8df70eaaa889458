"""What a URL is known by: the same for the same place, and nothing that could be read back."""

import pytest

from alerter.config.urls import url_digest


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("json://host/a", "json://host/b", False, id="another path"),
        pytest.param("slack://T0/B0/first", "slack://T0/B0/second", False, id="another web hook of a service"),
        pytest.param("pagerduty://key@api", "pagerduty://other@api", False, id="another integration key"),
        pytest.param("mailtos://u:old@mail.example", "mailtos://u:new@mail.example", True, id="a changed password"),
        pytest.param(
            "mailto://mail.example?user=u&pass=old&to=a@example.org",
            "mailto://mail.example?user=u&pass=new&to=a@example.org",
            True,
            id="a changed password among the parameters",
        ),
        pytest.param(
            "mailto://u:p@mail.example?to=a@example.org",
            "mailto://u:p@mail.example?to=b@example.org",
            False,
            id="another addressee",
        ),
        pytest.param("json://host:8001/x@y", "json://host:8002/x@y", False, id="another port"),
    ],
)
def test_a_url_is_the_same_for_as_long_as_it_leads_to_the_same_place(*, one: str, other: str, same: bool) -> None:
    """Whoever changes a password is not told everything anew."""
    assert url_digest(one) == url_digest(one)
    assert (url_digest(one) == url_digest(other)) is same


def test_what_stands_for_a_url_has_nothing_of_it() -> None:
    """It is kept in the database, which is copied to many places."""
    assert len(url_digest("slack://T0/B0/secret")) == 16
    assert "secret" not in url_digest("slack://T0/B0/secret")
