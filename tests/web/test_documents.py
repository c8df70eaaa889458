"""What is written about the metrics is what `/metrics` shows."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.web.services import a_health, metrics_of, sources_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def exposed() -> dict[str, set[str]]:
    """Return the labels of every metric of ours, by the name that a person queries, without a histogram's parts."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): {
            label for sample in family.samples for label in sample.labels
        }
        for family in text_string_to_metric_families(metrics_of(sources_of(a_health())))
        if family.name.startswith("alerter_")
    }


def test_the_readme_has_every_metric_with_its_labels_and_no_other() -> None:
    """Whoever writes a query finds what there is."""
    table = README[README.index("| metric | labels |") :].partition("\n\n")[0]
    promised: dict[str, set[str]] = {}
    for row in table.splitlines()[2:]:
        names, labels, *_ = row.strip("| ").split(" | ")
        for name in re.findall(r"`(alerter_\w+)`", names):
            promised[name] = set(re.findall(r"`(\w+)`", labels))

    assert promised == exposed()
