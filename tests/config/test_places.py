"""Where a service's data and secrets are, for itself and for a shell beside it, in a file system of the test's own."""

from pathlib import Path

import pytest

from alerter.config.places import Credentials, credentials_of, state_folder, unit_of


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        pytest.param("etc/alerter/rules.toml", "alerter", id="the one configuration"),
        pytest.param("etc/alerter/acme.toml", "alerter@acme", id="one of several"),
        pytest.param("etc/alerter/tenants.d/acme.toml", None, id="a part of one"),
        pytest.param("etc/alerter/rules.toml.old", None, id="not a configuration"),
        pytest.param("srv/rules.toml", None, id="somewhere else"),
    ],
)
def test_a_configuration_in_the_services_folder_has_a_unit(path: str, unit: str | None, tmp_path: Path) -> None:
    """Only there is it known which service runs with it."""
    assert unit_of(tmp_path / path, root=tmp_path) == unit


def test_within_a_service_systemd_says_where_its_data_is(tmp_path: Path) -> None:
    """Of several folders the first one counts, whatever else there is."""
    (tmp_path / "var/lib/alerter").mkdir(parents=True)

    folder = state_folder(
        tmp_path / "etc/alerter/rules.toml", {"STATE_DIRECTORY": "/var/lib/one:/var/lib/two"}, root=tmp_path
    )

    assert folder == Path("/var/lib/one")


def test_a_shell_beside_a_service_finds_its_data(tmp_path: Path) -> None:
    """`alerter status` looks where the service writes, not beside the configuration, as soon as there is something."""
    path = tmp_path / "etc/alerter/acme.toml"
    before = state_folder(path, {}, root=tmp_path)
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/alerter@acme").symlink_to("private/alerter@acme")  # as for a dynamic user, seen by others

    assert before == path.parent
    assert state_folder(path, {}, root=tmp_path) == tmp_path / "var/lib/alerter@acme"
    assert state_folder(tmp_path / "srv/acme.toml", {}, root=tmp_path) == tmp_path / "srv"


def test_within_a_service_systemd_says_where_its_secrets_are(tmp_path: Path) -> None:
    """What is handed to this process comes before everything else."""
    path = tmp_path / "etc/alerter/rules.toml"

    assert credentials_of(path, {"CREDENTIALS_DIRECTORY": "/run/x"}, root=tmp_path) == Credentials(
        folder=Path("/run/x")
    )


def test_root_reads_the_secrets_of_a_service_that_runs(tmp_path: Path) -> None:
    """`sudo alerter test-notify` works while the service runs; otherwise the error says what is missing."""
    path = tmp_path / "etc/alerter/rules.toml"
    stopped = credentials_of(path, {}, root=tmp_path)
    folder = tmp_path / "run/credentials/alerter.service"
    folder.mkdir(parents=True)
    (folder / "plain_NAME").write_text("secret")
    running = credentials_of(path, {}, root=tmp_path)

    assert stopped.file_of("NAME") is None
    assert stopped.why_not("NAME") == "the credentials of alerter.service are for root, while it runs"
    assert running.file_of("NAME") == folder / "plain_NAME"
    assert running.why_not("OTHER") == f"there is no credential {folder}/OTHER"


def test_elsewhere_there_are_no_secrets_of_a_service(tmp_path: Path) -> None:
    """A configuration that belongs to no unit has what the environment has."""
    assert credentials_of(tmp_path / "rules.toml", {}, root=tmp_path).why_not("NAME") == (
        "$CREDENTIALS_DIRECTORY is not set"
    )
