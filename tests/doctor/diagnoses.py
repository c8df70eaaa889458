"""Short words for what the tests of the doctor put in and look at."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from alerter.config import Config, load_config
from alerter.doctor.findings import Finding, Outcome

FAILED, WARNING, OK, NOT_APPLICABLE = Outcome.FAILED, Outcome.WARNING, Outcome.OK, Outcome.NOT_APPLICABLE

TENANT = '[tenants.acme]\nclient_id = "an-id"\nclient_secret = "a-secret"\n'
RECEIVER = '[receivers.secops]\nurls = ["json://127.0.0.1:9"]\n'
RULE = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 5 } }\n'


def a_config(folder: Path, *tables: str, mode: int = 0o600, environ: Mapping[str, str] | None = None) -> Config:
    """Return the configuration of a file with these tables; of one tenant, receiver and rule if there are none."""
    path = folder / "rules.toml"
    path.write_text("\n".join(tables or (TENANT, RECEIVER, RULE)))
    path.chmod(mode)
    return load_config(path, environ or {})


def outcomes(findings: Iterable[Finding]) -> list[Outcome]:
    """Return how checks ended."""
    return [finding.outcome for finding in findings]


def only(findings: Iterable[Finding]) -> Finding:
    """Return the one finding that there must be."""
    (finding,) = findings
    return finding
