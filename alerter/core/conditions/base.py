"""The base of all conditions: their contract, their results, and the words for them.

No I/O: values in, values out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from alerter.core.series import Sample, Series, Span


class Verdict(StrEnum):
    """What an evaluation found; `NO_DATA` proves nothing in either direction."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    NO_DATA = "no_data"


#: How far back the count lies that a message shows beside the present one, where the condition compares with none.
CONTEXT_LOOKBACK = timedelta(hours=1)
#: Later than every poll.
FOREVER = datetime.max.replace(tzinfo=UTC)
#: Earlier than every poll: a verdict that holds until then is found again at the next one.
NOT_AT_ALL = datetime.min.replace(tzinfo=UTC)
#: The lowest and the highest count that a database holds.
ANY_COUNT = (0, 2**63 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a condition compared: exactly this is printed in messages and kept in the history.

    Attributes:
        condition: The condition's name in the configuration.
        limit_text: What would have made it active, in words ("above 200").
        value: The sample that was evaluated; None without data.
        reference: The earlier sample that it was compared with, or that shows what it was; None where none is known.
        expected: The count that it reckoned with: the one that a forecast gives for a later instant, or the one that is
            usual at the instant of the value. None where it reckons with none.
        last_success_at: The newest good poll, where the condition is about polling; None if there never was one.
        headline: What there is to say, as the end of a sentence ("heading for 540 in 4h"); empty where the limit says
            it.
        detail: What else a reader must know: why there is no data, or why polling fails.
    """

    condition: str
    limit_text: str
    value: Sample | None = None
    reference: Sample | None = None
    expected: Sample | None = None
    last_success_at: datetime | None = None
    headline: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The verdict of one condition, what it compared, and how long the verdict stands.

    The verdict is the same at every successful poll before `holds_until`, as long as no poll fails or is missed, every
    count stays within `holds_within`, and the alert does not begin or cease to fire. So nobody evaluates before then. A
    condition that does not know leaves both out: it is evaluated at every poll, which is right, and slow.

    Attributes:
        verdict: What it found.
        evidence: What it compared.
        holds_until: Before this instant the verdict stands.
        holds_within: The lowest and the highest count with which it stands.
    """

    verdict: Verdict
    evidence: Evidence
    holds_until: datetime = field(default=NOT_AT_ALL, compare=False)
    holds_within: tuple[int, int] = field(default=ANY_COUNT, compare=False)


def no_data_result(condition: str, limit: str) -> Result:
    """Return what a condition on held messages finds at a poll that failed: nothing, in either direction."""
    evidence = Evidence(condition=condition, limit_text=limit, detail="no successful poll at this moment")
    return Result(verdict=Verdict.NO_DATA, evidence=evidence)


def format_distance(excess: int, *, missing: str = "more") -> str:
    """Return by how much a limit is passed, or what is still needed to pass it.

    Args:
        excess: Messages beyond the limit; 0 or fewer do not pass it.
        missing: What kind of messages is needed then: more, or fewer.
    """
    return f"by {excess:,}" if excess > 0 else f"needs {1 - excess:,} {missing}"


class InputKind(StrEnum):
    """What a condition looks at: the held messages of a series, or the polling of a tenant."""

    HELD = "held"
    POLLING = "polling"


class BaseCondition:
    """What most conditions have in common; each says what is different of it.

    A condition is a frozen dataclass with this base. It needs `name`, its fields, `limit` (what makes it active, in
    words), and

        def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result

    which returns the verdict on what was seen up to the poll at `now`. `firing` says whether the alert is firing under
    the limit that is in force.

    Attributes:
        name: The condition's name in the configuration.
        input_kind: What it looks at.
        allows_sum: Whether a sum of reasons makes sense to it.
        needs_firing_history: Whether its verdict depends on when its own alert has fired, which `fired` then says.
        needs_even_polls: Whether what it says of the future is true only while polls are evenly apart: each from a half
            to three halves of the poll interval after the one before.
        reports_change: Whether the change rather than the count is what a message begins with.
        compares_reasons: Whether it looks at the tenant's other reasons as well, which `Series.others` then has, as far
            back as `series.OTHERS_LOOKBACK`.
    """

    name: ClassVar[str]
    input_kind: ClassVar[InputKind] = InputKind.HELD
    allows_sum: ClassVar[bool] = True
    needs_firing_history: ClassVar[bool] = False
    needs_even_polls: ClassVar[bool] = False
    reports_change: ClassVar[bool] = False
    compares_reasons: ClassVar[bool] = False

    @property
    def lower_is_worse(self) -> bool:
        """Whether smaller is worse, so that an alert's peak is its lowest count."""
        return False

    @property
    def lookback(self) -> timedelta:
        """How far back it looks, without the tolerance for the first sample."""
        return timedelta(0)

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can be active."""
        return timedelta(0)

    def distance_text(
        self,
        found: Evidence,
        series: Series,
        *,
        firing: bool,
        fired: Sequence[Span] = (),
        now: datetime,
    ) -> str:
        """Return in words by how much an evaluation missed its limit or passed it; empty where it does not know."""
        return ""
