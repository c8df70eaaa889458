"""Tests of what is logged, piece by piece; `tests/test_logs.py` has the whole."""
