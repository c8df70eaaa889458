"""Reads for a review of past alerts: which rules alerted, who acted, and which limit would have made it half.

The number of reads does not grow with tenants, except for the replay of limits, which reads the history of at most
`MAX_REPLAYED_TENANTS`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from alerter.core.backtest.half_limits import HalfLimit, find_half_limits
from alerter.core.review import Episode, EpisodeSummary, Review, review_episodes
from alerter.core.rules import RuleName
from alerter.core.series import Span, Tenant
from alerter.jobs.report import load_episodes

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.history import TenantHistory
    from alerter.storage import Store

#: The tenants that are replayed at most: those with most episodes.
MAX_REPLAYED_TENANTS: Final = 20
#: How long the replay of limits may take.
REPLAY_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewWithLimits:
    """A review, and for each rule the limit that would have made it half."""

    review: Review
    limits: Mapping[RuleName, HalfLimit]


def load_review(
    store: "Store",
    config: "Config",
    span: Span,
    *,
    tenants: Callable[[Tenant], bool] | None = None,
    seconds: Callable[[], float],
    replay_seconds: float = REPLAY_SECONDS,
) -> ReviewWithLimits:
    """Return how the alerts of a span went.

    Args:
        store: Has them.
        config: Whose rules of now are replayed.
        span: The span; its end is the present.
        tenants: Of which tenants; None for all.
        seconds: A clock that only goes forward.
        replay_seconds: How long the replay of limits may take; 0 for none.
    """
    with store.read() as reader:
        episodes = load_episodes(
            reader,
            span,
            labels_by_tenant=config.labels_by_tenant,
            takes=lambda key: tenants is None or tenants(key.tenant),
        )
    review = review_episodes(episodes, span)
    began = seconds()
    limits = _half_limits(store, config, episodes, span, is_late=lambda: seconds() - began >= replay_seconds)
    return ReviewWithLimits(review=review, limits=limits)


def _half_limits(
    store: "Store", config: "Config", episodes: Collection[Episode], span: Span, *, is_late: Callable[[], bool]
) -> dict[RuleName, HalfLimit]:
    replayed = [name for name, _ in Counter(each.subject.tenant for each in episodes).most_common()]
    replayed = [name for name in replayed if name in config.tenants][:MAX_REPLAYED_TENANTS]
    kept: dict[Tenant, TenantHistory] = {}

    def history_for(name: Tenant) -> "TenantHistory | None":
        if name in replayed and name not in kept:
            tenant = config.tenants[name]
            with store.read() as reader:
                kept[name] = reader.history.full_history(
                    name, poll_interval=tenant.poll_interval, timezone=tenant.timezone
                )
        return kept.get(name)

    return find_half_limits(config.rules, episodes, span, history_for, is_late=is_late)


def review_json(found: ReviewWithLimits) -> Mapping[str, object]:
    """Return a review for a program."""
    return {
        "since": found.review.span.start_at,
        "until": found.review.span.end_at,
        "tenants": found.review.tenants,
        **_summary_json(found.review.summary),
        "rules": [
            {
                "rule": each.rule,
                **_summary_json(each.summary),
                "half": _half_json(found.limits[each.rule]),
                "series": [
                    {"tenant": subject.tenant, "reason": subject.reason, "alerts": number}
                    for subject, number in each.subjects
                ],
            }
            for each in found.review.rules
        ],
    }


def _summary_json(summary: EpisodeSummary) -> Mapping[str, object]:
    values = {each.name: getattr(summary, each.name) for each in fields(summary)}
    return {"alerts": values.pop("episodes"), **values}


def _half_json(limit: HalfLimit) -> Mapping[str, object]:
    return {
        "edit": limit.edit or None,
        "severity": limit.severity,
        "alerts": limit.episodes,
        "unknown_because": limit.why_not,
    }
