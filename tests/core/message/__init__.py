"""Tests of messages, one module per module of them."""
