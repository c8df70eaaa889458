"""What can happen in a world, one entry for each event, and how a person reads it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.reference.mutes import Subject
from tests.reference.words import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The configuration is read, or read again."""

    at: datetime
    toml: str

    def __str__(self) -> str:
        """Return the configuration, indented."""
        return "configuration\n" + "\n".join(f"    {line}" for line in self.toml.splitlines() if line)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRange:
    """A tenant is polled; None is a failed poll."""

    at: datetime
    tenant: str
    counts: dict[str, int] | None
    cause: str = ""

    def __str__(self) -> str:
        """Return what came of it."""
        return f"poll {self.tenant}: {self.cause or self.counts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silenced:
    """Somebody adds a silence."""

    at: datetime
    ends_at: datetime
    tenants: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return what it matches and until when."""
        matchers = f"tenants={self.tenants} reasons={self.reasons} rules={self.rules} levels={self.levels}"
        return f"silence until {self.ends_at:%d %H:%M:%S} {matchers}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Somebody acknowledges what fires of a subject, or takes that back; nothing if it does not fire."""

    at: datetime
    subject: Subject
    is_undone: bool = False

    def __str__(self) -> str:
        """Return what is acknowledged."""
        return f"acknowledge {self.subject}{' (undo)' if self.is_undone else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """The service ends and starts again; if it is killed, a message may be in flight."""

    at: datetime

    def __str__(self) -> str:
        """Return that it is restarted."""
        return "restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What is due is sent; `outcomes` has the URLs that do not answer "ok"."""

    at: datetime
    outcomes: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Return which targets refuse or cannot be reached."""
        return f"deliver {dict(self.outcomes) or ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jumped:
    """The clock is set: what comes next is by the new one."""

    at: datetime
    by: timedelta

    def __str__(self) -> str:
        """Return by how much."""
        return f"clock jumps by {self.by}"


Event = Configured | PollRange | Silenced | Acknowledged | Restarted | Jumped | Delivered


def script_of(events: list[Event]) -> str:
    """Return events as lines that a person reads from top to bottom."""
    return "\n".join(f"{event.at:%a %d %H:%M:%S}  {event}" for event in events)


def toml_of(config: Table) -> str:
    """Return a configuration as its user writes it."""
    lines = []
    for key in ("service", "tenants", "receivers", "mute_windows"):
        tables = config.get(key, {})
        for name, table in ({"": tables} if key == "service" else tables).items():
            lines.append(f"[{key}]" if key == "service" else f"[{key}.{name}]")
            lines += [f"{each} = {value_of(value)}" for each, value in table.items()]
    for key in ("routes", "rules"):
        for table in config.get(key, []):
            lines.append(f"[[{key}]]")
            lines += [f"{each} = {value_of(value)}" for each, value in table.items()]
    return "\n".join(lines) + "\n"


def value_of(value: object) -> str:
    """Return a value in TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case dict():
            return "{ " + ", ".join(f"{key} = {value_of(each)}" for key, each in value.items()) + " }"
        case _:
            assert isinstance(value, list | tuple)
            return "[" + ", ".join(map(value_of, value)) + "]"
