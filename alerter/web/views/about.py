"""The service itself."""

import platform
from collections.abc import Iterator

from alerter import __version__
from alerter.humanize import count_text, short_duration_text, size_text
from alerter.web.context import Screen, View

MAX_SLOWEST = 10


def about(view: View) -> Screen:
    """Return what is known of the service itself."""
    record = view.sources.health.configuration()
    instants = [("Running since", view.sources.started_at()), ("Newest successful poll", view.overview.newest_poll)]
    if record is not None:
        instants.append(("Configuration read", record.loaded_at))
    slowest = sorted(
        ((each.name, each.polling.latency.total_seconds()) for each in view.overview.tenants if each.polling.latency),
        key=lambda pair: -pair[1],
    )
    values = {
        "facts": list(_facts(view)),
        "instants": [(label, at) for label, at in instants if at is not None],
        "instances": view.reader.leases.instances(),
        "slowest": slowest[:MAX_SLOWEST],
        "warnings": [view.sources.redact(str(each)) for each in view.config.warnings],
    }
    return Screen(template="about.html", title="About", section="about", values=values)


def _facts(view: View) -> Iterator[tuple[str, str]]:
    yield "Version", f"{__version__}, Python {platform.python_version()}"
    yield "Watches", f"{count_text(len(view.config.tenants), 'tenant')}, {count_text(len(view.config.rules), 'rule')}"
    size = view.reader.retention.database_size(now=view.now)
    yield "Database", f"{size_text(size.size_bytes)}, {size_text(size.free_bytes)} of it free"
    if size.bytes_per_day is not None:
        sign = "-" if size.bytes_per_day < 0 else "+"
        yield "Growth", f"{sign}{size_text(abs(size.bytes_per_day))} a day"
    since = view.reader.polls.first_poll_at()
    if since is not None:
        yield "History", f"{short_duration_text(view.now - since)} of it"
    pings = view.sources.health.pings()
    if view.config.service.heartbeat_url is not None:
        yield "Heartbeat", ", ".join(f"{number:,} {outcome}" for outcome, number in pings.items()) or "no ping yet"
    else:
        yield "Heartbeat", "none: nobody notices if this machine stops"
    record = view.sources.health.configuration()
    if record is not None and not record.is_in_force:
        yield "Configuration", "the newest was refused: an older one is in force"
