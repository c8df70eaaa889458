"""Addresses: have what waits for a URL go with it when the configuration gives it another name, or none.

Targets are named by their receiver and the kind of their URL, so that a name may stand for another URL after an edit.
What waits was meant for the old one: the new one is told what fires now.
"""

from collections.abc import Mapping

from alerter.core.alerting_config import AlertingConfig
from alerter.core.notifications import TargetId
from alerter.core.outbox import TargetName
from alerter.storage import Store, Transaction


def follow_urls(store: Store, alerting: AlertingConfig) -> None:
    """Give what waits the names that its URLs have now, before a poll tells anybody by this policy.

    What such a poll puts into the outbox is for the URLs of now, and would be taken for what waits for those before.
    While other processes share the database that have another configuration, `reconcile` does it later.

    Raises:
        StoreError: Nothing was changed.
    """
    with store.write() as transaction:
        if transaction.leases.state().may_resolve_removed:
            readdress(transaction, alerting)


def readdress(transaction: Transaction, alerting: AlertingConfig) -> None:
    """Give what waits the names that its URLs have now; what waits for a URL that has gone waits until it is back.

    A name that stands for another URL is not known to be out of reach.
    """
    before, now = transaction.outbox.targets(), alerting.addresses
    if before == now:
        return
    waiting = transaction.outbox.waiting()
    name_by_name = {name: _name(name, before[name], now) for name in {each.target for each in waiting} & before.keys()}
    transaction.outbox.readdress(
        {
            each.id: name_by_name[each.target]
            for each in waiting
            if name_by_name.get(each.target, each.target) != each.target
        }
    )
    for name in transaction.outbox.outages():
        if name in before and now.get(name) != before[name]:
            transaction.outbox.end_outage(name)  # It was the old URL's: the new one has not been tried.
    gone = {new: before[old] for old, new in name_by_name.items() if new not in now}
    transaction.outbox.save_targets({**now, **gone})


def _name(name: TargetName, target: TargetId, now: Mapping[TargetName, TargetId]) -> TargetName:
    """Return what a URL is called now; one that has gone keeps its name unless another one has it."""
    if now.get(name) == target:
        return name
    homes = [each for each, other in now.items() if other == target]
    if homes:
        return homes[0]
    return TargetName(f"{name.partition('#')[0]}#{target[:6]}") if name in now else name
