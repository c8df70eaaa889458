"""The conditions, each in a file of its own."""
