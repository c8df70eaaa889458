"""Hosts are looked at as the service would reach them."""

from pathlib import Path

import pytest

from alerter.doctor.environments import check_environment
from alerter.doctor.findings import Group
from tests.doctor.diagnoses import OK, WARNING

CONFIG = Path("etc/alerter/rules.toml")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a machine with a service."""
    (tmp_path / CONFIG).parent.mkdir(parents=True)
    return tmp_path


def write(root: Path, text: str) -> Path:
    """Write the service's file of variables."""
    path = root / "etc/alerter/environment"
    path.write_text(text)
    return path


def test_what_decides_on_the_way_is_told(root: Path) -> None:
    """And nothing else, such as the path of programs."""
    path = write(root, '# the way out\n\nHTTPS_PROXY="http://proxy.example:3128"\nNO_PROXY=a.example\nPATH=/nowhere\n')

    (finding,) = check_environment(root / CONFIG, root=root)

    assert (finding.group, finding.subject, finding.outcome) == (Group.SERVICE, str(path), OK)
    assert finding.text == "hosts were looked at with HTTPS_PROXY, NO_PROXY of it, as by the service"


def test_what_systemd_leaves_out_is_told(root: Path) -> None:
    """It is no shell script."""
    write(root, "export HTTPS_PROXY=http://proxy.example\n; a comment\nnonsense\n")

    (finding,) = check_environment(root / CONFIG, root=root)

    assert (finding.outcome, finding.text) == (WARNING, "systemd leaves out what is not NAME=value: line 1, 3")
    assert "export" in finding.advice


def test_what_cannot_be_read_is_told(root: Path) -> None:
    """The service may go another way than whoever looks."""
    (root / "etc/alerter/environment").write_bytes(b"HTTPS_PROXY=\xff\n")

    (finding,) = check_environment(root / CONFIG, root=root)

    assert finding.outcome is WARNING
    assert "it cannot be read" in finding.text
    assert "as root" in finding.advice


def test_without_a_service_or_a_file_there_is_nothing_to_tell(root: Path) -> None:
    """A configuration elsewhere has the environment of whoever runs it."""
    assert check_environment(root / CONFIG, root=root) == []
    write(root, "HTTPS_PROXY=http://proxy.example\n")

    assert check_environment(root / "home/rules.toml", root=root) == []
