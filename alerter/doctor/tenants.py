"""Each Mimecast account, by a real call: whether it answers, how fast, by which clock, and how much it allows."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from math import ceil

from alerter.config import TenantConfig
from alerter.core.conditions import duration_text
from alerter.core.series import Snapshot
from alerter.doctor.findings import NOTHING, Finding, Group, Measured, Outcome
from alerter.errors import SourceError
from alerter.humanize import count_text
from alerter.sources.mimecast import FetchReport, MimecastSource, RateLimit

#: Clocks that differ by more are wrong, one of them; the header with the time is exact to a second.
NOTICEABLE_SKEW = timedelta(seconds=30)
#: Signatures are refused that are off by more, or soon will be.
DANGEROUS_SKEW = timedelta(minutes=5)
#: Of the allowance, so much should be left.
COMFORTABLE_SHARE = 0.1
#: A token and a summary.
CALLS_PER_POLL = 2


def check_account(tenant: TenantConfig, source: Callable[[], MimecastSource]) -> Iterator[Finding]:
    """Yield what a real call to an account comes to."""
    account = source()
    try:
        yield from assess_account(tenant, account.fetch_with_report())
    finally:
        account.close()


def assess_account(tenant: TenantConfig, probe: FetchReport) -> Iterator[Finding]:
    """Yield what a call to an account came to, and what of it should be better."""
    match probe.outcome:
        case Snapshot() as snapshot:
            yield _well(tenant, snapshot, probe)
        case SourceError() as error:
            yield _failure(tenant, error, probe)
    yield from _clock(tenant, probe.clock_skew)
    yield from _allowance(tenant, probe.rate_limit)


def _well(tenant: TenantConfig, snapshot: Snapshot, probe: FetchReport) -> Finding:
    parts = [f"{sum(snapshot.counts.values()):,} held for {count_text(len(snapshot.counts), 'reason')}"]
    if probe.latency is not None:
        parts.append(f"answered in {probe.latency.total_seconds() * 1000:.0f} ms")
    if probe.clock_skew is not None:
        parts.append(f"clocks within {ceil(abs(probe.clock_skew).total_seconds())} s")
    if probe.rate_limit is not None:
        parts.append(_allowance_text(probe.rate_limit))
    return _account(tenant, Outcome.OK, "; ".join(parts), measured=_measured(probe))


def _failure(tenant: TenantConfig, error: SourceError, probe: FetchReport) -> Finding:
    # Where nobody answered, the id is ours alone.
    request = f" (request id {error.request_id})" if error.request_id and probe.latency is not None else ""
    text = f"{error.cause}: {error.detail}{request}"
    return _account(tenant, Outcome.FAILED, text, error.cause.advice, {**_measured(probe), "cause": error.cause.value})


def _measured(probe: FetchReport) -> dict[str, float | str]:
    figures: dict[str, float | None] = {
        "latency_seconds": probe.latency.total_seconds() if probe.latency is not None else None,
        "clock_skew_seconds": probe.clock_skew.total_seconds() if probe.clock_skew is not None else None,
        "requests_limit": probe.rate_limit.limit if probe.rate_limit is not None else None,
        "requests_remaining": probe.rate_limit.remaining if probe.rate_limit is not None else None,
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _clock(tenant: TenantConfig, skew: timedelta | None) -> Iterator[Finding]:
    if skew is None or abs(skew) <= NOTICEABLE_SKEW:
        return
    outcome = Outcome.FAILED if abs(skew) > DANGEROUS_SKEW else Outcome.WARNING
    size = duration_text(timedelta(seconds=round(abs(skew).total_seconds())))
    text = f"this machine's clock is {size} {'ahead of' if skew > timedelta(0) else 'behind'} Mimecast's"
    advice = "Switch time synchronisation on. API 1.0 refuses signatures of a wrong clock; history gets wrong times."
    yield _account(tenant, outcome, text, advice)


def _allowance(tenant: TenantConfig, allowance: RateLimit | None) -> Iterator[Finding]:
    if allowance is None:
        return
    needed = _calls_until(allowance.resets_in, tenant.poll_interval)
    if allowance.remaining >= max(needed, COMFORTABLE_SHARE * allowance.limit):
        return
    text = f"{_allowance_text(allowance)}; polling needs {needed} until then"
    advice = "Raise poll_interval, and look for other tools that use the same application."
    yield _account(tenant, Outcome.WARNING, text, advice)


def _calls_until(reset: timedelta | None, poll_interval: timedelta) -> int:
    return CALLS_PER_POLL * max(1, ceil((reset or timedelta(0)) / poll_interval))


def _allowance_text(allowance: RateLimit) -> str:
    again = "" if allowance.resets_in is None else f", more in {ceil(allowance.resets_in.total_seconds())} s"
    return f"{allowance.remaining:,} of {allowance.limit:,} requests left{again}"


def _account(
    tenant: TenantConfig,
    outcome: Outcome,
    text: str,
    advice: str = "",
    measured: Measured = NOTHING,
) -> Finding:
    return Finding(
        group=Group.ACCOUNTS, subject=tenant.name, outcome=outcome, text=text, advice=advice, measured=measured
    )
