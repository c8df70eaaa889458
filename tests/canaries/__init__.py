"""Marked secrets, every command, every failure: none of the marks may be found anywhere afterwards."""
