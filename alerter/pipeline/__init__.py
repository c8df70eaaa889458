"""The use cases, each a short list of steps: poll, reconcile, tell, deliver, prune. `ports` names what they need.

Three rules hold everything together:

1. Network outside, one transaction inside: `poll` fetches first, then writes the snapshot, the alerts, their
   transitions, what was told and the outbox in one commit. A failed poll takes the same way without samples.
2. A delivery is recorded after it succeeded, never before: at least once.
3. `plan` is level-triggered: it compares what is true with what each receiver was last told.
"""

from alerter.pipeline.addresses import follow_urls
from alerter.pipeline.cycles import Cycle, follow_clock, poll, poll_all, poll_dry, reconcile, tell_unpolled
from alerter.pipeline.deliveries import deliver, next_delivery_at, next_errand_at, release_claims
from alerter.pipeline.imports import Imported, TenantImport, take_in
from alerter.pipeline.inboxes import Inbox
from alerter.pipeline.keeping import Kept, Pace, keep_history
from alerter.pipeline.policies import REMEMBERED, RULE_REMOVED, TENANT_REMOVED, Policy
from alerter.pipeline.ports import Notifier, Reader, Source, Store, Transaction
from alerter.pipeline.telling import next_group_at, tell_groups

__all__ = [
    "REMEMBERED",
    "RULE_REMOVED",
    "TENANT_REMOVED",
    "Cycle",
    "Imported",
    "Inbox",
    "Kept",
    "Notifier",
    "Pace",
    "Policy",
    "Reader",
    "Source",
    "Store",
    "TenantImport",
    "Transaction",
    "deliver",
    "follow_clock",
    "follow_urls",
    "keep_history",
    "next_delivery_at",
    "next_errand_at",
    "next_group_at",
    "poll",
    "poll_all",
    "poll_dry",
    "reconcile",
    "release_claims",
    "take_in",
    "tell_groups",
    "tell_unpolled",
]
