"""Who may read the secrets and change what the service trusts: with real files."""

import grp
import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from alerter.doctor.config import check_configuration, configuration_errors
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


def test_a_credential_that_everyone_may_read_has_failed(tmp_path: Path) -> None:
    """But in a folder for its owner alone, where the mode of a file means nothing."""
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o755)
    a_secret(folder, mode=0o644)
    tables, environ = (BY_FILE.replace("file:", ""), RECEIVER, RULE), {"CREDENTIALS_DIRECTORY": str(folder)}

    open_to_all = list(check_files(a_config(tmp_path, *tables, environ=environ)))
    folder.chmod(0o700)
    shut = list(check_files(a_config(tmp_path, *tables, environ=environ)))

    assert (outcomes(open_to_all), outcomes(shut)) == ([FAILED, OK], [OK, OK])
    assert f"everyone may read the file {folder}/secret: chmod o-r" in open_to_all[0].text


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


def test_a_folder_further_up_that_everyone_may_change_has_failed_once(tmp_path: Path) -> None:
    """A folder that can be renamed is as good as a file; of however many files, it is told once."""
    folder = tmp_path / "open" / "inner"
    folder.mkdir(parents=True)
    a_secret(folder)
    config = a_config(folder, BY_FILE, RECEIVER, RULE)
    folder.parent.chmod(0o777)

    finding = only(check_files(config))

    assert finding.outcome is FAILED
    assert (
        finding.text == f"everyone may put another folder in the place of {folder}: {folder.parent} has the mode 0777"
    )
    assert finding.advice == f"chmod o-w {folder.parent}"


#: A group in which there is somebody: that of `daemon`, on every Debian and RHEL.
GROUP = grp.getgrnam("daemon").gr_gid
SOMEBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@needs_root
@pytest.mark.parametrize(
    ("which", "mode", "text", "advice"),
    [
        pytest.param("rules.toml", 0o660, "the group daemon (daemon) may change it", "chmod g-w", id="the file"),
        pytest.param(
            "", 0o770, "the group daemon (daemon) may put another file in its place: its folder has the mode 0770",
            "chmod g-w", id="its folder",
        ),
        pytest.param("rules.toml", 0o640, "", "", id="they may read the configuration"),
        pytest.param("", 0o750, "", "", id="they may look into its folder"),
    ],
)  # fmt: skip
def test_what_a_group_may_change_is_told(tmp_path: Path, which: str, mode: int, text: str, advice: str) -> None:
    """With those who are in it; a group without others is nobody."""
    config = a_config(tmp_path)
    path = tmp_path / which
    path.chmod(mode)
    alone = outcomes(check_files(config))
    os.chown(path, -1, GROUP)
    finding = only(check_files(config))

    assert alone == [OK]
    assert (finding.outcome, finding.text) == ((WARNING, text) if text else (OK, finding.text))
    assert finding.advice == (f"{advice} {path}" if text else "")


@needs_root
@pytest.mark.parametrize("which", ["rules.toml", "", "link"])
def test_what_belongs_to_another_is_told(tmp_path: Path, which: str) -> None:
    """The file, its folder, or a link to it: owners do as they like."""
    path = tmp_path / which if which else tmp_path
    config = a_config(tmp_path)
    (tmp_path / "link").symlink_to("rules.toml")
    os.chown(path, SOMEBODY, -1, follow_symlinks=False)

    finding = only(check_files(replace(config, files=(tmp_path / (which or "rules.toml"),))))

    owner = pwd.getpwuid(SOMEBODY).pw_name
    way = "" if which == "rules.toml" else f" by way of {path}"
    assert finding.outcome is WARNING
    assert finding.text in {f"{owner}, who owns it, may replace it{way}", f"{owner}, who owns it, may change it"}
    assert finding.advice == f"chown root {path}"


@needs_root
def test_a_secret_that_a_group_of_several_may_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them may be the user that a service runs as; two are not."""
    os.chown(a_secret(tmp_path, mode=0o640), -1, GROUP)
    config = a_config(tmp_path, BY_FILE, RECEIVER, RULE)
    of_one = outcomes(check_files(config))
    members = grp.struct_group(("daemon", "x", GROUP, ["alice", "bob"]))
    monkeypatch.setattr(grp, "getgrgid", lambda _: members)

    _, finding = check_files(config)

    assert of_one == [OK, OK]
    assert (finding.outcome, finding.subject) == (WARNING, f"{tmp_path}/secret")
    assert finding.text == "alice and 2 more may read this secret by the group daemon"


def test_a_folder_to_which_everyone_may_add_a_file_that_is_included_has_failed(tmp_path: Path) -> None:
    """Nothing in it can be replaced, as in /tmp; what is added is believed all the same."""
    (tmp_path / "tenants.d").mkdir()
    (tmp_path / "tenants.d" / "acme.toml").write_text(TENANT)
    (tmp_path / "tenants.d" / "acme.toml").chmod(0o600)
    config = a_config(tmp_path, 'include = ["tenants.d/*.toml"]', RECEIVER, RULE)
    (tmp_path / "tenants.d").chmod(0o1777)

    (failed,) = [finding for finding in check_files(config) if finding.outcome is FAILED]

    assert failed.subject == f"{tmp_path}/tenants.d"
    assert failed.text == "everyone may add a file to it, which would be included"


def test_the_folder_of_secrets_is_for_root_alone(tmp_path: Path) -> None:
    """Whatever the modes of the files in it are; and what else a service believes is looked at."""
    folder = tmp_path / "etc" / "alerter"
    (folder / "credentials").mkdir(parents=True, mode=0o755)
    (folder / "environment").write_text("HTTPS_PROXY=http://proxy.example:3128\n")
    (folder / "environment").chmod(0o646)

    found = {finding.subject: finding for finding in check_files(a_config(folder), root=tmp_path)}

    assert found[f"{folder}/environment"].text == "everyone may change it"
    assert found[f"{folder}/credentials"].outcome is WARNING
    assert found[f"{folder}/credentials"].text.endswith("its mode 0755")
    (folder / "credentials").chmod(0o700)
    assert f"{folder}/credentials" not in {finding.subject for finding in check_files(a_config(folder), root=tmp_path)}


def test_a_sound_configuration_is_counted_and_what_is_unwise_is_told(tmp_path: Path) -> None:
    """Other groups say more of modes and of mail, so that this one does not."""
    mail = RECEIVER.replace("json://127.0.0.1:9", "mailtos://u:p@mx.example")
    odd = RULE.replace('"Backlog"', '"Nobody"\ntenants = ["other"]')
    config = a_config(tmp_path, TENANT, mail, RULE, odd, mode=0o644)

    sound, *warnings = check_configuration(config)

    assert (sound.outcome, sound.text) == (OK, "valid: 1 tenant, 1 receiver, 3 rules")
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
