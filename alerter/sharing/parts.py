"""What a service asks of its part in a database, and the clocks that this goes by."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from alerter.core.series import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The clocks of this machine.

    Attributes:
        now: The time.
        seconds: Seconds that never jump, and go on while the machine sleeps.
    """

    now: Callable[[], datetime]
    seconds: Callable[[], float]


class Sharing(Protocol):
    """This instance's part in a database."""

    @property
    def is_shared(self) -> bool:
        """Whether other instances may have a part in it."""
        ...

    def opened(self) -> AbstractContextManager[None]:
        """Take part in the database, from before its schema is looked at until the end.

        Raises:
            StoreError: Somebody has it for itself.
        """
        ...

    def follow(self, configuration: str, intervals: Mapping[Tenant, timedelta]) -> None:
        """Share by this configuration from now on.

        Args:
            configuration: A digest of what it decides.
            intervals: Whom it polls, and how often.

        Raises:
            StoreError: There was no life before, and none can begin.
        """
        ...

    def share(self, intervals: Mapping[Tenant, timedelta]) -> Mapping[Tenant, timedelta]:
        """Return those of the tenants that are this instance's now."""
        ...

    def look(self) -> bool:
        """Find out whether the share, or who has a say, is otherwise than at the last look; called every second.

        Raises:
            StoreError: The database is lost to this process for good.
        """
        ...

    def may_act(self) -> bool:
        """Say whether to begin to poll or to send: nobody else can have begun to do it instead."""
        ...

    def clock(self) -> datetime:
        """Return the time by which deliveries wait: the same for all that share the database."""
        ...

    def trouble(self) -> str:
        """Return why this instance does nothing; empty while it may act."""
        ...

    def notified(self) -> str:
        """Return how the tenants are shared, in a few words; empty where they are not."""
        ...
