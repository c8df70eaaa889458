"""A target that is down, refuses, hangs or lies: nothing is lost, the order is kept, and nobody else notices."""

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import trustme

from alerter.core.outbox import TargetName
from alerter.notifiers.plugins import SlackPlugin
from alerter.storage import Store
from tests.builders import a_policy, a_rule, span
from tests.faults.ledgers import bodies, reference_in, references, waiting
from tests.faults.worlds import BREACH, RELEASE, Request, Target, World, a_target

FIRST, SECOND, THIRD = (TargetName(f"secops/{name}") for name in ("first", "second", "third"))
HOOK = "T0AAAAAAA/B0BBBBBBB/abcdefghijklmnopqrstuvwx"


@pytest.fixture
def targets() -> Iterator[list[Target]]:
    """Three targets that take everything."""
    with ExitStack() as stack:
        yield [stack.enter_context(a_target()) for _ in range(3)]


@pytest.fixture
def world(sqlite_url: str, targets: list[Target]) -> Iterator[World]:
    """A world in which three targets are told of more than 100 messages."""
    names = (FIRST, SECOND, THIRD)
    alerting = a_policy(a_rule(), receivers={"secops": [*names]})
    urls = {name: target.url for name, target in zip(names, targets, strict=True)}
    with closing(Store(sqlite_url)) as store:
        yield World(store, alerting=alerting, urls=urls)


def arrived(target: Target, world: World) -> list[str]:
    """Return the references of what a target took."""
    known = references(world.store)
    return [reference_in(text, known) for text in target.texts]


def check_that_only_the_first_misses_anything(world: World, targets: Sequence[Target]) -> None:
    """Let an alert begin and end while the first target fails: the others get both messages, in order, at once."""
    world.poll(BREACH)
    world.deliver()
    world.poll(RELEASE)
    world.deliver()

    planned = references(world.store)
    assert len(planned) == 2
    assert targets[0].bodies == []
    assert [arrived(target, world) for target in targets[1:]] == [planned, planned]
    assert [(each.target, each.message_id) for each in waiting(world.store)] == [(FIRST, each) for each in planned]
    assert all(each.last_error for each in waiting(world.store)[:1])


def check_that_the_first_gets_all(world: World, targets: Sequence[Target]) -> None:
    """When it is well again the first target gets everything in order, once, and the others nothing more."""
    world.wait_for_retry()
    world.deliver()

    planned = references(world.store)
    assert [arrived(target, world) for target in targets] == [planned] * 3
    assert waiting(world.store) == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda request: request.say(429), id="429"),
        pytest.param(lambda request: request.say(500), id="500"),
        pytest.param(lambda request: request.say(503, b"<html>busy</html>"), id="503 with a page"),
        pytest.param(lambda request: request.say(404, b"no such webhook"), id="404"),
        pytest.param(Request.cut, id="the connection is cut"),
        pytest.param(Request.hang, id="no answer"),
    ],
)
def test_a_target_that_fails_gets_everything_in_order_when_it_is_well_again(
    world: World, targets: list[Target], answer: Callable[[Request], None]
) -> None:
    """Too many requests, an error, a cut connection or no answer at all: the message waits, and nobody else does."""
    well, targets[0].answer = targets[0].answer, answer

    check_that_only_the_first_misses_anything(world, targets)
    targets[0].answer = well

    check_that_the_first_gets_all(world, targets)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_message_that_is_refused_as_such_is_sent_in_short_at_once(
    world: World, targets: list[Target], status: int
) -> None:
    """A target that takes no more than a few lines is told all the same, in the same attempt."""
    well = targets[0].answer
    targets[0].answer = lambda request: well(request) if len(request.body["message"]) < 300 else request.say(status)

    world.poll(BREACH)
    world.deliver()

    [short], [whole] = targets[0].bodies, targets[1].bodies
    assert short["title"] == whole["title"]
    assert "above 100" in short["title"]
    assert reference_in(short["message"], references(world.store))
    assert waiting(world.store) == []


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_message_that_is_refused_in_every_form_holds_no_other_one_up(
    world: World, targets: list[Target], status: int
) -> None:
    """It is tried again as any other, for a day; what comes after it is not kept waiting."""
    well = targets[0].answer
    targets[0].answer = lambda request: request.say(status)
    world.poll(BREACH)
    world.deliver()
    targets[0].answer = well

    world.poll(RELEASE)
    world.clock.now = waiting(world.store)[0].next_attempt_at - span("1s")
    world.deliver()
    told_meanwhile = arrived(targets[0], world)
    world.wait_for_retry()
    world.deliver()

    first, second = references(world.store)
    assert (told_meanwhile, arrived(targets[0], world)) == ([second], [second, first])
    assert waiting(world.store) == []


def test_an_answer_200_that_is_an_error_is_a_failure(
    world: World, targets: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack says `ok` when it has taken a message; anything else with HTTP 200 is no delivery."""
    monkeypatch.setattr(SlackPlugin, "webhook_url", f"http://127.0.0.1:{targets[0].port}/services")
    world.urls = {**world.urls, FIRST: f"https://hooks.slack.com/services/{HOOK}"}
    well, targets[0].answer = targets[0].answer, lambda request: request.say(200, b"invalid_payload")

    check_that_only_the_first_misses_anything(world, targets)
    targets[0].answer = well

    check_that_the_first_gets_all(world, targets)


def test_slacks_api_that_answers_200_and_not_ok_is_a_failure(
    world: World, targets: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a bot token Slack answers every request with 200; only `"ok": true` is a delivery."""
    monkeypatch.setattr(SlackPlugin, "api_url", f"http://127.0.0.1:{targets[0].port}/api/{{}}")
    world.urls = {**world.urls, FIRST: "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#oncall"}
    targets[0].answer = lambda request: request.say(200, b'{"ok": false, "error": "channel_not_found"}')

    check_that_only_the_first_misses_anything(world, targets)
    targets[0].answer = lambda request: request.take(b'{"ok": true, "channel": "C0"}')

    check_that_the_first_gets_all(world, targets)


def test_a_target_whose_certificate_is_bad_gets_nothing_until_it_can_be_trusted(
    world: World, targets: list[Target], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said to a stranger, and nothing is lost when the certificate has been renewed."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("NO_PROXY", "*")
    with a_target(tls=context) as secure:
        targets[0] = secure
        world.urls = {**world.urls, FIRST: f"jsons://localhost:{secure.port}"}

        check_that_only_the_first_misses_anything(world, targets)
        assert "certificate" in waiting(world.store)[0].last_error
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))

        check_that_the_first_gets_all(world, targets)


def closed_port() -> tuple[int, socket.socket]:
    """Return a port on which nobody listens, and what keeps it free of others."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken.getsockname()[1], taken


def test_a_target_that_is_down_for_a_day_is_told_everything_when_it_is_back(
    world: World, targets: list[Target]
) -> None:
    """What it missed waits for a day and longer; one of three is dead, and the other two notice nothing."""
    port, taken = closed_port()
    there, world.urls = world.urls, {**world.urls, FIRST: f"json://127.0.0.1:{port}"}
    check_that_only_the_first_misses_anything(world, targets)
    begun = world.clock.now

    while (due := world.wait_for_retry()) < begun + span("1d"):
        world.deliver()
        assert len(waiting(world.store)) == 2, due
    taken.close()
    world.urls = there
    world.deliver()

    assert waiting(world.store) == []
    notified = "".join(targets[0].texts)
    for reference, body in bodies(world.store).items():
        assert reference in notified or body.splitlines()[0] in notified
    assert [len(target.bodies) for target in targets[1:]] == [2, 2]


def test_a_message_that_is_given_up_is_an_error_in_the_log(
    world: World, targets: list[Target], caplog: pytest.LogCaptureFixture
) -> None:
    """After more than a day of attempts somebody has to act, and it makes way for the next message."""
    targets[0].answer = lambda request: request.say(500)
    world.poll(BREACH)
    begun = world.clock.now
    world.deliver()

    while waiting(world.store):
        world.wait_for_retry()
        world.deliver()

    assert world.clock.now - begun >= span("1d")
    [error] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "gave up" in error
    assert "secops/first" in error


def test_a_target_that_hangs_holds_no_other_one_up(world: World, targets: list[Target]) -> None:
    """While one of three does not answer, the other two already have their message."""
    both = threading.Barrier(3)
    seen: list[bool] = []

    def after_the_others(request: Request) -> None:
        seen.append(both.wait(5) >= 0)
        request.hang()

    def at_once(request: Request) -> None:
        request.take(b"ok")
        both.wait(5)

    targets[0].answer = after_the_others
    targets[1].answer = targets[2].answer = at_once
    world.poll(BREACH)

    with ThreadPoolExecutor(3) as threads:
        world.deliver(map_=threads.map)

    assert seen == [True]
    assert [len(target.bodies) for target in targets] == [0, 1, 1]
