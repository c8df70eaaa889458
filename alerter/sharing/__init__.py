"""Which tenants this instance polls: all of them, or those whose leases it has of a database that several share.

An instance on PostgreSQL renews its leases every `BEAT_SECONDS`, in a thread that does nothing else. It may act (begin
to poll, begin to send) until a lease has passed since it *asked for* the newest renewal that came about, by seconds
that go on while the machine sleeps: no other one can have begun by then. Another thread looks whether that time is
over, for every other one may wait for a database that says nothing; then this instance has no tenants, what waits is
ended, and a new life begins as soon as the database answers. What it had in hand is not kept: every transaction asks
for its leases (`storage.leases`, where the invariants are).

| this instance | polls and sends | becomes |
|---|---|---|
| joined, its leases hold | what it has leases of | cut off: a lease has passed without a renewal |
| cut off | nothing | joined, with another number: the database answers |
| left: a clean stop | nothing; others have its leases at once | nothing more |
"""

from collections.abc import Callable

from alerter.sharing.alone import Alone
from alerter.sharing.parts import Clocks, Sharing
from alerter.storage import Store

__all__ = ["Alone", "Clocks", "Sharing", "sharing_of"]


def sharing_of(store: Store, clocks: Clocks, *, name: str, version: str, changed: Callable[[], None]) -> Sharing:
    """Return how an instance takes part in a database.

    Args:
        store: The database.
        clocks: Those of this machine.
        name: Of the instance, for people.
        version: Of alerter.
        changed: Called from a thread after each renewal, which may have changed the share.
    """
    leases = store.leases()
    if leases is None:
        return Alone(store, clocks)
    # Only where it is needed: whoever has the database for itself is a little leaner.
    from alerter.sharing.shared import Shared  # noqa: PLC0415 - see above

    return Shared(store, leases, clocks, name=name, version=version, changed=changed)
