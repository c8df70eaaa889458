"""The daemon: `alerter run`, and its parts. Nothing is loaded here, so that a command loads only what it needs."""
