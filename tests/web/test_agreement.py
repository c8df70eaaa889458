"""The page, the API, the commands and the metrics say the same of random states."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alerter import clock
from alerter.config import load_config
from alerter.core.selectors import shown
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.errors import Cause, SourceError
from alerter.storage import Store
from alerter.web.pages import WebApp
from alerter.web.sources import DatabaseCounts
from tests.builders import NOON
from tests.commands import RunCommand, runner
from tests.web.documents import Cell, Document
from tests.web.services import Seconds, samples_of, sources_of
from tests.web.sites import World

TENANTS = ("acme", "beta", "gamma")
REASONS = ("Spam", "a/b & <c>", "Links [new]*", "\N{SNOWMAN} 100%")
TOKEN = "a" * 43
CONFIG = """
[service]
timezone = "Europe/London"

[web]
access = "operate"

[web.tokens.bot]
sha256 = "{digest}"
scopes = ["read", "ack", "silence"]

{tenants}
[receivers.secops]
urls = ["json://127.0.0.1:9"]

[[rules]]
name     = "Backlog"
warning  = {{ threshold = {{ above = 100, clear_at = 50 }} }}
critical = {{ threshold = {{ above = 500 }}, for = "10m" }}

[[rules]]
name = "All of it"
per  = "tenant"
info = {{ threshold = {{ above = 300 }} }}
"""
TENANT = """
[tenants.{name}]
client_id = "id"
client_secret = "a-secret-of-no-use"
poll_interval = "5m"
labels = {{ tier = "{tier}" }}
"""


@dataclass(frozen=True)
class Step:
    """Something that happens some minutes after what was before."""

    minutes: int
    kind: str
    tenant: int
    counts: Mapping[str, int]


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from([0, 1, 5, 12]),
        st.sampled_from(["poll", "poll", "poll", "poll", "fail", "acknowledge", "take back", "silence", "expire"]),
        st.integers(0, 2),
        st.dictionaries(st.sampled_from(REASONS), st.sampled_from([0, 40, 101, 260, 501, 12_345]), max_size=4),
    ),
    min_size=2,
    max_size=14,
)


class Scene(World):
    """A service with a page, beside a configuration file that commands read."""

    def __init__(self, folder: Path, names: tuple[str, ...], alerter: RunCommand) -> None:
        self.path = folder / "rules.toml"
        tenants = "".join(TENANT.format(name=name, tier="gold" if name == "acme" else "tin") for name in names)
        self.path.write_text(CONFIG.format(tenants=tenants, digest=sha256(TOKEN.encode()).hexdigest()))
        super().__init__(Store(f"sqlite:///{folder}/alerter.db"), load_config(self.path), seconds=Seconds())
        self.names, self._alerter = names, alerter
        self.health.track_reasons(is_wanted=True)
        self.health.set_tenants(dict.fromkeys(map(Tenant, names), timedelta(minutes=5)))
        sources = replace(sources_of(self.health), stored=self._stored, labels=dict)
        self.pages = WebApp(sources, hosts=lambda: ("localhost",), site=self.site.respond)

    def _stored(self) -> DatabaseCounts:
        with self.store.read() as reader:
            return DatabaseCounts(
                alerts=reader.alerts.counts_by_state(), backlog_by_target=reader.outbox.backlog_by_target()
            )

    def pass_minutes(self, minutes: int) -> None:
        """Let time pass."""
        self.clock += timedelta(minutes=minutes)
        self.seconds.now += 60 * minutes + 1

    def observe(self, tenant: str, counts: Mapping[str, int] | None) -> None:
        """Poll a tenant now, as the daemon does: None fails."""
        minutes = (self.clock - NOON) / timedelta(minutes=1)
        self.poll(counts, tenant=tenant, minutes=minutes)
        snapshot = counts is not None and Snapshot(
            tenant=Tenant(tenant), taken_at=self.clock, counts={HoldReason(name): held for name, held in counts.items()}
        )
        cause = None if snapshot else SourceError(Cause.KEYS_EXPIRED, "").cause
        self.health.cycle_completed(Tenant(tenant), seconds=0.1, cause=cause, snapshot=snapshot or None)

    def do(self, step: Step) -> None:
        """Let a step happen."""
        self.pass_minutes(step.minutes)
        tenant = self.names[step.tenant % len(self.names)]
        firing = [each["alert"] for each in self.api("alerts?state=firing")["items"]]
        alert = firing[step.tenant % len(firing)] if firing else "00000000"
        match step.kind:
            case "poll":
                self.observe(tenant, step.counts)
            case "fail":
                self.observe(tenant, None)
            case "acknowledge":
                self.ask(f"/alerts/{alert}/acknowledge", method="POST", form={"comment": "at it"})
            case "take back":
                self.ask(f"/alerts/{alert}/unacknowledge", method="POST", form={})
            case "silence":
                form = {"tenant": tenant, "for": "3h" if step.minutes else "7m", "comment": "moving mail"}
                self.ask("/silences/new", method="POST", form=form | {"confirm": "yes"})
            case _:
                self.ask(f"/silences/{step.tenant + 1}/expire", method="POST", form={})

    def api(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return what the API says."""
        return json.loads(self.ask(f"/api/v1/{path}", headers={"Authorization": f"Bearer {TOKEN}"}).body)

    def page(self, path: str) -> Document:
        """Return what a person reads."""
        return Document(self.ask(path).text)

    def command(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        """Return what a command says to a program."""
        return json.loads(self._run(*arguments, "--json"))

    def lines(self, *arguments: str) -> list[str]:
        """Return the lines that a command prints, with single blanks and without empty ones."""
        found = (" ".join(line.split()) for line in self._run(*arguments).splitlines())
        return [line for line in found if line]

    def _run(self, *arguments: str) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "now", lambda: self.clock)
            return self._alerter(*arguments, "--config", self.path).out

    def metrics(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        """Return the metrics by name and by the values of their labels, in the order of the labels' names."""
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for (name, labels), value in samples_of(self.ask("/metrics").text).items():
            found.setdefault(name, {})[tuple(value for _, value in sorted(labels))] = value
        return found


@contextmanager
def scene(migrated: Path, names: tuple[str, ...], alerter: RunCommand, steps: list[Step]) -> Iterator[Scene]:
    """Yield a service after some steps."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(migrated, Path(folder) / "alerter.db")
        found = Scene(Path(folder), names, alerter)
        with closing(found.store), closing(found.site):
            for step in steps:
                found.do(step)
            yield found


@settings(deadline=None, max_examples=12, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(number=st.integers(1, 3), steps=STEPS, later=st.sampled_from([0, 4, 40]))
def test_page_api_commands_and_metrics_say_the_same(
    *,
    number: int,
    steps: list[Step],
    later: int,
    migrated_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Counts, states, times and mutes are the same wherever somebody reads them."""
    with scene(migrated_file, TENANTS[:number], runner(monkeypatch, capfd), steps) as found:
        found.pass_minutes(later)
        status, metrics = found.command("status"), found.metrics()

        check_tenants(found, status, metrics)
        check_alerts(found, status, metrics)
        check_silences(found)
        check_notifications(found)


def check_tenants(found: Scene, status: Any, metrics: Mapping[str, Mapping[tuple[str, ...], float]]) -> None:  # noqa: ANN401 - JSON
    """Every tenant and each of its hold reasons."""
    by_api = {each["tenant"]: each for each in found.api("tenants")["items"]}
    by_command = {each["tenant"]: each for each in found.command("tenants")}
    assert by_api == by_command
    listed = {row["Tenant"].text: row for row in found.page("/tenants").rows("Tenant", "Labels")}
    for each in status["tenants"]:
        name, of_api = each["tenant"], by_api[each["tenant"]]
        assert {key: of_api[key] for key in ("last_success_at", "failing_since", "cause", "labels")} == {
            key: each[key] for key in ("last_success_at", "failing_since", "cause", "labels")
        }
        assert of_api["held"] == (sum(each["held"].values()) if each["last_success_at"] else None)
        assert listed[name]["Held"].number == of_api["held"]
        assert listed[name]["Last successful poll"].instants == _instants(each["last_success_at"])
        assert (each["cause"] or "") in listed[name]["Polling"].text
        check_reasons(found, each)
        exposed = metrics.get("alerter_tenant_held_messages", {}).get((name,))
        assert exposed is None or exposed == of_api["held"]
        for reason, held in each["held"].items():
            assert metrics.get("alerter_held_messages", {}).get((reason, name), held) == held
    totals = found.api("status")
    assert totals["held"] == sum(each["held"] or 0 for each in by_api.values())
    assert totals["newest_poll_at"] == max(
        filter(None, (each["last_success_at"] for each in by_api.values())), default=None
    )
    assert found.page("/").first("p.lead").number == totals["held"]


def check_reasons(found: Scene, status: Any) -> None:  # noqa: ANN401 - JSON
    """Each hold reason of a tenant: its count, and what explain says of it."""
    name = status["tenant"]
    page = {
        row["Hold reason"].text: row["Held"].number
        for row in found.page(f"/tenants/{name}").rows("Hold reason", "7 days")
    }
    of_api = {each["reason"]: each["held"] for each in found.api(f"tenants/{name}")["reasons"]}
    assert {shown(reason): held for reason, held in of_api.items()} == page
    assert {reason: held for reason, held in of_api.items() if held} == {
        reason: held for reason, held in status["held"].items() if held
    }
    for reason in list(of_api)[:2]:
        asked = urlencode({"tenant": name, "reason": reason})
        assert found.api(f"explain?{asked}") == found.command("explain", name, reason)
        read = [cell.text for block, cell in found.page(f"/explain?{asked}").blocks if block in ("h2", "li")]
        assert read == found.lines("explain", name, reason)


def check_alerts(found: Scene, status: Any, metrics: Mapping[str, Mapping[tuple[str, ...], float]]) -> None:  # noqa: ANN401 - JSON
    """Every alert that is firing, pending or resolved, and how many there are."""
    by_api = {each["alert"]: each for each in found.api("alerts?state=all")["items"]}
    by_command = {each["alert"]: each for each in found.command("alerts", "--all")}
    assert by_api == {key: {name: of[name] for name in of if name != "notified"} for key, of in by_command.items()}
    assert [each["alert"] for each in status["alerts"]] != [] or not found.api("alerts")["items"]
    assert {each["alert"]: each for each in status["alerts"]} == {
        key: each for key, each in by_api.items() if each["state"] != "resolved"
    }
    rows = {
        row["Rule"].links[0].rpartition("/")[2]: row for row in found.page("/alerts?state=all").rows("State", "Rule")
    }
    assert rows.keys() == by_api.keys()
    for key, each in by_api.items():
        check_row(rows[key], each)
        details = found.api(f"alerts/{key}")
        assert details == found.command("alerts", "show", key)
        page = found.page(f"/alerts/{key}")
        assert page.first("h1").text == each["rule"]
        assert [
            (row["At"].instants, row["Who"].text, row["Comment"].text) for row in page.rows("At", "Who", "Did")
        ] == [(_instants(one["at"]), one["author"], one["comment"]) for one in details["actions"]]
    for state in ("firing", "pending"):
        for severity in ("info", "warning", "critical"):
            count = sum((each["state"], each["severity"]) == (state, severity) for each in by_api.values())
            assert metrics["alerter_alerts"][severity, state] == count
    firing = dict.fromkeys(("info", "warning", "critical"), 0)
    for each in by_api.values():
        firing[each["severity"]] += each["state"] == "firing"
    assert found.api("status")["firing"] == firing
    pulse = found.page("/rules").first("div.pulse").text
    assert all((f"{count:,} {severity}" in pulse) == bool(count) for severity, count in firing.items())


def check_row(row: Mapping[str, Cell], alert: Any) -> None:  # noqa: ANN401 - JSON
    """An alert in the list, as the API says it."""
    words = {"firing": alert["severity"], "pending": f"pending {alert['severity']}", "resolved": "resolved"}
    since = {"firing": "fired_at", "pending": "active_at", "resolved": "resolved_at"}[alert["state"]]
    assert row["State"].text == words[alert["state"]]
    assert row["Rule"].text == alert["rule"]
    assert row["Held"].number == alert["value"]
    assert row["Since"].instants == _instants(alert[since])
    assert ("no data" in row["Since"].text) == bool(alert["no_data_since"])
    assert row["Muted by"].text.partition(" ")[0] == ((alert["muted_by"] or {}).get("kind", "")).partition(" ")[0]


def check_silences(found: Scene) -> None:
    """Every silence: what it is for, and until when."""
    listed = {each["silence"]: each for each in found.command("silence", "list", "--all")}
    for state in ("active", "expired"):
        of_api = found.api(f"silences?state={state}")["items"]
        page = found.page(f"/silences?state={state}").rows("No.", "Until")
        assert of_api == [listed[each["silence"]] for each in of_api]
        assert {each["silence"] for each in of_api} == {key for key, each in listed.items() if each["state"] == state}
        assert {(row["No."].number, *row["Until"].instants) for row in page} == {
            (each["silence"], *_instants(each["ends_at"])) for each in of_api
        }


def check_notifications(found: Scene) -> None:
    """Every delivery and its state."""
    of_api = found.api("notifications?limit=500")["items"]
    assert of_api == found.command("notifications")
    page = found.page("/notifications").rows("No.", "Planned")
    assert {(row["No."].number, row["Planned"].instants[0]) for row in page} == {
        (each["delivery"], *_instants(each["created_at"])) for each in of_api[:100]
    }


def _instants(text: str | None) -> list[str]:
    """Return an instant as a page has it in its source, to the second; none for None."""
    return [] if text is None else [f"{datetime.fromisoformat(text).replace(microsecond=0):%Y-%m-%dT%H:%M:%SZ}"]
