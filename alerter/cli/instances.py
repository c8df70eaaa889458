"""The instances that share the database, as `alerter status` shows them; nothing where there is only one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from alerter.cli.tables import Cell, Column, Cut, Table
from alerter.core.sharding import configs_match
from alerter.humanize import age_text

if TYPE_CHECKING:
    from alerter.core.sharding import Instance


#: The instances that have gone which are shown: one that is started again and again leaves many behind.
MAX_GONE = 5


def instances_table(instances: Sequence["Instance"], *, now: datetime) -> Table:
    """Return them for people, those that have gone last; empty where there are none."""
    alive = [each for each in instances if each.is_alive]
    gone = [each for each in instances if not each.is_alive]
    shown = [*alive, *gone[::-1][:MAX_GONE]]
    return Table(
        title="Instances",
        columns=(
            "instance",
            "since",
            ">tenants",
            Column("version", drop=1),
            Column("state", min_width=20, cut=Cut.END),
        ),
        rows=[
            (
                each.name,
                age_text(each.since, now=now),
                f"{each.tenants:,}",
                each.version,
                Cell(_state(each, alive, now=now), style="good" if each.is_alive else "bad"),
            )
            for each in shown
        ],
    )


def instances_json(instances: Sequence["Instance"]) -> list[Mapping[str, object]]:
    """Return them for programs."""
    return [
        {
            "instance": each.name,
            "number": each.number,
            "version": each.version,
            "configuration": each.configuration,
            "since": each.since,
            "until": each.until,
            "tenants": each.tenants,
            "leads": each.is_leader,
            "alive": each.is_alive,
        }
        for each in instances
    ]


def _state(instance: "Instance", alive: Sequence["Instance"], *, now: datetime) -> str:
    if not instance.is_alive:
        return f"gone {age_text(instance.until, now=now)}: others poll its tenants"
    parts = ["leads"] if instance.is_leader else []
    if not configs_match(alive):
        parts.append(f"configuration {instance.configuration[:8]}: they DIFFER")
    return "; ".join(parts) or "alive"
