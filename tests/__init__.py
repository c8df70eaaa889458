"""The tests of alerter, in the shape of the package: one file per module."""
