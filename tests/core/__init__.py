"""The tests of the pure core."""
