"""What every condition has in common: what an evaluation finds, in which words, and what it is about.

No I/O: values in, values out.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from alerter.core.series import Sample


class Verdict(StrEnum):
    """What an evaluation found; `NO_DATA` proves nothing in either direction."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    NO_DATA = "no_data"


#: How far back the count lies that a message shows beside the present one, where the condition compares with none.
CONTEXT = timedelta(hours=1)
#: Later than every poll.
FOREVER = datetime.max.replace(tzinfo=UTC)
#: The lowest and the highest count that a database holds.
ANY_COUNT = (0, 2**63 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a condition compared: exactly this is printed in messages and kept in the history.

    Attributes:
        condition: The condition's name in the configuration.
        limit: What would have made it active, in words ("above 200").
        value: The sample that was judged; None without data.
        reference: The earlier sample that it was compared with, or that shows what it was; None where none is known.
        expected: The count that it reckoned with: the one that a forecast gives for a later instant, or the one that is
            usual at the instant of the value. None where it reckons with none.
        last_good_at: The newest good poll, where the condition is about polling; None if there never was one.
        news: What there is to tell, as the end of a sentence ("heading for 540 in 4h"); empty where the limit says it.
        note: What else a reader must know: why there is no data, or why polling fails.
    """

    condition: str
    limit: str
    value: Sample | None = None
    reference: Sample | None = None
    expected: Sample | None = None
    last_good_at: datetime | None = None
    news: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The verdict of one condition, and the operands that explain it.

    Attributes:
        verdict: What it found.
        evidence: What it compared.
        idle_until: Before this instant it cannot be active at a good poll that sees the same count, unless the alert is
            firing already. None where that is not known, and where it is active now.
        idle_within: The counts for which that holds as well, whatever comes between, lowest and highest; None for none.
    """

    verdict: Verdict
    evidence: Evidence
    idle_until: datetime | None = field(default=None, compare=False)
    idle_within: tuple[int, int] | None = field(default=None, compare=False)


def no_poll_now(condition: str, limit: str) -> Observation:
    """Return what a condition on held messages finds at a poll that failed: nothing, in either direction."""
    evidence = Evidence(condition=condition, limit=limit, note="no good poll at this moment")
    return Observation(verdict=Verdict.NO_DATA, evidence=evidence)


def margin_text(excess: int, *, missing: str = "more") -> str:
    """Return by how much a limit is passed, or what is still needed to pass it.

    Args:
        excess: Messages beyond the limit; 0 or fewer do not pass it.
        missing: What kind of messages is needed then: more, or fewer.
    """
    return f"by {excess:,}" if excess > 0 else f"needs {1 - excess:,} {missing}"


class Subject(StrEnum):
    """What a condition looks at: the held messages of a series, or the polling of a tenant."""

    HELD = "held"
    POLLING = "polling"


def duration_text(span: timedelta) -> str:
    """Return a span as the configuration writes it: `90s`, `1h30m`, `2d`; below a second it is `0s`."""
    rest = int(span.total_seconds())
    parts = []
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
