"""A second, naive implementation of what `alerter` promises, made from the contract alone.

It shares no code with `alerter`: nothing here imports it, except the harness in `drive`
and `compare`. It keeps every poll in a list and looks through all of them for every question. Each function names the
section of the contract (`semantics.md`) that it implements. Where the contract is silent the docstring says "Silent:"
and what was chosen.
"""
