"""`alerter web-password` and `alerter web-token`: what they print is what the configuration takes."""

import re
import signal
import subprocess
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
import requests

from alerter.cli.web_token import SCOPES
from alerter.config import Config, load_config
from alerter.config.models import Scope, WebToken
from alerter.web.security import PasswordCheck

REST = (
    '[tenants.acme]\nclient_id = "id-0001"\nclient_secret = "secret-0001"\n'
    '[receivers.secops]\nurls = ["json://localhost"]\n'
)


def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command as from a pipe."""
    command = [sys.executable, "-m", "alerter", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=60)


def load(folder: Path, printed: str) -> Config:
    """Return the configuration that has what a command printed."""
    path = folder / "alerter.toml"
    path.write_text(f"{printed}\n{REST}")
    path.chmod(0o600)
    return load_config(path, {})


def test_a_password_that_was_hashed_signs_in(tmp_path: Path) -> None:
    """The printed lines go into the configuration as they are; the password is in neither."""
    done = run("web-password", "alice b.", given="correct horse battery\n")

    config = load(tmp_path, done.stdout)

    assert done.returncode == 0
    assert "correct horse" not in done.stdout + done.stderr
    check = PasswordCheck(lambda: 0.0)
    assert check.is_right(config.web.users["alice b."], "correct horse battery")
    assert not check.is_right(config.web.users["alice b."], "correct horse batterz")


@pytest.mark.parametrize(
    ("password", "words"), [("short", "at least 8 characters"), ("x" * 73, "at most 72 bytes"), ("ü" * 40, "80")]
)
def test_a_password_that_cannot_be_used_is_refused(password: str, words: str) -> None:
    """Bcrypt looks at no more than 72 bytes: what is longer would be cut in silence."""
    done = run("web-password", "alice", given=f"{password}\n")

    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert password not in done.stderr


def test_a_token_is_shown_once_and_its_digest_is_for_the_configuration(tmp_path: Path) -> None:
    """Standard output may be appended to the file; the token is on standard error alone."""
    done = run("web-token", "chatbot", "--scope", "read", "--scope", "ack")

    (token,) = re.findall(r"shown this once: (\S+)", done.stderr)
    found = load(tmp_path, done.stdout).web.tokens
    assert token not in done.stdout
    digest = sha256(token.encode()).hexdigest()
    assert found == {"chatbot": WebToken(sha256=digest, scopes=(Scope.READ, Scope.ACK))}
    assert len(token) == 43


def test_the_scopes_of_the_command_are_those_of_the_configuration() -> None:
    """They are written twice, so that `--help` answers at once."""
    assert tuple(map(str, Scope)) == SCOPES


def test_the_name_of_a_token_must_fit_into_the_configuration() -> None:
    """It becomes the key of a table."""
    assert "64" in run("web-token", "a b").stderr


def test_the_demo_ends_with_the_page_of_its_day() -> None:
    """On which nothing waits: the terminal took every message. Ctrl-C ends it."""
    heeds_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = [sys.executable, "-m", "alerter", "demo", "--page"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heeds_ctrl_c) as process:  # noqa: PLW1509 - it takes no lock
        assert process.stdout is not None
        address = next(found[1] for line in process.stdout if (found := re.search(r"page of this day: (\S+)", line)))
        shown = {path: requests.get(f"{address}{path}", timeout=20) for path in ("", "notifications", "rules")}
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)

    assert {each.status_code for each in shown.values()} == {200}
    assert "Nothing fires" in shown[""].text
    assert "CRITICAL" in shown["notifications"].text
    assert ">waiting</span>" not in shown["notifications"].text
    assert ">no data for 15m</span>" in shown["rules"].text
