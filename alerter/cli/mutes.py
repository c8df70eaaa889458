"""Silences, acknowledgements, mute windows and tenants without data, as text and JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from alerter.cli.tables import Cell, Column, Cut, Table
from alerter.core.mutes import (
    MuteKind,
)
from alerter.humanize import short_duration_text
from alerter.queries.mutes import MAX_SHOWN, ActiveMutes, ack_end_text, end_text, matcher_text, silence_json

if TYPE_CHECKING:
    from alerter.core.alerts import Alert


def mutes_table(active_mutes: ActiveMutes, alerts: Sequence["Alert"]) -> Table:
    """Return everything that mutes now as a table."""
    now, zone = active_mutes.now, active_mutes.config.service.timezone
    silences: list[tuple[Cell | str, ...]] = [
        (
            MuteKind.SILENCE,
            f"{each.id} by {each.author}",
            matcher_text(each.matcher),
            end_cell(each.ends_at, zone, now=now),
            each.comment,
        )
        for each in active_mutes.silences()
    ]
    acknowledgements: list[tuple[Cell | str, ...]] = [
        (
            MuteKind.ACKNOWLEDGEMENT,
            f"by {each.author}",
            f"alert {alert.key.id}",
            Cell(ack_end_text(each), "it resolves or worsens"),
            each.comment,
        )
        for alert, each in active_mutes.acknowledgements(alerts)
    ]
    windows: list[tuple[Cell | str, ...]] = [
        (MuteKind.WINDOW, window.name, users, end_cell(end, zone, now=now), "")
        for window, end, users in active_mutes.mute_windows()
    ]  # fmt: skip
    rows = [*silences, *acknowledgements, *windows]
    if muted := sorted(active_mutes.mutes.muted_tenants):
        shown = ", ".join(muted[:MAX_SHOWN]) + (f" and {len(muted) - MAX_SHOWN:,} more" if muted[MAX_SHOWN:] else "")
        rows.append((MuteKind.TENANT, shown, "everything", "it is changed in the configuration", ""))
    columns = ("kind", "which", Column("for", min_width=16), "until", Column("comment", cut=Cut.END, drop=1))
    return Table(title="Mutes", columns=columns, rows=rows)


def mutes_json(active_mutes: ActiveMutes, alerts: Sequence["Alert"]) -> Mapping[str, object]:
    """Return the same for a program."""
    return {
        "silences": [silence_json(each, now=active_mutes.now) for each in active_mutes.silences()],
        "acknowledgements": [
            {"alert": alert.key.id, "severity": each.severity, "value": each.value, "author": each.author,
             "comment": each.comment, "at": each.acknowledged_at}
            for alert, each in active_mutes.acknowledgements(alerts)
        ],
        "mute_windows": [
            {"mute_window": window.name, "until": end, "used_by": users}
            for window, end, users in active_mutes.mute_windows()
        ],
        "muted_tenants": sorted(active_mutes.mutes.muted_tenants),
    }  # fmt: skip


def end_cell(until: datetime, timezone: tzinfo, *, now: datetime) -> Cell:
    """Return the same as a cell: for people, how far off it is."""
    return Cell(end_text(until, timezone, now=now), f"in {short_duration_text(until - now)}")
