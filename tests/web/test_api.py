"""The API: every operation is called, and each answer is held against `openapi.json`."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from hashlib import sha256
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from alerter.config.models import PageAccess, Scope, WebConfig, WebToken
from alerter.core.rules import Severity
from alerter.storage import Store
from alerter.web.routes import ROUTES
from tests.builders import NOON, a_key
from tests.web.sites import Response, World, a_config

API = "/api/v1"
DOCUMENT = json.loads((files("alerter.web") / "openapi.json").read_text(encoding="utf-8"))
ALERT = a_key(rule="Backlog", severity=Severity.CRITICAL, reason="Spam").id
TOKEN = "t" * 43


def a_token(*scopes: Scope) -> WebConfig:
    """Return `[web]` with one token."""
    digest = sha256(TOKEN.encode()).hexdigest()
    return WebConfig(tokens={"bot": WebToken(sha256=digest, scopes=scopes or tuple(Scope))})


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    """One tenant with an alert that fires at two levels, and a token that may do everything."""
    found = World(store, a_config("acme", web=a_token()))
    found.poll({"Spam": 40, "Links": 3}, minutes=-10)
    found.poll({"Spam": 640, "Links": 3}, minutes=-1)
    with closing(found.site):
        yield found


def call(world: World, method: str, path: str, document: object = None, *, token: str = TOKEN) -> Response:
    """Return the answer to a program's request."""
    body = b"" if document is None else json.dumps(document).encode()
    headers = {"Sec-Fetch-Site": ""} | ({"Authorization": f"Bearer {token}"} if token else {})
    return world.ask(
        f"{API}{path}", method=method, headers=headers, body=body, content_type="application/json" if body else ""
    )


def fits(response: Response, method: str, path: str) -> list[str]:
    """Return what the description has against an answer."""
    schema = DOCUMENT["paths"][path][method.lower()]["responses"][str(response.status)]["content"]["application/json"]
    whole: Mapping[str, Any] = {**schema["schema"], "components": DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(json.loads(response.body))]


SILENCE = {"matchers": {"tenant": "acme", "reason": "Spam"}, "for_seconds": 7200, "comment": "maintenance"}
CALLS: tuple[tuple[str, str, str, object], ...] = (
    ("GET", "/status", "/status", None),
    ("GET", "/tenants", "/tenants?sort=name", None),
    ("GET", "/tenants/{tenant}", "/tenants/acme", None),
    ("GET", "/tenants/{tenant}/reasons/{key}", "/tenants/acme/reasons/Spam?span=1d", None),
    ("GET", "/alerts", "/alerts?state=all&limit=1", None),
    ("GET", "/alerts/{id}", f"/alerts/{ALERT}", None),
    ("POST", "/alerts/{id}/acknowledge", f"/alerts/{ALERT}/acknowledge", {"comment": "on it"}),
    ("DELETE", "/alerts/{id}/acknowledge", f"/alerts/{ALERT}/acknowledge", None),
    ("GET", "/silences", "/silences", None),
    ("POST", "/silences", "/silences", SILENCE),
    ("POST", "/silences", "/silences", {**SILENCE, "dry_run": True}),
    ("DELETE", "/silences/{id}", "/silences/1", None),
    ("GET", "/notifications", "/notifications?limit=5", None),
    ("POST", "/notifications/{id}/retry", "/notifications/1/retry", None),
    ("POST", "/receivers/{name}/test", "/receivers/secops/test", None),
    ("GET", "/rules", "/rules", None),
    ("GET", "/explain", "/explain?tenant=acme&reason=Spam", None),
    ("GET", "/openapi.json", "/openapi.json", None),
)


@pytest.mark.parametrize(("method", "described", "path", "document"), CALLS)
def test_every_answer_is_as_it_is_described(
    world: World, method: str, described: str, path: str, document: object
) -> None:
    """With every field that is promised, of the type that is promised."""
    if described == "/silences/{id}":
        call(world, "POST", "/silences", SILENCE)

    found = call(world, method, path, document)

    assert found.status in (200, 201), found.text
    assert fits(found, method, described) == []


def test_every_route_is_described_and_every_description_has_a_route() -> None:
    """A program can rely on the file; every operation of it is called above."""
    routes = {(each.method, each.pattern.removeprefix(API)) for each in ROUTES if each.pattern.startswith(API)}
    described = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}

    assert routes == described == {(method, path) for method, path, _, _ in CALLS}


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        pytest.param("/tenants/acne", 404, {"code": "not_found", "field": "tenant", "nearest": ["acme"]}, id="tenant"),
        pytest.param("/alerts?state=loud", 400, {"code": "bad_request", "field": "state"}, id="state"),
        pytest.param("/alerts?limit=501", 400, {"code": "bad_request", "field": "limit"}, id="limit"),
        pytest.param("/nothing", 404, {"code": "not_found"}, id="path"),
    ],
)
def test_an_error_has_a_code_a_sentence_and_where_it_is(
    world: World, path: str, status: int, error: Mapping[str, object]
) -> None:
    """The same for every program."""
    found = call(world, "GET", path)

    told = json.loads(found.body)["error"]
    assert found.status == status
    assert told.pop("message")
    assert told == error


@pytest.mark.parametrize(("method", "described", "path", "document"), CALLS)
def test_a_token_does_what_its_scopes_say(
    world: World, method: str, described: str, path: str, document: object
) -> None:
    """A token that may read acts nowhere; one that may do everything but read sees nothing."""
    world.with_web(a_token(Scope.READ))
    reader = call(world, method, path, document)
    world.with_web(a_token(Scope.ACK, Scope.SILENCE, Scope.OPERATE))
    actor = call(world, method, path, document)

    needs_scope = DOCUMENT["paths"][described][method.lower()]["description"]
    assert (reader.status == 403) == ("`read`" not in needs_scope)
    assert (actor.status == 403) == ("`read`" in needs_scope)


def test_a_program_without_a_token_reads_and_does_not_act(world: World) -> None:
    """Also where everybody on this machine may act on the page: a browser's page must not become a program."""
    world.with_web(WebConfig(access=PageAccess.OPERATE))

    assert call(world, "GET", "/status", token="").status == 200
    assert call(world, "POST", f"/alerts/{ALERT}/acknowledge", {}, token="").status in (401, 403)


def test_both_calls_of_an_acknowledgement_are_answered_and_the_second_changes_nothing(world: World) -> None:
    """A chat bot may press twice."""
    first = call(world, "POST", f"/alerts/{ALERT}/acknowledge", {"comment": "one"})
    second = call(world, "POST", f"/alerts/{ALERT}/acknowledge", {"comment": "two"})
    gone = [call(world, "DELETE", f"/alerts/{ALERT}/acknowledge") for _ in range(2)]

    mutes = [json.loads(each.body)["muted_by"] for each in (first, second, *gone)]
    assert [each.status for each in (first, second, *gone)] == [200] * 4
    assert mutes[0] == mutes[1] == {"kind": "acknowledgement", "name": "bot", "until": None, "comment": "one"}
    assert mutes[2:] == [None, None]


def test_an_equal_silence_is_returned_and_not_doubled(world: World) -> None:
    """A program that tries again after a time-out does not silence twice."""
    first, second = (call(world, "POST", "/silences", SILENCE) for _ in range(2))

    assert (first.status, second.status) == (201, 200)
    assert json.loads(first.body)["silence"] == json.loads(second.body)["silence"]


def test_a_dry_run_shows_what_would_be_silenced_and_keeps_nothing(world: World) -> None:
    """The preview of the page, for programs."""
    found = json.loads(call(world, "POST", "/silences", {**SILENCE, "dry_run": True}).body)

    assert [each["severity"] for each in found["matches"]] == ["critical", "warning"]
    with world.store.read() as reader:
        assert reader.silences.silences(since=NOON) == []


@pytest.mark.parametrize(
    ("document", "field"),
    [
        pytest.param({**SILENCE, "ends_at": "18:00"}, "for_seconds", id="two ends"),
        pytest.param({**SILENCE, "for_seconds": True}, "for_seconds", id="a boolean"),
        pytest.param({**SILENCE, "for_seconds": 3_000_000}, "for", id="too long"),
        pytest.param({**SILENCE, "matchers": []}, "tenant", id="no object"),
        pytest.param({**SILENCE, "matchers": {}}, "tenant", id="for nothing in particular"),
        pytest.param({**SILENCE, "comment": ""}, "comment", id="without a comment"),
        pytest.param({**SILENCE, "comment": "x" * 1001}, "comment", id="too long a comment"),
    ],
)
def test_a_silence_that_is_wrong_says_in_which_field(world: World, document: object, field: str) -> None:
    """As the form of the page does."""
    found = call(world, "POST", "/silences", document)

    assert (found.status, json.loads(found.body)["error"]["field"]) == (400, field)


def test_a_body_that_is_no_json_object_is_refused(world: World) -> None:
    """Before anything is looked up."""
    assert call(world, "POST", f"/alerts/{ALERT}/acknowledge", [1]).status == 400


def test_pages_of_a_list_follow_one_another(world: World) -> None:
    """`next` is what `after` takes; the last page has none."""
    first = json.loads(call(world, "GET", "/alerts?limit=1").body)
    second = json.loads(call(world, "GET", f"/alerts?limit=1&after={first['next']}").body)

    assert [each["severity"] for page in (first, second) for each in page["items"]] == ["critical", "warning"]
    assert second["next"] is None
