"""The edges, each against a real counterpart on loopback."""
