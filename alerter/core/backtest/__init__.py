"""Backtests: rules and notifications replayed on a stored history, and what is made of the result."""
