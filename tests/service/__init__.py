"""Tests of the daemon, one module per module of it."""
