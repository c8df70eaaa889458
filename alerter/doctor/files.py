"""Who may read the secrets, and who may change what the service trusts."""

import stat
from collections.abc import Iterator
from pathlib import Path

from alerter.config import LIES_OPEN, Config, is_readable_by_everyone
from alerter.doctor.configuration import finding_of
from alerter.doctor.findings import Finding, Group, Outcome


def check_files(config: Config) -> Iterator[Finding]:
    """Yield how the configuration and each file of a secret are protected."""
    open_to_all = [warning for warning in config.warnings if LIES_OPEN in warning.text]
    for warning in open_to_all:
        advice = "Others who use this machine may have read it: have the key renewed, or the URL."
        yield finding_of(warning, Group.FILES, Outcome.FAILED, advice=advice)
    for file in dict.fromkeys((*config.files, *config.credential_files)):
        finding = _change(file)
        # Of many open files only some are named: nothing good is said of the others.
        if finding.outcome is Outcome.FAILED or not (open_to_all and is_readable_by_everyone(file)):
            yield finding


def _change(file: Path) -> Finding:
    """Return whether just anybody may change a file, or put another one in its place."""
    mode, folder = file.stat().st_mode, file.absolute().parent.stat().st_mode
    if mode & stat.S_IWOTH:
        return _failed(file, "everyone may change it", f"chmod o-w {file}")
    if folder & stat.S_IWOTH and not folder & stat.S_ISVTX:
        text = f"everyone may put another file in its place: its folder has the mode {stat.S_IMODE(folder):04o}"
        return _failed(file, text, f"chmod o-w {file.absolute().parent}")
    text = f"mode {stat.S_IMODE(mode):04o}: no secret in it lies open, and nobody else may change it"
    return Finding(group=Group.FILES, subject=str(file), outcome=Outcome.OK, text=text)


def _failed(file: Path, text: str, advice: str) -> Finding:
    return Finding(group=Group.FILES, subject=str(file), outcome=Outcome.FAILED, text=text, advice=advice)
