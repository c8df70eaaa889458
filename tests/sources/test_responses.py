"""Answers that administrators really get, of Mimecast and of what stands before it, each with the cause they name."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from alerter.errors import Cause
from alerter.sources.mimecast.request_error import MAX_TEXT, HttpResponse, RequestError, RetryAction, strip_unprintable
from alerter.sources.mimecast.responses import parse_hold_summary, parse_token
from tests.builders import NOON

#: Of each recorded answer the cause and the whole text; a good one has its counts.
EXPECTED: Mapping[str, tuple[Cause, str] | dict[str, int]] = {
    "2.0 flat fail, code only (Rapid7 fixture shape)": (Cause.WRONG_KEYS, "HTTP 401 (unauthorized)"),
    "throttling detail, no header (elastic #11460)": (
        Cause.RATE_LIMITED,
        "HTTP 429 (Over throttling limit (10000/hour))",
    ),
    "429 with X-RateLimit-Reset in ms, lower case": (
        Cause.RATE_LIMITED,
        "HTTP 429 (err_rate_limit: Rate limit exceeded); it asks to wait 1800 s",
    ),
    "gateway in front: Missing Authentication Token": (
        Cause.WRONG_HOST,
        "HTTP 403 (Missing Authentication Token; MissingAuthenticationTokenException)",
    ),
    "gateway: endpoint timed out": (Cause.MIMECAST_ERROR, "HTTP 504 (Endpoint request timed out)"),
    "Spring error page as JSON": (Cause.MIMECAST_ERROR, "HTTP 500 (Internal Server Error)"),
    "Spring 404 as JSON": (Cause.WRONG_HOST, "HTTP 404 (Not Found)"),
    "web filter blocks with 403 HTML": (Cause.WRONG_HOST, "HTTP 403 (a page titled 'Access Denied')"),
    "web filter blocks with 200 HTML": (
        Cause.WRONG_HOST,
        "HTTP 200 with a web page where JSON was expected: a page titled 'Blocked'",
    ),
    "maintenance 503 HTML with Retry-After": (Cause.MIMECAST_ERROR, "HTTP 503"),
    "token: invalid_client with 401 and WWW-Authenticate": (
        Cause.WRONG_KEYS,
        "HTTP 401 (invalid_client: Client authentication failed)",
    ),
    "token answer wrapped in meta/data": (
        Cause.NOT_UNDERSTOOD,
        "the token answer must have a text access_token, got nothing",
    ),
    "good answer with pagination totalCount and no next": (
        Cause.NOT_UNDERSTOOD,
        "meta.pagination.totalCount is above the rows that are there, 1: half of it is no summary",
    ),
    "good answer, last page has next and empty data (elastic fixture shape)": (
        Cause.NOT_UNDERSTOOD,
        "meta.pagination.next names a further page; a hold summary has one page, and half of it is no summary",
    ),
    "1.0 sample: pagination.pageSize only, counts as strings": {"Held - Übergroß": 3},
}
RECORDED = json.loads(Path(__file__).with_name("responses.json").read_text(encoding="utf-8"))


def answer(status: int, body: object, **headers: str) -> HttpResponse:
    """Return an answer; a body that is no text becomes JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=status, headers=named, body=text.encode())


def fault(evaluate_due: Callable[..., object], given: HttpResponse) -> RequestError:
    """Return why an answer is refused."""
    with pytest.raises(RequestError) as caught:
        evaluate_due(given, now=NOON)
    return caught.value


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["name"])
def test_a_recorded_answer_has_the_cause_that_an_administrator_would_name(case: Mapping[str, object]) -> None:
    """With what the answer says of it, whoever wrote that."""
    expected = EXPECTED[str(case["name"])]
    evaluate_due = parse_token if case.get("where") == "token" else parse_hold_summary
    recorded = case.get("headers", {})
    assert isinstance(recorded, dict)
    headers = {str(name).lower(): str(value) for name, value in recorded.items()}
    given = HttpResponse(status=int(str(case["status"])), headers=headers, body=str(case["body"]).encode())

    if isinstance(expected, dict):
        assert evaluate_due(given, now=NOON) == expected
    else:
        found = fault(evaluate_due, given)
        assert (found.cause, found.detail) == expected


CODES = [
    *("err_developer_key", "err_xdk_invalid_signature", "err_xdk_binding_expired", "app_forbidden", "token_expired"),
    *("token_verification_failed", "Unauthorized Request", "unauthorized", "err_xdk_operation_forbidden_for_address"),
    *("err_audit_log_incorrect_region", "err_rate_limit", "err_validation_null", "err_unknown"),
]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 418, 429, 500])
def test_a_code_means_the_same_at_every_endpoint(code: str, status: int) -> None:
    """Nested or flat, with its status in HTTP or in meta alone; but a token is never renewed by a token."""
    flat = {"fail": [{"code": code, "message": "no"}]}
    nested = {"fail": [{"errors": [{"code": code, "message": "no"}]}], "meta": {"status": status}, "data": []}
    for given in (answer(status, flat), answer(status, nested), answer(200, nested)):
        held, token = fault(parse_hold_summary, given), fault(parse_token, given)

        assert (token.cause, token.detail) == (held.cause, held.detail)
        assert token.remedy is (RetryAction.NONE if held.remedy is RetryAction.RENEW_TOKEN else held.remedy)


@pytest.mark.parametrize("status", [401, 403, 404, 418, 429, 500])
def test_a_status_in_meta_alone_means_the_same_at_every_endpoint(status: int) -> None:
    """Without any error beside it, also where a token seems to be there."""
    given = answer(200, {"meta": {"status": status}, "fail": [], "data": [], "access_token": "t", "expires_in": 60})

    assert fault(parse_token, given).cause is fault(parse_hold_summary, given).cause


@pytest.mark.parametrize(
    ("pagination", "is_whole"),
    [
        pytest.param({"pageSize": 25}, True, id="the size of a page"),
        pytest.param({"totalCount": 2}, True, id="as many as there are"),
        pytest.param({"totalCount": 0}, True, id="a total that counts something else"),
        pytest.param({"totalCount": 3}, False, id="more than there are"),
        pytest.param({"totalCount": "3"}, False, id="more than there are, as text"),
        pytest.param({"totalCount": 3.0}, False, id="more than there are, with a fraction"),
        pytest.param({"next": "eNo"}, False, id="a further page"),
        pytest.param({"next": "", "totalCount": 2}, True, id="no further page"),
    ],
)
def test_an_answer_that_announces_more_than_it_holds_is_refused(pagination: object, is_whole: bool) -> None:  # noqa: FBT001 - a table
    """Half a summary would be stored as zeros."""
    rows = [{"policyInfo": name, "numberOfItems": 1} for name in "ab"]
    given = answer(200, {"meta": {"status": 200, "pagination": pagination}, "data": rows, "fail": []})

    if is_whole:
        assert len(parse_hold_summary(given, now=NOON)) == 2
    else:
        assert fault(parse_hold_summary, given).cause is Cause.NOT_UNDERSTOOD


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param({"message": "Forbidden"}, "Forbidden", id="Amazon, Kong, Azure"),
        pytest.param({"Message": "Denied by policy"}, "Denied by policy", id="Amazon's firewall"),
        pytest.param({"fault": {"faultstring": "No target"}}, "No target", id="Apigee"),
        pytest.param({"error": {"code": 403, "message": "disabled"}}, "403: disabled", id="Google"),
        pytest.param({"errors": [{"code": "x", "message": "bad route"}]}, "bad route", id="a list of errors"),
        pytest.param({"title": "Not allowed", "status": 403}, "Not allowed", id="RFC 9457"),
        pytest.param({"error": "Forbidden", "message": "no role", "status": 403}, "Forbidden: no role", id="Spring"),
        pytest.param("no healthy upstream\n", "no healthy upstream", id="Envoy, in plain text"),
    ],
)
def test_what_a_gateway_says_is_quoted(body: object, words: str) -> None:
    """Whichever form it has; nothing else of the answer tells what stands in the way."""
    assert fault(parse_hold_summary, answer(403, body)).detail == f"HTTP 403 ({words})"
    assert fault(parse_token, answer(403, body)).detail == f"HTTP 403 ({words})"


@pytest.mark.parametrize("body", ["{", "[1", "", "   ", {"data": []}, {"message": 5}, {"message": {"a": 1}}, "\0\0"])
def test_where_nobody_says_anything_nothing_is_quoted(body: object) -> None:
    """Neither half of a JSON text, nor what is no text."""
    assert fault(parse_hold_summary, answer(403, body)).detail == "HTTP 403"


def test_a_word_that_is_cut_is_not_shown() -> None:
    """Half of a secret would not be found by the redaction that comes later."""
    assert strip_unprintable(" " * (MAX_TEXT - 6) + "secret-0001") == "…"
    assert strip_unprintable("one two") == "one two"


def test_an_endless_complaint_is_read_in_no_time() -> None:
    """Of a million errors the first few count, and of a long text the beginning."""
    errors = [{"code": "err_unknown", "message": "no " * 10_000}] * 1000
    found = fault(parse_hold_summary, answer(403, {"fail": [{"errors": errors}]}))

    assert found.cause is Cause.PERMISSION_MISSING
    assert len(found.detail) < 4 * MAX_TEXT
    assert fault(parse_hold_summary, answer(503, "", retry_after="9" * 60_000)).wait is None
    assert fault(parse_hold_summary, answer(503, "", retry_after="5")).wait == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(
            "<TITLE lang='en'>\n Zscaler &amp; co:\u202e blocked\n</TITLE>", "'Zscaler & co: blocked'", id="odd"
        ),
        pytest.param("<html><title></title>", "", id="empty"),
        pytest.param("<html>" + "<title " * 5000, "", id="without an end"),
        pytest.param("<html>no title</html>", "", id="none"),
    ],
)
def test_a_web_page_is_quoted_by_its_title(body: str, said: str) -> None:
    """Who blocks says so there; on one line, without control characters, and within bounds."""
    assert fault(parse_hold_summary, answer(200, body)).detail.partition(": a page titled ")[2] == said
