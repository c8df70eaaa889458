"""A command beside a service has the service's variables: with real files, read as systemd reads them."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from alerter.config.environments import apply_service_environment, load_service_environment

CONFIG = Path("etc/alerter/rules.toml")
ME = os.geteuid()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a machine with a service."""
    (tmp_path / CONFIG).parent.mkdir(parents=True)
    return tmp_path


def write(root: Path, text: str) -> Path:
    """Write the service's file of variables."""
    path = root / "etc/alerter/environment"
    path.write_text(text)
    path.chmod(0o644)
    return path


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        pytest.param("A=b\nC=d", {"A": "b", "C": "d"}, id="with and without a line break at the end"),
        pytest.param("# no\n; no\n\n  A=b\n", {"A": "b"}, id="comments, empty lines, space before a name"),
        pytest.param("A= b c \t\n", {"A": "b c"}, id="space around a value"),
        pytest.param("A = b\n", {"A": "b"}, id="space around the name"),
        pytest.param("A=\nB=''\n", {"A": "", "B": ""}, id="nothing"),
        pytest.param("A='b \\ \"c\" '\n", {"A": 'b \\ "c" '}, id="single quotes"),
        pytest.param('A="b \\" \\\\ \\$ \\` \\n \'c\'"\n', {"A": "b \" \\ $ ` \\n 'c'"}, id="double quotes"),
        pytest.param("A='b'\"c\" d\n", {"A": "bcd"}, id="one piece after the other"),
        pytest.param("A=b'c'\n", {"A": "b'c'"}, id="quotes within a text are none"),
        pytest.param("A='b\nc'\nD=e\n", {"A": "b\nc", "D": "e"}, id="a line break in quotes"),
        pytest.param("A=b\\\nc\nD=e\n", {"A": "bc", "D": "e"}, id="a value that goes on in the next line"),
        pytest.param('A="b\\\nc"\n', {"A": "bc"}, id="the same in quotes"),
        pytest.param("A=b\\ c\\\\d\n", {"A": "b c\\d"}, id="escaped characters"),
        pytest.param("# no \\\nA=b\nC=d\n", {"C": "d"}, id="a comment that goes on in the next line"),
        pytest.param("A=b # c\n", {"A": "b # c"}, id="a comment does not begin within a line"),
        pytest.param("A=b\nA=c\n", {"A": "c"}, id="the last one counts"),
        pytest.param("A=$B ${C}\n", {"A": "$B ${C}"}, id="nothing is filled in"),
        pytest.param("A='b", {"A": "b"}, id="quotes that nobody closes"),
        pytest.param("A=b\\", {"A": "b"}, id="a backslash at the end"),
        pytest.param("A=b\r\nC=d\r\n", {"A": "b", "C": "d"}, id="line breaks of Windows"),
        pytest.param("A==b=c\n", {"A": "=b=c"}, id="further equals signs"),
    ],
)
def test_a_file_of_variables_is_read_as_systemd_reads_it(root: Path, text: str, variables: Mapping[str, str]) -> None:
    """Quotes, comments, and values that go on in the next line."""
    write(root, text)

    found = load_service_environment(root / CONFIG, root=root)

    assert found is not None
    assert (found.variables, found.odd_lines) == (variables, ())


def test_what_systemd_leaves_out_is_left_out(root: Path) -> None:
    """It is no shell script; the lines are known."""
    write(root, "export A=b\n\nnonsense\n1A=b\nC=d\n=e\n")

    found = load_service_environment(root / CONFIG, root=root)

    assert found is not None
    assert (found.variables, found.odd_lines) == ({"C": "d"}, (1, 3, 4, 6))


def test_a_file_that_systemd_refuses_is_not_taken_over(root: Path) -> None:
    """As after a power cut, which leaves a file of zeros; no process can have such a variable."""
    write(root, "A=b\nC=\0\n")
    environ: dict[str, str] = {}

    apply_service_environment(root / CONFIG, environ, root=root, uid=ME)

    assert environ == {}
    with pytest.raises(OSError, match="found a NUL"):
        load_service_environment(root / CONFIG, root=root)


@pytest.mark.parametrize("path", ["etc/alerter/rules.toml", "etc/alerter/acme.toml"])
def test_every_instance_has_the_same_file(root: Path, path: str) -> None:
    """As their units have it."""
    write(root, "REQUESTS_CA_BUNDLE='/etc/ssl/ca.pem'\nDB=x\n")

    found = load_service_environment(root / path, root=root)

    assert found is not None
    assert found.on_the_way == {"REQUESTS_CA_BUNDLE": "/etc/ssl/ca.pem"}


def test_a_command_has_what_the_service_has(root: Path) -> None:
    """All of the file, for the configuration may name any of it; in place of what the shell has."""
    write(root, "HTTPS_PROXY=http://proxy.example:3128\nDB_HOST=db.example\n")
    environ = {"HTTPS_PROXY": "http://another.example", "PATH": "/bin"}

    apply_service_environment(root / CONFIG, environ, root=root, uid=ME)

    assert environ == {"HTTPS_PROXY": "http://proxy.example:3128", "DB_HOST": "db.example", "PATH": "/bin"}


def test_what_only_the_shell_has_is_left_out_and_said(root: Path) -> None:
    """Where systemd says what else the unit has: then the service goes past that proxy."""
    write(root, "HTTPS_PROXY=http://proxy.example:3128\n")
    environ = {"https_proxy": "http://another.example", "NO_PROXY": "a.example", "PATH": "/bin"}
    said: list[str] = []
    drop_in = {"TZ": "UTC", "NO_PROXY": "b.example", "HTTPS_PROXY": "http://drop-in.example"}

    apply_service_environment(
        root / CONFIG, environ, of_unit={"alerter": drop_in}.get, say=said.append, root=root, uid=ME
    )

    assert environ == {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "b.example", "PATH": "/bin"}
    assert said == [
        "https_proxy of this shell is left out: alerter.service does not have it; put it into /etc/alerter/environment"
    ]


def test_without_a_file_a_unit_has_its_own_variables_alone(root: Path) -> None:
    """What nobody knows of it changes nothing."""
    for own, expected in (({"HTTP_PROXY": "x"}, {"HTTP_PROXY": "x"}), (None, {"HTTPS_PROXY": "http://p.example"})):
        environ = {"HTTPS_PROXY": "http://p.example"}

        apply_service_environment(root / CONFIG, environ, of_unit={"alerter": own}.get, root=root, uid=ME)

        assert environ == expected


@pytest.mark.parametrize(
    ("path", "environ"),
    [
        pytest.param("home/rules.toml", {}, id="a configuration without a service"),
        pytest.param("etc/alerter/rules.toml", {"STATE_DIRECTORY": "/var/lib/alerter"}, id="the service itself"),
    ],
)
def test_elsewhere_nothing_is_taken_over(root: Path, path: str, environ: dict[str, str]) -> None:
    """Whoever runs it has said what holds."""
    write(root, "HTTPS_PROXY=http://proxy.example\n")
    before = dict(environ)

    apply_service_environment(root / path, environ, of_unit={"alerter": {}}.get, root=root, uid=ME)

    assert environ == before


def test_what_another_may_have_written_is_not_believed(root: Path) -> None:
    """Root's children would load what it says."""
    write(root, "LD_PRELOAD=/tmp/evil.so\n").chmod(0o666)
    environ: dict[str, str] = {}
    said: list[str] = []

    apply_service_environment(root / CONFIG, environ, say=said.append, root=root, uid=ME)

    assert environ == {}
    assert said[0].startswith(f"{root}/etc/alerter/environment is passed over: everyone may write to")


def test_what_another_may_have_written_is_not_even_read(root: Path) -> None:
    """Whatever it holds, it is said whose it may be."""
    path = root / "etc/alerter/environment"
    path.write_bytes(b"A=\xff\n")
    path.chmod(0o666)
    said: list[str] = []

    apply_service_environment(root / CONFIG, {}, say=said.append, root=root, uid=ME)

    assert said == [f"{path} is passed over: everyone may write to {path}"]


def test_a_file_that_is_far_too_large_is_not_read_to_its_end(root: Path) -> None:
    """It would cost a command its memory."""
    with (root / "etc/alerter/environment").open("wb") as file:
        file.truncate(65 << 20)

    with pytest.raises(OSError, match="it is larger than 64 MiB"):
        load_service_environment(root / CONFIG, root=root)


def test_what_cannot_be_read_is_left(root: Path) -> None:
    """The doctor says so."""
    (root / "etc/alerter/environment").write_bytes(b"A=\xff\n")
    environ: dict[str, str] = {}

    apply_service_environment(root / CONFIG, environ, root=root, uid=ME)

    assert environ == {}
