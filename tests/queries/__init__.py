"""Tests of read-only answers, one module per module of them."""
