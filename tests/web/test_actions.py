"""What people do stands in the history: who, what, when, and from the page, the API or a command."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from alerter.config.models import Scope, WebConfig, WebToken
from alerter.core.rules import Severity
from alerter.storage import Store
from tests.builders import NOON, a_key
from tests.web.documents import Document
from tests.web.sites import World, a_config

ALERT = a_key(rule="Backlog", severity=Severity.CRITICAL, reason="Spam").id
OTHER = a_key(rule="Backlog", severity=Severity.WARNING, reason="Links").id
TOKEN = "a" * 43
ALICE = {"X-User": "alice", "X-Forwarded-For": "10.0.0.7"}


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    """A tenant with two alerts, an operator called alice, and a token called bot."""
    token = WebToken(sha256=sha256(TOKEN.encode()).hexdigest(), scopes=tuple(Scope))
    web = WebConfig(user_header="X-User", trusted_proxies=("127.0.0.1",), operators=("alice",), tokens={"bot": token})
    found = World(store, a_config("acme", "beta", web=web))
    found.poll({"Spam": 640, "Links": 140}, minutes=-1)
    with closing(found.site):
        yield found


def act(world: World, path: str, **form: str) -> None:
    """Press a button of the page, a minute later."""
    world.clock += timedelta(minutes=1)
    assert world.ask(path, method="POST", form=form, headers=ALICE).status == 303


def call(world: World, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - JSON
    """Call the API with the token, a minute later."""
    world.clock += timedelta(minutes=1)
    content = b"" if body is None else json.dumps(body).encode()
    kind = "application/json" if body is not None else ""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    found = world.ask(f"/api/v1/{path}", method=method, headers=headers, body=content, content_type=kind)
    assert found.status in (200, 201), found.text
    return json.loads(found.body)


def actions_of(world: World, alert: str) -> list[tuple[str, ...]]:
    """Return what the API says was done about an alert, the newest first."""
    found = call(world, "GET", f"alerts/{alert}")["actions"]
    return [(each["author"], each["origin"], each["action"], each["object"], each["comment"]) for each in found]


def test_every_action_on_an_alert_is_recorded_with_its_author_and_origin(world: World) -> None:
    """Acknowledged and taken back on the page, acknowledged by a program, and silenced."""
    act(world, f"/alerts/{ALERT}/acknowledge", comment="at it")
    act(world, f"/alerts/{ALERT}/unacknowledge")
    call(world, "POST", f"alerts/{ALERT}/acknowledge", {"comment": "bot is"})
    act(world, "/silences/new", tenant="acme", reason="Spam", **{"for": "2h"}, comment="moving mail")
    act(world, "/silences/1/expire")
    act(world, "/notifications/1/retry")

    assert actions_of(world, ALERT) == [
        ("alice", "page", "retry", "1", ""),
        ("alice", "page", "expire", "1", ""),
        ("alice", "page", "silence", "1", "moving mail"),
        ("bot", "api", "acknowledge", ALERT, "bot is"),
        ("alice", "page", "take back", ALERT, ""),
        ("alice", "page", "acknowledge", ALERT, "at it"),
    ]
    assert actions_of(world, OTHER) == [("alice", "page", "retry", "1", "")]


def test_what_changes_nothing_is_not_recorded(world: World) -> None:
    """A second acknowledgement, a form that is refused, and a dry run leave no trace."""
    act(world, f"/alerts/{ALERT}/acknowledge")
    act(world, f"/alerts/{ALERT}/acknowledge")
    call(world, "POST", f"alerts/{ALERT}/acknowledge", {})
    body = {"matchers": {"rule": "Backlog"}, "for_seconds": 60, "comment": "x", "dry_run": True}
    call(world, "POST", "silences", body)
    world.ask("/silences/new", method="POST", form={"tenant": "acme"}, headers=ALICE)

    assert actions_of(world, ALERT) == [("alice", "page", "acknowledge", ALERT, "")]


def test_the_page_shows_who_did_what_from_where(world: World) -> None:
    """On the page of the alert, of silences and of notifications; the address is the one that the proxy names."""
    act(world, f"/alerts/{ALERT}/acknowledge", comment="<b>at it</b>")
    act(world, "/receivers/secops/test")
    act(world, "/silences/new", rule="Backlog", **{"for": "2h"}, comment="moving mail")

    (silenced, acknowledged) = Document(world.ask(f"/alerts/{ALERT}", headers=ALICE).text).rows("Who", "Did")
    assert acknowledged["At"].instants == [f"{NOON + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"]
    assert [acknowledged[name].text for name in ("Who", "Did", "From", "Comment")] == [
        "alice", f"acknowledged {ALERT}", "page, 10.0.0.7", "<b>at it</b>",
    ]  # fmt: skip
    assert silenced["Did"].text == "added silence 1"
    shown = [row["Did"].text for row in Document(world.ask("/silences", headers=ALICE).text).rows("Who", "Did")]
    assert shown == ["added silence 1", f"acknowledged {ALERT}"]
    (tested,) = Document(world.ask("/notifications", headers=ALICE).text).rows("Who", "Did")
    assert tested["Did"].text == "tested receiver secops"


def test_explain_says_what_was_done_until_the_instant(world: World) -> None:
    """And not what came after it."""
    act(world, f"/alerts/{ALERT}/acknowledge", comment="at it")
    act(world, f"/alerts/{ALERT}/unacknowledge")
    asked = "explain?tenant=acme&reason=Spam&at=1m+ago"

    (rule,) = [each for each in call(world, "GET", asked)["rules"] if each["rule"] == "Backlog"]

    assert [each["action"] for each in rule["actions"]] == ["take back", "acknowledge"]
    lines = Document(world.ask(f"/{asked}", headers=ALICE).text).texts()
    assert f"12:01:00 alice acknowledged {ALERT} (page, 10.0.0.7): at it" in lines
    before = call(world, "GET", "explain?tenant=acme&reason=Spam&at=3m+ago")["rules"]
    assert [each["actions"] for each in before if each["rule"] == "Backlog"] == [rule["actions"][1:]]
