"""Figures of what a notification tells, over a real database."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from alerter.core.alerts import Alert
from alerter.core.charts.sparkline import sparkline
from alerter.core.conditions import Baseline, Condition, Forecast, Growth, NoData, Threshold
from alerter.core.rules import Level
from alerter.core.series import ALL_REASONS, ALL_TENANTS
from alerter.jobs.figures import DAY, figures_for, shown_span
from alerter.storage import Store
from tests.builders import a_key, a_policy, a_rule, an_alert, at
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
        figures = figures_for(reader, [alert], a_policy(a_rule()), now=at("12:00"))
    figure = figures.get(alert.key.topic)
    return "" if figure is None or figure.newest is None else f"{sparkline(figure, width=4)} {figure.newest.count}"


def test_the_figure_of_an_alert_is_that_of_its_series(store: Store) -> None:
    """A day back; what was not polled is a gap."""
    assert figure_of(store, an_alert(key=a_key(reason="Spam"))) == "···█ 65"
    assert figure_of(store, an_alert(key=a_key(reason="Virus"))) == "···█ 3"


def test_the_figure_of_a_sum_and_of_missing_data_is_all_that_the_tenant_held(store: Store) -> None:
    """Whoever reads that there is no data sees what there was."""
    assert figure_of(store, an_alert(key=a_key(reason=ALL_REASONS))) == "···█ 68"


@pytest.mark.parametrize(
    ("tenant", "reason"),
    [
        pytest.param("acme", "Graymail", id="a reason that was never seen"),
        pytest.param("globex", "Spam", id="a tenant that is not polled"),
        pytest.param(ALL_TENANTS, ALL_REASONS, id="a sum over all tenants"),
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
