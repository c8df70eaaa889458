"""Tests of backtests, one module per module of them."""
