"""With which variables hosts are looked at: with those that the service has, not with those of this shell."""

from collections.abc import Iterator
from pathlib import Path

from alerter.config.environments import load_service_environment
from alerter.config.paths import ROOT
from alerter.doctor.findings import Finding, Group, Outcome


def check_environment(path: Path, *, root: Path = ROOT) -> list[Finding]:
    """Return which variables of a configuration's service hosts were looked at with, and what is odd about its file.

    They were taken over when the configuration was read. Empty where there is no such file.
    """
    try:
        environment = load_service_environment(path, root=root)
    except (OSError, UnicodeDecodeError) as error:
        file = root / "etc/alerter/environment"
        text = f"it cannot be read ({error}): the service may reach hosts in another way than was tried here"
        return [_finding(file, Outcome.WARNING, text, "Run the doctor as root.")]
    if environment is None:
        return []
    return list(_findings(environment.path, sorted(environment.on_the_way), environment.odd_lines))


def _findings(file: Path, names: list[str], odd_lines: tuple[int, ...]) -> Iterator[Finding]:
    if odd_lines:
        text = f"systemd leaves out what is not NAME=value: line {', '.join(map(str, odd_lines))}"
        yield _finding(file, Outcome.WARNING, text, "One NAME=value on each line, without `export`.")
    if names:
        yield _finding(file, Outcome.OK, f"hosts were looked at with {', '.join(names)} of it, as by the service")


def _finding(file: Path, outcome: Outcome, text: str, advice: str = "") -> Finding:
    return Finding(group=Group.SERVICE, subject=str(file), outcome=outcome, text=text, advice=advice)
