"""Short scripts of what happens, in minutes after a Monday's nine o'clock, for one sentence of the contract each."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.reference.script import Acknowledged, Configured, Delivered, Event, Jumped, PollRange, Restarted, Silenced

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)

HEAD = """
[service]
poll_interval = "5m"

[tenants.acme]
client_id     = "id"
client_secret = "secret"
"""
RECEIVER = """
[receivers.secops]
urls = ["json://secops.example"]
"""


@dataclass
class Story:
    """A world that is written by hand; each method adds what happens so many minutes after nine."""

    config: str
    start: datetime = NINE
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with the configuration, a minute before the first poll."""
        self.configure(-1, self.config)

    def at(self, minutes: float) -> datetime:
        """Return the instant so many minutes after the start."""
        return self.start + timedelta(minutes=minutes)

    def configure(self, minutes: float, config: str) -> "Story":
        """Read a configuration, of which the service and the tenant acme are given."""
        self.events.append(Configured(at=self.at(minutes), toml=config if "[tenants." in config else HEAD + config))
        return self

    def poll(self, minutes: float, *counts: int | None, every: float = 5, tenant: str = "acme") -> "Story":
        """Poll a tenant of which only Spam is held; None is a failed poll."""
        for place, count in enumerate(counts):
            self.poll_many(minutes + place * every, None if count is None else {"Spam": count}, tenant=tenant)
        return self

    def poll_many(self, minutes: float, counts: dict[str, int] | None, *, tenant: str = "acme") -> "Story":
        """Poll a tenant once."""
        cause = "" if counts is not None else "timeout"
        self.events.append(PollRange(at=self.at(minutes), tenant=tenant, counts=counts, cause=cause))
        return self

    def silence(self, minutes: float, until: float, rule: str = "*") -> "Story":
        """Add a silence of a rule."""
        self.events.append(Silenced(at=self.at(minutes), ends_at=self.at(until), rules=(rule,)))
        return self

    def acknowledge(self, minutes: float, rule: str, *, reason: str = "Spam", is_undone: bool = False) -> "Story":
        """Acknowledge an alert of acme, or take that back."""
        subject = (rule, "acme", reason)
        self.events.append(Acknowledged(at=self.at(minutes), subject=subject, is_undone=is_undone))
        return self

    def restart(self, minutes: float) -> "Story":
        """Restart the service."""
        self.events.append(Restarted(at=self.at(minutes)))
        return self

    def jump(self, minutes: float, by: float) -> "Story":
        """Set the clock; what happens later is told in minutes of the new one."""
        self.events.append(Jumped(at=self.at(minutes), by=timedelta(minutes=by)))
        return self

    def deliver(self, minutes: float, **outcomes: str) -> "Story":
        """Send what is due; targets are named by the first part of their host."""
        by_url = tuple((f"json://{name}.example", outcome) for name, outcome in outcomes.items())
        self.events.append(Delivered(at=self.at(minutes), outcomes=by_url))
        return self
