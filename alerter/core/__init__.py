"""The decisions of alerter, pure: values in, values out; read top to bottom, it is the data flow.

`series` → `conditions` → `rules` → `alerts` → `muting` → `notifications` → `message` → `outbox`.
Nothing here reads a clock, logs, or touches the outside; an import contract holds the order.
"""
