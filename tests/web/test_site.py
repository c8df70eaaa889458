"""The page at the level of WSGI: every screen, who may see it, who may act, and what a browser may keep."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from alerter.config.models import PageAccess, Scope, WebConfig, WebToken
from alerter.core.rules import Severity
from alerter.storage import Store
from alerter.web.render import url_key
from alerter.web.routes import ROUTES
from tests.builders import NOON, a_key
from tests.web.sites import Response, World, a_config

HOSTILE = (
    "<script>alert(1)</script>",
    "a/b?c=d#e%2F&\"'",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
    "..",
    "=cmd|' /C calc'!A0",
    "\N{GRINNING FACE} & <b>bold</b>",
    "x" * 1000,
    "line\nbreak\tand tab",
)
ALERT = a_key(rule="Backlog", severity=Severity.CRITICAL, reason="Spam").id
SCREENS = (
    "/", "/tenants", "/tenants/acme", "/tenants/acme/reasons/Spam", "/alerts",
    "/alerts?state=all&q=spam&severity=critical",
    f"/alerts/{ALERT}", "/silences", "/silences?state=expired", "/explain", "/explain?tenant=acme&reason=Spam",
    "/notifications", "/notifications?state=failed", "/rules", "/rules/Backlog", "/about", "/wall", "/wall?scheme=dark",
)  # fmt: skip
TOKEN = "a" * 43


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    """One tenant with an alert that fires at two levels, and a service that anybody on the machine may read."""
    found = World(store, a_config("acme"))
    found.poll({"Spam": 40, "Links": 3}, minutes=-10)
    found.poll({"Spam": 640, "Links": 3}, minutes=-1)
    with closing(found.site):
        yield found


def operators(*scopes: Scope) -> WebConfig:
    """Return `[web]` with a proxy that signs people in, one operator, and a token."""
    token = WebToken(sha256=sha256(TOKEN.encode()).hexdigest(), scopes=scopes or (Scope.READ,))
    return WebConfig(
        user_header="X-Forwarded-User", trusted_proxies=("127.0.0.1",), operators=("alice",), tokens={"bot": token}
    )


def signed_in(name: str) -> Mapping[str, str]:
    """Return the header of a user."""
    return {"X-Forwarded-User": name}


class Names(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


@pytest.mark.parametrize("path", SCREENS)
def test_every_screen_can_be_seen(world: World, path: str) -> None:
    """With the headers that keep other sites, other frames and other scripts out."""
    found = world.ask(path)

    assert found.status == 200
    assert found.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in found.headers["Content-Security-Policy"]
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert found.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", SCREENS)
def test_no_screen_has_a_link_beyond_the_page(world: World, path: str) -> None:
    """Every address is relative, so that the page works below any prefix of a proxy."""
    names = Names(world.ask(path).text)

    addresses = [value for _, name, value in names.attributes if name in ("href", "src", "action")]
    assert not [each for each in addresses if each.startswith(("/", "http:", "https:", "//"))]


@pytest.mark.parametrize("path", SCREENS)
def test_no_screen_has_script_or_style_in_it(world: World, path: str) -> None:
    """A strict policy would refuse them; a page that needs them would be broken."""
    names = Names(world.ask(path).text)

    assert not [each for each in names.attributes if each[1] == "style" or each[1].startswith(("on", "hx-on"))]
    scripts = [{n: v for t, n, v in names.attributes if t == "script"}]
    assert all("src" in each or each.get("type") == "application/json" for each in scripts)


def test_the_limits_of_a_hold_reason_are_listed_worst_first(world: World) -> None:
    """As on every other screen, and in the same words as on that of the rule."""
    text = world.ask("/tenants/acme/reasons/Spam").text
    limits = text[text.index(">Condition</th>") :]

    assert limits.index("above 500") < limits.index("above 100")


def test_a_hold_reason_says_what_it_was_called_before(world: World) -> None:
    """And under its old name what it is called since."""
    for minutes in (4, 9, 14, 19, 24, 29):
        spam, junk = (640, 0) if minutes < 19 else (0, 638)
        world.poll({"Spam": spam, "Junk": junk, "Links": 3}, minutes=minutes)
    world.clock = NOON + timedelta(minutes=30)

    assert "renamed from &#39;Spam&#39; at 2026-03-02 12:19" in world.ask("/tenants/acme/reasons/Junk").text
    assert "renamed to &#39;Junk&#39; at 2026-03-02 12:19" in world.ask("/tenants/acme/reasons/Spam").text
    assert "renamed" not in world.ask("/tenants/acme/reasons/Links").text


def test_hostile_names_are_shown_literally(world: World) -> None:
    """A hold reason may be called anything; on no screen does it become a tag, and each has a screen of its own."""
    world.poll(dict.fromkeys(HOSTILE, 700), minutes=0)

    for path in ("/", "/tenants/acme", "/alerts", "/wall", "/explain?tenant=acme", "/notifications", "/silences"):
        text = world.ask(path).text
        assert "<script>alert" not in text
        assert "<b>bold" not in text
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in text
    ways = set(re.findall(r'href="\./(tenants/acme/reasons/[^"]+)"', world.ask("/").text))
    assert len(ways) == len(HOSTILE) + 2
    from urllib.parse import unquote  # noqa: PLC0415

    for way in ways:
        assert world.ask(f"/{unquote(way)}").status == 200


def test_a_spreadsheet_runs_nothing_of_a_csv(world: World) -> None:
    """A cell that would be a formula is guarded."""
    world.poll({"=cmd|' /C calc'!A0": 5}, minutes=0)

    key = url_key("=cmd|' /C calc'!A0")

    found = world.ask(f"/tenants/acme/reasons/{key}.csv?from=2026-03-02+11:00")

    assert (found.status, found.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert "'=cmd|" in found.text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        pytest.param("/tenants/acne", 404, "acme", id="an unknown tenant, with the nearest one"),
        pytest.param("/tenants/acme/reasons/Spin", 404, "Spam", id="an unknown hold reason, with the nearest one"),
        pytest.param("/alerts/ffffffff", 404, "no alert", id="an unknown alert"),
        pytest.param("/rules/Backlo", 404, "Backlog", id="an unknown rule"),
        pytest.param("/nothing", 404, "no such page", id="an unknown path"),
        pytest.param("/tenants/acme/reasons/Spam?span=9y", 400, "1d, 7d", id="a span that there is not"),
        pytest.param("/tenants/acme/reasons/Spam?from=2026-03-02&to=2026-03-01", 400, "before", id="from after to"),
        pytest.param("/tenants/acme/reasons/Spam?from=2030-01-01", 400, "has been", id="a time to come"),
        pytest.param("/explain?tenant=acme&reason=Spam&at=2025-03-30T01:30", 400, "skip", id="an hour that is skipped"),
        pytest.param("/alerts?state=loud", 400, "firing", id="a state that there is not"),
        pytest.param("/alerts?after=x", 400, "key of a page", id="a key of no page"),
        pytest.param(f"/alerts?q={'x' * 9000}", 400, "at most", id="a query that is too long"),
    ],
)
def test_bad_input_says_what_was_found_and_expected(world: World, path: str, status: int, words: str) -> None:
    """A person reads one sentence, and where there is one, the name that was meant."""
    found = world.ask(path)

    assert found.status == status
    assert words in found.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "PATCH"])
def test_another_method_is_refused(world: World, method: str) -> None:
    """With those that there are."""
    found = world.ask("/alerts", method=method)

    assert (found.status, found.headers["Allow"]) == (405, "GET, HEAD")


def test_a_page_that_has_not_changed_is_not_made_again(world: World) -> None:
    """The browser asks with what it has, and is told that it is still so, until something is committed."""
    world.ask("/")  # a connection that is opened looks like a change, once
    first = world.ask("/")
    same = world.ask("/", headers={"If-None-Match": first.headers["ETag"]})
    world.poll({"Spam": 641, "Links": 3}, minutes=0)
    changed = world.ask("/", headers={"If-None-Match": first.headers["ETag"]})

    assert (same.status, same.body) == (304, b"")
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert changed.status == 200


def test_what_one_user_sees_is_not_shown_to_another(world: World) -> None:
    """User and rights are part of the ETag, and the header of the proxy is in `Vary`."""
    world.with_web(operators())
    viewer = world.ask("/alerts", headers=signed_in("bob"))

    operator = world.ask("/alerts", headers={**signed_in("alice"), "If-None-Match": viewer.headers["ETag"]})

    assert operator.status == 200
    assert "X-Forwarded-User" in viewer.headers["Vary"]


def test_static_files_may_be_kept_for_ever(world: World) -> None:
    """Their names change with their content."""
    text = world.ask("/").text
    (script,) = re.findall(r'src="\./(static/app\.[0-9a-f]+\.js)"', text)

    found = world.ask(f"/{script}", headers={"Accept-Encoding": "gzip"})

    assert "immutable" in found.headers["Cache-Control"]
    assert found.headers["Content-Encoding"] == "gzip"
    assert world.ask("/static/app.js").status == 404
    assert world.ask("/static/../site.py").status == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9464", 200), ("127.0.0.1", 200), ("[::1]:9464", 200), ("10.1.2.3:9464", 200), ("", 200),
        ("alerts.example", 200), ("ALERTS.example.:443", 200), ("evil.example", 421), ("localhost.evil.example", 421),
        ("user@localhost", 421),
    ],
)  # fmt: skip
def test_only_expected_names_are_answered(world: World, host: str, status: int) -> None:
    """A page of another site reaches this one only by a name of its own (DNS rebinding), never by an address."""
    assert world.ask("/", headers={"Host": host}).status == status


ACTS: tuple[tuple[str, Mapping[str, str]], ...] = (
    (f"/alerts/{ALERT}/acknowledge", {"comment": "on it"}),
    (f"/alerts/{ALERT}/unacknowledge", {}),
    ("/silences/new", {"tenant": "acme", "for": "2h", "comment": "maintenance", "confirm": "yes"}),
    ("/receivers/secops/test", {}),
)


@pytest.mark.parametrize(("path", "form"), ACTS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="nobody"),
        pytest.param(signed_in("bob"), 403, id="a viewer"),
        pytest.param(signed_in("alice"), 303, id="an operator"),
        pytest.param({"Authorization": f"Bearer {TOKEN}"}, 403, id="a token that may read"),
        pytest.param({"Authorization": "Bearer wrong"}, 401, id="a wrong token"),
    ],
)
def test_only_operators_act(
    world: World, path: str, form: Mapping[str, str], headers: Mapping[str, str], status: int
) -> None:
    """Everybody who is signed in may look; whoever may act is named."""
    world.with_web(operators())
    if path.endswith("unacknowledge"):
        world.ask(f"/alerts/{ALERT}/acknowledge", method="POST", form={}, headers=signed_in("alice"))

    assert world.ask(path, method="POST", form=form, headers=headers).status == status


def test_every_route_that_changes_something_is_refused_to_a_viewer(world: World) -> None:
    """Also those that somebody adds to the table one day."""
    world.with_web(operators())

    for route in ROUTES:
        path = re.sub(r"\{\w+\}", "1", route.pattern)
        if route.method != "GET" and not path.startswith("/backtest"):
            assert world.ask(path, method=route.method, form={}, headers=signed_in("bob")).status in (401, 403), path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 303, id="from the page"),
        pytest.param({"Sec-Fetch-Site": "none"}, 303, id="typed by a person"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="from a sibling site"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="from another site"),
        pytest.param(
            {"Sec-Fetch-Site": "", "Origin": "http://localhost:9464"}, 303, id="an old browser, from the page"
        ),
        pytest.param({"Sec-Fetch-Site": "", "Origin": "http://localhost"}, 403, id="another port"),
        pytest.param({"Sec-Fetch-Site": "", "Origin": "http://evil.example"}, 403, id="an old browser, from elsewhere"),
        pytest.param({"Sec-Fetch-Site": "", "Origin": "null"}, 403, id="from a sandbox"),
        pytest.param({"Sec-Fetch-Site": ""}, 403, id="neither header"),
        pytest.param(
            {"Sec-Fetch-Site": "cross-site", "Authorization": f"Bearer {TOKEN}"}, 303, id="a program with a token"
        ),
    ],
)
def test_a_form_of_another_site_changes_nothing(world: World, headers: Mapping[str, str], status: int) -> None:
    """Credentials that a browser adds by itself are no proof of who wrote the form."""
    world.with_web(operators(Scope.READ, Scope.ACK))
    user = {} if "Authorization" in headers else signed_in("alice")

    found = world.ask(f"/alerts/{ALERT}/acknowledge", method="POST", form={}, headers={**user, **headers})

    assert found.status == status


@pytest.mark.parametrize(
    ("headers", "peer", "status"),
    [
        pytest.param(signed_in("alice"), "127.0.0.1", 200, id="from the proxy"),
        pytest.param(signed_in("alice"), "192.0.2.9", 401, id="from somewhere else: the header is dropped"),
        pytest.param(signed_in("alice, bob"), "127.0.0.1", 400, id="two users"),
        pytest.param({}, "127.0.0.1", 401, id="nobody signed in"),
        pytest.param({"X_Forwarded_User": "alice"}, "192.0.2.9", 401, id="with an underscore"),
    ],
)
def test_a_proxy_is_believed_by_its_address(world: World, headers: Mapping[str, str], peer: str, status: int) -> None:
    """Anybody can send the header; only the named proxy is asked who it is."""
    world.with_web(operators())

    assert world.ask("/", headers=headers, peer=peer).status == status


def basic(user: str, password: str) -> Mapping[str, str]:
    """Return the header of a password."""
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def test_passwords_sign_in_and_too_many_wrong_ones_are_refused(world: World) -> None:
    """From this machine or a proxy; the sixth try within a minute is not even looked at."""
    import bcrypt  # noqa: PLC0415

    stored = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(10)).decode()
    world.with_web(WebConfig(users={"alice": stored}, operators=("alice",)))

    right = world.ask("/", headers=basic("alice", "correct horse"))
    wrong = [world.ask("/", headers=basic("alice", "guess")).status for _ in range(5)]
    sixth = world.ask("/", headers=basic("alice", "correct horse"))
    far = world.ask("/", headers=basic("alice", "correct horse"), peer="192.0.2.9")
    nobody = world.ask("/")

    assert right.status == 200
    assert wrong == [401] * 5
    assert (sixth.status, "Retry-After" in sixth.headers) == (429, True)
    assert far.status == 403
    assert (nobody.status, nobody.headers["WWW-Authenticate"][:5]) == (401, "Basic")


def test_an_unknown_user_is_refused_like_a_wrong_password(world: World) -> None:
    """A hash of nobody is compared, so that neither the text nor the time tells who exists."""
    world.with_web(WebConfig(users={"alice": "$2b$10$" + "a" * 53}))

    found = world.ask("/", headers=basic("mallory", "guess"))

    assert (found.status, "mallory" in found.text) == (401, False)


def test_an_acknowledgement_names_the_user_and_the_second_one_sees_the_first(world: World) -> None:
    """Two press the button at once: one acknowledgement is kept, with the first author."""
    world.with_web(WebConfig(user_header="X-User", trusted_proxies=("127.0.0.1",), operators=("alice", "bob")))
    for name in ("alice", "bob"):
        world.ask(f"/alerts/{ALERT}/acknowledge", method="POST", form={"comment": name}, headers={"X-User": name})

    text = world.ask(f"/alerts/{ALERT}", headers={"X-User": "bob"}).text

    assert "acknowledgement by alice" in text
    assert "Take the acknowledgement back" in text


def test_opening_the_link_of_a_message_changes_nothing(world: World) -> None:
    """Mail gateways open every link; the acknowledge form is a page with a button."""
    world.with_web(WebConfig(access=PageAccess.OPERATE))
    before = world.ask(f"/alerts/{ALERT}").text

    world.ask(f"/alerts/{ALERT}/acknowledge")

    assert world.ask(f"/alerts/{ALERT}").text == before
    assert ">Acknowledge</button>" in before


def test_a_silence_is_shown_before_it_is_made(world: World) -> None:
    """The form is filled in from the URL, and says what it would match now."""
    world.with_web(WebConfig(access=PageAccess.OPERATE))

    text = world.ask("/silences/new?tenant=acme&reason=Spam&for=2h").text

    assert 'value="Spam"' in text
    assert "2 alerts of this moment" in text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        pytest.param({"tenant": "acme", "for": "2h"}, "expected why", id="without a comment"),
        pytest.param({"for": "2h", "comment": "x"}, "at least one", id="for nothing in particular"),
        pytest.param({"tenant": "*", "for": "2h", "comment": "x"}, "at least one", id="for everything"),
        pytest.param({"tenant": "acme", "for": "40d", "comment": "x"}, "within 30d", id="for too long"),
        pytest.param({"tenant": "acme", "for": "soon", "comment": "x"}, "expected a time", id="without an end"),
        pytest.param({"tenant": "acme", "for": "2h", "comment": "x"}, "more than half", id="for half of everything"),
        pytest.param({"severity": "loud", "for": "2h", "comment": "x"}, "critical", id="a severity that there is not"),
    ],
)
def test_a_silence_that_hides_too_much_or_says_too_little_is_not_made(
    world: World, form: Mapping[str, str], words: str
) -> None:
    """The form comes back with what was typed, and one sentence."""
    world.with_web(WebConfig(access=PageAccess.OPERATE))

    found = world.ask("/silences/new", method="POST", form=form)

    assert found.status in (400, 409)
    assert words in found.text
    with world.store.read() as reader:
        assert reader.silences.silences(since=NOON) == []


def test_a_silence_from_the_page_does_not_hide_missing_data(world: World) -> None:
    """Whoever silences a tenant is still told that it cannot be polled, unless that rule is named."""
    world.with_web(WebConfig(access=PageAccess.OPERATE))
    form = {"tenant": "acme", "reason": "Spam", "for": "2h", "comment": "maintenance"}
    world.ask("/silences/new", method="POST", form=form)

    with world.store.read() as reader:
        (silence,) = reader.silences.silences(since=NOON)

    assert (silence.author, silence.comment) == ("local user", "maintenance")
    assert not silence.matcher.rules.matches("No data")
    assert silence.ends_at == NOON + timedelta(hours=2)


def test_a_silence_is_expired_once(world: World) -> None:
    """The second press of the button says that it has ended."""
    world.with_web(WebConfig(access=PageAccess.OPERATE))
    world.ask("/silences/new", method="POST", form={"rule": "Backlog", "for": "2h", "comment": "x"})

    first = world.ask("/silences/1/expire", method="POST", form={})
    second = world.ask("/silences/1/expire", method="POST", form={})

    assert (first.status, first.headers["Location"]) == (303, "../../silences?done=expired")
    assert second.status == 409


def test_a_delivery_is_retried_and_delivery_is_woken(world: World) -> None:
    """As `alerter notifications retry` does."""
    world.with_web(WebConfig(access=PageAccess.OPERATE))

    found = world.ask("/notifications/1/retry", method="POST", form={})

    assert (found.status, world.deliveries_asked) == (303, 1)
    assert world.ask("/notifications/99/retry", method="POST", form={}).status == 404


def test_a_body_that_is_too_long_or_no_form_is_refused(world: World) -> None:
    """Before it is looked at."""
    world.with_web(WebConfig(access=PageAccess.OPERATE))
    path = f"/alerts/{ALERT}/acknowledge"

    long = world.ask(path, method="POST", body=b"x" * 20_000, content_type="application/x-www-form-urlencoded")
    text = world.ask(path, method="POST", body=b"comment", content_type="text/plain")

    assert (long.status, text.status) == (413, 415)


def test_a_page_whose_newest_poll_is_old_says_so(world: World) -> None:
    """Nothing has been polled for three intervals: what is shown may no longer be true, also on the wall."""
    world.clock = NOON + timedelta(hours=1)
    world.seconds.now += 3600

    assert "No poll of any tenant has succeeded since 2026-03-02 11:59" in world.ask("/").text
    assert "No poll of any tenant has succeeded since 2026-03-02 11:59" in world.ask("/wall").text


def test_a_tenant_that_cannot_be_polled_is_said_with_what_to_do(world: World) -> None:
    """Its counts are not those of now."""
    world.poll(None, minutes=0)

    text = world.ask("/").text

    assert "Tenants without data" in text
    assert "keys_expired" in text


def test_an_alert_that_is_over_offers_nothing_to_do(world: World) -> None:
    """The link in an old message still leads to it."""
    world.with_web(WebConfig(access=PageAccess.OPERATE))
    world.poll({"Spam": 0, "Links": 3}, minutes=0)

    text = world.ask(f"/alerts/{ALERT}").text

    assert "This alert is over." in text
    assert ">Acknowledge</button>" not in text


def test_secrets_are_on_no_screen(world: World) -> None:
    """Neither keys nor the URLs of receivers."""
    assert not [path for path in SCREENS if "sekrit" in world.ask(path).text]


def test_many_tenants_are_paged_and_filtered(store: Store) -> None:
    """A hundred a page; each is on one page, and the filters are parameters."""
    names = [f"tenant-{number:03}" for number in range(130)]
    world = World(store, a_config(*names, labels={"tier": "gold"}))
    with closing(world.site):
        world.poll({"Spam": 700}, tenant="tenant-007")

        first = world.ask("/tenants?sort=name")
        (after,) = re.findall(r'after=([\w-]+)"', first.text)
        second = world.ask(f"/tenants?sort=name&after={after}")
        seen = re.findall(r'class="row" href="\./tenants/([\w-]+)"', first.text + second.text)
        held = re.findall(r'class="row" href="\./tenants/([\w-]+)"', world.ask("/tenants?sort=held").text)
        none = world.ask("/tenants?label.tier=silver")

    assert seen == names
    assert held[0] == "tenant-007"
    assert "No tenant matches" in none.text


def links(response: Response) -> list[str]:
    """Return the addresses of a page's links."""
    return [value for tag, name, value in Names(response.text).attributes if (tag, name) == ("a", "href")]


def test_every_link_of_the_first_screen_leads_somewhere(world: World) -> None:
    """From the first screen to the last one, none is broken."""
    for address in set(links(world.ask("/"))) - {"#content"}:
        assert world.ask(f"/{address.removeprefix('./')}").status == 200, address


def test_the_wall_shows_the_highest_level_alone(world: World) -> None:
    """A backlog that is critical is not a warning besides, as nobody is notified of both."""
    text = world.ask("/wall").text

    assert text.count("Spam") == 1
    assert 'class="sev critical"' in text
    assert 'class="sev warning"' not in text
