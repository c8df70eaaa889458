"""Tests of the store, on both databases: one module per module of it."""
