"""Where a service's data and secrets are, for itself and for a shell beside it, in a file system of the test's own."""

from dataclasses import replace
from pathlib import Path

import pytest

from alerter.config.paths import credential_folders, data_folder, load_credentials, state_directory, unit_for


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
    assert unit_for(tmp_path / path, root=tmp_path) == unit


def test_a_name_that_no_file_can_have_is_that_of_no_credential(tmp_path: Path) -> None:
    """The system refuses to look for it: 255 bytes are the most."""
    credentials = load_credentials(tmp_path / "rules.toml", {"CREDENTIALS_DIRECTORY": str(tmp_path)}, root=tmp_path)

    assert credentials.file_for("A_" * 200) is None
    assert replace(credentials, sealed=tmp_path).describe_body("A_" * 200)


def test_within_a_service_systemd_says_where_its_data_is(tmp_path: Path) -> None:
    """Of several folders the first one counts, whatever else there is."""
    (tmp_path / "var/lib/alerter").mkdir(parents=True)

    folder = state_directory(
        tmp_path / "etc/alerter/rules.toml", {"STATE_DIRECTORY": "/var/lib/one:/var/lib/two"}, root=tmp_path
    )

    assert folder == Path("/var/lib/one")


def test_a_shell_beside_a_service_finds_its_data(tmp_path: Path) -> None:
    """`alerter status` looks where the service writes, not beside the configuration, as soon as there is something."""
    path = tmp_path / "etc/alerter/acme.toml"
    before = state_directory(path, {}, root=tmp_path)
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/alerter@acme").symlink_to("private/alerter@acme")  # as for a dynamic user, seen by others

    assert before == path.parent
    assert state_directory(path, {}, root=tmp_path) == tmp_path / "var/lib/alerter@acme"
    assert state_directory(tmp_path / "srv/acme.toml", {}, root=tmp_path) == tmp_path / "srv"


@pytest.mark.parametrize("folder", ["usr/local/lib", "etc", "usr/lib"])
@pytest.mark.parametrize(
    ("name", "unit"), [("rules", "alerter.service"), ("acme", "alerter@.service")], ids=["the unit", "an instance"]
)
def test_an_installed_service_has_its_folder_before_it_is_there(
    tmp_path: Path, folder: str, name: str, unit: str
) -> None:
    """What root's commands would store beside the configuration, the service would never find."""
    path = tmp_path / "etc/alerter" / f"{name}.toml"
    (tmp_path / folder / "systemd/system").mkdir(parents=True)
    (tmp_path / folder / "systemd/system" / unit).touch()

    assert state_directory(path, {}, root=tmp_path) == data_folder(path, root=tmp_path)
    assert data_folder(path, root=tmp_path) == tmp_path / "var/lib" / ("alerter" if name == "rules" else "alerter@acme")


def test_elsewhere_no_service_has_data(tmp_path: Path) -> None:
    """A configuration that no unit of ours runs with keeps its data beside itself, whatever is installed."""
    assert data_folder(tmp_path / "rules.toml", root=tmp_path) is None


def test_within_a_service_systemd_says_where_its_secrets_are(tmp_path: Path) -> None:
    """What is handed to this process comes before everything else, under its name or that of a folder."""
    (tmp_path / "plain_NAME").touch()
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    credentials = load_credentials(tmp_path / "etc/alerter/rules.toml", environ, root=tmp_path)

    assert credentials.file_for("NAME") == tmp_path / "plain_NAME"
    assert credentials.describe_body("OTHER") == (
        f"{tmp_path}/etc/alerter/credentials had no such file when alerter.service started"
    )


def test_what_another_unit_hands_over_is_named_as_it_is(tmp_path: Path) -> None:
    """Whoever wrote a unit of their own knows where its credentials come from."""
    credentials = load_credentials(tmp_path / "rules.toml", {"CREDENTIALS_DIRECTORY": str(tmp_path)}, root=tmp_path)

    assert credentials.describe_body("OTHER") == f"there is no credential {tmp_path}/OTHER"


class TestBesideAService:
    """What root's commands find of the secrets of a service."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """A configuration with two secrets: one as it is, and one that is encrypted."""
        for name in ("credentials", "credentials.encrypted"):
            (tmp_path / "etc/alerter" / name).mkdir(parents=True)
        (tmp_path / "etc/alerter/credentials/PLAIN").touch()
        (tmp_path / "etc/alerter/credentials.encrypted/SEALED").touch()
        return tmp_path / "etc/alerter/rules.toml"

    @pytest.fixture
    def running(self, tmp_path: Path) -> Path:
        """What systemd has handed to the service, which runs."""
        folder = tmp_path / "run/credentials/alerter.service"
        folder.mkdir(parents=True)
        for name in ("plain_PLAIN", "encrypted_SEALED", "OWN"):
            (folder / name).touch()
        return folder

    def test_while_it_is_stopped_they_find_what_its_start_would_read(self, path: Path, tmp_path: Path) -> None:
        """A configuration can be checked and tried before the first start, but for what is encrypted."""
        credentials = load_credentials(path, {}, root=tmp_path)

        assert credentials.file_for("PLAIN") == path.parent / "credentials/PLAIN"
        assert credentials.file_for("SEALED") is None
        assert credentials.describe_body("SEALED") == (
            f"{path.parent}/credentials.encrypted/SEALED is encrypted, and can be read only while the service runs"
        )
        assert credentials.describe_body("OTHER") == f"there is no credential {path.parent}/credentials/OTHER"

    def test_while_it_runs_they_find_all(self, path: Path, running: Path, tmp_path: Path) -> None:
        """Also what is encrypted; of what is not, a new secret can be tried before a restart."""
        credentials = load_credentials(path, {}, root=tmp_path)

        assert credentials.file_for("SEALED") == running / "encrypted_SEALED"
        assert credentials.file_for("OWN") == running / "OWN"
        assert credentials.file_for("PLAIN") == path.parent / "credentials/PLAIN"
        (path.parent / "credentials/PLAIN").unlink()
        assert credentials.file_for("PLAIN") == running / "plain_PLAIN"

    def test_each_instance_has_its_own(self, path: Path) -> None:
        """The secrets of one customer are not looked for among those of another."""
        assert credential_folders(path) == (path.parent / "credentials", path.parent / "credentials.encrypted")
        assert credential_folders(path.parent / "acme.toml") == (
            path.parent / "acme.credentials",
            path.parent / "acme.credentials.encrypted",
        )

    def test_who_may_not_read_them_is_told_whose_they_are(self, tmp_path: Path) -> None:
        """They are no error of the configuration."""
        path = tmp_path / "etc/alerter/acme.toml"

        assert load_credentials(path, {}, root=tmp_path).describe_body("NAME") == (
            f"{path.parent}/acme.credentials is for root and for alerter@acme.service"
        )


def test_elsewhere_there_are_no_secrets_of_a_service(tmp_path: Path) -> None:
    """A configuration that belongs to no unit has what the environment has."""
    credentials = load_credentials(tmp_path / "rules.toml", {}, root=tmp_path)

    assert credentials.file_for("NAME") is None
    assert credentials.describe_body("NAME") == "$CREDENTIALS_DIRECTORY is not set"
