"""Connections with an end: addresses in turn, one deadline for all of a request, and probes of a host."""
