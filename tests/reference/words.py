"""Spans of time, patterns and labels, read from the configuration as its user writes it (sections 3 and 9)."""

import re
from datetime import timedelta
from typing import Any

Table = dict[str, Any]

SECONDS_BY_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def span(text: str) -> timedelta:
    """Return the span of a text such as `"1h30m"` (introduction)."""
    return timedelta(
        seconds=sum(int(number) * SECONDS_BY_UNIT[unit] for number, unit in re.findall(r"(\d+)([smhdw])", text))
    )


def matches(pattern: str, name: str) -> bool:
    """Return True if one pattern takes a name, without its leading `!` (3 [2], patterns)."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(matches(pattern[1:], name[start:]) for start in range(len(name) + 1))
    if not name:
        return False
    if pattern[0] == "?":
        return matches(pattern[1:], name[1:])
    if pattern[0] == "\\" and len(pattern) > 1:
        pattern = pattern[1:]
    return pattern[0].casefold() == name[0].casefold() and matches(pattern[1:], name[1:])


def selects(patterns: list[str] | None, name: str) -> bool:
    """Return True if a list of patterns selects a name (3 [2], patterns).

    A name as it is shown always selects itself, whatever it would mean as a pattern.

    Silent: only exclusions, and an empty list. They select what is not excluded.
    """
    including = [each for each in patterns or [] if not each.startswith("!")]
    excluding = [each[1:] for each in patterns or [] if each.startswith("!")]
    named_by = [each for each in patterns or [] if each.casefold() == name.casefold()]
    taken = bool(named_by) or not including or any(matches(each, name) for each in including)
    # Where `!Spam` is a name, the pattern `!Spam` means it, and does not exclude it.
    is_meant = any(each.startswith("!") for each in named_by)
    return taken and (is_meant or not any(matches(each, name) for each in excluding))


def match_labels(wanted: Table | None, labels: Table) -> bool:
    """Return True if a tenant has all labels that are wanted (README, routes).

    Silent: a label that the tenant lacks. It is taken for an empty text.
    """
    return all(
        selects([patterns] if isinstance(patterns, str) else patterns, labels.get(label, ""))
        for label, patterns in (wanted or {}).items()
    )


def takes_tenant(table: Table, tenant: str, config: Table) -> bool:
    """Return True if the `tenants` and `tenant_labels` of a rule, a route or a mute window take a tenant (3)."""
    labels = config["tenants"].get(tenant, {}).get("labels", {})
    return selects(table.get("tenants"), tenant) and match_labels(table.get("tenant_labels"), labels)
