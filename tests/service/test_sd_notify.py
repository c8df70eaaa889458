"""sd_notify over a real socket: what is said arrives whole, and where nobody listens nothing happens."""

import os
import socket
from itertools import takewhile
from pathlib import Path

import pytest

from alerter.service.sd_notify import SdNotify
from tests.supervisor import a_supervisor

PID = 4711


@pytest.fixture(params=["a path", "an abstract name"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the service manager listens, in both kinds of address that it may choose."""
    return str(tmp_path / "notify") if request.param == "a path" else f"\0alerter-test-{os.getpid()}"


def test_what_is_said_together_arrives_together(address: str) -> None:
    """Assignments that belong together are one datagram, so that systemd sees them at once."""
    with a_supervisor(address) as supervisor:
        is_sent = SdNotify(supervisor.environment(), pid=PID).notify(READY=1, STATUS="well")
        said = supervisor.wait_for("READY", "1")

    assert is_sent
    assert said == {"READY": "1", "STATUS": "well"}


def test_a_line_break_in_a_text_says_nothing_else(address: str) -> None:
    """A name or an error text with a line break in it must not stop the service, nor feed its watchdog."""
    with a_supervisor(address) as supervisor:
        SdNotify(supervisor.environment(), pid=PID).notify(STATUS="an\nerror\nSTOPPING=1\r\nWATCHDOG=1")
        said = supervisor.wait_for("STATUS")

    assert said == {"STATUS": "an error STOPPING=1 WATCHDOG=1"}


def test_a_reload_says_when_it_began(tmp_path: Path) -> None:
    """From systemd 253 on, it tells by the monotonic time in microseconds to which reload an answer belongs."""
    with a_supervisor(str(tmp_path / "notify")) as supervisor:
        SdNotify(supervisor.environment(), pid=PID).notify_reloading(STATUS="reloading")
        said = supervisor.wait_for("RELOADING", "1")

    assert int(said["MONOTONIC_USEC"]) > 0
    assert said["STATUS"] == "reloading"


def test_without_systemd_nothing_is_said_and_nothing_is_wrong() -> None:
    """A daemon in a terminal or a container has nobody to tell."""
    systemd = SdNotify({}, pid=PID)

    assert systemd.notify(READY=1)
    assert (systemd.is_listening, systemd.has_watchdog) == (False, False)


@pytest.mark.parametrize("address", ["relative/path", "vsock:2:4711"])
def test_an_address_of_another_kind_is_nobody(address: str) -> None:
    """Only a path or an abstract name is an address of the protocol as it is spoken on one machine."""
    assert not SdNotify({"NOTIFY_SOCKET": address}, pid=PID).is_listening


def test_a_socket_that_has_gone_is_told_to_the_log_and_not_to_the_caller(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What could not be said must be said again, but never ends the daemon."""
    systemd = SdNotify({"NOTIFY_SOCKET": str(tmp_path / "gone")}, pid=PID)

    assert not systemd.notify(READY=1)
    assert "No such file or directory" in caplog.text


def test_a_manager_that_does_not_listen_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full socket is given a short time, not for ever."""
    monkeypatch.setattr("alerter.service.sd_notify.PATIENCE_SECONDS", 0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        systemd = SdNotify({"NOTIFY_SOCKET": str(tmp_path / "notify")}, pid=PID)

        taken = sum(1 for _ in takewhile(bool, (systemd.notify(STATUS="again") for _ in range(100_000))))

    assert 0 < taken < 100_000


@pytest.mark.parametrize(
    ("watchdog", "is_watched"),
    [
        pytest.param({"WATCHDOG_USEC": "1000000"}, True, id="for whoever is started"),
        pytest.param({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(PID)}, True, id="for this process"),
        pytest.param({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, False, id="for another process"),
        pytest.param({"WATCHDOG_USEC": "0"}, False, id="switched off"),
        pytest.param({"WATCHDOG_USEC": "soon"}, False, id="not a number"),
        pytest.param({}, False, id="none"),
    ],
)
def test_the_watchdog_is_meant_for_this_process(watchdog: dict[str, str], *, is_watched: bool) -> None:
    """sd_watchdog_enabled(3): a number of microseconds, and a process id if it is for a certain one."""
    assert SdNotify({"NOTIFY_SOCKET": "/run/notify", **watchdog}, pid=PID).has_watchdog is is_watched
