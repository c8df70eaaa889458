"""Who may read the secrets and change what the service trusts: with real files."""

from pathlib import Path

from alerter.doctor.configuration import check_configuration, configuration_errors
from alerter.doctor.files import check_files
from alerter.doctor.findings import Group
from alerter.errors import Problem
from tests.doctor.diagnoses import FAILED, OK, RECEIVER, RULE, TENANT, WARNING, a_config, only, outcomes

BY_FILE = '[tenants.acme]\nclient_id = "an-id"\nclient_secret = "${file:secret}"\n'


def a_secret(folder: Path, *, mode: int = 0o600) -> Path:
    """Return the file of a secret."""
    path = folder / "secret"
    path.write_text("s3cr3t-value")
    path.chmod(mode)
    return path


def test_files_that_only_their_owner_reads_are_well(tmp_path: Path) -> None:
    """The configuration, and each file that a value of it was read from."""
    a_secret(tmp_path)

    found = list(check_files(a_config(tmp_path, BY_FILE, RECEIVER, RULE)))

    assert [finding.subject for finding in found] == [f"{tmp_path}/rules.toml", f"{tmp_path}/secret"]
    assert {finding.group for finding in found} == {Group.FILES}
    assert outcomes(found) == [OK, OK]
    assert found[0].text.startswith("mode 0600: ")


def test_a_secret_in_a_configuration_that_everyone_may_read_has_failed(tmp_path: Path) -> None:
    """With the line, and once."""
    finding = only(check_files(a_config(tmp_path, TENANT, RECEIVER, RULE, mode=0o644)))

    assert finding.outcome is FAILED
    assert finding.subject == f"{tmp_path}/rules.toml:2"
    assert "chmod o-r" in finding.text
    assert "renewed" in finding.advice


def test_a_configuration_without_a_secret_may_be_read(tmp_path: Path) -> None:
    """Keys in files of their own, and nothing secret in the URL of a receiver."""
    a_secret(tmp_path)
    (tmp_path / "id").write_text("an-id")
    (tmp_path / "id").chmod(0o600)
    (tmp_path / "url").write_text("json://127.0.0.1:9")
    (tmp_path / "url").chmod(0o600)
    tables = (BY_FILE.replace('"an-id"', '"${file:id}"'), RECEIVER.replace("json://127.0.0.1:9", "${file:url}"), RULE)

    assert outcomes(check_files(a_config(tmp_path, *tables, mode=0o644))) == [OK, OK, OK, OK]


def test_a_file_of_a_secret_that_everyone_may_read_has_failed(tmp_path: Path) -> None:
    """It is told once, and the others are looked at as well."""
    a_secret(tmp_path, mode=0o644)

    found = list(check_files(a_config(tmp_path, BY_FILE, RECEIVER, RULE)))

    assert outcomes(found) == [FAILED, OK]
    assert f"everyone may read the file {tmp_path}/secret: chmod o-r" in found[0].text


def test_a_file_that_everyone_may_change_has_failed(tmp_path: Path) -> None:
    """Whoever can write the configuration can run it their way."""
    found = list(check_files(a_config(tmp_path, mode=0o602)))

    assert outcomes(found) == [FAILED]
    assert (found[0].text, found[0].advice) == ("everyone may change it", f"chmod o-w {tmp_path}/rules.toml")


def test_a_folder_that_everyone_may_change_has_failed(tmp_path: Path) -> None:
    """Another file could be put in the place of this one; in a folder as /tmp is, it could not."""
    config = a_config(tmp_path)
    tmp_path.chmod(0o777)
    finding = only(check_files(config))
    tmp_path.chmod(0o1777)

    assert finding.outcome is FAILED
    assert "its folder has the mode 0777" in finding.text
    assert finding.advice == f"chmod o-w {tmp_path}"
    assert outcomes(check_files(config)) == [OK]


def test_a_sound_configuration_is_counted_and_what_is_unwise_is_told(tmp_path: Path) -> None:
    """Other groups say more of modes and of mail, so that this one does not."""
    mail = RECEIVER.replace("json://127.0.0.1:9", "mailtos://u:p@mx.example")
    odd = RULE.replace('"Backlog"', '"Nobody"\ntenants = ["other"]')
    config = a_config(tmp_path, TENANT, mail, RULE, odd, mode=0o644)

    sound, *warnings = check_configuration(config)

    assert (sound.outcome, sound.text) == (OK, "sound: 1 tenant, 1 receiver, 3 rules")
    assert len(config.warnings) == 3
    assert outcomes(warnings) == [WARNING]
    assert "selects none of the tenants" in warnings[0].text


def test_a_wrong_configuration_has_failed() -> None:
    """Each error is a finding, with its place."""
    problems = (
        Problem(file="r.toml", line=3, key="service.x", text="unknown"),
        Problem(file="r.toml", line=None, key="", text="no"),
    )

    found = configuration_errors(problems)

    assert [(finding.group, finding.outcome) for finding in found] == [(Group.CONFIGURATION, FAILED)] * 2
    assert [(finding.subject, finding.text) for finding in found] == [
        ("r.toml:3", "service.x: unknown"),
        ("r.toml", "no"),
    ]
