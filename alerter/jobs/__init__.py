"""The use cases, each a short list of steps: poll, reconcile, notify, deliver, prune. `ports` names what they need.

Three rules hold everything together:

1. Network outside, one transaction inside: `poll` fetches first, then writes the snapshot, the alerts, their
   transitions, notification states and the outbox in one commit. A failed poll takes the same way without samples.
2. A delivery is recorded after it succeeded, never before: at least once.
3. `plan` is level-triggered: it compares what is true with what each receiver was last notified of.
"""
