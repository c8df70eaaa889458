"""Tests of connections, one module per module of them."""
