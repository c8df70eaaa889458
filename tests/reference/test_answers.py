"""Random responses of Mimecast, of which model and code must find the same counts, or that they are no summary."""

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from alerter.sources.mimecast.request_error import HttpResponse, RequestError
from alerter.sources.mimecast.responses import parse_hold_summary as real_counts_of
from tests.reference.answers import counts_of

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ODD: tuple[Any, ...] = (None, True, False, -1, 0, 1, 2.0, "", " ", "3", "x", [], {}, [{}], {"status": 200}, 200, "200")
PAGES: tuple[Any, ...] = (
    {"next": "token"},
    {"next": ""},
    {"totalCount": 99},
    {"totalCount": 1},
    {"pageSize": 5},
    None,
    7,
)


def a_body(random: Random) -> str:
    """Return a response that is good, but for one place that may hold anything."""
    rows: list[Any] = [
        {"policyInfo": random.choice(("Spam", "Virus", " ", "")), "numberOfItems": random.choice((0, 3, 40, "12"))}
        for _ in range(random.randint(0, 3))
    ]
    answer: dict[str, Any] = {"fail": [], "meta": {"status": 200}, "data": rows}
    places: list[tuple[Any, Any]] = [(answer, "fail"), (answer, "meta"), (answer, "data"), (answer["meta"], "status")]
    places += [(row, key) for row in rows for key in row]
    if random.random() < 0.3:
        answer["meta"]["pagination"] = random.choice(PAGES)
    if random.random() < 0.5:
        table, key = random.choice(places)
        table[key] = random.choice(ODD)
        if random.random() < 0.2:
            del table[key]
    if random.random() < 0.1:
        answer["data"] = [*rows, random.choice(ODD)]
    return json.dumps(answer)[: random.choice((None, None, None, None, None, 20))]


def found(status: int, body: str) -> dict[str, int] | None:
    """Return what the code finds in a response, None if it refuses it."""
    try:
        counts = real_counts_of(HttpResponse(status=status, headers={}, body=body.encode()), now=NOW)
    except RequestError:
        return None
    return {str(name): count for name, count in counts.items()}


@pytest.mark.parametrize("seed", range(5))
def test_a_response_is_good_where_the_contract_says_so(seed: int) -> None:
    """Half a summary is a lie: what is not wholly good is refused, and says nothing of what is held."""
    random = Random(seed)  # noqa: S311 - nothing here is secret

    for _ in range(1000):
        status, body = random.choice((200, 200, 200, 200, 500)), a_body(random)
        assert found(status, body) == counts_of(status, body), body


@pytest.mark.parametrize(
    "pagination",
    [
        pytest.param({"next": "token"}, id="a further page"),
        pytest.param({"totalCount": 2}, id="a total above its rows"),
    ],
)
def test_an_answer_that_says_that_there_is_more_is_not_good(pagination: dict[str, object]) -> None:
    """A page of several, or fewer rows than are announced, is half a snapshot."""
    rows = [{"policyInfo": "Spam", "numberOfItems": 3}]
    body = json.dumps({"fail": [], "meta": {"status": 200, "pagination": pagination}, "data": rows})

    assert counts_of(200, body) is None
    assert found(200, body) is None
