"""No failure shows a secret: none of Mimecast's, none of a target's, none of the user's, and none of our own."""

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
import trustme

from alerter.simulator.api import Misbehaviour
from alerter.simulator.server import Simulator
from tests.canaries.conftest import a_new_home
from tests.canaries.echoes import ECHOES, Echo
from tests.canaries.marks import canary, found_in
from tests.canaries.runs import Home
from tests.canaries.secrets import ALL, CLIENT_SECRET, DATABASE_PASSWORD, PROXY_PASSWORD, SLACK_TOKEN, Ports

CRASH = Path(__file__).parent / "crash"
#: Those for which a poll waits for half a minute.
SLOW = {Misbehaviour.TIMEOUT, Misbehaviour.DRIP}


@pytest.fixture
def real_home(tmp_path: Path, echo: Echo, real_ports: Ports, authority: trustme.CA) -> Iterator[Home]:
    """A folder of its own, with a Mimecast that knows the keys."""
    echo.write, echo.status, echo.is_proxy_shut = None, 403, False
    echo.bodies.clear()
    with a_new_home(tmp_path, real_ports, authority) as home:
        yield home


@pytest.mark.slow
@pytest.mark.parametrize("misbehaviour", [each for each in Misbehaviour if each not in SLOW])
def test_a_mimecast_that_misbehaves_brings_no_secret_to_light(
    real_home: Home, simulator: Simulator, misbehaviour: Misbehaviour
) -> None:
    """Wrong keys, no permission, an odd token, a page in place of an answer: the cause is told, and no key."""
    simulator.misbehaviour = misbehaviour
    try:
        ran = real_home.run("poll", "--json")
    finally:
        simulator.misbehaviour = None

    assert real_home.leaks() == []
    assert b'"cause"' in ran.out


@pytest.mark.slow
@pytest.mark.parametrize("is_granting", [True, False], ids=["after a token", "before"])
@pytest.mark.parametrize("echoed", [*ECHOES])
def test_a_mimecast_that_repeats_what_it_was_sent_brings_no_secret_to_light(
    *, home: Home, echo: Echo, echoed: str, is_granting: bool
) -> None:
    """Keys, tokens and signatures come back in its errors, in its headers and in its pages, in any form."""
    echo.write, echo.is_granting = ECHOES[echoed], is_granting
    outs = []
    for echo.status in (403, 500):
        outs.append(home.run("poll", "--json").out)

    assert home.leaks() == []
    assert [out.count(b'"cause": "') for out in outs] == [2, 2]


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 302, 401, 429, 503])
def test_no_status_makes_a_difference(home: Home, echo: Echo, status: int) -> None:
    """A redirect has the secrets in its address, a rate limit in its headers."""
    echo.write, echo.status = ECHOES["in Mimecast's errors"], status

    polled = home.run("poll", "--json")
    notified = home.run("test-notify", "all")

    assert home.leaks() == []
    assert polled.out.count(b'"cause": "') == 2
    assert notified.code == 1


@pytest.mark.slow
@pytest.mark.parametrize("echoed", [*ECHOES])
def test_targets_that_repeat_what_they_were_sent_bring_no_secret_to_light(home: Home, echo: Echo, echoed: str) -> None:
    """Tokens, passwords and addresses come back from Slack, Teams, PagerDuty, Opsgenie, Telegram, a mailbox, a hook."""
    echo.write = ECHOES[echoed]

    ran = home.run("test-notify", "all")

    assert home.leaks() == []
    assert ran.out.count(b": not sent: ") == len(list(home.credentials.glob("*_URL"))) - 1


def test_nothing_that_is_sent_holds_a_secret_of_another(real_home: Home, echo: Echo) -> None:
    """What targets take, and what the dead man's switch is told, has no key, and no password of another target."""
    real_home.run("poll")

    # PagerDuty wants its key in the body.
    bodies = [body for body in echo.bodies if b"routing_key" not in body]
    assert len(bodies) > 5
    assert [name for body in bodies for name in found_in(body, ALL)] == []


@pytest.fixture
def nowhere() -> int:
    """A port at which nobody listens."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("is_proxy_shut", [True, False], ids=["a proxy that repeats it all", "nobody at home"])
def test_what_cannot_be_reached_brings_no_secret_to_light(
    *, home: Home, echo: Echo, ports: Ports, nowhere: int, is_proxy_shut: bool
) -> None:
    """Libraries say to which address they could not connect: all of it."""
    echo.is_proxy_shut = is_proxy_shut
    gone = replace(ports, mimecast=nowhere, hook=nowhere, tls_hook=nowhere, smtp=nowhere)
    home.configure(gone)
    if not is_proxy_shut:
        home.environ["HTTPS_PROXY"] = f"http://someone:{PROXY_PASSWORD.core}@127.0.0.1:{nowhere}"

    polled = home.run("poll", "--json")
    notified = home.run("test-notify", "all")
    home.configure(ports, scheme="https")
    by_tls = home.run("poll", "--json")

    assert home.leaks() == []
    assert polled.out.count(b'"cause": "unreachable"') == 2
    assert notified.out.count(b": not sent: ") == len(list(home.credentials.glob("*_URL"))) - 1
    assert by_tls.out.count(b'"cause": "tls"') == 2


SECRET = CLIENT_SECRET.core

#: What is put in place of what, or at the end; the secret as it is, and as a variable.
MISTAKES: Mapping[str, tuple[str, str]] = {
    "a duration": ('poll_interval = "10s"', f'poll_interval = "{SECRET}"'),
    "a duration, by its name": ('poll_interval = "10s"', 'poll_interval = "${CLIENT_SECRET}"'),
    "a time zone": ("[service]", f'[service]\ntimezone = "{SECRET}"'),
    "a web page": ("[service]", f'[service]\nconsole_url = "javascript:{SECRET}"'),
    "a heartbeat": ('"${HEARTBEAT_URL}"', f'"ftp://{SECRET}/"'),
    "a file of a database": ("sqlite:///alerter.db", f"sqlite://{SECRET}"),
    "a database of another kind": ("sqlite:///alerter.db", f"mysql://u:{SECRET}@h/d"),
    "a port of a database": ("sqlite:///alerter.db", f"postgresql://u:p@h:{SECRET}/d"),
    "a region": ("[tenants.acme]", '[tenants.acme]\nregion = "${CLIENT_SECRET}"'),
    "an API": ("[tenants.acme]", f'[tenants.acme]\napi = "{SECRET}"'),
    "an address with a password": ('base_url      = "http://', f'base_url      = "https://u:{SECRET}@h" # '),
    "an address with a path": ('base_url      = "http://', f'base_url      = "https://h/{SECRET}" # '),
    "a key with a space": ('"${CLIENT_ID}"', f'"{SECRET} {SECRET}"'),
    "a key that is a number": ('"${CLIENT_ID}"', "12345678"),
    "a key that is a list": ('"${CLIENT_ID}"', f'["{SECRET}"]'),
    "a key that is no base64": ('"${SECRET_KEY}"', f'"{SECRET}!"'),
    "a key in place of its variable": ('"${CLIENT_SECRET}"', f'"${{{SECRET}}}"'),
    "a key in place of its file": ('"${CLIENT_SECRET}"', f'"${{file:{SECRET}}}"'),
    "a variable that is never closed": ('"${CLIENT_SECRET}"', f'"${{{SECRET}"'),
    "a key without quotes": ('"${CLIENT_SECRET}"', SECRET),
    "a key in place of a setting": ("[tenants.acme]", f'[tenants.acme]\n{SECRET} = "client_secret"'),
    "a setting that is not known": ("[tenants.acme]", f'[tenants.acme]\nclient_secert = "{SECRET}"'),
    "a section that is not known": ("[tenants.acme]", f'[tenant.acme]\nclient_secret = "{SECRET}"\n[tenants.acme]'),
    "a URL of an unknown kind": ("urls = [", f'urls = ["slakc://{SECRET}/a", '),
    "a URL without a scheme": ("urls = [", f'urls = ["{SECRET}", '),
    "a token that cannot be one": ("urls = [", f'urls = ["slack://T1/B1/{SECRET}-!", '),
    "a URL that is no list": ("urls = [", f'urls = "json://h/{SECRET}" # '),
    "a fallback": ("[receivers.all]", f'[receivers.all]\nfallback = "{SECRET}"'),
    "a receiver of a route": ("[[rules]]", f'[[routes]]\nreceivers = ["{SECRET}"]\n[[rules]]'),
    "a limit": ("above = 0", f'above = "{SECRET}"'),
    "a page of a rule": ("[[rules]]", '[[rules]]\nrunbook = "${CLIENT_SECRET}"'),
    "a file to include": ("\n[service]", f'include = ["{SECRET}.toml"]\n[service]'),
}  # fmt: skip


@pytest.mark.slow
def test_a_broken_configuration_is_refused_at_a_reload_without_a_word_of_a_secret(real_home: Home) -> None:
    """Whatever was pasted into whatever place: the log says where and what was expected, not what was found there."""
    sound = real_home.config.read_text()
    daemon = real_home.start("run", "--verbose", "--config", real_home.config)
    daemon.wait_for("ready tenants=2")

    for number, (found, wrong) in enumerate(MISTAKES.values(), 1):
        assert found in sound
        real_home.config.write_text(sound.replace(found, wrong, 1))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("previous configuration stays active", times=number)
    ran = daemon.end(signal.SIGTERM)

    assert real_home.leaks() == []
    assert ran.code == 0
    assert ran.err.count(b"previous configuration stays active") == len(MISTAKES)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", [*MISTAKES])
def test_a_broken_configuration_is_refused_without_a_word_of_a_secret(real_home: Home, mistake: str) -> None:
    """The same for whoever checks it, or starts with it."""
    found, wrong = MISTAKES[mistake]
    real_home.config.write_text(real_home.config.read_text().replace(found, wrong, 1))

    codes = [
        real_home.run(*arguments, "--config", real_home.config).code
        for arguments in (("check-config",), ("run", "--log-format", "json"))
    ]

    assert real_home.leaks() == []
    assert codes == [2, 2]


@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["auto", "text", "json"])
def test_a_daemon_shows_no_secret_in_all_its_life(real_home: Home, echo: Echo, nowhere: int, log_format: str) -> None:
    """From its start, through targets that repeat what they were sent, a reload with new secrets, to its end."""
    echo.write = ECHOES["as it is"]
    new = canary("slack_token of tomorrow")
    text = real_home.config.read_text()
    real_home.config.write_text(text.replace("[service]", f'[service]\nlisten = "127.0.0.1:{nowhere}"'))
    daemon = real_home.start("run", "--verbose", "--log-format", log_format, "--config", real_home.config)
    daemon.wait_for("delivery failed", times=9)

    slack_url = (real_home.credentials / "SLACK_URL").read_text()
    real_home.set_secret("SLACK_URL", slack_url.replace(SLACK_TOKEN.text, new.text))
    real_home.config.write_text(real_home.config.read_text().replace("above = 0", "above = 1"))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("reloaded")
    daemon.wait_for("delivery failed", times=14)
    pages = [requests.get(f"http://127.0.0.1:{nowhere}/{page}", timeout=10) for page in ("metrics", "healthz", "x")]
    real_home.written += [page.content for page in pages]
    ran = daemon.end(signal.SIGTERM)

    assert real_home.leaks() == []
    assert found_in(ran.err + ran.out, [new]) == []
    assert ran.code == 0
    assert b"[redacted]" in ran.err
    assert b"alerter_" in pages[0].content


@pytest.mark.slow
@pytest.mark.parametrize("place", ["fetch", "deliver", "write"])
@pytest.mark.parametrize("log_format", ["auto", "json"])
def test_a_bug_shows_no_secret(real_home: Home, place: str, log_format: str) -> None:
    """In whichever thread: an exception with all secrets in its text, and libraries that log them before it comes."""
    path = os.pathsep.join((str(CRASH), real_home.environ["PYTHONPATH"]))
    arguments = ("run", "--verbose", "--log-format", log_format, "--config", str(real_home.config))

    daemon = real_home.start(*arguments, PYTHONPATH=path, CRASH=place)
    daemon.wait_for("internal error")
    ran = daemon.end(signal.SIGTERM)
    polled = real_home.run("poll", "--config", real_home.config, PYTHONPATH=path, CRASH=place)

    assert real_home.leaks() == []
    assert b"internal error" in ran.err
    assert b"RuntimeError" in ran.err
    assert polled.code == 1


@pytest.mark.slow
def test_a_database_that_refuses_the_password_does_not_bring_it_to_light(real_home: Home, echo: Echo) -> None:
    """Neither a server that cannot be reached, nor one that repeats what it was sent and breaks off."""
    echo.write = str.encode
    for port in (1, int(real_home.environ["HTTPS_PROXY"].rpartition(":")[2])):
        url = f"postgresql://alerter:{quote(DATABASE_PASSWORD.text, safe='')}@127.0.0.1:{port}/alerter"
        real_home.set_secret("DATABASE_URL", url)
        real_home.configure(Ports(mimecast=1, hook=1, tls_hook=1, smtp=1, proxy=1), database="${DATABASE_URL}")
        codes = {real_home.run(command, "--config", real_home.config).code for command in ("run", "poll", "status")}
        assert codes == {1}

    assert real_home.leaks() == []


@pytest.mark.slow
def test_the_demo_sends_to_a_place_that_repeats_it_without_showing_it(real_home: Home, echo: Echo) -> None:
    """The URL stands in the command line, which is the user's; the demo itself repeats nothing of it."""
    echo.write = str.encode
    urls = [url for name, url in credentials_of(real_home).items() if name in {"SLACK_URL", "MAIL_URL", "HOOK_URL"}]

    ran = real_home.run("demo", *(each for url in urls for each in ("--to", url)))

    assert found_in(ran.out + ran.err, ALL) == []
    assert ran.err.count(b"not sent: demo/") == 3


def credentials_of(home: Home) -> dict[str, str]:
    """Return the secrets of a home by name."""
    return {path.name: path.read_text() for path in home.credentials.iterdir()}
