"""Hosts are looked at as the service would reach them."""

import os
from pathlib import Path

import pytest

from alerter.config.environments import environment_of
from alerter.doctor.environments import take_over
from alerter.doctor.findings import Group
from tests.doctor.diagnoses import OK, WARNING

CONFIG = Path("etc/alerter/rules.toml")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a machine with a service; what is set here is taken back after the test."""
    (tmp_path / CONFIG).parent.mkdir(parents=True)
    for name in ("HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "PATH"):
        # Noted first, so that it comes back.
        monkeypatch.setenv(name, os.environ.get(name, ""))  # noqa: TID251 - what a shell has
    return tmp_path


def write(root: Path, text: str) -> Path:
    """Write the service's file of variables."""
    path = root / "etc/alerter/environment"
    path.write_text(text)
    return path


def test_what_decides_on_the_way_is_taken_over_and_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in place of what this shell has; nothing else, such as the path of programs."""
    monkeypatch.setenv("HTTPS_PROXY", "http://another.example")
    path = write(root, '# the way out\n\nHTTPS_PROXY="http://proxy.example:3128"\nNO_PROXY=a.example\nPATH=/nowhere\n')
    before = os.environ["PATH"]  # noqa: TID251 - as above

    (finding,) = take_over(root / CONFIG, root=root)

    assert os.environ["HTTPS_PROXY"] == "http://proxy.example:3128"  # noqa: TID251 - as above
    assert os.environ["NO_PROXY"] == "a.example"  # noqa: TID251 - as above
    assert os.environ["PATH"] == before  # noqa: TID251 - as above
    assert (finding.group, finding.subject, finding.outcome) == (Group.SERVICE, str(path), OK)
    assert finding.text == "hosts were looked at with HTTPS_PROXY, NO_PROXY of it, as by the service"


def test_what_systemd_leaves_out_is_told(root: Path) -> None:
    """It is no shell script."""
    write(root, "export HTTPS_PROXY=http://proxy.example\n; a comment\nnonsense\n")

    (finding,) = take_over(root / CONFIG, root=root)

    assert (finding.outcome, finding.text) == (WARNING, "systemd leaves out what is not NAME=value: line 1, 3")
    assert "export" in finding.advice


def test_what_cannot_be_read_is_told(root: Path) -> None:
    """The service may go another way than whoever looks."""
    (root / "etc/alerter/environment").write_bytes(b"HTTPS_PROXY=\xff\n")

    (finding,) = take_over(root / CONFIG, root=root)

    assert finding.outcome is WARNING
    assert "it cannot be read" in finding.text
    assert "as root" in finding.advice


@pytest.mark.parametrize("path", ["etc/alerter/rules.toml", "etc/alerter/acme.toml"])
def test_every_instance_has_the_same_file(root: Path, path: str) -> None:
    """As their units have it."""
    write(root, "REQUESTS_CA_BUNDLE='/etc/ssl/ca.pem'\n")

    found = environment_of(root / path, root=root)

    assert found is not None
    assert found.on_the_way == {"REQUESTS_CA_BUNDLE": "/etc/ssl/ca.pem"}


def test_without_a_service_or_a_file_there_is_nothing_to_take_over(root: Path) -> None:
    """A configuration elsewhere has the environment of whoever runs it."""
    assert take_over(root / CONFIG, root=root) == []
    write(root, "HTTPS_PROXY=http://proxy.example\n")

    assert take_over(root / "home/rules.toml", root=root) == []
