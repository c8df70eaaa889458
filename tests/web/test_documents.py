"""README, the rules for Prometheus and the dashboard for Grafana speak of what `/metrics` really shows."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.documentation import DOCUMENTATION
from tests.promtool import promtool
from tests.web.services import ACME, LABELS, a_health, metrics_of, sources_of

ROOT = Path(__file__).parents[2]
README = DOCUMENTATION
RULES_PATH = ROOT / "deploy" / "prometheus-rules.yml"
RULES = RULES_PATH.read_text(encoding="utf-8")
RULE_TESTS_PATH = Path(__file__).parent / "prometheus-rules.test.yml"
RULE_TESTS = RULE_TESTS_PATH.read_text(encoding="utf-8")
DASHBOARD: Mapping[str, Any] = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text(encoding="utf-8"))
#: What Grafana itself puts in the place of its own variables, more or less.
GRAFANAS_OWN = {"$__rate_interval": "5m", "$__interval": "5m"}

ALERTS = re.findall(r"- alert: (\w+)", RULES)


def exposed() -> dict[str, set[str]]:
    """Return the labels of every metric, by the name that a person queries, without a histogram's parts."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): {
            label for sample in family.samples for label in sample.labels if label not in LABELS[ACME]
        }
        for family in text_string_to_metric_families(metrics_of(sources_of(a_health())))
    }


def names_in(text: str) -> set[str]:
    """Return every metric of ours, or of the process, that a text names, without a histogram's parts."""
    named = set(re.findall(r"\b(?:alerter|process)_[a-z_]*[a-z]\b", text))
    return {re.sub(r"(_seconds)_(?:bucket|count|sum)$", r"\1", name) for name in named}


def test_the_readme_has_every_metric_with_its_labels_and_no_other() -> None:
    """Whoever writes a query finds what there is."""
    table = README[README.index("| metric | labels |") :].partition("\n\n")[0]
    promised: dict[str, set[str]] = {}
    for row in table.splitlines()[2:]:
        names, labels, *_ = row.strip("| ").split(" | ")
        for name in re.findall(r"`(alerter_\w+)`", names):
            promised[name] = set(re.findall(r"`(\w+)`", labels))

    assert promised == {name: labels for name, labels in exposed().items() if name.startswith("alerter_")}


# The rules


def test_the_rules_speak_of_metrics_that_there_are() -> None:
    """A rule about a metric that was renamed would be silent for ever; so would its tests be."""
    used = names_in(RULES)

    assert used
    assert used <= exposed().keys()
    assert names_in(RULE_TESTS) == used


def test_every_rule_is_in_the_readme() -> None:
    """With what it says, and no other."""
    table = README[README.index("| alert | severity |") :].partition("\n\n")[0]

    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == ALERTS


@pytest.mark.parametrize("alert", ALERTS)
def test_every_rule_is_shown_to_fire_and_to_be_silent(alert: str) -> None:
    """Its tests have both, and it fires with words for a person."""
    expected = re.findall(rf"alertname: {alert}\n +exp_alerts:( \[\])?\n(?:\s+- exp_labels:\n)?", RULE_TESTS)

    assert {"", " []"} <= set(expected)


def test_promtool_accepts_the_rules_and_their_tests_hold() -> None:
    """As Prometheus would evaluate them."""
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", str(RULES_PATH))
    assert "SUCCESS" in promtool("test", "rules", str(RULE_TESTS_PATH))


# The dashboard


def panels() -> list[dict[str, Any]]:
    """Return every panel of the dashboard."""
    found: list[dict[str, Any]] = DASHBOARD["panels"]
    return found


def expressions() -> Iterator[str]:
    """Yield every query of the dashboard as Prometheus would get it."""
    written = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    written += [each["expr"] for each in DASHBOARD["annotations"]["list"] if "expr" in each]
    for expression in written:
        text = expression
        for variable, value in GRAFANAS_OWN.items():
            text = text.replace(variable, value)
        yield re.sub(r"\$\w+", "value", text)


def test_the_dashboard_speaks_of_metrics_that_there_are() -> None:
    """A panel about a metric that was renamed would be empty for ever."""
    variables = " ".join(each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query")
    used = names_in(variables) | {name for expression in expressions() for name in names_in(expression)}

    assert len(used) >= 20
    assert used <= exposed().keys()


def test_the_dashboard_asks_with_labels_that_there_are() -> None:
    """`job` and `instance` are Prometheus's own; every other label is one of the metric's."""
    labels = exposed()
    for expression in expressions():
        for name, matchers in re.findall(r"\b((?:alerter|process)_\w+)\{([^}]*)\}", expression):
            (known,) = names_in(name)
            asked = set(re.findall(r"(\w+)[!=]", matchers))
            assert asked - {"job", "instance"} <= labels[known], expression


def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path) -> None:
    """Each one as a rule of its own."""
    found = [*expressions()]
    rules = [{"record": f"panel:{number}:x", "expr": expression} for number, expression in enumerate(found)]
    path = tmp_path / "panels.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))  # JSON is YAML

    assert f"{len(found)} rules found" in promtool("check", "rules", str(path))


def test_the_dashboard_takes_its_source_from_a_variable() -> None:
    """Whoever imports it chooses a Prometheus; nothing in it is bound to the one that it was made with."""
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}

    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    source = {"type": "prometheus", "uid": "${datasource}"}
    sources = [each["datasource"] for each in variables.values() if each["type"] == "query"]
    sources += [panel["datasource"] for panel in panels() if panel["type"] != "row"]
    sources += [target["datasource"] for panel in panels() for target in panel.get("targets", ())]
    assert all(each == source for each in sources)
    assert (DASHBOARD["id"], DASHBOARD["uid"], DASHBOARD["title"]) == (None, "alerter", "alerter")


def test_every_variable_of_the_dashboard_is_known() -> None:
    """A variable that is not declared stays in the query as it is written, and finds nothing."""
    declared = {each["name"] for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))

    assert used <= declared | {"__rate_interval", "__interval", "__all"}
    assert declared <= used


def test_every_panel_says_what_it_shows_and_in_which_unit() -> None:
    """Whoever meets it at night reads it without the manual."""
    shown = [panel for panel in panels() if panel["type"] != "row"]

    assert all(len(panel["title"]) > 2 and panel["description"].endswith(".") for panel in shown)
    assert all("unit" in panel["fieldConfig"]["defaults"] for panel in shown if panel["type"] != "table")
    assert {panel["type"] for panel in panels()} == {"row", "stat", "timeseries", "table"}
    assert len({panel["title"] for panel in shown}) == len(shown)


def test_no_panel_lies_upon_another() -> None:
    """Each has its own place within the 24 columns, and a number of its own."""
    places = [panel["gridPos"] for panel in panels()]

    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in panels()}) == len(panels())
    for one, other in combinations(places, 2):
        is_beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        is_above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert is_beside or is_above, (one, other)
