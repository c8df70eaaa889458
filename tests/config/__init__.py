"""The tests of the configuration: one file per module that has rules of its own."""
