"""Held mail that nobody looks at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

from alerter.core.conditions.base import (
    ANY_COUNT,
    FOREVER,
    Evidence,
    Observation,
    Subject,
    Verdict,
    duration_text,
    margin_text,
    no_poll_now,
)
from alerter.core.history import Archive
from alerter.core.series import MICROSECOND, Piece, Sample, Series, Span

#: Mimecast expires held mail after so long: a count that is looked at for longer falls by itself.
EXPIRY = timedelta(days=14)


@dataclass(frozen=True, kw_only=True)
class Stagnant:
    """Held messages that nobody releases: for a span the count has been above a limit, and it has never fallen.

    Whatever is released, rejected or expired makes the count fall, and the span begins anew. Mimecast expires held mail
    after 14 days, so that `lasting` is at most that; well below it there is time left to look at the mail. Polling must
    have begun before the span. Gaps of up to two poll intervals are bridged: what was seen on both sides must be above
    the limit and must not have fallen. With a longer one there is no data, until it is older than the span.

    Attributes:
        above: Messages.
        lasting: The span.
    """

    name: ClassVar[str] = "stagnant"
    subject: ClassVar[Subject] = Subject.HELD
    sums: ClassVar[bool] = True
    remembers: ClassVar[bool] = False
    compares: ClassVar[bool] = False
    falls: ClassVar[bool] = False

    above: int
    lasting: timedelta

    def __post_init__(self) -> None:
        if self.above < 0:
            raise ValueError(f"expected 'above' of 0 messages or more, found {self.above}")
        if self.lasting <= timedelta(0):
            raise ValueError("expected 'lasting' longer than 0s")
        if self.lasting > EXPIRY:
            most, found = duration_text(EXPIRY), duration_text(self.lasting)
            raise ValueError(f"expected 'lasting' of at most {most}, after which held mail expires, found {found}")

    @property
    def window(self) -> timedelta:
        """How far back it looks, without the tolerance for the first sample."""
        return self.lasting

    @property
    def harmless(self) -> tuple[int, int]:
        """The counts at which it is never active, lowest and highest: those that are not above the limit."""
        return ANY_COUNT[0], self.above

    @cached_property
    def limit(self) -> str:
        """What makes it active, in words."""
        lasting = f"never falling for {duration_text(self.lasting)}"
        return f"above {self.above:,} and {lasting}" if self.above else lasting

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can be active."""
        return self.lasting

    def margin(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return how many messages are missing, or for how much longer; empty without data."""
        if found.value is None:
            return ""
        if found.value.count <= self.above:
            return margin_text(found.value.count - self.above)
        if found.reference is None:
            return ""
        lasting = found.value.at - found.reference.at
        if lasting < self.lasting:
            return f"for {duration_text(lasting)} so far, needs {duration_text(self.lasting - lasting)} more"
        return f"by {found.value.count - self.above:,}"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Observation:
        """Look for the last moment at which the count fell, or was at or below the limit."""
        count = series.value_at(now)
        if count is None:
            return no_poll_now(self.name, self.limit)
        value = Sample(now, count)
        if count <= self.above:
            return self._observed(Verdict.INACTIVE, value, idle_until=FOREVER, idle_within=self.harmless)
        then = now - self.lasting
        reference = series.sample_for(then)
        before = () if reference is None else (Piece(reference.at, reference.at, reference.count),)
        seen = [*before, *series.pieces(since=then, until=now)]
        since = self._last_break(seen)
        if since is not None:
            # Whatever is seen until then, the span since this moment is too short.
            until = since.at + self.lasting
            return self._observed(Verdict.INACTIVE, value, since, idle_until=until, idle_within=ANY_COUNT)
        if reference is None:
            note = f"no good poll {duration_text(self.lasting)} before to begin with"
            return self._observed(Verdict.NO_DATA, value, note=note)
        gaps = [after.since - before.until for before, after in pairwise(seen)]
        if max(gaps, default=timedelta(0)) > series.tolerance:
            note = f"no good poll for {duration_text(max(gaps))} of the last {duration_text(self.lasting)}"
            return self._observed(Verdict.NO_DATA, value, note=note)
        return self._observed(Verdict.ACTIVE, value, reference)

    def turns(self, archive: Archive) -> Iterator[int]:
        """Yield when `lasting` has passed since the count fell or passed the limit, and when it does so again."""
        yield from archive.references(self.lasting)
        yield from archive.timeline.since
        lasting, broken, before = self.lasting // MICROSECOND, 0, 0
        for instant, count in zip(archive.at, archive.held, strict=True):
            if count < before or (count > self.above) is not (before > self.above):
                if instant > broken + lasting:
                    yield from (broken + lasting, instant)
                broken = instant
            before = count
        yield broken + lasting

    def _last_break(self, seen: Sequence[Piece]) -> Sample | None:
        """Return the first sample since which the count has been above the limit and has not fallen.

        None where that is so of all that was seen.
        """
        for before, after in reversed(list(pairwise(seen))):
            if after.count < before.count or before.count <= self.above:
                return Sample(after.since, after.count)
        return None

    def _observed(
        self,
        verdict: Verdict,
        value: Sample,
        reference: Sample | None = None,
        *,
        note: str = "",
        idle_until: datetime | None = None,
        idle_within: tuple[int, int] | None = None,
    ) -> Observation:
        evidence = Evidence(condition=self.name, limit=self.limit, value=value, reference=reference, note=note)
        return Observation(verdict=verdict, evidence=evidence, idle_until=idle_until, idle_within=idle_within)
