"""What a rule can test: one class per kind, and this is the one place to add one.

A condition is a frozen dataclass whose fields are the TOML keys below its name (a trailing underscore is dropped),
whose docstring is its manual, and whose `evaluate` gives a verdict with the operands it used. Add it to the union
at the foot of the file: the configuration, the messages and the history need nothing more. `subject` is what it
looks at, `falls` whether smaller is worse, and `compares` whether the change rather than the count is the news.

A condition that can tell says with its verdict until when it is idle: only then, or when the count has changed, is it
worth asking again. Most series of most polls are idle, and cost nothing.

`__post_init__` refuses values that contradict each other with a ValueError whose text names the keys.
No condition has slots, so that what its fields decide alone (`limit`) is worked out once and not at every evaluation.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import ClassVar, TypeAlias

from alerter.core.series import Sample, Series


class Verdict(StrEnum):
    """What an evaluation found; `NO_DATA` proves nothing in either direction."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    NO_DATA = "no_data"


#: How far back the count lies that a message shows beside the present one, where the condition compares with none.
CONTEXT = timedelta(hours=1)
#: Later than every poll.
FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operands:
    """What a condition compared: exactly this is printed in messages and kept in the history.

    Attributes:
        condition: The condition's name in the configuration.
        limit: What would have made it active, in words ("above 200").
        value: The sample that was judged; None without data.
        reference: The earlier sample that it was compared with, or that shows what it was; None where none is known.
        last_good_at: The newest good poll, where the condition is about polling; None if there never was one.
        note: What else a reader must know: why there is no data, or why polling fails.
    """

    condition: str
    limit: str
    value: Sample | None = None
    reference: Sample | None = None
    last_good_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The verdict of one condition, and the operands that explain it.

    Attributes:
        verdict: What it found.
        operands: What it compared.
        idle_until: Before this instant it cannot be active at a good poll that sees the same count, unless the alert is
            firing already. None where that is not known, and where it is active now.
    """

    verdict: Verdict
    operands: Operands
    idle_until: datetime | None = field(default=None, compare=False)


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


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Held messages above (or below) a fixed limit.

    Active when the count is above `above` (or below `below`). While the alert is firing, the level stays active
    until the count has come down to `clear_at` (up to it, for `below`), so that a count that dances around the
    limit does not ring every time. `clear_at` never holds a pending alert.

    Attributes:
        above: Messages; one of `above` and `below` is needed.
        below: Messages.
        clear_at: Messages; at most `above` (at least `below`). Without it the limit itself clears.
    """

    name: ClassVar[str] = "threshold"
    subject: ClassVar[Subject] = Subject.HELD
    compares: ClassVar[bool] = False

    above: int | None = None
    below: int | None = None
    clear_at: int | None = None

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise ValueError("expected exactly one of 'above' and 'below'")
        if any(limit is not None and limit < 0 for limit in (self.above, self.below, self.clear_at)):
            raise ValueError("expected limits of 0 messages or more")
        if self.clear_at is not None and self.above is not None and self.clear_at > self.above:
            raise ValueError(f"expected 'clear_at' at or below 'above' ({self.above}), found {self.clear_at}")
        if self.clear_at is not None and self.below is not None and self.clear_at < self.below:
            raise ValueError(f"expected 'clear_at' at or above 'below' ({self.below}), found {self.clear_at}")

    @property
    def window(self) -> timedelta:
        """How far back it looks: not to judge, but to say what the count was."""
        return CONTEXT

    @property
    def falls(self) -> bool:
        """Whether smaller is worse, so that an alert's peak is its lowest count."""
        return self.below is not None

    @cached_property
    def limit(self) -> str:
        """What makes it active, in words."""
        limit = f"above {self.above:,}" if self.above is not None else f"below {self.below:,}"
        return limit if self.clear_at is None else f"{limit}, clears at {self.clear_at:,}"

    def evaluate(self, series: Series, *, firing: bool, now: datetime) -> Observation:
        """Judge the sample at `now`; without a good poll at `now` there is no data."""
        count = series.value_at(now)
        if count is None:
            operands = Operands(condition=self.name, limit=self.limit, note="no good poll at this moment")
            return Observation(verdict=Verdict.NO_DATA, operands=operands)
        value = Sample(now, count)
        if not (self._is_beyond(count) or (firing and not self._is_cleared(count))):
            operands = Operands(condition=self.name, limit=self.limit, value=value)
            return Observation(verdict=Verdict.INACTIVE, operands=operands, idle_until=FOREVER)
        before = series.newest_sample(until=now - CONTEXT)
        if before is not None and before.at < now - CONTEXT - series.tolerance:
            before = None
        operands = Operands(condition=self.name, limit=self.limit, value=value, reference=before)
        return Observation(verdict=Verdict.ACTIVE, operands=operands)

    def _is_beyond(self, count: int) -> bool:
        if self.above is not None:
            return count > self.above
        return self.below is not None and count < self.below

    def _is_cleared(self, count: int) -> bool:
        if self.clear_at is None:
            return True
        return count <= self.clear_at if self.above is not None else count >= self.clear_at


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Held messages that grow (or fall) by a number, a percentage, or both, within a span.

    The count now is compared with the newest sample at or before now - `over`. If that sample is more than two poll
    intervals older than that, there is no data: a gap is never read as zero. A tenant that was polled then, without
    this reason in the answer, had 0.

    Attributes:
        over: The span to compare over.
        by: Messages; active when the growth is at least this.
        percent: Per cent of the earlier count; tested only where that count is at least `floor`. Below it `by`
            alone decides, and without `by` the level is inactive: from 1 to 3 is 200 %, and nothing.
        falls_by: Like `by`, for counts that fall; a level looks in one direction only.
        falls_percent: Like `percent`, for counts that fall.
        floor: Messages.
    """

    name: ClassVar[str] = "growth"
    subject: ClassVar[Subject] = Subject.HELD
    compares: ClassVar[bool] = True

    over: timedelta
    by: int | None = None
    percent: int | None = None
    falls_by: int | None = None
    falls_percent: int | None = None
    floor: int = 20

    def __post_init__(self) -> None:
        rises, falls = ([step for step in way if step is not None] for way in self._ways())
        if bool(rises) == bool(falls):
            raise ValueError("expected at least one of 'by' and 'percent', or of 'falls_by' and 'falls_percent'")
        if min(rises + falls) <= 0:
            raise ValueError("expected 'by', 'percent', 'falls_by' and 'falls_percent' above 0")
        if self.floor < 0:
            raise ValueError(f"expected 'floor' of 0 messages or more, found {self.floor}")
        if self.over <= timedelta(0):
            raise ValueError("expected 'over' longer than 0s")

    @property
    def window(self) -> timedelta:
        """How far back it looks, without the tolerance for the reference."""
        return self.over

    @cached_property
    def falls(self) -> bool:
        """Whether smaller is worse, so that an alert's peak is its lowest count."""
        return self.by is None and self.percent is None

    @cached_property
    def limit(self) -> str:
        """What makes it active, in words."""
        sign = "-" if self.falls else "+"
        messages, percent = self._steps
        parts = ("" if messages is None else f"{sign}{messages:,}", "" if percent is None else f"{sign}{percent:,} %")
        return f"{' and '.join(filter(None, parts))} within {duration_text(self.over)}"

    def evaluate(self, series: Series, *, firing: bool, now: datetime) -> Observation:  # noqa: ARG002 - one signature
        """Compare the sample at `now` with the one `over` ago."""
        count = series.value_at(now)
        if count is None:
            return self._observed(Verdict.NO_DATA, None, None, note="no good poll at this moment")
        value = Sample(now, count)
        then = now - self.over
        reference = series.newest_sample(until=then)
        if reference is None or reference.at < then - series.tolerance:
            note = f"no good poll {duration_text(self.over)} before to compare with"
            return self._observed(Verdict.NO_DATA, value, None, note=note, idle_until=self._idle_until(series, then))
        if self._is_far(reference.count, count):
            return self._observed(Verdict.ACTIVE, value, reference)
        return self._observed(Verdict.INACTIVE, value, reference, idle_until=self._idle_until(series, then))

    def _idle_until(self, series: Series, then: datetime) -> datetime:
        """Return when there is another reference; that this one grows too old makes nothing active."""
        edge = series.next_edge(after=then)
        return FOREVER if edge is None else edge + self.over

    def _is_far(self, before: int, count: int) -> bool:
        messages, percent = self._steps
        delta = before - count if self.falls else count - before
        if delta < (messages or 1):
            return False
        if percent is None:
            return True
        if before < self.floor:
            return messages is not None
        return delta * 100 >= before * percent

    @cached_property
    def _steps(self) -> tuple[int | None, int | None]:
        rises, falls = self._ways()
        return falls if self.falls else rises

    def _ways(self) -> tuple[tuple[int | None, int | None], tuple[int | None, int | None]]:
        return (self.by, self.percent), (self.falls_by, self.falls_percent)

    def _observed(
        self,
        verdict: Verdict,
        value: Sample | None,
        reference: Sample | None,
        *,
        note: str = "",
        idle_until: datetime | None = None,
    ) -> Observation:
        operands = Operands(condition=self.name, limit=self.limit, value=value, reference=reference, note=note)
        return Observation(verdict=verdict, operands=operands, idle_until=idle_until)


@dataclass(frozen=True, kw_only=True)
class Blind:
    """No good poll of the tenant for a span: alerter does not know what is held.

    Built in for every tenant (after 15 minutes, or three polls if that is longer) unless a rule of this kind looks
    at the tenant. It states why polling fails and what to do, and a good poll ends it.

    Attributes:
        after: How long without a good poll.
    """

    name: ClassVar[str] = "blind"
    subject: ClassVar[Subject] = Subject.POLLING
    compares: ClassVar[bool] = False
    falls: ClassVar[bool] = False

    after: timedelta

    def __post_init__(self) -> None:
        if self.after <= timedelta(0):
            raise ValueError("expected 'after' longer than 0s")

    @property
    def window(self) -> timedelta:
        """How far back it looks: the newest good poll is always known, so not at all."""
        return timedelta(0)

    @cached_property
    def limit(self) -> str:
        """What makes it active, in words."""
        return f"no good poll for {duration_text(self.after)}"

    def evaluate(self, series: Series, *, firing: bool, now: datetime) -> Observation:  # noqa: ARG002 - one signature
        """Judge how long ago the newest good poll was; a tenant whose last poll was good is never blind."""
        failure = series.failure
        if failure is None:
            operands = Operands(condition=self.name, limit=self.limit)
            return Observation(verdict=Verdict.INACTIVE, operands=operands, idle_until=FOREVER)
        last = series.last_good_at(now=now)
        # A clock that was set back leaves good polls in the future: then the failures alone measure the time.
        since = failure.since if last is None else min(last, failure.since)
        return Observation(
            verdict=Verdict.ACTIVE if now - since >= self.after else Verdict.INACTIVE,
            operands=Operands(
                condition=self.name,
                limit=self.limit,
                last_good_at=last,
                note=f"{failure.cause}: {failure.detail}. {failure.cause.advice}",
            ),
        )


Condition: TypeAlias = Threshold | Growth | Blind

#: Every kind of condition by its name in the configuration.
CONDITIONS: dict[str, type[Condition]] = {kind.name: kind for kind in (Threshold, Growth, Blind)}
