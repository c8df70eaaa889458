"""Figures of what a notification tells, over a real database."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import Alert, AlertState
from alerter.core.charts.figure import Figure
from alerter.core.charts.sparkline import sparkline
from alerter.core.conditions import Baseline, Condition, Forecast, Growth, NoData, Threshold
from alerter.core.rules import Level, Per
from alerter.core.series import ALL_REASONS, ALL_TENANTS
from alerter.jobs import figures
from alerter.jobs.figures import DAY, figures_for, shown_span
from alerter.storage import Store
from tests.builders import a_key, a_level, a_policy, a_rule, an_alert, at
from tests.storage.stored import poll


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A database in which Spam has grown since eleven, while Virus was the same."""
    store = Store(f"sqlite:///{tmp_path}/alerter.db")
    store.upgrade()
    for minute in range(0, 60, 5):
        poll(store, f"11:{minute:02}", Spam=10 + minute, Virus=3)
    yield store
    store.close()


def figure_of(store: Store, alert: Alert) -> str:
    """Return what the counts of an alert's series were as bars, and the newest count."""
    with store.read() as reader:
        found = figures_for(reader, [alert], a_policy(a_rule()), now=at("12:00"))
    figure = found.get(alert.key.subject)
    return "" if figure is None or figure.newest is None else f"{sparkline(figure, width=4)} {figure.newest.count}"


def test_the_figure_of_an_alert_is_that_of_its_series(store: Store) -> None:
    """A day back; what was not polled is a gap."""
    assert figure_of(store, an_alert(key=a_key(reason="Spam"))) == "···█ 65"
    assert figure_of(store, an_alert(key=a_key(reason="Virus"))) == "···█ 3"


def test_the_figure_of_a_sum_and_of_missing_data_is_all_that_the_tenant_held(store: Store) -> None:
    """Whoever reads that there is no data sees what there was."""
    assert figure_of(store, an_alert(key=a_key(reason=ALL_REASONS))) == "···█ 68"


def figures_of(store: Store, alert: Alert, alerting: AlertingConfig) -> Figure | None:
    """Return the figure of an alert."""
    with store.read() as reader:
        return figures_for(reader, [alert], alerting, now=at("12:00")).get(alert.key.subject)


def test_the_figure_of_a_sum_is_that_of_the_reasons_of_its_rule(store: Store) -> None:
    """And of no others: the newest count is the one that the message names."""
    rule = a_rule("Sum", reasons=["Vir*"], per=Per.TENANT)

    figure = figures_of(store, an_alert(key=a_key(rule="Sum", reason=ALL_REASONS)), a_policy(rule))

    assert figure is not None
    assert figure.newest is not None
    assert figure.newest.count == 3


def test_the_figure_of_a_sum_over_all_tenants_adds_them_up(store: Store) -> None:
    """Only of those tenants and reasons that its rule selects; as far as every one of them is known."""
    for minute in range(30, 60, 5):
        poll(store, f"11:{minute:02}", "globex", Spam=1_000)
    key = a_key(rule="Sum", tenant=ALL_TENANTS, reason=ALL_REASONS)
    everyone = a_rule("Sum", reasons=["Spam"], per=Per.ALL)
    one = a_rule("Sum", reasons=["Spam"], tenants=["acme"], per=Per.ALL)
    tenants = {"acme": "5m", "globex": "5m"}

    both = figures_of(store, an_alert(key=key), a_policy(everyone, tenants=tenants))
    alone = figures_of(store, an_alert(key=key), a_policy(one, tenants=tenants))

    assert both is not None
    assert alone is not None
    assert (both.segments[0].start_at, both.segments[0].count) == (at("11:30"), 1_040)
    assert alone.segments[0].start_at == at("11:00")


@pytest.mark.parametrize("rule", ["Sum", "Gone"])
def test_a_sum_that_cannot_be_read_in_a_moment_has_no_figure(
    store: Store, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    """Of too many tenants, or of a rule that is gone: the message goes without it."""
    monkeypatch.setattr(figures, "MAX_SUMMED_TENANTS", 0)
    alert = an_alert(key=a_key(rule=rule, tenant=ALL_TENANTS, reason=ALL_REASONS))

    assert figures_of(store, alert, a_policy(a_rule("Sum", per=Per.ALL))) is None


def test_a_figure_has_the_limits_of_its_rule_and_when_the_alert_fired(store: Store) -> None:
    """For the picture of the message: up to now, or up to its end."""
    key = a_key(reason="Spam")
    firing = an_alert(key=key, since="11:30")
    over = an_alert(AlertState.INACTIVE, key=key, since="11:30", resolved_at="11:50")

    bands = []
    for alert in (firing, over):
        figure = figures_of(store, alert, a_policy(a_rule(warning=a_level(above=50))))
        assert figure is not None
        assert [limit.count for limit in figure.limits] == [50]
        bands += [(band.start_at, band.end_at) for band in figure.alerts]

    assert bands == [(at("11:30"), at("12:00")), (at("11:30"), at("11:50"))]


@pytest.mark.parametrize(
    ("tenant", "reason"),
    [
        pytest.param("acme", "Graymail", id="a reason that was never seen"),
        pytest.param("globex", "Spam", id="a tenant that is not polled"),
    ],
)
def test_what_is_not_known_has_no_figure(store: Store, tenant: str, reason: str) -> None:
    """Then the message goes without it."""
    assert figure_of(store, an_alert(key=a_key(tenant=tenant, reason=reason))) == ""


@pytest.mark.parametrize(
    ("condition", "span"),
    [
        pytest.param(Threshold(above=1), DAY, id="a limit: a day"),
        pytest.param(NoData(after=timedelta(minutes=15)), DAY, id="missing data: a day"),
        pytest.param(Growth(over=timedelta(hours=2), by=1), timedelta(hours=8), id="growth: four times its span"),
        pytest.param(Growth(over=timedelta(minutes=5), by=1), timedelta(hours=1), id="never less than an hour"),
        pytest.param(Growth(over=timedelta(days=9), by=1), timedelta(days=14), id="never more than two weeks"),
        pytest.param(
            Forecast(above=9, within=timedelta(hours=1), fit_over=timedelta(hours=6)), DAY, id="forecast: four times"
        ),
        pytest.param(Baseline(deviations=4), timedelta(days=7), id="baseline: a week"),
    ],
)
def test_a_figure_goes_back_as_far_as_makes_its_condition_clear(condition: Condition, span: timedelta) -> None:
    """What grew within an hour would be one bar of a day."""
    assert shown_span(Level(conditions=(condition,))) == span


def test_a_rule_that_has_gone_leaves_a_day() -> None:
    """Its alerts are told to be over."""
    assert shown_span(None) == DAY
