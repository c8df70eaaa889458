"""What `/metrics` shows of a service, and that Prometheus can read it whatever Mimecast calls things."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.series import Tenant
from alerter.errors import Cause
from tests.builders import NOON, a_snapshot
from tests.promtool import promtool
from tests.web.services import ACME, OTHER, Seconds, a_health, metrics_of, samples_of, sources_of

AN_HOUR_AGO = (NOON - timedelta(hours=1)).timestamp()
#: Whatever the adapter lets through: all of Unicode but NUL and halves of surrogate pairs.
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        pytest.param("alerter_tenants", {}, 2, id="how many tenants there are"),
        pytest.param("alerter_tenants_poll_failed", {}, 1, id="how many cannot be polled"),
        pytest.param("alerter_tenants_cycle_failed", {}, 0, id="how many cycles were not kept"),
        pytest.param("alerter_tenants_overdue", {}, 0, id="how many tenants are overdue"),
        pytest.param("alerter_tenant_info", {"tenant": "acme", "team": 'blue "moon"'}, 1, id="the labels of a tenant"),
        pytest.param("alerter_tenant_info", {"tenant": "other"}, 1, id="a tenant without labels"),
        pytest.param("alerter_polls_total", {"tenant": "acme"}, 1, id="polls of a tenant"),
        pytest.param("alerter_poll_failures_total", {"tenant": "other", "cause": "timeout"}, 1, id="failed polls"),
        pytest.param("alerter_poll_interval_seconds", {"tenant": "acme"}, 300, id="how often a tenant is polled"),
        pytest.param(
            "alerter_last_successful_poll_timestamp_seconds",
            {"tenant": "acme"},
            NOON.timestamp(),
            id="the last successful poll",
        ),
        pytest.param(
            "alerter_last_successful_poll_timestamp_seconds", {"tenant": "other"}, 0, id="no successful poll yet"
        ),
        pytest.param("alerter_held_messages", {"tenant": "acme", "reason": "Spam"}, 5, id="what a reason holds"),
        pytest.param("alerter_tenant_held_messages", {"tenant": "acme"}, 7, id="what a tenant holds"),
        pytest.param("alerter_cycle_duration_seconds_bucket", {"le": "0.25"}, 0, id="no cycle was so short"),
        pytest.param("alerter_cycle_duration_seconds_bucket", {"le": "0.5"}, 1, id="one cycle was so short"),
        pytest.param("alerter_cycle_duration_seconds_bucket", {"le": "+Inf"}, 2, id="there were two cycles"),
        pytest.param("alerter_cycle_duration_seconds_sum", {}, 12.3, id="how long they took together"),
        pytest.param("alerter_cycle_failures_total", {}, 0, id="cycles that were not kept"),
        pytest.param("alerter_alerts", {"state": "firing", "severity": "critical"}, 2, id="alerts that fire"),
        pytest.param("alerter_alerts", {"state": "pending", "severity": "info"}, 0, id="alerts that there are none of"),
        pytest.param(
            "alerter_deliveries_total",
            {"receiver": "secops", "target": "secops/slack", "outcome": "sent"},
            1,
            id="messages that were sent",
        ),
        pytest.param(
            "alerter_deliveries_total",
            {"receiver": "secops", "target": "secops/workflows", "outcome": "dead"},
            0,
            id="messages that were not given up",
        ),
        pytest.param(
            "alerter_outbox_deliveries",
            {"receiver": "secops", "target": "secops/slack"},
            3,
            id="what waits for a target",
        ),
        pytest.param(
            "alerter_outbox_deliveries", {"receiver": "secops", "target": "secops/workflows"}, 0, id="nothing waits"
        ),
        pytest.param(
            "alerter_outbox_oldest_delivery_timestamp_seconds",
            {"receiver": "secops", "target": "secops/slack"},
            AN_HOUR_AGO,
            id="since when the oldest waits",
        ),
        pytest.param("alerter_heartbeat_pings_total", {"outcome": "sent"}, 1, id="pings that were heard"),
        pytest.param("alerter_heartbeat_pings_total", {"outcome": "failed"}, 0, id="pings that were not"),
        pytest.param("alerter_charts_total", {"outcome": "sent"}, 1, id="pictures that were sent"),
        pytest.param("alerter_charts_total", {"outcome": "late"}, 0, id="pictures that were late"),
        pytest.param("alerter_config_last_reload_successful", {}, 1, id="the configuration is in force"),
        pytest.param(
            "alerter_config_last_reload_success_timestamp_seconds", {}, NOON.timestamp(), id="since when it is"
        ),
        pytest.param("alerter_database_up", {}, 1, id="the database can be read"),
        pytest.param("alerter_instances", {}, 2, id="who shares the tenants"),
        pytest.param("process_start_time_seconds", {}, NOON.timestamp(), id="since when the service runs"),
    ],
)
def test_every_figure_is_the_accounts_own(name: str, labels: dict[str, str], value: float) -> None:
    """Each metric with the labels that README promises, and the value that it must have."""
    samples = samples_of(metrics_of(sources_of(a_health())))

    assert samples[name, frozenset(labels.items())] == pytest.approx(value)


def test_what_is_not_known_is_missing_and_not_zero() -> None:
    """No held messages of a tenant that was not seen, no oldest message where none waits, no cause that never was."""
    samples = samples_of(metrics_of(sources_of(a_health())))

    assert not [1 for name, labels in samples if "held" in name and ("tenant", OTHER) in labels]
    assert not [1 for name, labels in samples if "oldest" in name and ("target", "secops/workflows") in labels]
    assert [dict(labels)["cause"] for name, labels in samples if name == "alerter_poll_failures_total"] == ["timeout"]


def test_a_database_that_does_not_answer_leaves_the_rest() -> None:
    """What is known in memory is shown all the same, and that the database cannot be read is a figure of its own."""
    samples = samples_of(metrics_of(sources_of(a_health(), stored=None)))

    names = {name for name, _ in samples}
    assert samples["alerter_database_up", frozenset()] == 0
    assert not {"alerter_alerts", "alerter_instances", "alerter_outbox_deliveries"} & names
    assert {"alerter_tenants", "alerter_held_messages"} <= names


def test_what_is_wrong_can_be_seen() -> None:
    """A cycle that failed, a tenant that is overdue, a message that was given up, a configuration that was refused."""
    seconds = Seconds()
    health = a_health(seconds=seconds)
    health.cycle_failed(ACME, seconds=5, error="database is locked")
    health.config_rejected()
    seconds.now += 901

    samples = samples_of(metrics_of(sources_of(health)))

    names = ("tenants_cycle_failed", "tenants_overdue", "cycle_failures_total", "config_last_reload_successful")
    assert [samples[f"alerter_{name}", frozenset()] for name in names] == [1, 2, 1, 0]


def test_without_reasons_there_are_only_sums() -> None:
    """Thousands of tenants with dozens of reasons each are a choice."""
    health = a_health()
    health.track_reasons(is_wanted=False)

    names = {name for name, _ in samples_of(metrics_of(sources_of(health)))}

    assert "alerter_held_messages" not in names
    assert "alerter_tenant_held_messages" in names


@given(st.dictionaries(NAMES, st.integers(0, 2**53), max_size=5))
def test_whatever_a_reason_is_called_it_comes_back(held: dict[str, int]) -> None:
    """Quotes, backslashes, line breaks and all else are data: they end no line and begin no label."""
    samples = samples_of(metrics_of(sources_of(a_health(held))))

    seen = {
        dict(labels)["reason"]: value for (name, labels), value in samples.items() if name == "alerter_held_messages"
    }
    assert seen == held


def test_promtool_has_nothing_to_say_of_the_metrics() -> None:
    """Names, types, units and texts are as Prometheus has them, also with hold reasons that nobody would choose."""
    awkward = {'a "quoted" \\ one\nwith\r\n\x01 line breaks': 1, '{reason="x"} 1 # HELP é \N{LINE SEPARATOR}📎': 2}

    assert promtool("check", "metrics", stdin=metrics_of(sources_of(a_health(awkward)))) == ""


def test_a_family_stands_in_one_run() -> None:
    """Prometheus takes a family that begins twice for an error, however many tenants there are."""
    health = a_health()
    tenants = [Tenant(f"tenant-{number:03}") for number in range(450)]
    health.set_tenants(dict.fromkeys(tenants, timedelta(minutes=5)))
    for tenant in tenants:
        health.cycle_completed(tenant, seconds=1, cause=Cause.DNS)
        health.cycle_completed(tenant, seconds=1, cause=None, snapshot=a_snapshot({"Spam": 1}, tenant=tenant))

    text = metrics_of(sources_of(health))

    heads = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    assert text.count("alerter_held_messages{") == text.count("alerter_poll_failures_total{") == 450


def test_the_process_is_seen_as_the_system_sees_it() -> None:
    """Memory, CPU and descriptors, also in a sandbox that hides all of /proc but this process."""
    samples = samples_of(metrics_of(sources_of(a_health())))

    status = Path("/proc/self/status").read_text(encoding="ascii")
    resident = int(status.partition("VmRSS:")[2].split()[0]) * 1024
    seen = {name: value for (name, _), value in samples.items() if name.startswith("process_")}
    assert seen["process_resident_memory_bytes"] == pytest.approx(resident, rel=0.1)
    assert seen["process_virtual_memory_bytes"] > seen["process_resident_memory_bytes"]
    assert 0 < seen["process_open_fds"] < seen["process_max_fds"]
    assert 0 < seen["process_cpu_seconds_total"] < 10_000


def test_a_system_that_shows_nothing_of_the_process_hides_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without /proc there is no memory to show, but all of the rest."""
    monkeypatch.setattr("alerter.web.processes._SELF", tmp_path)

    names = {name for name, _ in samples_of(metrics_of(sources_of(a_health())))}

    assert "process_resident_memory_bytes" not in names
    assert {"process_start_time_seconds", "alerter_tenants"} <= names
