"""`alerter demo`: a simulated day through the real pipeline, in seconds.

Real HTTP to the simulator, a real database, the real rules, messages and outbox; only the time is an argument.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from logging import CRITICAL
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap
from threading import Event
from typing import TYPE_CHECKING

import click

from alerter import logs
from alerter.cli.colors import wants_color
from alerter.cli.demo_page import show_page
from alerter.cli.options import EXIT_FOUND, config_option_with, load_without_secrets
from alerter.cli.output import clean
from alerter.core.conditions import Growth, Threshold
from alerter.core.message.content import Format, Message, MessageContext, MessageStatus
from alerter.core.outbox import TargetName
from alerter.core.routes import Receiver, ReceiverName, TargetId
from alerter.core.rules import Level, Rule, RuleName, Severity, with_no_data_rules
from alerter.core.selectors import Selector
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.redaction import Redactor, url_secrets

if TYPE_CHECKING:
    from alerter.core.alerting_config import AlertingConfig
    from alerter.jobs.poll import PollCycle
    from alerter.sources.mimecast import MimecastSource

TENANT = Tenant("acme")
RECEIVER = ReceiverName("demo")
POLL_INTERVAL = timedelta(minutes=5)
#: How wide the longest bar is; and on a terminal narrower than that, where names need the space.
BAR_WIDTH, NARROW_BAR_WIDTH, NARROW = 40, 20, 100
#: How many held messages the longest bar stands for.
FULL_BAR = 1600
#: How wide lines are in a pipe.
PIPE_WIDTH = 118
COLOURS = {
    MessageStatus.CRITICAL: "red",
    MessageStatus.WARNING: "yellow",
    MessageStatus.INFO: "cyan",
    MessageStatus.RESOLVED: "green",
}
RULES = (
    Rule(
        name=RuleName("Backlog"),
        reasons=Selector(("*", "!Graymail*", "!*Spam*")),
        levels={
            Severity.WARNING: Level(conditions=(Threshold(above=200, clear_at=100),)),
            Severity.CRITICAL: Level(conditions=(Threshold(above=500, clear_at=400),), for_=timedelta(minutes=10)),
        },
        runbook="https://wiki.example/held-mail",
    ),
    Rule(
        name=RuleName("Surge"),
        reasons=Selector(("*Impersonation*", "*Attachment*")),
        levels={Severity.WARNING: Level(conditions=(Growth(over=timedelta(hours=1), by=50, percent=100),))},
    ),
)
NEXT = """
The same for your own account:

  1. alerter init                  writes ./rules.toml, commented
  2. alerter check-config          once your keys and a receiver are in it
  3. alerter poll --dry-run        what is held now, and what would be sent
  4. alerter run                   from then on, silence means all is well

`alerter demo --to URL` sends these messages to a real place: any Apprise URL,
such as slack://… or mailtos://…
"""


@dataclass
class _DemoClock:
    """The clock of the demo, and what has been shown so far: the one place where it changes."""

    now: datetime
    width: int
    colours: Mapping[MessageStatus, str]
    shown: Mapping[HoldReason, int] = field(default_factory=dict)
    polls: int = 0
    messages: int = 0
    failures: list[str] = field(default_factory=list)

    def clock(self) -> datetime:
        """Return the simulated time."""
        return self.now

    def seconds(self) -> float:
        """Return the simulated time as a monotonic clock."""
        return self.now.timestamp()


@click.command()
@config_option_with("Play the rules of this configuration. [default: rules of the demo's own]")
@click.option("--to", "urls", multiple=True, metavar="APPRISE_URL", help="Really send the messages there as well.")
@click.option(
    "--page/--no-page",
    "has_page",
    default=None,
    help="End with the page open on that day, or in the terminal alone. [default: the page at a terminal]",
)
def demo(config_path: Path | None, urls: Sequence[str], *, has_page: bool | None) -> None:
    """Show a simulated day: counts rise, alerts come with the very text that would be sent, and the all-clear.

    Needs no account, no network and no configuration; with --config it plays that configuration's rules. At a terminal
    it ends with the page open on that day. Exit code 1 if a message to --to was not taken.
    """
    from rich.console import Console  # noqa: PLC0415 - it knows the terminal, and that NO_COLOR is set; click does not

    rules = RULES if config_path is None else load_without_secrets(config_path).rules
    _check(urls)
    # What is not sent is said once at the end: the log of its retries would bury the day.
    logs.configure_logging(Redactor(secret for url in urls for secret in url_secrets(url)), level=CRITICAL)
    wanted = wants_color()
    console = Console(no_color=None if wanted is None else not wanted)
    width = console.width if sys.stdout.isatty() else PIPE_WIDTH
    day = _DemoClock(now=datetime(2026, 3, 10, tzinfo=UTC), width=width, colours={} if console.no_color else COLOURS)
    click.echo(
        f"A simulated day at {TENANT}, polled every 5 minutes through the real pipeline:\n"
        "HTTP, database, rules, messages.\n"
        "The bar is all held mail; beside it is what moved most.\n"
    )
    is_shown = sys.stdout.isatty() if has_page is None else has_page
    _play(day, rules, urls, is_shown=is_shown)
    for failure in day.failures:
        click.echo(f"not sent: {failure}", err=True)
    if day.failures:
        raise click.exceptions.Exit(EXIT_FOUND)


class _Terminal:
    """Takes each message, which was shown already."""

    def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
        """Take it."""


def _sum_up(day: _DemoClock) -> None:
    click.echo(f"\n{day.polls} polls, {day.messages} messages, and nothing else: silence means all is well.")
    click.echo(NEXT)


def _check(urls: Sequence[str]) -> None:
    """Refuse a URL that Apprise cannot load before a day is played for nothing."""
    from alerter.errors import DeliveryError  # noqa: PLC0415
    from alerter.notifiers.apprise import AppriseNotifier  # noqa: PLC0415

    for url in urls:
        try:
            AppriseNotifier().check(url)
        except DeliveryError as error:
            raise click.BadParameter(str(error), param_hint="--to") from None


def _play(day: _DemoClock, rules: Sequence[Rule], urls: Sequence[str], *, is_shown: bool) -> None:
    from alerter.jobs.deliver import deliver  # noqa: PLC0415
    from alerter.jobs.poll import poll  # noqa: PLC0415
    from alerter.notifiers.apprise import AppriseNotifier  # noqa: PLC0415
    from alerter.simulator.server import Simulator  # noqa: PLC0415
    from alerter.storage import Store  # noqa: PLC0415

    with ExitStack() as stack:
        scratch = stack.enter_context(TemporaryDirectory(prefix="alerter-demo-"))
        store = Store(f"sqlite:///{scratch}/alerter.db")
        stack.callback(store.close)
        store.upgrade()
        simulator = stack.enter_context(Simulator(clock=day.clock, started_at=day.now))
        source = _source(simulator.base_url, day)
        stack.callback(source.close)
        alerting = _policy(rules, urls)
        # Without anybody to send to, this terminal is who takes the messages.
        targets = dict(zip(alerting.targets[RECEIVER], urls or [""], strict=True))
        notifier = AppriseNotifier() if urls else _Terminal()
        end = day.now + timedelta(days=1)
        while day.now <= end:
            cycle = poll(TENANT, source, store, alerting, clock=day.clock)
            day.polls += 1
            _show_poll(day, cycle)
            for delivery in deliver(store, notifier, targets, clock=day.clock):
                failure = f"{delivery.target}: {delivery.last_error}"
                if delivery.last_error and failure not in day.failures:
                    day.failures.append(failure)
            day.now += POLL_INTERVAL
        day.now = end
        _sum_up(day)
        if is_shown:
            show_page(store, alerting, clock=day.clock, seconds=day.seconds)


def _source(base_url: str, day: _DemoClock) -> "MimecastSource":
    from alerter.simulator.api import DEMO_KEYS  # noqa: PLC0415
    from alerter.sources.mimecast import MimecastSource, OAuthKeys  # noqa: PLC0415

    return MimecastSource(
        tenant=TENANT,
        base_url=base_url,
        keys=OAuthKeys(client_id=DEMO_KEYS.client_id, client_secret=DEMO_KEYS.client_secret),
        clock=day.clock,
        monotonic=day.seconds,
        stop=Event(),
    )


def _policy(rules: Sequence[Rule], urls: Sequence[str]) -> "AlertingConfig":
    from alerter.core.alerting_config import AlertingConfig  # noqa: PLC0415

    # Also those who only watch are shown something.
    numbers = range(1, max(len(urls), 1) + 1)
    return AlertingConfig(
        rules=with_no_data_rules(rules, {TENANT: POLL_INTERVAL}) if rules is RULES else tuple(rules),
        poll_intervals={TENANT: POLL_INTERVAL},
        receivers=(Receiver(name=RECEIVER, targets=tuple(TargetId(str(number)) for number in numbers)),),
        targets={RECEIVER: tuple(TargetName(f"{RECEIVER}/{number}") for number in numbers)},
        routes=(),
        context=MessageContext(
            timezone=UTC,
            console_url="https://login.mimecast.com",
            runbook_by_rule={rule.name: rule.runbook for rule in rules if rule.runbook},
        ),
    )


def _show_poll(day: _DemoClock, cycle: "PollCycle") -> None:
    if cycle.snapshot is not None and (cycle.messages or day.now.minute == 0):
        _show_counts(day, cycle.snapshot)
    for message in cycle.messages:
        _show_message(day, message)


def _show_counts(day: _DemoClock, snapshot: Snapshot) -> None:
    total = sum(snapshot.counts.values())
    steps = {
        reason: snapshot.counts.get(reason, 0) - day.shown.get(reason, 0) for reason in {*snapshot.counts, *day.shown}
    }
    reason, step = max(steps.items(), key=lambda item: (abs(item[1]), item[0]))
    moved = f"{step:+,} {clean(reason)}" if step and day.shown else ""
    longest = BAR_WIDTH if day.width >= NARROW else NARROW_BAR_WIDTH
    bar = "█" * (total * longest // FULL_BAR)
    line = f"{day.now:%H:%M} {total:6,} {bar:<{longest}} {moved}".rstrip()
    click.echo(line if len(line) <= day.width else f"{line[: day.width - 1]}…")
    day.shown = dict(snapshot.counts)


def _show_message(day: _DemoClock, message: Message) -> None:
    day.messages += 1
    edge = click.style("  │ ", fg=day.colours.get(message.status), bold=True)
    first, *others = message.bodies[Format.TEXT].splitlines()  # the first line is the title
    title = [click.style(line, bold=True) for line in _wrapped(first, day)]
    body = [part for line in others for part in _wrapped(line, day)]
    for line in ("", *title, *body, ""):
        click.echo(edge + line)


def _wrapped(line: str, day: _DemoClock) -> Sequence[str]:
    """Return the line in pieces that fit beside the edge on a terminal; in a pipe as it would be sent."""
    if not sys.stdout.isatty():
        return (line,)
    return wrap(line, max(day.width - 4, NARROW_BAR_WIDTH), subsequent_indent="    ", break_long_words=False) or (line,)
