"""Which instances share the database, as `alerter status` shows them: nothing where one has it for itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from alerter.cli.output import Table, ago, clean

if TYPE_CHECKING:
    from alerter.core.shares import Instance


def instances_table(instances: Sequence["Instance"], *, now: datetime) -> Table:
    """Return them for people; empty where there are none."""
    return Table(
        title="Instances",
        columns=("instance", "since", ">tenants", "version", "state"),
        rows=[
            (
                clean(each.name),
                ago(each.since, now=now),
                f"{each.tenants:,}",
                each.version,
                _state(each, instances, now=now),
            )
            for each in instances
        ],
        styles=["good" if each.is_alive else "bad" for each in instances],
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


def _state(instance: "Instance", instances: Sequence["Instance"], *, now: datetime) -> str:
    if not instance.is_alive:
        return f"gone {ago(instance.until, now=now)}: others poll its tenants"
    parts = ["leads"] if instance.is_leader else []
    configurations = {each.configuration for each in instances if each.is_alive}
    if len(configurations) > 1:
        parts.append(f"configuration {instance.configuration[:8]}: they DIFFER")
    return "; ".join(parts) or "alive"
